"""The log: what was promised is there, what was not is cut away, what is damaged is said."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.runtimes.committer import Committer
from grouping.runtimes.log import BATCH_MAX, Follower, Full, Log, LogError, encode, read, segments


def written(directory: Path, batches: list[list[bytes]], segment: int = 1 << 20) -> None:
    """A closed log of these batches."""
    log = Log(directory, segment=segment)
    for batch in batches:
        log.append(batch)
    log.close()


def lines(directory: Path, after: int = 0) -> list[bytes]:
    """The events of a log after a number."""
    found: list[bytes] = []
    for batch in read(directory, after):
        rest = batch.lines.split(b"\n")[:-1]
        found += rest[max(0, after + 1 - batch.first) :]
    return found


BATCHES = st.lists(st.lists(st.binary(max_size=9).map(lambda data: data.hex().encode()), min_size=1, max_size=4))


@given(BATCHES, st.integers(0, 200), st.integers(1, 5))
def test_what_is_appended_is_read_in_order(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[bytes]], segment: int, most: int
) -> None:
    """Whatever the batches and segments; from any number on; by a follower too, in bites of any size."""
    directory = tmp_path_factory.mktemp("log")
    written(directory, batches, segment)
    expected = [line for batch in batches for line in batch]
    assert lines(directory) == expected
    for after in range(len(expected) + 1):
        assert lines(directory, after) == expected[after:]
        follower, found = Follower(directory, after), []
        while follower.position < len(expected):
            some = follower.upto(len(expected), most)
            assert 1 <= len(some) <= most
            found += some
            assert after + len(found) == follower.position
        follower.close()
        assert found == expected[after:]


@given(st.data())
def test_a_torn_tail_is_cut_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Cut off anywhere, or followed by any rubbish: the whole batches before stay, and the log goes on from there."""
    directory = tmp_path_factory.mktemp("log")
    batches = [[b'{"n":%d}' % number, b"{}"] for number in range(4)]
    written(directory, batches)
    (_, path), whole = segments(directory)[0], b"".join(encode(1 + 2 * n, batch) for n, batch in enumerate(batches))
    assert path.read_bytes() == whole
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut] + data.draw(st.binary(max_size=40)))
    kept = sum(len(b"".join(encode(1 + 2 * n, b) for n, b in enumerate(batches[: k + 1]))) <= cut for k in range(4))
    log = Log(directory)
    assert log.end == 2 * kept
    log.append([b"next"])
    log.close()
    assert lines(directory) == [line for batch in batches[:kept] for line in batch] + [b"next"]


@pytest.mark.parametrize("segment", [1 << 20, 10])
def test_a_damaged_byte_in_what_was_promised_is_an_error(tmp_path: Path, segment: int) -> None:
    """Never a silent hole: reading and opening name the file and what to do."""
    written(tmp_path / "log", [[b'{"n":1}'], [b'{"n":2}'], [b'{"n":3}']], segment)
    path = segments(tmp_path / "log")[0][1]
    data = bytearray(path.read_bytes())
    data[data.index(b"1}")] ^= 1
    path.write_bytes(data)
    with pytest.raises(LogError, match=r"damaged at byte 0.*restore"):
        lines(tmp_path / "log")
    with pytest.raises(LogError, match=r"damaged at byte 0.*restore"):
        Follower(tmp_path / "log", 0).upto(3, 10)
    if segment > 10:
        for _ in range(2):  # it is not held by whoever could not open it
            with pytest.raises(LogError, match=r"damaged at byte 0.*restore"):
                Log(tmp_path / "log")


def test_what_is_being_written_while_the_log_is_read_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that saw half of a batch says nothing wrong of it when that, and the next one, are whole a moment later."""
    written(tmp_path, [[b"1"], [b"2"], [b"3"]])
    path = segments(tmp_path)[0][1]
    data = path.read_bytes()
    half = data.index(b"2\n#") + 1
    path.write_bytes(data[:half])
    pread = os.pread

    def reads(file: int, size: int, offset: int) -> bytes:
        found = pread(file, size, offset)
        if len(found) == size - 1:  # it has seen the half
            path.write_bytes(data)
        return found

    monkeypatch.setattr(os, "pread", reads)
    assert lines(tmp_path)[:1] == [b"1"]
    assert path.read_bytes() == data
    assert lines(tmp_path) == [b"1", b"2", b"3"]


def test_a_missing_segment_is_an_error(tmp_path: Path) -> None:
    """Not a shorter log."""
    written(tmp_path, [[b"1"], [b"2"], [b"3"]], segment=10)
    segments(tmp_path)[1][1].unlink()
    with pytest.raises(LogError, match="events 2 to 2 are missing"):
        lines(tmp_path)
    with pytest.raises(LogError, match="is missing"):
        Follower(tmp_path, 0).upto(3, 10)


def test_a_log_is_held_by_one_process(tmp_path: Path) -> None:
    """The second is told."""
    log = Log(tmp_path)
    with pytest.raises(LogError, match="in use by another process"):
        Log(tmp_path)
    log.close()
    Log(tmp_path).close()


LIMITED = """
import resource, sys
from pathlib import Path
from grouping.runtimes.log import Full, Log
log = Log(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
taken = 0
for number in range(100):
    try:
        log.append([b"x" * 90])
        taken += 1
    except Full as full:
        assert "large" in str(full), full
log.close()
print(taken)
"""


def test_a_full_disk_takes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """A batch that does not fit is refused whole; those before are there; with room again the log goes on."""
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    taken = int(run.stdout)
    assert 0 < taken < 100
    assert lines(tmp_path) == [b"x" * 90] * taken
    log = Log(tmp_path)
    assert (log.cut, log.append([b"y"])) == (0, taken + 1)
    log.close()


def test_a_reserve_of_the_disk_is_left_free(tmp_path: Path) -> None:
    """More than any disk has: nothing is taken."""
    log = Log(tmp_path, reserve=1 << 60)
    with pytest.raises(Full, match="MiB free"):
        log.append([b"x"])
    assert log.end == 0
    log.close()


def test_what_waits_for_one_fsync_goes_down_together(tmp_path: Path) -> None:
    """Each sender hears the number of its own first event; there are fewer batches than senders."""

    async def senders() -> list[int]:
        log, told = Log(tmp_path), []
        committer = Committer(log, lambda last, count: told.append((last, count)), told.append)
        first = await asyncio.gather(*(committer.append([b"%d" % n] * (1 + n % 3)) for n in range(300)))
        await committer.close()
        log.close()
        assert sum(count for _, count in told) == told[-1][0] == log.end
        return first

    first = asyncio.run(senders())
    found = lines(tmp_path)
    assert [found[number - 1] for number in first] == [b"%d" % n for n in range(300)]
    assert len(list(read(tmp_path))) < 300


def committed(directory: Path, requests: list[list[bytes]], **bounds: int) -> list[int]:
    """The number each request is answered with, all of them waiting at once."""

    async def senders() -> list[int]:
        log, told = Log(directory), []
        committer = Committer(log, lambda last, count: told.append((last, count)), told.append, **bounds)
        first = await asyncio.gather(*map(committer.append, requests))
        await committer.close()
        log.close()
        assert [last for last, _ in told] == [sum(count for _, count in told[: n + 1]) for n in range(len(told))]
        return first

    return asyncio.run(senders())


@given(
    st.lists(st.lists(st.integers(0, 30).map(lambda size: b"x" * size), min_size=1, max_size=9), max_size=6),
    st.integers(1, 60),
    st.integers(1, 12),
)
def test_whatever_is_accepted_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, requests: list[list[bytes]], size: int, events: int
) -> None:
    """Large requests go down in several batches, each within its bounds; their events keep their order and numbers."""
    directory = tmp_path_factory.mktemp("log")
    first = committed(directory, requests, size=size, events=events)
    assert lines(directory) == [line for request in requests for line in request]
    assert first == [1 + sum(map(len, requests[:n])) for n in range(len(requests))]
    for batch in read(directory):
        assert batch.events <= events
        assert len(batch.lines) <= size or batch.events == 1


def test_a_request_of_more_than_a_reader_takes_at_once_can_be_read(tmp_path: Path) -> None:
    """By the bounds of the service, and after it was opened again."""
    request = [b"x" * (512 << 10)] * (2 + BATCH_MAX // (512 << 10))
    assert committed(tmp_path, [[b"before"], request, [b"after"]]) == [1, 2, 2 + len(request)]
    assert sum(batch.events for batch in read(tmp_path)) == len(request) + 2
    log = Log(tmp_path)
    assert (log.end, log.cut) == (len(request) + 2, 0)
    log.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_in_the_log_is_told_to_everybody_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sent hears that it was not taken, and who runs it that no more can be: nobody waits for ever."""

    def fails(lines: list[bytes]) -> int:
        raise RuntimeError("a mistake of ours")

    async def send() -> tuple[list[Any], list[LogError]]:
        log, failed = Log(tmp_path), []
        committer = Committer(log, lambda last, count: None, failed.append)
        monkeypatch.setattr(log, "append", fails)
        found = await asyncio.gather(*(committer.append([b"1"]) for _ in range(9)), return_exceptions=True)
        found += await asyncio.gather(committer.append([b"2"]), return_exceptions=True)
        await committer.close()
        log.close()
        return found, failed

    found, failed = asyncio.run(send())
    assert {str(error) for error in found} == {str(failed[0])}
    with pytest.raises(LogError, match="a mistake of ours"):
        raise found[0]


def test_a_batch_that_no_reader_takes_is_not_written(tmp_path: Path) -> None:
    """It is a mistake of the caller, and the log is as before."""
    log = Log(tmp_path)
    log.append([b"before"])
    with pytest.raises(ValueError, match="append fewer at once"):
        log.append([b"x" * (1 << 20)] * 64)
    assert log.append([b"after"]) == 2
    log.close()
    assert lines(tmp_path) == [b"before", b"after"]


def test_a_large_request_that_finds_no_room_is_refused_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody hears "accepted" of a part of it, no more of it is written, and the next one goes on after what is there."""
    write, count = os.write, 0

    def fails(file: int, data: bytes) -> int:
        nonlocal count
        count += 1
        if count == 2:
            raise OSError(28, "No space left on device")
        return write(file, data)

    async def senders() -> list[int | BaseException]:
        log = Log(tmp_path)
        committer = Committer(log, lambda last, count: None, lambda error: None, events=2)
        monkeypatch.setattr(os, "write", fails)
        found = await asyncio.gather(
            committer.append([b"1", b"2", b"3", b"4", b"5", b"6"]), committer.append([b"7"]), return_exceptions=True
        )
        await committer.close()
        log.close()
        return found

    large, small = asyncio.run(senders())
    assert isinstance(large, Full)
    assert small == 3
    assert lines(tmp_path) == [b"1", b"2", b"7"]


@pytest.mark.parametrize("unlinked", [True, False])
def test_a_segment_that_could_not_be_begun_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unlinked: bool
) -> None:
    """The log is as before and goes on; read, followed or opened again it has all that was accepted, also where the
    empty file is back after a loss of power."""

    def fails(file: int) -> None:
        raise OSError(28, "No space left on device")

    log = Log(tmp_path, segment=100)
    log.append([b"x" * 60])
    opened = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(Full, match="No space"):
            log.append([b"y" * 60])
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
    assert len(segments(tmp_path)) == 1
    assert log.append([b"2"]) == 2
    log.close()
    if not unlinked:
        (tmp_path / f"{2:020d}.log").touch()
    expected = [b"x" * 60, b"2"]
    assert lines(tmp_path) == expected
    assert Follower(tmp_path, 0).upto(2, 9) == expected
    assert Follower(tmp_path, 1).upto(2, 9) == expected[1:]
    again = Log(tmp_path)
    assert (again.append([b"3"]), again.cut) == (3, 0)
    again.close()
    assert lines(tmp_path) == [*expected, b"3"]


def test_a_segment_that_can_neither_be_begun_nor_removed_ends_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event goes where a reader would not look for it."""

    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    log = Log(tmp_path, segment=10)
    log.append([b"x"])
    monkeypatch.setattr(os, "fsync", fails)
    monkeypatch.setattr(Path, "unlink", fails)
    with pytest.raises(LogError, match="Input/output error"):
        log.append([b"y"])
    monkeypatch.undo()
    with pytest.raises(LogError, match="Input/output error"):
        log.append([b"z"])
    log.close()
    assert lines(tmp_path) == [b"x"]


def test_a_failing_fsync_ends_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the events are on disk is unknown: nobody hears "accepted", and no more is taken."""

    def fails(file: int) -> None:
        raise OSError(5, "Input/output error")

    log = Log(tmp_path)
    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(LogError, match="fsync: Input/output error"):
        log.append([b"x"])
    monkeypatch.undo()
    with pytest.raises(LogError, match="fsync: Input/output error"):
        log.append([b"y"])
    log.close()
