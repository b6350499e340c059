"""Draws docs/report.png: the report of the demo, as `make demo` makes it. Needs Chromium: `make picture`."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from data.shown import DEMO, ROOT, caption

PICTURE = ROOT / "docs" / "report.png"
SIZE = (1280, 830)  # as far as the chart of alerts and pages
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
KEY = b"Title"  # of the PNG's text: what is to be seen, which a test compares with what the demo gives


def title(png: bytes) -> str | None:
    """The text that a PNG bears."""
    place = 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        if kind == b"tEXt" and data.startswith(KEY + b"\0"):
            return data[len(KEY) + 1 :].decode("latin-1")
        place += length + 12
    return None


def titled(png: bytes, text: str) -> bytes:
    """The PNG with that text, after its first chunk."""
    chunk = b"tEXt" + KEY + b"\0" + text.encode("latin-1")
    return png[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


def main() -> None:
    """Replay the demo, open its report, take the picture."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"no browser under the names {', '.join(BROWSERS)}: install one (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as made:
        room = Path(made)
        # As `make demo` says it, since the page shows its command.
        command = ["data/demo.jsonl", "--out", "demo/decisions.jsonl", "--summary", "--report", "demo/report"]
        (room / "data").mkdir()
        (room / "demo").mkdir()
        shutil.copy(DEMO, room / "data" / "demo.jsonl")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": made}
        replay = [sys.executable, "-m", "grouping", "replay", *command]
        subprocess.run(replay, cwd=room, env=environment, capture_output=True, check=True)
        options = ["--headless", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000"]
        options += ["--no-sandbox"] if os.getuid() == 0 else []  # as root there is none; the page is our own
        options += [f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={room / 'report.png'}"]
        page = (room / "demo" / "report" / "index.html").as_uri()
        subprocess.run([browser, *options, page], env=environment, capture_output=True, check=True)
        PICTURE.write_bytes(titled((room / "report.png").read_bytes(), caption()))


if __name__ == "__main__":
    main()
