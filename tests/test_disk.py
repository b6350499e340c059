"""The live service on a disk that is full or cannot be written: a clear word, and no lie."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grouping.runtimes import base
from grouping.runtimes.log import Log
from grouping.runtimes.store import Store
from tests.live import Live, grouping

SIZE = 32 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small disk needs rights that are not there")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, leave: int) -> Path:
    """A file that leaves so many bytes free."""
    room = os.statvfs(place)
    filler = place / "filler"
    filler.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - leave)))
    return filler


def big(id: str) -> dict[str, Any]:
    """An alert of 64 KiB."""
    return {"kind": "alert", "id": id, "summary": "disk full", "details": {"x": "y" * 65_536}}


def test_a_reserve_is_left_and_taken_up_again(small: Path) -> None:
    """503 with a word and Retry-After while there is less room than the reserve; 202 as soon as there is more."""
    with Live(small / "state", GROUPING_RESERVE_MB="4") as live:
        assert live.ask("POST", "/events", big("a")).status == 202
        filler = fill(small, 3 << 20)
        ready = live.ask("GET", "/readyz")
        assert (ready.status, ready.json["ready"]) == (503, False)
        assert "less than 4 MiB free on the disk; make room" in ready.json["why"]
        assert b"grouping_ready 0.0" in live.ask("GET", "/metrics").body
        assert live.ask("GET", "/healthz").status == 200
        refused = live.ask("POST", "/events", big("b"))
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        assert "less than 4 MiB free on the disk; make room" in refused.json["error"]
        live.settled()
        assert live.ask("GET", "/alerts/a").status == 200
        filler.unlink()
        statuses = [live.ask("POST", "/events", big("c")).status for _ in range(1)]
        while statuses[-1] == 503:  # a full disk is believed to be full for a moment
            statuses.append(live.ask("POST", "/events", big("c")).status)
        assert statuses[-1] == 202
        assert (live.ask("GET", "/readyz").json["why"], live.ask("GET", "/readyz").status) == (None, 200)
        live.settled()
        assert live.stop() == 0
        assert [event["id"] for event in live.log()] == ["a", "c"]


def test_a_disk_that_runs_full_takes_nothing_back(small: Path) -> None:
    """Without a reserve: what was answered with 202 is in the log, what was not is not; with room it goes on."""
    with Live(small / "state") as live:
        filler = fill(small, 2 << 20)
        accepted, refused = [], []
        for number in range(200):
            try:
                answer = live.ask("POST", "/events", big(f"a{number}"))
            except OSError:  # it has ended: the decisions could not be written either
                break
            (accepted if answer.status == 202 else refused).append(f"a{number}")
            if answer.status != 202:
                assert (answer.status, "retry-after" in answer.headers) == (503, True), answer
            if len(refused) == 5:
                break
        assert accepted
        live.kill()
        assert "raceback" not in live.said()
        filler.unlink()
        live.start()
        live.settled()
        assert live.ask("POST", "/events", big("z")).status == 202
        live.settled()
        assert live.stop() == 0
        assert [event["id"] for event in live.log()] == [*accepted, "z"]
        live.assert_live_and_offline_are_one()


def test_a_disk_that_cannot_be_written_is_said(small: Path) -> None:
    """With place and remedy, status 2, before anything is taken."""
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    done = grouping("serve", "--state", small / "state", "--listen", "127.0.0.1:0")
    assert done.returncode == 2, done.stderr
    assert b"Read-only file system; make it writable or choose another directory" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_place_that_is_a_file_is_said(tmp_path: Path) -> None:
    """Not a directory: the same."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "log").write_text("x")
    done = grouping("serve", "--state", tmp_path / "state", "--listen", "127.0.0.1:0")
    assert done.returncode == 2, done.stderr
    assert b"choose another directory" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was put on disk, in order."""
    found: list[Path] = []
    real = os.fsync

    def fsync(file: int) -> None:
        real(file)
        found.append(Path(f"/proc/self/fd/{file}").readlink())

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def test_the_directory_of_a_new_log_is_on_disk_with_its_name(tmp_path: Path, settled: list[Path]) -> None:
    """Else a loss of power takes away the log with all that was accepted."""
    log = Log(tmp_path / "new" / "state" / "log")
    log.close()
    assert {tmp_path, tmp_path / "new", tmp_path / "new" / "state", log.directory} <= set(settled)


def test_a_base_that_is_put_back_is_on_disk_before_it_has_its_name(
    tmp_path: Path, settled: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a loss of power leaves a store with empty files, which looks like a whole one."""
    store = Store(tmp_path / "store")
    store.commit({b"key": b"value"}, b"", 7, {"seq": 7})
    assert base.make(store, tmp_path) == 7
    store.close()
    shutil.rmtree(tmp_path / "store")
    settled.clear()
    part, rename = tmp_path / "store.part", Path.rename
    lacking: list[Path] = []

    def renamed(path: Path, to: Path) -> Path:
        lacking.extend({part, *part.rglob("*")} - set(settled))
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", renamed)
    assert base.put_back(tmp_path)
    assert (lacking, settled[-1]) == ([], tmp_path)
