"""The outputs that docs/backtest.md shows: each block is what the command above it prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "backtest.md"
BLOCK = re.compile(r"(?<=```console\n)\$ grouping (.*)\n(?:.*\n)*?(?=```)")


def filled(text: str) -> str:
    """The page with every command run anew."""
    return BLOCK.sub(lambda found: f"$ grouping {found[1]}\n{_printed(found[1])}", text)


def _printed(arguments: str) -> str:
    command = [sys.executable, "-m", "grouping", *shlex.split(arguments)]
    environment = {**os.environ, "COLUMNS": "112"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
