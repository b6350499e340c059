"""Settings of the tests that draw their cases; and nothing is tested that is not what the sources say."""

import os
from pathlib import Path
from sysconfig import get_config_var

import pytest
from hypothesis import settings

# No deadline: a machine with other work to do is slow, not wrong. With CI set every run draws the same cases.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for processes of their own."""
    return (os.cpu_count() or 1) + 1


def pytest_sessionstart() -> None:
    """Stop where sources were changed after they were compiled: the old ones would be tested."""
    home, suffix = Path(__file__).parent.parent / "grouping", get_config_var("EXT_SUFFIX")
    library = home / f"_road__mypyc{suffix}"
    for pointer in home.rglob(f"*{suffix}") if library.exists() else ():
        source = pointer.with_name(pointer.name.removesuffix(suffix) + ".py")
        if source.exists() and source.stat().st_mtime > library.stat().st_mtime:
            pytest.exit(f"{source} was changed after it was compiled: make test, or make pure while you work on it", 1)
