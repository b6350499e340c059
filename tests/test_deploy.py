"""The files that start it beside Prometheus and Alertmanager name what there is, and the real Alertmanager gets through."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from click.testing import CliRunner

from grouping.__main__ import main
from grouping.config import BadConfig
from grouping.runtimes.kafka.metrics import Metrics
from grouping.runtimes.settings import Settings
from tests.live import Live, until

ROOT = Path(__file__).parent.parent
ALERTMANAGER = shutil.which("prometheus-alertmanager")
PROMTOOL = shutil.which("promtool")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def test_all_ports_are_bound_to_this_machine() -> None:
    assert [
        port for one in SERVICES.values() for port in one.get("ports", []) if not port.startswith("127.0.0.1:")
    ] == []


def test_the_folders_it_mounts_are_here() -> None:
    mounts = [mount for one in SERVICES.values() for mount in one.get("volumes", []) if mount.startswith(".")]
    assert len(mounts) == 2
    assert [mount for mount in mounts if not (ROOT / mount.split(":")[0]).is_dir()] == []


def test_the_settings_it_gives_are_settings() -> None:
    """And without them the service would refuse to listen to others."""
    given = SERVICES["grouping"]["environment"]
    assert Settings.of({}, given).listen == "0.0.0.0:8080"
    with pytest.raises(BadConfig, match="there are no tokens"):
        Settings.of({}, {"GROUPING_LISTEN": given["GROUPING_LISTEN"]})


def test_the_worker_knows_its_options() -> None:
    command = SERVICES["worker"]["command"]
    said = CliRunner().invoke(main, [*command, "--help"])
    assert said.exit_code == 0
    assert [option for option in command if option.startswith("--") and option not in said.output] == []


def test_the_brokers_are_reached_from_the_network_and_from_this_machine() -> None:
    """Each listener that is advertised listens, at the same port, as a protocol; the one for this machine is published."""
    kafka = SERVICES["kafka"]
    told = kafka["environment"]
    listen = dict(one.split("://:") for one in told["KAFKA_LISTENERS"].split(","))
    advertised = dict(one.split("://") for one in told["KAFKA_ADVERTISED_LISTENERS"].split(","))
    protocols = dict(one.split(":") for one in told["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert set(listen) == set(protocols) == {*advertised, told["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    assert {name: address.split(":")[1] for name, address in advertised.items()} == {
        name: port for name, port in listen.items() if name in advertised
    }
    assert advertised[told["KAFKA_INTER_BROKER_LISTENER_NAME"]] in SERVICES["worker"]["command"]
    outside = [address for address in advertised.values() if address.startswith("localhost:")]
    assert [port.split(":")[1] for port in kafka["ports"]] == [address.split(":")[1] for address in outside]
    assert f"localhost:{listen['PLAINTEXT']}" in kafka["healthcheck"]["test"]


def test_the_data_of_the_brokers_outlives_their_container() -> None:
    volume, _, path = SERVICES["kafka"]["volumes"][0].partition(":")
    assert volume in COMPOSE["volumes"]
    assert SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"].startswith(path)


PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())


def test_prometheus_asks_what_there_is() -> None:
    """Its rules are here; its targets are services of this file, at the ports where they serve metrics."""
    mounted = [path.replace("/etc/prometheus", "deploy") for path in PROMETHEUS["rule_files"]]
    assert [path for path in mounted if not (ROOT / path).is_file()] == []
    targets = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}
    assert set(targets) == {"grouping", "grouping-worker"}
    assert targets["grouping"]["static_configs"][0]["targets"] == [
        f"grouping:{SERVICES['grouping']['environment']['GROUPING_LISTEN'].split(':')[1]}"
    ]
    found = targets["grouping-worker"]["dns_sd_configs"][0]
    assert found["names"] == ["worker"]
    assert f"0.0.0.0:{found['port']}" in SERVICES["worker"]["command"]


def test_every_rule_is_whole() -> None:
    """A name of its own, an expression with its brackets closed, jobs that there are, a severity and what it means."""
    rules = [
        rule
        for path in PROMETHEUS["rule_files"]
        for group in yaml.safe_load((ROOT / "deploy" / Path(path).name).read_text())["groups"]
        for rule in group["rules"]
    ]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    jobs = {job["job_name"] for job in PROMETHEUS["scrape_configs"]}
    for rule in rules:
        assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}, rule
        assert all(rule["expr"].count(a) == rule["expr"].count(b) for a, b in ("()", "{}", "[]")), rule
        assert set(re.findall(r'job="([^"]+)"', rule["expr"])) <= jobs, rule
        assert rule["labels"]["severity"] in ("critical", "error", "warning", "info"), rule
        assert rule["annotations"]["summary"], rule
        for table in (rule["labels"], rule["annotations"]):  # else Prometheus does not start
            assert all(re.fullmatch(r"[a-zA-Z_]\w*", name) and type(text) is str for name, text in table.items()), rule


@pytest.mark.skipif(PROMTOOL is None, reason="needs the Debian package prometheus")
def test_prometheus_takes_its_configuration_and_its_rules(tmp_path: Path) -> None:
    """As the tool that comes with it says."""
    config = (ROOT / "deploy" / "prometheus.yml").read_text().replace("/etc/prometheus", str(ROOT / "deploy"))
    (tmp_path / "prometheus.yml").write_text(config)
    done = subprocess.run(
        [str(PROMTOOL), "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_of_the_worker_name_its_metrics_and_their_labels() -> None:
    metrics = Metrics()
    for what in ("refused", "failed", "bypassed", "stepped"):
        metrics.watch(what, 0, 1.0)
    metrics.lag_of(lambda: {0: 5})
    served = {sample.name: sample.labels for metric in metrics.registry.collect() for sample in metric.samples}
    for rule in yaml.safe_load((ROOT / "deploy" / "worker.rules.yml").read_text())["groups"][0]["rules"]:
        named = re.findall(r"\bgrouping_\w+", rule["expr"])
        assert set(named) <= set(served), rule
        told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) - {"instance"}
        assert told <= {label for name in named for label in served[name]}, rule


def test_the_image_writes_nowhere_else_and_is_nobody() -> None:
    """Root is read only for what runs this project's image, whose user is not root."""
    assert re.findall(r"^USER (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE) == ["10001:10001"]
    ours = [one for one in SERVICES.values() if one.get("build") == "."]
    assert len(ours) == 2
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] for one in ours)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with Live(tmp_path_factory.mktemp("deploy") / "state") as service:
        yield service


def test_the_rules_name_metrics_that_there_are(live: Live) -> None:
    rules = (ROOT / "deploy" / "engine.rules.yml").read_text()
    told = live.ask("GET", "/metrics").body.decode()
    served = set(re.findall(r"^# TYPE (\w+)", told, re.MULTILINE))
    named = set(re.findall(r"\bgrouping_\w+", rules))
    assert len(named) == 10
    assert named <= served
    # What is counted by its rise is there before it rises: else its first time went unseen.
    assert 'grouping_outputs_total{what="bypassed"} 0.0' in told
    assert 'grouping_denied_total{status="503"} 0.0' in told


def post(port: int, alerts: list[dict[str, Any]]) -> int:
    """Send alerts to an Alertmanager; the status of its answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/api/v2/alerts", orjson.dumps(alerts), {"Content-Type": "application/json"})
        with connection.getresponse() as answer:
            return answer.status


@contextmanager
def alertmanager(directory: Path, config: str) -> Iterator[int]:
    """A real Alertmanager with this configuration; the port that it listens on."""
    (directory / "alertmanager.yml").write_text(config)
    command = [str(ALERTMANAGER), f"--config.file={directory}/alertmanager.yml", f"--storage.path={directory}/data"]
    command += ["--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--log.format=json"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    listens = re.compile(rb'"address":"127\.0\.0\.1:(\d+)"')
    try:
        until(lambda: listens.search((directory / "log").read_bytes()) is not None)
        found = listens.search((directory / "log").read_bytes())
        assert found is not None
        yield int(found[1])
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif(ALERTMANAGER is None, reason="needs the Debian package prometheus-alertmanager")
def test_a_real_alertmanager_hands_its_alerts_over(live: Live, tmp_path: Path) -> None:
    """With the configuration of this folder: two alerts of one moment arrive, are grouped, and resolve."""
    config = (ROOT / "deploy" / "alertmanager.yml").read_text()
    config = config.replace("http://grouping:8080", f"http://127.0.0.1:{live.port}").replace(
        "interval: 5s", "interval: 1s"
    )
    alerts = [
        {"labels": {"alertname": name, "service": "orders", "severity": "critical"}, "annotations": {"summary": name}}
        for name in ("DatabaseDown", "ErrorsHigh")
    ]
    with alertmanager(tmp_path, config) as port:
        assert post(port, alerts) == 200
        until(lambda: [one["alerts"] for one in live.ask("GET", "/incidents?status=open").json["incidents"]] == [2])
        over = {"startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-01T00:00:01Z"}
        assert post(port, [alert | over for alert in alerts]) == 200
        until(lambda: live.ask("GET", "/incidents?status=open").json["incidents"] == [])


@pytest.mark.skipif(ALERTMANAGER is None, reason="needs the Debian package prometheus-alertmanager")
def test_a_real_alertmanager_is_told_of_incidents(tmp_path: Path) -> None:
    """One alert for the incident, as bad as it is now, one for what departs from it; and then none."""
    fields = {"kind": "alert", "service": "db", "class": "Slow", "summary": "db is slow"}

    def told() -> set[tuple[str, str]]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("GET", "/api/v2/alerts")
            rows = orjson.loads(connection.getresponse().read())
        assert {row["labels"]["incident"] for row in rows} <= {incident}
        return {(row["labels"]["alertname"], row["labels"]["severity"]) for row in rows}

    with alertmanager(tmp_path, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n") as port:
        url = f"http://127.0.0.1:{port}/api/v2/alerts"
        row = f'[[service.subscriptions]]\nname = "am"\nshape = "prometheus"\nurl = "{url}"\n'
        with Live(tmp_path / "state", 'policy = "*=600s"\n' + row) as service:
            service.ask("POST", "/events", fields | {"id": "a", "severity": "warning"})
            service.settled()
            (incident,) = [one["id"] for one in service.ask("GET", "/incidents").json["incidents"]]
            until(lambda: told() == {("Incident", "warning")})
            service.ask("POST", "/events", fields | {"id": "b", "severity": "error"})
            until(lambda: told() == {("Incident", "error")})
            other = {"id": "c", "service": "bank", "class": "ProbeFailed", "severity": "critical"}
            service.ask("POST", "/events", fields | other)
            until(lambda: told() == {("Incident", "critical"), ("ProbeFailed", "critical")})
            service.ask("POST", f"/incidents/{incident}/resolve", {})
            until(lambda: told() == set())
            assert service.ask("GET", "/deadletters").json["deadletters"] == []
