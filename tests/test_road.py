"""What an alert passes through runs compiled where there is a compiler, and as it stands where there is none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import grouping.engine

ROOT = Path(__file__).parent.parent
COMPILED = not grouping.engine.__file__.endswith(".py")


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled here")
def test_the_sources_give_the_bytes_of_what_was_compiled(tmp_path: Path) -> None:
    """The committed outputs and state of the golden log, which the other tests ask of what was compiled."""
    for folder in ("grouping", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    code = "import runpy, sys; from grouping import engine; assert engine.__file__.endswith('.py'), engine.__file__; "
    code += "runpy.run_module('tests.golden.check', run_name='__main__')"
    command = [sys.executable, "-W", "ignore", "-c", code]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=env, check=True)
    assert done.stdout == (ROOT / "tests" / "golden" / "expected.sha256").read_bytes()


def test_one_version_compiles_everywhere() -> None:
    """Other versions of mypyc have not been tried: pip, which builds apart, and the locks take the same one, and its numpy."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pinned = {re.split(r"\W", one)[0]: one.partition("==")[2] for one in wanted if "==" in one}
    assert set(pinned) == {"mypy", "numpy"}
    for lock in ("run", "build", "dev"):
        text = (ROOT / "requirements" / f"{lock}.txt").read_text()
        assert {name: re.findall(rf"^{name}==(\S+)", text, re.MULTILINE) for name in pinned} == {
            name: [version] for name, version in pinned.items()
        }
