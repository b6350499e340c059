"""Nothing of this folder is left out in silence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.kafka import needed
from tests.kafka.test_ingress import SAMPLES

ROOT = SAMPLES.parent.parent
HIDDEN = """
import sys
sys.modules["aiokafka"] = None
"""


@pytest.mark.parametrize(("need", "status"), [("1", 2), ("", 5)])
def test_without_the_client_all_say_so(tmp_path, need, status):
    """Each file by name: skipped, and where Kafka is needed an error, as where there is no broker."""
    (tmp_path / "sitecustomize.py").write_text(HIDDEN)
    files = [f"tests/kafka/test_{name}.py" for name in ("worker", "retention", "page", "cluster")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--collect-only", *files],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "NEED_KAFKA": need},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    said = [line for line in done.stdout.splitlines() if "no Kafka client" in line]
    assert len(said) == len(files) if need else said, done.stdout


def test_without_a_broker_the_same(monkeypatch):
    for need, end in (("1", pytest.fail.Exception), ("", pytest.skip.Exception)):
        monkeypatch.setenv("NEED_KAFKA", need)
        with pytest.raises(end, match="no broker"):
            needed.missing("no broker")
