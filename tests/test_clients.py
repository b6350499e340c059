"""Real clients: PagerDuty's own library drives the responders' doors; schemathesis walks the OpenAPI."""

from __future__ import annotations

import os
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pagerduty
import pytest

from tests.live import Live, grouping, until

TOKENS = "fake-for-the-test"
T = 1_760_000_000.0


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One service for all."""
    with Live(tmp_path_factory.mktemp("clients") / "state") as service:
        yield service
        assert service.stop() == 0
        service.assert_live_and_offline_are_one()
        assert "raceback" not in service.said()


def alert(id: str, scope: str, **fields: Any) -> dict[str, Any]:
    """A firing alert."""
    return {"kind": "alert", "id": id, "scope": scope, "summary": "disk full", "dedup_key": id, **fields}


def test_pagerduty_s_client_merges_moves_acknowledges_and_resolves(live: Live) -> None:
    """As with PagerDuty itself; `From` is who it was."""
    for number in range(6):
        live.ask("POST", "/events", alert(f"a{number}", "pd", at=T + 10_000 * (number // 2), host=f"h{number // 2}"))
    live.settled()
    ids = [one["id"] for one in reversed(live.ask("GET", "/incidents?scope=pd").json["incidents"])]
    assert len(ids) == 3
    first, second, third = ids
    client = pagerduty.RestApiV2Client(TOKENS, default_from="ana@example.com")
    client._url = f"http://127.0.0.1:{live.port}"  # the setter takes https alone; here nobody stands between
    assert client.rget(f"/incidents/{first}")["status"] == "triggered"
    sources = {"source_incidents": [{"id": second, "type": "incident_reference"}]}
    merged = client.put(f"/incidents/{first}/merge", json=sources)
    assert merged.is_success, merged.text
    assert merged.json()["incident"]["alert_counts"]["all"] == 4
    gone = client.rget(f"/incidents/{second}")
    assert (gone["status"], gone["resolve_reason"]["incident"]["id"]) == ("resolved", first)
    with_all = {"include[]": ["channels"], "limit": 3}
    members = list(client.iter_all(f"/incidents/{first}/alerts", params=with_all))  # in pages of 3
    assert {(one["id"], one["alert_key"], one["status"], one["incident"]["id"]) for one in members} == {
        (f"a{number}", f"a{number}", "triggered", first) for number in range(4)
    }
    assert members[0]["body"]["details"]["host"] in {"h0", "h1"}
    target = {"id": third, "type": "incident_reference"}
    moved = client.put(
        f"/incidents/{first}/alerts", json={"alerts": [{"id": "a2", "type": "alert", "incident": target}]}
    )
    assert moved.is_success, moved.text
    assert {one["id"] for one in live.ask("GET", f"/incidents/{third}/alerts").json["alerts"]} == {"a2", "a4", "a5"}
    assert client.rput(f"/incidents/{third}", json={"type": "incident", "status": "acknowledged"})["status"] == (
        "acknowledged"
    )
    assert {one["status"] for one in live.ask("GET", f"/incidents/{third}/alerts").json["alerts"]} == {"acknowledged"}
    both = [{"id": id, "type": "incident_reference", "status": "resolved"} for id in (first, third)]
    assert client.put("/incidents", json={"incidents": both}).is_success
    assert client.rget(f"/incidents/{first}")["status"] == "resolved"
    again = client.put(f"/incidents/{first}", json={"incident": {"type": "incident", "status": "resolved"}})
    assert (again.status_code, "is resolved" in again.text) == (409, True)
    client.close()
    actors = {event.get("actor") for event in live.log() if event["kind"] == "feedback"}
    assert actors == {"ana@example.com"}


def test_pagerduty_s_client_lists_and_understands_what_is_wrong(tmp_path: Path) -> None:
    """Page after page, each incident once, by how they stand; errors as it reads them."""
    with Live(tmp_path / "state") as live:
        live.ask("POST", "/events", [alert(f"l{n}", "list", at=T + 10_000 * n, host=f"h{n}") for n in range(7)])
        live.settled()
        ids = [one["id"] for one in live.ask("GET", "/incidents").json["incidents"]]
        assert len(ids) == 7
        for id, action in ((ids[2], "resolve"), (ids[4], "acknowledge")):
            assert live.ask("POST", f"/incidents/{id}/{action}", {}).status == 200
        client = pagerduty.RestApiV2Client(TOKENS, default_from="ana@example.com")
        client._url = f"http://127.0.0.1:{live.port}"  # the setter takes https alone; here nobody stands between
        counted: list[object] = []
        listed = list(
            client.iter_all("incidents", page_size=3, total=True, item_hook=lambda *told: counted.append(told[2]))
        )
        assert ([one["id"] for one in listed], counted) == (ids, [7] * 7)
        stands = {ids[2]: "resolved", ids[4]: "acknowledged"}
        assert [one["status"] for one in listed] == [stands.get(id, "triggered") for id in ids]
        asked = (
            ["triggered"],
            ["resolved"],
            ["acknowledged"],
            ["triggered", "acknowledged"],
            ["resolved", "triggered"],
        )
        for statuses in asked:
            found = client.list_all("incidents", params={"statuses[]": statuses, "limit": 2})
            assert [one["id"] for one in found] == [id for id in ids if stands.get(id, "triggered") in statuses]
            assert client.get_total("incidents", params={"statuses[]": statuses}) == len(found)
        times = [one["created_at"] for one in listed]
        assert client.list_all("incidents", params={"since": times[4]}) == listed[:5]
        assert client.list_all("incidents", params={"until": times[1][:19], "sort_by": "created_at:desc"}) == listed[2:]
        between = {"since": times[5], "until": times[2], "statuses[]": ["triggered"], "limit": 1}
        assert client.list_all("incidents", params=between) == [listed[3], listed[5]]
        assert client.list_all("incidents", params={"since": times[0], "date_range": "all"}) == listed
        assert client.list_all("incidents", params={"offset": 5}) == listed[5:]
        assert client.list_all("incidents", params={"offset": 7}) == []
        wrong = {
            "/incidents/none": (404, 2100),
            "/incidents?offset=9990&limit=100": (400, 2001),
            "/incidents?limit=0": (400, 2001),
            "/incidents?since=yesterday": (400, 2001),
            "/incidents?service_ids[]=P1": (400, 2001),
            "/incidents?sort_by=urgency": (400, 2001),
            "/nowhere": (404, 2100),
        }
        for path, (status, code) in wrong.items():
            answer = client.get(path)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (status, code), path
            assert error["message"] in ("Not Found", "Invalid Input Provided")
            assert all(isinstance(one, str) and one for one in error["errors"])
        again = client.put(f"/incidents/{ids[2]}", json={"incident": {"type": "incident", "status": "resolved"}})
        assert (again.status_code, again.json()["error"]["code"]) == (409, 2001)
        assert "is resolved" in again.json()["error"]["errors"][0]
        client.close()
        assert "next" in live.ask("GET", "/incidents").json  # others get ours


class Relay(socketserver.ThreadingTCPServer):
    """What stands before the service and speaks TLS."""

    daemon_threads = True

    def __init__(self, directory: Path, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Relayed)
        self.certificate, key = directory / "certificate", directory / "key"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(self.certificate)]
        subprocess.run(command, check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.to = port


class _Relayed(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        """Both ways, until either end goes."""
        with (
            self.server.context.wrap_socket(self.request, server_side=True) as outer,
            socket.create_connection(("127.0.0.1", self.server.to)) as inner,
        ):
            back = threading.Thread(target=self._pass_on, args=(inner, outer), daemon=True)
            back.start()
            self._pass_on(outer, inner)
            back.join()

    @staticmethod
    def _pass_on(source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                to.sendall(data)
        with suppress(OSError):
            to.shutdown(socket.SHUT_RDWR)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, for a certificate")
def test_pagerduty_s_client_connects_as_the_page_says(tmp_path: Path) -> None:
    """Through a proxy that speaks TLS, with tokens: the Python of docs/sources.md, as it stands there."""
    page = (Path(__file__).parent.parent / "docs" / "sources.md").read_text()
    (snippet,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    made = grouping("config", "token", "ana", "--right", "ingest", "--right", "respond")
    token = made.stderr.split()[-1].decode()
    with Live(tmp_path / "state", made.stdout.decode()) as service, Relay(tmp_path, service.port) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        host = f"localhost:{relay.server_address[1]}"
        program = snippet.replace("TOKEN", token).replace("HOST", host)
        environment = {**os.environ, "SSL_CERT_FILE": str(relay.certificate)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
        relay.shutdown()
        assert done.returncode == 0, done.stderr
        until(lambda: service.ask("GET", "/incidents", Authorization=f"Bearer {token}").json["incidents"])


def test_schemathesis_finds_no_fault(live: Live, tmp_path: Path) -> None:
    """Every operation of the OpenAPI document, with good and bad input: no 5xx, no answer of another shape."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{live.port}/openapi.json"),
        *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance"),
        *("--max-examples", "4", "--phases", "examples,coverage,fuzzing", "--seed", "7", "--generation-deterministic"),
        *("--exclude-path", "/stream", "--request-timeout", "20", "--no-color"),
    ]
    env = {**os.environ, "SCHEMATHESIS_HOOKS": ""}
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=env, check=False)
    assert done.returncode == 0, done.stdout.decode()[-6000:] + done.stderr.decode()[-2000:]
