"""Settings of the tests that draw their cases; and nothing is tested that is not what the sources say."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: a machine with other work to do is slow, not wrong. With CI set every run draws the same cases.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_sessionstart() -> None:
    """Stop where a module was compiled before its source was changed: the old one would be tested."""
    for compiled in (Path(__file__).parent.parent / "grouping").rglob("*.so"):
        source = compiled.with_name(compiled.name.partition(".")[0] + ".py")
        if source.exists() and source.stat().st_mtime > compiled.stat().st_mtime:
            pytest.exit(f"{source} was changed after it was compiled: make test, or make pure while you work on it", 1)
