"""What a run keeps for itself alone: the same records, in memory or on disk, and nothing left of them afterwards."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping import Engine, emit, parse
from grouping.runtimes.scratch import Scratch

KEYS = st.sampled_from([b"a", b"b", b"cc", b"ddd"])
COMMITS = st.lists(st.dictionaries(KEYS, st.none() | st.binary(max_size=20)), max_size=12)


@given(COMMITS, st.integers(0, 80))
def test_it_holds_what_a_dict_would_however_little_memory_it_is_given(
    commits: list[dict[bytes, bytes | None]], memory: int
) -> None:
    scratch, plain = Scratch(memory), dict[bytes, bytes]()
    for number, commit in enumerate(commits, 1):
        scratch.commit(commit, b"", number, {})
        for key, value in commit.items():
            plain.pop(key, None)
            if value is not None:
                plain[key] = value
        assert dict(scratch.items()) == plain
        assert [scratch.get(key) for key in (b"a", b"b", b"cc", b"ddd")] == [
            plain.get(key) for key in (b"a", b"b", b"cc", b"ddd")
        ]
    scratch.close()


def test_the_disk_is_used_only_when_memory_is_full_and_is_left_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch = Scratch(memory=10)
    scratch.commit({b"key": b"1234567"}, b"", 1, {})
    assert not list(tmp_path.iterdir())
    scratch.commit({b"key": b"12345678"}, b"", 2, {})
    assert list(tmp_path.iterdir())
    assert scratch.get(b"key") == b"12345678"
    scratch.close()
    assert not list(tmp_path.iterdir())


def test_an_engine_decides_the_same_whether_its_records_are_in_memory_or_on_disk() -> None:
    lines = Path("data/demo.jsonl").read_bytes().splitlines()[:600]

    def outputs(memory: int) -> list[bytes]:
        scratch, said = Scratch(memory), []
        engine = Engine(records=scratch)
        for number, line in enumerate(lines, 1):
            said += [emit(number, output) for output in engine.step(parse(line))]
            if number % 50 == 0:
                scratch.commit(engine.drain(), b"", number, {})
        scratch.close()
        return said

    assert outputs(0) == outputs(1 << 30)
