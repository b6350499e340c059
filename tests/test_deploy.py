"""The files that start it beside Prometheus and Alertmanager name what there is, and the real Alertmanager gets through."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from click.testing import CliRunner

from grouping.__main__ import main
from grouping.config import BadConfig
from grouping.runtimes.settings import Settings
from tests.live import Live, until

ROOT = Path(__file__).parent.parent
ALERTMANAGER = shutil.which("prometheus-alertmanager")
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
    live.ask("POST", "/events", [{"kind": "alert"}])  # refused: a counter of a door begins with its first event
    served = {re.split(rb"[ {]", line)[0].decode() for line in live.ask("GET", "/metrics").body.splitlines()}
    named = set(re.findall(r"\bgrouping_\w+", rules))
    assert len(named) == 4
    assert named <= served


def post(port: int, alerts: list[dict[str, Any]]) -> int:
    """Send alerts to an Alertmanager; the status of its answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/api/v2/alerts", orjson.dumps(alerts), {"Content-Type": "application/json"})
        with connection.getresponse() as answer:
            return answer.status


@pytest.mark.skipif(ALERTMANAGER is None, reason="needs the Debian package prometheus-alertmanager")
def test_a_real_alertmanager_hands_its_alerts_over(live: Live, tmp_path: Path) -> None:
    """With the configuration of this folder: two alerts of one moment arrive, are grouped, and resolve."""
    config = (ROOT / "deploy" / "alertmanager.yml").read_text()
    config = config.replace("http://grouping:8080", f"http://127.0.0.1:{live.port}").replace(
        "interval: 5s", "interval: 1s"
    )
    (tmp_path / "alertmanager.yml").write_text(config)
    command = [str(ALERTMANAGER), f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/data"]
    command += ["--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--log.format=json"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    try:
        port = 0

        def listening() -> bool:
            nonlocal port
            found = re.search(rb'"address":"127\.0\.0\.1:(\d+)"', (tmp_path / "log").read_bytes())
            port = int(found[1]) if found else 0
            return port > 0

        until(listening)
        alerts = [
            {
                "labels": {"alertname": name, "service": "orders", "severity": "critical"},
                "annotations": {"summary": name},
            }
            for name in ("DatabaseDown", "ErrorsHigh")
        ]
        assert post(port, alerts) == 200
        until(lambda: [one["alerts"] for one in live.ask("GET", "/incidents?status=open").json["incidents"]] == [2])
        for alert in alerts:
            alert["endsAt"] = "2020-01-01T00:00:01Z"
            alert["startsAt"] = "2020-01-01T00:00:00Z"
        assert post(port, alerts) == 200
        until(lambda: live.ask("GET", "/incidents?status=open").json["incidents"] == [])
    finally:
        process.terminate()
        process.wait(30)
