"""What a figure was measured on: machine, versions, what was compiled, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grouping.engine
from grouping import kernel

MADE = ("benchmarks/results", "README.md", "docs")  # what a run of the benchmarks itself writes


def machine() -> dict[str, Any]:
    """Processor, cores, memory, Python, packages, what was compiled, commit and day."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("numpy", "orjson", "rocksdict")},
        "compiled": _compiled(),
        "commit": _commit(),
        "day": datetime.now(UTC).date().isoformat(),
    }


def usual() -> dict[str, str]:
    """The environment without what bends Python: a user's process finds its modules compiled from the second start on."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _compiled() -> str:
    """What of the engine was compiled: without it the same bytes come at another speed."""
    if not grouping.engine.__file__.endswith(".py"):
        return "compiled"
    return "not compiled" if kernel.compiled is None else "numeric core compiled"


def _commit() -> str:
    """The short hash, with "-dirty" if sources differ from it; results and the pages they are written to do not count."""
    here = Path(__file__).parent.parent
    head = _git(here, "rev-parse", "--short", "HEAD")
    changed = _git(
        here, "status", "--porcelain", "--untracked-files=no", "--", ".", *(f":(exclude){it}" for it in MADE)
    )
    return (head + ("-dirty" if changed else "")) if head else "unknown"


def _git(here: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=here)
    return done.stdout.strip()
