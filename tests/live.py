"""A real service for tests: the process, started on a free port, and a way to ask it."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson

from grouping.runtimes.bypassed import bypassed, lines_of
from grouping.runtimes.log import read

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0  # s that a condition may take on a busy machine


class Answer(NamedTuple):
    """What the service said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return orjson.loads(self.body)


def grouping(
    *arguments: str | Path, feed: bytes | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "grouping", *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.run(command, input=feed, capture_output=True, cwd=ROOT, env=env, check=False)


class Live:
    """`grouping serve` on a state directory."""

    def __init__(self, state: Path, config: str = "", below: str = "", **environment: str) -> None:
        """``below``: a command of the shell that limits what the service may have, e.g. `ulimit -n 300`."""
        self.state = state
        self._below = below
        self._errors = state.parent / f"{state.name}.stderr"
        self._config = state.parent / f"{state.name}.toml"
        self._config.write_text(config)
        self._environment = {"GROUPING_RESERVE_MB": "0", **environment}
        self.start()

    def start(self) -> None:
        """Start it, also again, and wait until it is ready."""
        command = [sys.executable, "-m", "grouping", "serve", "--state", str(self.state), "--listen", "127.0.0.1:0"]
        command += ["--config", str(self._config)]
        if self._below:
            command = ["sh", "-c", f'{self._below} && exec "$@"', "sh", *command]
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=errors, env={**os.environ, **self._environment})
        self.port = 0
        until(self._listening)
        until(lambda: self.ask("GET", "/healthz").status == 200)

    def _listening(self) -> bool:
        assert self.process.poll() is None, self.said()
        for line in self.logs():
            if line["say"] == "listening":
                self.port = line["port"]
        return self.port > 0

    def said(self) -> str:
        """Standard error so far."""
        return self._errors.read_text()

    def logs(self) -> list[dict[str, Any]]:
        """The whole log lines so far."""
        return [orjson.loads(line) for line in self._errors.read_bytes().split(b"\n")[:-1] if line.startswith(b"{")]

    def connect(self) -> http.client.HTTPConnection:
        """A connection of one's own."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request on a new connection; what is not bytes is sent as JSON."""
        connection = self.connect()
        try:
            sent = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
            names = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request(method, path, sent, {"Content-Type": "application/json", **names})
            answer = connection.getresponse()
            return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def settled(self) -> None:
        """Wait until all that is accepted is decided."""
        until(lambda: self.ask("GET", "/readyz").json["backlog"] == 0)

    def decider(self) -> int:
        """The id of the process that decides."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def kill(self) -> None:
        """As a crash does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As an operator does; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()

    # -- afterwards

    def log(self) -> list[dict[str, Any]]:
        """What it accepted."""
        directory = self.state / "log"
        faults = bypassed(directory)
        return [orjson.loads(line) for batch in read(directory) for line in lines_of(batch, faults)]

    def assert_live_and_offline_are_one(self) -> None:
        """`grouping log DIR | grouping replay -` gives `grouping outputs DIR`, byte for byte."""
        log = grouping("log", self.state)
        assert log.returncode == 0, log.stderr
        outputs = grouping("outputs", self.state)
        assert outputs.returncode == 0, outputs.stderr
        assert grouping("replay", "-", "--config", self._config, feed=log.stdout).stdout == outputs.stdout


def until(true: Any) -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if true():
                return
        except OSError:  # not listening yet
            pass
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)  # give way to what is waited for
