"""The live service as processes: nothing accepted is lost, nothing is decided twice, whatever happens on the way."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from grouping.config import Config
from grouping.runtimes.http.app import application
from grouping.runtimes.log import segments
from grouping.runtimes.outbox.outbox import Outbox
from grouping.runtimes.service import Service, Unavailable
from grouping.runtimes.settings import Settings
from tests.live import PATIENCE, Live, grouping, until

NO_PROC = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds a child process by /proc")


def alert(id: str, **fields: Any) -> dict[str, Any]:
    """An alert with a host and a service that others share."""
    number = sum(map(ord, id))
    return {
        "kind": "alert",
        "id": id,
        "summary": f"disk {number % 100}% full",
        "host": f"h{number % 17}",
        "service": f"s{number % 5}",
        "dedup_key": f"k{number % 101}",
        **fields,
    }


class Senders:
    """Threads that send as fast as they are answered, and remember what was answered with 202."""

    def __init__(self, live: Live, name: str, count: int = 4, batch: int = 3) -> None:
        self.accepted: list[str] = []
        self._live = live
        self._threads = [
            threading.Thread(target=self._send, args=(f"{name}-{number}", 1 + number % batch))
            for number in range(count)
        ]
        self._ending = False
        for thread in self._threads:
            thread.start()

    def _send(self, name: str, batch: int) -> None:
        sent = 0
        with closing(self._live.connect()) as connection:
            while not self._ending:
                ids = [f"{name}-{sent + number}" for number in range(batch)]
                sent += batch
                try:
                    connection.request("POST", "/events", orjson.dumps([alert(id) for id in ids]))
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, HTTPException):
                    return
                if answer.status == 202:
                    self.accepted += ids

    def end(self) -> None:
        """Let them come to an end."""
        self._ending = True
        for thread in self._threads:
            thread.join()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A service with default settings."""
    with Live(tmp_path / "state") as service:
        yield service


@NO_PROC
def test_kill_9_at_any_moment_loses_nothing_and_decides_nothing_twice(tmp_path: Path) -> None:
    """Both processes or either of them, under load, again and again."""
    chance, accepted = random.Random(7), []
    with Live(tmp_path / "state") as live:
        for round, victims in enumerate(("both", "front", "decider", "front", "both")):
            senders = Senders(live, f"r{round}")
            enough = chance.randrange(50, 900)
            until(lambda senders=senders, enough=enough: len(senders.accepted) >= enough)
            if victims != "front":
                os.kill(live.decider(), signal.SIGKILL)
            if victims != "decider":
                live.kill()
            else:
                before = len(senders.accepted)
                until(lambda senders=senders, before=before: len(senders.accepted) > before + 50)  # still taken
            senders.end()
            accepted += senders.accepted
            if victims != "decider":
                live.start()
        live.settled()
        assert live.stop() == 0
        logged = Counter(event["id"] for event in live.log())
        assert [id for id in accepted if logged[id] != 1] == []
        assert max(logged.values()) == 1
        decided = Counter(
            line["alert"]
            for line in map(orjson.loads, grouping("outputs", live.state).stdout.splitlines())
            if line["kind"] == "decision"
        )
        assert decided == logged
        live.assert_live_and_offline_are_one()


def test_sigterm_under_load_ends_in_order(live: Live) -> None:
    """What was answered with 202 is on disk and decided; the status is 0."""
    senders = Senders(live, "s")
    until(lambda: len(senders.accepted) > 200)
    status = live.stop()
    senders.end()
    assert status == 0, live.said()
    logged = {event["id"] for event in live.log()}
    assert [id for id in senders.accepted if id not in logged] == []
    live.assert_live_and_offline_are_one()
    last = live.logs()[-1]
    assert (last["say"], last["accepted"], last["decided"]) == ("stopped", len(logged), len(logged))


def test_a_torn_tail_is_cut_and_said(live: Live) -> None:
    """As after a power cut in the middle of a write."""
    live.ask("POST", "/events", [alert("a1"), alert("a2")])
    live.stop()
    with segments(live.state / "log")[-1][1].open("ab") as file:
        file.write(b'#3 1 99 01234567\n{"kind":"alert","id":"half')
    live.start()
    assert [line["bytes"] for line in live.logs() if line["say"] == "log cut"] == [43]
    assert live.ask("POST", "/events", alert("a3")).json["seq"] == 3
    live.settled()
    live.stop()
    live.assert_live_and_offline_are_one()


def test_a_damaged_or_shortened_log_is_not_served(live: Live) -> None:
    """One sentence says what is wrong and what to do."""
    live.ask("POST", "/events", alert("a1"))
    live.ask("POST", "/events", alert("a2"))
    live.settled()
    live.stop()
    path = segments(live.state / "log")[-1][1]
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"a1"', b'"b1"'))
    for command in (("serve", "--state", live.state, "--listen", "127.0.0.1:0"), ("log", live.state)):
        done = grouping(*command)
        assert done.returncode == 2, done.stderr
        assert b"damaged at byte 0, with accepted events after it; restore" in done.stderr
        assert b"Traceback" not in done.stderr
    path.write_bytes(whole[: whole.rindex(b"#")])
    done = grouping("serve", "--state", live.state, "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert b"the log ends with event 1, but events up to 2 are decided" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_damaged_store_is_said_and_moving_it_away_is_enough(live: Live) -> None:
    """Nothing of it is believed; all that was decided is decided again, to the same bytes."""
    live.ask("POST", "/events", [alert(f"a{number}") for number in range(300)])
    live.settled()
    live.stop()
    decided = grouping("outputs", live.state).stdout
    with Live(live.state) as again:  # what was in its own log is in a table now
        again.stop()
    (table,) = (live.state / "store").glob("*.sst")
    whole = bytearray(table.read_bytes())
    for place in range(len(whole) // 3, len(whole) // 3 + 200):
        whole[place] ^= 0xFF
    table.write_bytes(whole)
    done = grouping("outputs", live.state)
    assert (done.returncode, done.stdout == decided) == (2, False)
    assert b"store: damaged: Corruption" in done.stderr
    assert b"move this directory away, and start again" in done.stderr
    (live.state / "store").rename(live.state / "store.old")
    with Live(live.state) as anew:
        anew.settled()
        anew.stop()
    assert grouping("outputs", live.state).stdout == decided


def test_a_full_disk_is_said_and_nothing_is_lost(live: Live, tmp_path: Path) -> None:
    """503 with Retry-After, before the disk is really full; what was accepted before is decided."""
    live.ask("POST", "/events", alert("a1"))
    live.stop()
    with Live(live.state, GROUPING_RESERVE_MB="900000000") as full:
        refused = full.ask("POST", "/events", alert("a2"))
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "MiB free on the disk; make room" in refused.json["error"]
        assert full.ask("GET", "/alerts/a1").status == 200
        full.stop()
    assert [event["id"] for event in live.log()] == ["a1"]


def test_too_long_a_backlog_is_pushed_back(tmp_path: Path) -> None:
    """503 until the decisions have caught up."""
    with Live(tmp_path / "state", "[service]\nbacklog_max = 20\n") as live:
        os.kill(live.decider(), signal.SIGSTOP)
        try:
            assert live.ask("POST", "/events", [alert(f"a{n}") for n in range(20)]).status == 202
            refused = live.ask("POST", "/events", alert("b"))
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        finally:
            os.kill(live.decider(), signal.SIGCONT)
        live.settled()
        assert live.ask("POST", "/events", alert("b")).status == 202


def test_a_second_service_on_the_same_directory_is_refused(live: Live) -> None:
    """Two processes never write one log."""
    done = grouping("serve", "--state", live.state, "--listen", "127.0.0.1:0")
    assert done.returncode == 2
    assert b"in use by another process" in done.stderr


def test_other_settings_need_the_decisions_anew(live: Live) -> None:
    """They would not be those of a replay; moving them away is enough."""
    live.ask("POST", "/events", alert("a1"))
    live.stop()
    config = live.state.parent / "other.toml"
    config.write_text("seed = 5\n")
    done = grouping("serve", "--state", live.state, "--listen", "127.0.0.1:0", "--config", config)
    assert done.returncode == 1
    assert b"built with other settings" in done.stderr
    (live.state / "store").rename(live.state / "store.old")
    with Live(live.state, "seed = 5\n") as other:
        other.settled()
        other.stop()
        other.assert_live_and_offline_are_one()


def test_outputs_and_log_can_be_read_while_it_runs(live: Live) -> None:
    """And a backup be made, from which everything is decided again."""
    live.ask("POST", "/events", [alert(f"a{n}") for n in range(50)])
    live.settled()
    live.assert_live_and_offline_are_one()
    done = grouping("backup", live.state, live.state.parent / "copy")
    assert done.returncode == 0, done.stderr
    with Live(live.state.parent / "copy") as copy:
        copy.settled()
        assert grouping("outputs", copy.state).stdout == grouping("outputs", live.state).stdout


BROKEN = """
import signal, sys
if "grouping.runtimes.decider" in sys.orig_argv:
    from grouping.engine import Engine
    step = Engine.step
    def breaks(self, event):
        if getattr(event, "bypass", None) is None:
            if event.id == "poison" or event.id == "f-poison":
                raise RuntimeError("a mistake of ours")
            if event.id == "hang":
                signal.pause()
        return step(self, event)
    Engine.step = breaks
"""


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Live]:
    """A service whose engine fails on some events."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(BROKEN)
    with Live(tmp_path / "state", "[service]\nstuck_s = 1.0\n", PYTHONPATH=str(tmp_path / "broken")) as service:
        yield service


def test_an_event_on_which_the_engine_fails_is_opened_ungrouped(broken: Live) -> None:
    """Whether it raises or hangs: the others are decided as ever, and a replay without the fault gives the same."""
    ids = ["a", "b", "poison", "hang", "c"]
    assert broken.ask("POST", "/events", [alert(id, host="h", service="s") for id in ids]).status == 202
    broken.settled()
    reasons = {id: broken.ask("GET", f"/alerts/{id}").json["decision"]["reason"] for id in ids}
    assert [id for id in ids if reasons[id] == "bypassed"] == ["poison", "hang"]
    incidents = {id: broken.ask("GET", f"/alerts/{id}").json["incident"] for id in ids}
    assert incidents["a"] == incidents["b"] == incidents["c"]
    assert len(set(incidents.values())) == 3
    assert [line["seq"] for line in broken.logs() if line["say"] == "fault: the event is bypassed"] == [3, 4]
    feedback = {"kind": "feedback", "id": "f-poison", "action": "confirm", "incident": incidents["a"]}
    assert broken.ask("POST", "/events", feedback).status == 202
    broken.settled()
    assert broken.stop() == 0
    assert grouping("backup", broken.state, broken.state.parent / "copy").returncode == 0
    broken.assert_live_and_offline_are_one()
    assert b"the engine failed on this event" in grouping("outputs", broken.state).stdout


def test_before_the_first_decision_it_is_neither_ready_nor_alive_and_says_why(tmp_path: Path) -> None:
    """And is both asked by one who starts it again and by one who sends to it."""
    service = Service(tmp_path / "state", Config(), Settings(reserve_mb=0))
    outbox = Outbox(tmp_path / "state", service)
    front = application(service, outbox)

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=front)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    for path, word in (("/healthz", "alive"), ("/readyz", "ready")):
        answer = asyncio.run(ask(path))
        assert answer.status_code == 503
        assert (answer.json()[word], answer.json()["why"]) == (False, "the process that decides is starting")
    asyncio.run(outbox.stop())
    service.log.close()


async def _started(directory: Path, error: Exception, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service whose process that decides cannot be started at first."""
    service = Service(directory, Config(), Settings(reserve_mb=0, stop_s=0.1))
    start, times = subprocess.Popen, 0

    def fails(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        nonlocal times
        times += 1
        if times == 1:
            raise error
        return start(*arguments, **more)

    monkeypatch.setattr(subprocess, "Popen", fails)
    await service.start()
    return service


def test_a_process_that_cannot_be_started_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the machine has no room for it for a moment; what was accepted is decided then."""

    async def run() -> bool:
        service = await _started(tmp_path / "state", BlockingIOError(11, "try again"), monkeypatch)
        decided = await service.reached(await service.accept([orjson.dumps(alert("a") | {"at": 1.76e9})]), PATIENCE)
        await service.stop()
        return decided

    assert asyncio.run(run())


def test_when_nothing_can_keep_the_process_nothing_is_taken_and_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a mistake of ours: never events that are accepted and never decided, without a word."""

    async def run() -> Service:
        service = await _started(tmp_path / "state", RuntimeError("a mistake of ours"), monkeypatch)
        await asyncio.wait_for(service.broken.wait(), PATIENCE)
        with pytest.raises(Unavailable, match="a mistake of ours"):
            await service.accept([b"{}"])
        await service.stop()
        return service

    service = asyncio.run(run())
    assert (service.alive, service.log.end) == (False, 0)


def test_a_question_that_fails_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who asked is told so, the next question is answered, and no event is opened ungrouped because of it."""

    async def run() -> dict[str, Any]:
        service = Service(tmp_path / "state", Config(), Settings(reserve_mb=0))
        await service.start()
        await service.reached(await service.accept([orjson.dumps(alert("a") | {"at": 1.76e9})]), PATIENCE)
        child = service._child
        for _ in range(3):
            with pytest.raises(Unavailable, match="could not be answered: alert: OverflowError"):
                await service.ask("alert", scope="s" * 70_000, id="a")
            with pytest.raises(Unavailable, match="could not be answered: nothing: KeyError"):
                await service.ask("nothing")
        found: dict[str, Any] = await service.ask("alert", scope="default", id="a")
        assert service._child is child
        await service.stop()
        return found

    assert asyncio.run(run())["decision"]["reason"] == "only_choice"
    assert "a question failed" in caplog.text


def test_a_change_that_fails_halfway_begins_anew_from_what_is_committed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is in memory then is not trusted any more; however often it fails, no event is blamed for it."""

    async def run() -> list[Any]:
        service = Service(tmp_path / "state", Config(), Settings(reserve_mb=0))
        await service.start()
        first = await service.accept([orjson.dumps(alert(id) | {"at": 1.76e9}) for id in ("a", "b")])
        for _ in range(3):
            await service.reached(first + 1, PATIENCE)
            with pytest.raises(Unavailable, match="ended and is started again"):
                await service.ask("forget", upto="no number", after=None)
            first = await service.accept([orjson.dumps(alert(f"c{first}") | {"at": 1.76e9})]) - 1
        await service.reached(first + 1, PATIENCE)
        page = await service.ask("outputs", after=0, upto=None)
        await service.stop()
        return [orjson.loads(line) for line in page["lines"]]

    reasons = [line["reason"] for line in asyncio.run(run()) if line["kind"] == "decision"]
    assert len(reasons) == 5
    assert "bypassed" not in reasons
    assert "a question ended the process that decides" in caplog.text


@pytest.mark.parametrize("started", [True, False])
def test_it_stops_at_once_while_the_process_that_decides_is_starting(
    tmp_path: Path, started: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is waited for that is not there yet; what was accepted is decided all the same where it has started."""

    def fails(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "try again")

    async def run() -> int:
        service = Service(tmp_path / "state", Config(), Settings(reserve_mb=0, stop_s=600.0))
        if not started:
            monkeypatch.setattr("grouping.runtimes.service.RESTART", (600.0,))
            monkeypatch.setattr(subprocess, "Popen", fails)
        await service.start()
        await service.accept([orjson.dumps(alert("a") | {"at": 1.76e9})])
        assert not service.running
        await asyncio.wait_for(service.stop(), PATIENCE)
        return service.decided

    assert asyncio.run(run()) == started
    assert "decider does not end" not in caplog.text


@NO_PROC
def test_when_too_many_events_wait_it_is_not_ready_but_alive(tmp_path: Path) -> None:
    """In the words in which a sender is refused; and it stays so until they are decided."""
    with Live(tmp_path / "state", "[service]\nbacklog_max = 1\n") as live:
        os.kill(live.decider(), signal.SIGSTOP)
        try:
            assert live.ask("POST", "/events", alert("a")).status == 202
            refused, ready = live.ask("POST", "/events", alert("b")), live.ask("GET", "/readyz")
            assert (refused.status, ready.status) == (503, 503)
            assert (
                ready.json["why"] == refused.json["error"] == "1 accepted events wait for their decision; send slower"
            )
            assert b"grouping_ready 0.0" in live.ask("GET", "/metrics").body
            assert live.ask("GET", "/healthz").status == 200
        finally:
            os.kill(live.decider(), signal.SIGCONT)
        until(lambda: live.ask("GET", "/readyz").status == 200)
        assert live.ask("GET", "/readyz").json["why"] is None


@NO_PROC
def test_when_decisions_are_late_alerts_are_opened_ungrouped(tmp_path: Path) -> None:
    """Marked so in the log and in the decision; a correction puts them where they belong; then all is as before."""
    with Live(tmp_path / "state", "[service]\nlate_s = 0.05\n") as live:
        live.ask("POST", "/events", alert("a", host="h", service="s"))
        live.settled()
        os.kill(live.decider(), signal.SIGSTOP)
        try:
            live.ask("POST", "/events", alert("b", host="h", service="s"))
            until(lambda: live.ask("GET", "/readyz").json["lag_s"] > 0.05)
            ready = live.ask("GET", "/readyz")
            assert (ready.status, "decisions are late" in ready.json["why"]) == (200, True)
            live.ask("POST", "/events", [alert("c", host="h", service="s"), alert("d", host="h", service="s")])
        finally:
            os.kill(live.decider(), signal.SIGCONT)
        live.settled()
        assert [event.get("bypass") for event in live.log()] == [None, None, "late", "late"]
        found = {id: live.ask("GET", f"/alerts/{id}").json for id in "abcd"}
        assert found["a"]["incident"] == found["b"]["incident"]
        assert len({one["incident"] for one in found.values()}) == 3
        assert [found[id]["decision"]["reason"] for id in "cd"] == ["bypassed"] * 2
        into = found["a"]["incident"]
        for id in "cd":
            assert live.ask("POST", f"/incidents/{into}/merge", {"incidents": [found[id]["incident"]]}).status == 200
        assert live.ask("GET", f"/incidents/{into}").json["alerts"] == 4
        assert live.stop() == 0
        live.assert_live_and_offline_are_one()
