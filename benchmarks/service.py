"""The live service over HTTP, beside the real Alertmanager under the same load from the same generator, in turn.

    python -m benchmarks.service [--seconds 5] [--json FILE]

Needs wrk, and prometheus-alertmanager for its rows. Loads, one alert a post and 64 a post:

known     1,000 alerts resent as they are, again and again: what Prometheus does all day
repeats   each post a new event under one of 1,000 dedup keys
new       every alert is new, over 1,000 open incidents

`accept` is what the sender waits for: on disk (Alertmanager: in memory). `decision` is from a post of one alert to its
decision on the event stream, while wrk sends the same load at half of what was decided a second, the time to catch up
counted. Both processes of the service, wrk and whatever else runs share the machine's cores.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson

from benchmarks.machine import machine

CONNECTIONS = {1: 64, 64: 16}  # of wrk, by alerts in a post
PROBES = 200  # posts a second whose decisions are waited for

LUA = """
local n, batch, load, am, run = 0, tonumber(os.getenv("BATCH")), os.getenv("LOAD"), os.getenv("AM"), os.time()
local function canonical()
  n = n + 1
  local k = n % 1000
  if load == "known" then
    return string.format('{"kind":"alert","id":"known-%d","at":1760000000,"dedup_key":"k%d","severity":"error",' ..
      '"summary":"disk full on db-%d","service":"s%d","host":"h%d","class":"Disk"}', k, k, k, k % 13, k % 50)
  elseif load == "repeats" then
    return string.format('{"kind":"alert","id":"%d-%d","dedup_key":"k%d","severity":"error",' ..
      '"summary":"disk full on db-%d","service":"s%d","host":"h%d","class":"Disk"}', run, n, k, k, k % 13, k % 50)
  end
  return string.format('{"kind":"alert","id":"%s-%d-%d","summary":"disk %d%% full on db-%d","service":"s%d",' ..
    '"host":"h%d","class":"Disk","severity":"error"}', load, batch, n, n % 100, n % 17, n % 1000, n % 50)
end
local function alertmanager()
  n = n + 1
  local k = load == "new" and n + batch * 100000000 or n % 1000
  return string.format('{"labels":{"alertname":"Disk","severity":"error","service":"s%d","host":"h%d","key":"k%d"},' ..
    '"annotations":{"summary":"disk full on db-%d"},"startsAt":"2025-10-09T08:53:20Z"}', k % 13, k % 50, k, k)
end
wrk.method, wrk.headers["Content-Type"] = "POST", "application/json"
local pause = tonumber(os.getenv("PAUSE") or 0)
if pause > 0 then
  delay = function() return math.floor(pause * (0.5 + math.random()) + 0.5) end
end
request = function()
  local one, items = am and alertmanager or canonical, {}
  for i = 1, batch do items[i] = one() end
  return wrk.format(nil, nil, nil, (batch > 1 or am) and "[" .. table.concat(items, ",") .. "]" or items[1])
end
"""


@click.command()
@click.option("--seconds", default=5, show_default=True, help="How long each load lasts.")
@click.option("--no-restart", is_flag=True, help="Leave out the restart, which takes minutes.")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures here.")
def main(seconds: int, no_restart: bool, target: Path | None) -> None:
    """Measure accepting, deciding and restarting."""
    if shutil.which("wrk") is None:
        raise click.UsageError("wrk is needed as the load generator: apt-get install wrk")
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        (room / "load.lua").write_text(LUA)
        rows = [row for load in ("known", "repeats", "new") for row in _loads(room, load, seconds)]
        restart = None if no_restart else _restart(room)
    figures = {"what": "service", "machine": machine(), "rows": rows, "restart": restart}
    for row in rows:
        click.echo(row)
    click.echo(restart)
    if target is not None:
        target.write_text(json.dumps(figures, indent=1) + "\n")


def _loads(room: Path, load: str, seconds: int) -> Iterator[dict[str, Any]]:
    for batch in (1, 64):
        with _service(room / f"{load}-{batch}") as (port, process):
            _open(port)
            url = f"http://127.0.0.1:{port}/events"
            if load != "new":
                _wrk(room, url, load, batch, 1)  # from here on they are known
                _caught_up(port)
            figures = _wrk(room, url, load, batch, seconds)
            row = {"who": "grouping", "load": load, "batch": batch, **figures}
            row["backlog_s"] = _caught_up(port)
            row["decided_per_s"] = round(row["alerts_per_s"] * seconds / (seconds + row["backlog_s"]))
            row |= _decision(room, port, load, batch, row["decided_per_s"], seconds)
            row["mib"] = _memory(process.pid)
            yield row
        if shutil.which("prometheus-alertmanager") and load != "repeats":
            with _alertmanager(room / f"am-{load}-{batch}") as port:
                url = f"http://127.0.0.1:{port}/api/v2/alerts"
                if load != "new":
                    _wrk(room, url, load, batch, 1, AM="1")
                yield {
                    "who": "Alertmanager",
                    "load": load,
                    "batch": batch,
                    **_wrk(room, url, load, batch, seconds, AM="1"),
                }


def _wrk(room: Path, url: str, load: str, batch: int, seconds: int, **more: str) -> dict[str, Any]:
    return _told(_start_wrk(room, url, load, batch, seconds, **more), batch)


def _start_wrk(room: Path, url: str, load: str, batch: int, seconds: int, **more: str) -> subprocess.Popen[str]:
    command = ["wrk", "-t1", f"-c{CONNECTIONS[batch]}", f"-d{seconds}s", "--latency", "-s", "load.lua", url]
    env = {"PATH": "/usr/bin:/bin", "LOAD": load, "BATCH": str(batch), **more}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=room, env=env)


def _told(process: subprocess.Popen[str], batch: int) -> dict[str, Any]:
    """What wrk says at its end."""
    said = process.communicate()[0]
    if process.returncode:
        raise click.ClickException(f"wrk ended with {process.returncode}: {said}")
    posts = float(re.search(r"Requests/sec: +([0-9.]+)", said)[1])  # type: ignore[index]
    bad = re.search(r"Non-2xx or 3xx responses: ([0-9]+)", said)
    times = {
        f"accept_p{edge}_ms": _ms(re.search(rf"{edge}% +([0-9.]+)(us|ms|s)", said))  # one line each
        for edge in (50, 99)
    }
    return {
        "posts_per_s": round(posts),
        "alerts_per_s": round(posts * batch),
        **times,
        "refused": int(bad[1]) if bad else 0,
    }


def _ms(match: re.Match[str] | None) -> float:
    assert match is not None
    return round(float(match[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[match[2]], 2)


@contextmanager
def _service(state: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = _free()
    command = [sys.executable, "-m", "grouping", "serve", "--state", str(state), "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _ready(port, "/healthz")
        yield port, process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _alertmanager(store: Path) -> Iterator[int]:
    store.mkdir()
    (store / "am.yml").write_text("route:\n  receiver: none\nreceivers:\n  - name: none\n")
    port = _free()
    command = ["prometheus-alertmanager", f"--config.file={store}/am.yml", f"--storage.path={store}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _ready(port, "/-/ready")
        yield port
    finally:
        process.kill()
        process.wait()


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _ready(port: int, path: str) -> None:
    while True:
        try:
            if _ask(port, "GET", path)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)


def _open(port: int) -> None:
    """A thousand open incidents, whose alerts nothing resembles."""
    at = time.time()
    alerts = [
        {"kind": "alert", "id": f"o{n}", "at": at + n * 0.01, "summary": f"w{n} x{n} y{n}", "service": f"o{n}"}
        for n in range(1000)
    ]
    policy = {"kind": "policy", "id": "p", "mode": "auto", "policy": "service=3600s"}
    _ask(port, "POST", "/events", orjson.dumps([policy, *alerts]))
    _caught_up(port)


def _caught_up(port: int) -> float:
    """How long until all that is accepted is decided, s."""
    begun = time.monotonic()
    while orjson.loads(_ask(port, "GET", "/readyz")[1])["backlog"]:
        time.sleep(0.05)
    return round(time.monotonic() - begun, 2)


def _decision(room: Path, port: int, load: str, batch: int, decided: int, seconds: int) -> dict[str, float]:
    """Times from a post to its decision on the stream, ms, under half of ``decided`` alerts a second."""
    url, half = f"http://127.0.0.1:{port}/events", decided / batch / 2  # posts a second
    pause, took = CONNECTIONS[batch] / half * 1e3, 0.0
    for _ in range(2):  # the first finds out how long an answer takes, by which the pauses are shorter then
        wait = max(1.0, pause - took)
        wrk = _start_wrk(room, url, load, batch, seconds, PAUSE=f"{wait:.3f}")
        times = _probe(port, load, seconds)
        posts = _told(wrk, batch)["posts_per_s"]
        took = CONNECTIONS[batch] / posts * 1e3 - wait
        _caught_up(port)
    return {
        "decision_rate": posts * batch,
        "decision_p50_ms": round(times[len(times) // 2] * 1e3, 1),
        "decision_p99_ms": round(times[len(times) * 99 // 100] * 1e3, 1),
    }


def _probe(port: int, load: str, seconds: int) -> list[float]:
    """Seconds from a post to its decision on the stream, of ``PROBES`` a second, sorted."""
    sent: dict[str, float] = {}
    took: list[float] = []
    stream = socket.create_connection(("127.0.0.1", port), timeout=120)
    stream.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    lines = stream.makefile("rb", buffering=1 << 18)  # whole lines in each chunk; http.client would be too slow for it
    while lines.readline().strip():
        pass  # the answer's head: from here on it listens
    count = (seconds - 1) * PROBES  # over before the load is

    def hear() -> None:
        while len(took) < count:
            line = lines.readline()
            if not line:
                return
            if b'"alert":"probe-' in line and b'"kind":"decision"' in line:
                took.append(time.perf_counter() - sent[orjson.loads(line[6:])["alert"]])

    hearing = threading.Thread(target=hear)
    hearing.start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    begun = time.perf_counter()
    for number in range(count):
        time.sleep(max(0.0, begun + number / PROBES - time.perf_counter()))
        now = time.perf_counter()
        id = f"probe-{now}"
        event = {"kind": "alert", "id": id, "summary": f"disk {number % 100}% full", "service": f"s{number % 1000}"}
        event |= {} if load == "new" else {"dedup_key": f"k{number % 1000}"}
        sent[id] = now
        connection.request("POST", "/events", orjson.dumps(event))
        answered = connection.getresponse()
        answered.read()
        if answered.status != 202:
            raise click.ClickException(f"a probe was answered {answered.status}")
    hearing.join()
    if len(took) < count:
        raise click.ClickException(f"the event stream ended after {len(took)} of {count} decisions")
    lines.close()
    stream.close()
    connection.close()
    return sorted(took)


def _memory(pid: int) -> int:
    """Resident memory of both processes, MiB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    texts = [Path(f"/proc/{one}/status").read_text() for one in (pid, *children)]
    return sum(int(re.search(r"VmRSS:\s+([0-9]+)", text)[1]) for text in texts) >> 10  # type: ignore[index]


def _restart(room: Path) -> dict[str, Any]:
    """From a kill -9 to ready and all decided, with 10,000 open incidents and 1 million logged events."""
    state = room / "restart"
    with _service(state) as (port, _):
        at = time.time()
        policy = {"kind": "policy", "id": "p", "mode": "auto", "policy": "service=3600s"}
        _ask(port, "POST", "/events", orjson.dumps(policy))
        for start in range(0, 10_000, 1000):
            alerts = [
                {
                    "kind": "alert",
                    "id": f"o{n}",
                    "at": at,
                    "summary": f"w{n} x{n}",
                    "service": f"o{n}",
                    "dedup_key": f"k{n}",
                }
                for n in range(start, start + 1000)
            ]
            _ask(port, "POST", "/events", orjson.dumps(alerts))
        for start in range(0, 990_000, 5000):
            alerts = [
                {"kind": "alert", "id": f"r{n}", "at": at, "summary": f"w{n % 10_000}", "dedup_key": f"k{n % 10_000}"}
                for n in range(start, start + 5000)
            ]
            while _ask(port, "POST", "/events", orjson.dumps(alerts))[0] != 202:
                time.sleep(0.5)
            _caught_up(port)
    begun = time.monotonic()
    with _service(state) as (port, process):
        ready = time.monotonic() - begun
        _caught_up(port)
        return {
            "events": 1_000_001,
            "open": 10_000,
            "ready_s": round(ready, 2),
            "decided_s": round(time.monotonic() - begun, 2),
            "mib": _memory(process.pid),
        }


if __name__ == "__main__":
    main()
