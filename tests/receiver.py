"""A receiver of notifications as a process of its own: does what it is told, writes down what it got, can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import orjson

ROOT = Path(__file__).parent.parent


class Handler(BaseHTTPRequestHandler):
    """Answers as `orders` say: [{"on": text, "status": 500, "headers": {}, "delay": 0.0, "times": 1}, ...].

    The first order whose text stands in the body counts, as often as its `times` says; without any it is 200.
    """

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    orders: Path
    got: Path
    used: ClassVar[dict[int, int]] = {}

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        order = self.order(body)
        row = {
            "path": self.path,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "body": body.decode(),
            "status": order.get("status", 200),
            "at": time.time(),
        }
        with self.lock, self.got.open("ab") as file:
            file.write(orjson.dumps(row) + b"\n")
        time.sleep(order.get("delay", 0.0))  # a slow receiver is what is asked for
        said = order.get("say", "").encode()
        self.send_response(row["status"])
        for key, value in order.get("headers", {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def order(self, body: bytes) -> dict[str, Any]:
        with self.lock:
            for index, order in enumerate(orjson.loads(self.orders.read_bytes())):
                used = self.used.get(index, 0)
                if order.get("on", "").encode() in body and used < order.get("times", 1 << 30):
                    self.used[index] = used + 1
                    return order
        return {}

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class Receiver:
    """Its end in the test."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self.port = 0
        self.orders()
        (directory / "got").touch()
        self.start()

    def start(self) -> None:
        """Start it, also again: at the same port."""
        (self._directory / "port").unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.receiver", str(self._directory), str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        end = time.monotonic() + 60
        while not (text := self._port()):
            assert self.process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
        self.port = int(text)

    def _port(self) -> str:
        path = self._directory / "port"
        return path.read_text() if path.exists() else ""

    def orders(self, *orders: dict[str, Any]) -> None:
        """From now on do this. Counts of `times` go on, so say it once."""
        (self._directory / "new").write_bytes(orjson.dumps(orders))
        (self._directory / "new").rename(self._directory / "orders")

    def kill(self) -> None:
        """As a crash does."""
        self.process.kill()
        self.process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def got(self) -> list[dict[str, Any]]:
        """All requests so far, in order."""
        return [orjson.loads(line) for line in (self._directory / "got").read_bytes().split(b"\n")[:-1]]

    def taken(self) -> list[dict[str, Any]]:
        """What it said 200 to, as generic notices, each once, in order of the first time."""
        rows = [orjson.loads(row["body"]) for row in self.got() if row["status"] == 200]
        return list({row["id"]: row for row in reversed(rows)}.values())[::-1]


def main(directory: Path, port: int) -> None:
    Handler.orders, Handler.got = directory / "orders", directory / "got"
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    (directory / "port.new").write_text(str(server.server_port))
    (directory / "port.new").rename(directory / "port")
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
