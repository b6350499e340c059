"""Notifications as processes: a service, a receiver that fails in every way, and nothing that goes missing."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from time import time
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from grouping.config import BadConfig
from grouping.outlets.notice import Happening, Notice
from grouping.outlets.signing import key_of, verify
from grouping.runtimes.outbox import ledger, sender
from grouping.runtimes.outbox.ledger import Ledger, LedgerError
from grouping.runtimes.outbox.outbox import Outbox
from grouping.runtimes.outbox.sender import pause
from grouping.runtimes.outbox.subscriptions import Subscription, subscriptions
from grouping.runtimes.service import Service
from grouping.runtimes.settings import Settings
from tests.live import Live, grouping, until
from tests.receiver import Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def subscription(url: str, **more: Any) -> str:
    """A table of the configuration; tries come fast."""
    row = {"name": "ops", "url": url, "retry_s": 0.02, "retry_max_s": 0.1, **more}
    return "[[service.subscriptions]]\n" + "".join(
        f"{key} = {orjson.dumps(value).decode()}\n" for key, value in row.items()
    )


def alert(id: str, service: str, **more: Any) -> dict[str, Any]:
    """Of a service with an incident of its own."""
    return {"kind": "alert", "id": id, "summary": f"{service} is down", "service": service, "class": "Down", **more}


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    one = Receiver(tmp_path / "receiver")
    yield one
    one.kill()


def service(tmp_path: Path, *tables: str, **environment: str) -> Live:
    return Live(tmp_path / "state", "policy = 'service=600s'\n" + "".join(tables), NO_PROXY="*", **environment)


def test_an_address_that_is_a_secret_is_not_logged(tmp_path: Path, receiver: Receiver) -> None:
    """Whoever knows the path may post: it is on no line, delivered or failing, at any level, also after a reload."""
    address = receiver.url.replace("/hook", "/T0000/B0000/XXsecretXX")
    table = subscription("env:HOOK", bearer="env:TOKEN")
    with service(tmp_path, table, HOOK=address, TOKEN="YYtokenYY", GROUPING_LOG_LEVEL="debug") as live:
        live.ask("POST", "/events", alert("a", "web"))
        until(lambda: len(receiver.got()) == 1)
        live.process.send_signal(signal.SIGHUP)
        until(lambda: "reloaded" in live.said())
        receiver.orders({"status": 500, "times": 1})
        live.ask("POST", "/events", alert("b", "db"))
        until(lambda: len(receiver.got()) == 3)
        receiver.kill()
        live.ask("POST", "/events", alert("c", "net"))
        until(lambda: live.ask("GET", "/subscriptions").json["subscriptions"][0]["failing_s"])
        assert {row["path"] for row in receiver.got()} == {"/T0000/B0000/XXsecretXX"}
        assert [part for part in ("T0000", "XXsecretXX", "YYtokenYY") if part in live.said()] == []
        assert "cannot deliver" in live.said()


def test_what_is_decided_is_told_signed_and_in_order(tmp_path: Path, receiver: Receiver) -> None:
    """Opened, acknowledged, worse, resolved; verified as a receiver does."""
    table = subscription(receiver.url, secrets=["env:OLD", "env:NEW"], bearer="env:TOKEN")
    new = "whsec_" + "A" * 43 + "="
    with service(tmp_path, table, OLD=SECRET, NEW=new, TOKEN="t0ken") as live:
        key = {"dedup_key": "k"}
        live.ask("POST", "/events", [alert("a", "web", severity="warning", **key)])
        live.ask(
            "POST",
            "/events",
            [alert("b", "web", severity="critical", **key), alert("c", "web", status="acknowledged", **key)],
        )
        live.ask("POST", "/events", [alert("d", "web", status="resolved", **key)])
        until(lambda: len(receiver.got()) == 4)
        assert [row["event"] for row in receiver.taken()] == ["opened", "worse", "acknowledged", "resolved"]
        for row in receiver.got():
            assert row["headers"]["authorization"] == "Bearer t0ken"
            assert row["path"] == "/hook"
            for secret in (SECRET, new):
                verify(row["headers"], row["body"].encode(), [key_of(secret)], time())
            assert row["headers"]["webhook-id"] == orjson.loads(row["body"])["id"]
        until(
            lambda: live.ask("GET", "/subscriptions").json["subscriptions"][0]["taken"] == 4
        )  # the receiver's word is heard
        (state,) = live.ask("GET", "/subscriptions").json["subscriptions"]
        assert (state["waiting"], state["failing_s"], state["dead"]) == (0, None, 0)
        metrics = live.ask("GET", "/metrics").body.decode()
        assert 'grouping_notifications_total{outcome="taken",subscription="ops"} 4.0' in metrics
        for told in (
            live.said(),
            grouping(
                "config", "check", live.state.parent / "state.toml", OLD=SECRET, NEW=new, TOKEN="t0ken"
            ).stdout.decode(),
        ):
            assert not any(secret in told for secret in ("t0ken", SECRET, new, SECRET[6:]))


@pytest.mark.parametrize(
    "orders",
    [
        [{"status": 500, "times": 7}],
        [{"status": 404, "times": 3}, {"status": 503, "times": 3}],
        [{"status": 302, "headers": {"Location": "/elsewhere"}, "times": 4}],
        [{"delay": 1.5, "times": 2, "status": 599}],
    ],
    ids=["500", "404 and 503", "redirect", "slow"],
)
def test_a_receiver_that_fails_is_told_later_and_in_order(
    tmp_path: Path, receiver: Receiver, orders: list[dict[str, Any]]
) -> None:
    """Per incident nothing is overtaken; a redirect leads nowhere; an answer that takes too long is none."""
    receiver.orders(*orders)
    with service(tmp_path, subscription(receiver.url, timeout_s=1.0)) as live:
        for step in ("firing", "acknowledged", "resolved"):
            events = [alert(f"{step}-{name}", name, status=step, dedup_key=name) for name in ("a", "b", "c")]
            live.ask("POST", "/events", events)
        until(lambda: len(receiver.taken()) == 9)
        for incident in {row["incident"] for row in receiver.taken()}:
            told = [row["event"] for row in receiver.taken() if row["incident"] == incident]
            assert told == ["opened", "acknowledged", "resolved"]
        assert {row["path"] for row in receiver.got()} == {"/hook"}


def test_retry_after_is_honoured(tmp_path: Path, receiver: Receiver) -> None:
    """By all that would be sent there."""
    receiver.orders({"status": 429, "headers": {"Retry-After": "2"}, "times": 1})
    with service(tmp_path, subscription(receiver.url)) as live:
        live.ask("POST", "/events", [alert("a", "web")])
        until(lambda: len(receiver.got()) == 1)
        live.ask("POST", "/events", [alert(f"b{n}", f"s{n}") for n in range(20)])
        until(lambda: len(receiver.taken()) == 21)
        first, *others = receiver.got()
        assert min(row["at"] for row in others) - first["at"] >= 1.9


def test_what_failed_with_all_others_goes_out_when_the_receiver_is_back(tmp_path: Path, receiver: Receiver) -> None:
    """As soon as one is taken, however long its own pause would be; and nothing is said to be wrong any more."""
    receiver.orders({"status": 500, "times": 1})
    with service(tmp_path, subscription(receiver.url, retry_s=3600.0, retry_max_s=3600.0)) as live:
        live.ask("POST", "/events", alert("a", "web"))
        until(lambda: live.ask("GET", "/subscriptions").json["subscriptions"][0]["failing_s"])
        live.ask("POST", "/events", [alert(f"b{n}", f"s{n}") for n in range(20)])
        until(lambda: len(receiver.taken()) == 21)
        until(lambda: live.ask("GET", "/subscriptions").json["subscriptions"][0]["waiting"] == 0)
        (state,) = live.ask("GET", "/subscriptions").json["subscriptions"]
        assert (state["failing_s"], state["why"], state["again"]) == (None, None, 1)


def test_a_receiver_that_dies_and_comes_back_misses_nothing(tmp_path: Path, receiver: Receiver) -> None:
    """While it is gone the service takes alerts as ever."""
    with service(tmp_path, subscription(receiver.url)) as live:
        sent = 0
        for _ in range(3):
            live.ask("POST", "/events", [alert(f"a{sent + n}", f"s{sent + n}") for n in range(40)])
            sent += 40
            until(lambda most=sent: len(receiver.taken()) >= most - 30)
            receiver.kill()
            live.ask("POST", "/events", [alert(f"a{sent + n}", f"s{sent + n}") for n in range(40)])
            sent += 40
            live.settled()
            receiver.start()
        until(lambda: len(receiver.taken()) == sent)
        assert {row["alert"]["id"] for row in receiver.taken()} == {f"a{n}" for n in range(sent)}


def test_what_is_refused_is_a_dead_letter_that_can_be_sent_again(tmp_path: Path, receiver: Receiver) -> None:
    """By the command line and over HTTP; what is taken then is no more."""
    receiver.orders({"on": "bad", "status": 400, "say": "no such key"})
    with service(tmp_path, subscription(receiver.url)) as live:
        live.ask("POST", "/events", [alert("a", "bad-1"), alert("b", "bad-2"), alert("c", "good")])
        until(lambda: len(live.ask("GET", "/deadletters").json["deadletters"]) == 2)
        letters = [orjson.loads(line) for line in grouping("deadletters", "list", live.state).stdout.splitlines()]
        assert [(one["title"], one["why"], one["tries"]) for one in letters] == [
            ("bad-1 is down", "400: no such key", 1),
            ("bad-2 is down", "400: no such key", 1),
        ] or [one["title"] for one in letters] == ["bad-2 is down", "bad-1 is down"]
        page = live.ask("GET", "/deadletters?limit=1").json
        assert page["next"] == letters[0]["number"]
        assert live.ask("GET", f"/deadletters?after={page['next']}").json["deadletters"] == letters[1:]
        assert len(receiver.taken()) == 1

        assert grouping("deadletters", "resend", live.state).returncode == 2
        for command in ("resend", "discard"):
            done = grouping("deadletters", command, live.state, "999")
            assert (done.returncode, b"1 of these numbers: no such dead letter" in done.stderr) == (1, True)
        assert (
            grouping("deadletters", "resend", live.state, str(letters[0]["number"])).stderr == b"1 to be sent again\n"
        )
        until(lambda: live.ask("GET", "/deadletters").json["deadletters"][0]["tries"] == 2)
        receiver.orders()
        assert grouping("deadletters", "resend", live.state, str(letters[0]["number"])).returncode == 0
        until(lambda: len(receiver.taken()) == 2)
        until(lambda: len(live.ask("GET", "/deadletters").json["deadletters"]) == 1)
        assert live.ask("POST", "/deadletters/resend", {"subscription": "other"}).json["resending"] == 0
        assert live.ask("POST", "/deadletters/resend", {}).json == {"resending": 1, "without_subscription": 0}
        until(lambda: live.ask("GET", "/deadletters").json["deadletters"] == [])
        assert {row["alert"]["id"] for row in receiver.taken()} == {"a", "b", "c"}
        assert grouping("deadletters", "list", live.state).stdout == b""


def test_one_that_always_fails_does_not_hold_up_the_others(tmp_path: Path, receiver: Receiver) -> None:
    """After a dozen tries, while others are taken, it is a dead letter."""
    receiver.orders({"on": "poison", "status": 500})
    with service(tmp_path, subscription(receiver.url)) as live:
        live.ask("POST", "/events", [alert("p", "poison"), *(alert(f"a{n}", f"s{n}") for n in range(400))])
        until(lambda: len(receiver.taken()) == 400)
        until(lambda: len(live.ask("GET", "/deadletters").json["deadletters"]) == 1)
        assert live.ask("GET", "/deadletters").json["deadletters"][0]["tries"] == 12


def test_one_that_fails_for_long_is_not_given_up_because_another_was_taken_once(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The receiver may have gone away a moment later, for all: only what fails again and again while others are taken is hopeless."""
    receiver.orders({"on": "web is down", "status": 503, "times": 30})
    with service(tmp_path, subscription(receiver.url)) as live:
        live.ask("POST", "/events", [alert("a", "web"), alert("b", "db")])
        until(lambda: len(receiver.taken()) == 2)
        assert live.ask("GET", "/deadletters").json["deadletters"] == []


def test_after_a_while_it_is_given_up(tmp_path: Path, receiver: Receiver) -> None:
    """give_up_s; nothing is lost then either."""
    receiver.orders({"status": 500})
    with service(tmp_path, subscription(receiver.url, give_up_s=0.2)) as live:
        live.ask("POST", "/events", [alert("a", "web"), alert("b", "db")])
        until(lambda: len(live.ask("GET", "/deadletters").json["deadletters"]) == 2)
        receiver.orders()
        live.ask("POST", "/deadletters/resend", {})
        until(lambda: len(receiver.taken()) == 2)


def test_kill_9_loses_no_notification(tmp_path: Path, receiver: Receiver) -> None:
    """Again and again, while a receiver fails now and then: all that was opened is told, in order per incident."""
    chance = random.Random(7)
    receiver.orders(*({"status": 503, "times": 40} for _ in range(2)))
    live = service(tmp_path, subscription(receiver.url))
    sent: list[str] = []
    for turn in range(6):
        for _ in range(chance.randrange(1, 5)):
            names = [f"s{turn}-{chance.randrange(10**6)}" for _ in range(chance.randrange(1, 30))]
            events = [alert(f"{name}-1", name, dedup_key=name) for name in names]
            events += [alert(f"{name}-2", name, dedup_key=name, status="resolved") for name in names]
            if live.ask("POST", "/events", events).status == 202:
                sent += names
        wanted = len(receiver.got()) + chance.randrange(20)
        most = 2 * len(sent)
        until(lambda some=wanted, most=most: len(receiver.got()) >= some or len(receiver.taken()) == most)
        live.kill()
        if turn == 3:
            receiver.kill()
            receiver.start()
        live.start()
    with live:
        until(lambda: len(receiver.taken()) == 2 * len(sent))
        outputs = [orjson.loads(line) for line in grouping("outputs", live.state).stdout.splitlines()]
    opened = {line["incident"] for line in outputs if line["kind"] == "incident" and line["event"] == "opened"}
    order: dict[str, list[str]] = {}
    for row in receiver.taken():
        order.setdefault(row["incident"], []).append(row["event"])
    assert set(order) == opened
    assert {tuple(events) for events in order.values()} == {("opened", "resolved")}


def test_a_backup_goes_on_telling_where_it_was_made(tmp_path: Path, receiver: Receiver) -> None:
    """What was told is not told again on the copy; what is owed is, and the dead letters are there."""
    receiver.orders({"on": "bad", "status": 400, "say": "no"})
    with service(tmp_path, subscription(receiver.url)) as live:
        live.ask("POST", "/events", [alert("a", "told"), alert("b", "bad")])
        until(lambda: len(receiver.taken()) == 1 and len(live.ask("GET", "/deadletters").json["deadletters"]) == 1)
        receiver.kill()
        live.ask("POST", "/events", [alert("c", "owed")])
        live.settled()
        assert grouping("backup", live.state, tmp_path / "copy").returncode == 0
        live.kill()
    receiver.start()
    (tmp_path / "state").rename(tmp_path / "lost")
    (tmp_path / "copy").rename(tmp_path / "state")
    with service(tmp_path, subscription(receiver.url)) as copy:
        until(lambda: len(receiver.taken()) == 2)
        assert [row["alert"]["id"] for row in receiver.taken()] == ["a", "c"]
        assert [one["title"] for one in copy.ask("GET", "/deadletters").json["deadletters"]] == ["bad is down"]


def test_filters_and_shapes_of_several_subscriptions(tmp_path: Path, receiver: Receiver) -> None:
    """Each hears its own, in its own shape; one that fails does not keep the others waiting."""
    tables = [
        subscription("http://127.0.0.1:9/", name="dead"),
        subscription(receiver.url + "/loud", name="loud", severity="critical", scopes=["shop-*"]),
        subscription(receiver.url + "/pd", name="pd", shape="pagerduty", routing_key="env:PD", events=["opened"]),
        subscription(receiver.url + "/slack", name="slack", shape="slack"),
        subscription(receiver.url + "/am", name="am", shape="alertmanager"),
    ]
    with service(tmp_path, *tables, PD="p" * 32) as live:
        live.ask(
            "POST",
            "/events",
            [alert("a", "web", severity="critical", scope="shop-1"), alert("b", "web", severity="error")],
        )
        until(lambda: len(receiver.got()) == 7)
        by = {
            path: [row for row in receiver.got() if row["path"] == f"/hook/{path}"]
            for path in ("loud", "pd", "slack", "am")
        }
        assert {path: len(rows) for path, rows in by.items()} == {"loud": 1, "pd": 2, "slack": 2, "am": 2}
        assert orjson.loads(by["pd"][0]["body"])["routing_key"] == "p" * 32
        failing = {
            row["subscription"]: row["failing_s"] is not None
            for row in live.ask("GET", "/subscriptions").json["subscriptions"]
        }
        assert failing == {"dead": True, "loud": False, "pd": False, "slack": False, "am": False}


def test_letters_of_a_subscription_that_is_no_more_are_counted_and_can_be_discarded(
    tmp_path: Path, receiver: Receiver
) -> None:
    """They cannot be sent, and it is not said that they will be; one that is discarded on its way does not come back."""
    receiver.orders({"status": 400})
    with service(tmp_path, subscription(receiver.url, name="old"), subscription(receiver.url, name="new")) as live:
        live.ask("POST", "/events", [alert(f"a{n}", f"s{n}") for n in range(3)])
        until(lambda: len(live.ask("GET", "/deadletters").json["deadletters"]) == 6)
        (tmp_path / "state.toml").write_text("policy = 'service=600s'\n" + subscription(receiver.url, name="new"))
        live.process.send_signal(signal.SIGHUP)
        until(lambda: len(live.ask("GET", "/subscriptions").json["subscriptions"]) == 1)
        until(lambda: b'grouping_deadletters{subscription="old"} 3.0' in live.ask("GET", "/metrics").body)
        told = live.ask("POST", "/deadletters/resend", {}).json
        assert told == {"resending": 3, "without_subscription": 3}
        until(lambda: len(receiver.got()) == 9)
        until(lambda: all(not one["again"] for one in live.ask("GET", "/deadletters").json["deadletters"]))
        said = grouping("deadletters", "resend", live.state, "--all", "--subscription", "old").stderr.decode()
        assert said.startswith("0 to be sent again\n3 not: their subscription is no more")
        assert live.ask("DELETE", "/deadletters").status == 400
        first = live.ask("GET", "/deadletters?subscription=old").json["deadletters"][0]["number"]
        assert live.ask("DELETE", f"/deadletters?number={first}").json == {"discarded": 1}
        assert live.ask("DELETE", "/deadletters?subscription=old").json == {"discarded": 2}
        assert grouping("deadletters", "discard", live.state, "--all").stderr == b"3 discarded\n"
        assert live.ask("GET", "/deadletters").json["deadletters"] == []
        until(lambda: b'grouping_deadletters{subscription="new"} 0.0' in live.ask("GET", "/metrics").body)
    book = Ledger(tmp_path / "state")
    book.bury("new", notice(1), "400", 1, letter=True)
    assert book.letters() == []
    book.close()


def test_a_subscription_begins_when_it_is_configured(tmp_path: Path, receiver: Receiver) -> None:
    """SIGHUP adds one, without the past; those that are there go on; a bad one changes nothing."""
    with service(tmp_path, subscription(receiver.url + "/1", name="one")) as live:
        live.ask("POST", "/events", [alert("a", "web")])
        until(lambda: len(receiver.got()) == 1)
        config = live.state.parent / "state.toml"
        before = config.read_text()
        config.write_text(before + subscription("ftp://x", name="bad"))
        live.process.send_signal(signal.SIGHUP)
        until(lambda: any("not reloaded" in line["say"] for line in live.logs()))
        config.write_text(before + subscription(receiver.url + "/2", name="two"))
        live.process.send_signal(signal.SIGHUP)
        until(lambda: len(live.ask("GET", "/subscriptions").json["subscriptions"]) == 2)
        live.ask("POST", "/events", [alert("b", "db")])
        until(lambda: len(receiver.got()) == 3)
        told = [(row["path"], orjson.loads(row["body"])["alert"]["id"]) for row in receiver.got()]
        assert sorted(told) == [("/hook/1", "a"), ("/hook/1", "b"), ("/hook/2", "b")]


def test_what_is_held_is_told_though_nothing_comes_any_more(tmp_path: Path, receiver: Receiver) -> None:
    """The service lets time pass in a scope that fell silent, as an event of the log: a replay says the same."""
    with Live(tmp_path / "state", "policy = '*=600s'\n" + subscription(receiver.url), NO_PROXY="*") as live:
        events = [alert("a", "web", at=1e9, dedup_key="k"), alert("b", "bank", at=1e9, **{"class": "Probe"})]
        events += [alert("c", "disk", at=1e9, **{"class": "Full"})]
        events += [alert(f"r{n}", "web", at=1e9 + 59.5, dedup_key="k") for n in range(5)]
        live.ask("POST", "/events", events)
        until(lambda: len(receiver.taken()) == 3)
        assert [row["event"] for row in receiver.taken()] == ["opened", "departs", "departs"]
        assert [[one["id"] for one in row["departing"]] for row in receiver.taken()[1:]] == [["b"], ["c"]]
        live.settled()
        assert live.log()[-1] == {"kind": "tick", "at": 1e9 + 60, "scope": "default"}
        live.stop()
        live.assert_live_and_offline_are_one()


# -- the parts


def test_pauses_double_up_to_a_bound_and_half_of_each_is_drawn() -> None:
    to = Subscription(name="x", shape="generic", url="http://x", retry_s=1.0, retry_max_s=60.0)
    for failures, longest in [(1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (5000, 60.0)]:
        found = [pause(to, failures, None) for _ in range(200)]
        assert longest / 2 <= min(found) <= max(found) <= longest
        assert max(found) - min(found) > longest / 4
    assert pause(to, 1, 30.0) == 30.0


def test_retry_after_is_a_number_or_a_date_and_bounded() -> None:
    now = time()
    values = {"3": (3, 3), formatdate(now + 100, usegmt=True): (80, 101), formatdate(now - 100, usegmt=True): (0, 0)}
    for value, (low, high) in (values | {"99999999": (3600, 3600)}).items():
        found = sender._after(value)
        assert found is not None
        assert low <= found <= high


class Silent:
    """What an outbox asks of a service in which nothing happens."""

    decided = 0
    log = SimpleNamespace(end=0)

    async def reached(self, seq: int, within: float) -> bool:
        """Never."""
        await asyncio.Event().wait()
        return False


def test_a_subscription_that_is_taken_away_while_it_is_mended_stays_away(tmp_path: Path) -> None:
    """Else it would be told on, though nobody wants it, until the next start."""

    async def fail() -> None:
        raise RuntimeError("a fault of ours")

    async def left() -> list[str]:
        outbox = Outbox(tmp_path, cast("Service", Silent()))
        await outbox.change([Subscription(name="x", shape="generic", url="http://x")])
        delivery = outbox._deliveries["x"]
        delivery._tasks.append(asyncio.create_task(fail()))
        await asyncio.wait(delivery._tasks[-1:])
        away = asyncio.create_task(outbox.change([]))
        await asyncio.sleep(0)
        assert outbox._changing.locked()
        await outbox._mend()
        await away
        names = [one["subscription"] for one in outbox.state()]
        await outbox.stop()
        return names

    assert asyncio.run(left()) == []


BEYOND = [f"Tue, 01 Jan 2030 00:00:00 +{'9' * 20}", f"Tue, {'9' * 20} Jan 2030 00:00:00 GMT"]


@pytest.mark.parametrize("value", [None, "", "soon", "-5", "1e9", *BEYOND])
def test_what_is_no_retry_after_is_ignored(value: str | None) -> None:
    assert sender._after(value) is None


def notice(number: int) -> Notice:
    return Notice(f"n-{number}", number, "s", "i-1", Happening.OPENED, 1e9, "t", None, 1, 4, 0)


def test_the_ledger_keeps_positions_and_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New subscriptions begin at the end, others where they were; dead letters are bounded, the oldest goes."""
    monkeypatch.setattr(ledger, "LETTERS_MAX", 3)
    one = Ledger(tmp_path)
    assert one.begin(["a"], 10) == {"a": 10}
    one.advance("a", 12)
    assert one.begin(["a", "b"], 20) == {"a": 12, "b": 20}
    assert [one.bury("a", notice(number), "500", 2) for number in range(5)] == [0, 0, 0, 1, 1]
    assert one.bury("a", notice(4), "404", 1) == 0
    one.close()
    again = Ledger(tmp_path)
    assert [(letter.notice.id, letter.why, letter.tries) for letter in again.letters()] == [
        ("n-2", "500", 2),
        ("n-3", "500", 2),
        ("n-4", "404", 3),
    ]
    assert again.begin(["b"], 30) == {"b": 20}
    assert again.begin(["a", "b"], 30) == {"a": 30, "b": 20}
    assert again.resend("a", [again.letters()[0].number, 99]) == (1, 0)
    assert [letter.notice.id for letter in again.letters(again=True)] == ["n-2"]
    again.taken("a", "n-2")
    assert again.count() == {"a": 2}
    again.close()


def test_a_ledger_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / ledger.FILE).write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(LedgerError, match=r"outbox\.db: file is not a database; restore it .* move it away"):
        Ledger(tmp_path)
    (tmp_path / ledger.FILE).unlink()
    (tmp_path / ledger.FILE).mkdir()
    with pytest.raises(LedgerError, match=r"outbox\.db: .*; make it readable"):
        Ledger(tmp_path)


BAD = {
    "not a table": (3, "expected a table"),
    "no name": ({"url": "http://x/"}, ".name: expected a text"),
    "a bad name": ({"name": "a b", "url": "http://x/"}, ".name: expected 1 to 64 letters"),
    "no url": ({"name": "a"}, ".url: expected a text"),
    "a file": ({"name": "a", "url": "file:///etc/passwd"}, ".url: "),
    "ftp": ({"name": "a", "url": "ftp://x/"}, ".url: expected http(s)"),
    "a user in it": ({"name": "a", "url": "http://me:pw@x/"}, ".url: expected http(s)"),
    "a line break in it": ({"name": "a", "url": "http://x/\nHost: y"}, ".url: expected http(s)"),
    "no host": ({"name": "a", "url": "http:///x"}, ".url: expected http(s)"),
    "a bad port": ({"name": "a", "url": "http://x:99999/"}, ".url: expected http(s)"),
    "no such shape": ({"name": "a", "url": "http://x/", "shape": "fax"}, ".shape: expected one of generic"),
    "no such severity": ({"name": "a", "url": "http://x/", "severity": "bad"}, ".severity: expected one of"),
    "no such event": ({"name": "a", "url": "http://x/", "events": ["closed"]}, ".events: expected one of"),
    "a secret in the open": ({"name": "a", "url": "http://x/", "secrets": [SECRET]}, ".secrets[0]: expected env:NAME"),
    "a secret that is not there": ({"name": "a", "url": "http://x/", "secrets": ["env:NO"]}, "nothing readable"),
    "a weak secret": ({"name": "a", "url": "http://x/", "secrets": ["env:WEAK"]}, "`grouping config secret` makes one"),
    "no routing key": ({"name": "a", "shape": "pagerduty"}, ".routing_key: the shape pagerduty needs it"),
    "a routing key too many": ({"name": "a", "url": "http://x/", "routing_key": "env:WEAK"}, ".routing_key: "),
    "a webhook to Alertmanager": (
        {"name": "a", "url": "http://x/api/v2/alerts", "shape": "alertmanager"},
        ".url: to Alertmanager itself the shape is prometheus",
    ),
    "another address of Alertmanager": (
        {"name": "a", "url": "http://x:9093", "shape": "prometheus"},
        "the address ends in /api/v2/alerts",
    ),
    "alerts that would never end": (
        {"name": "a", "url": "http://x/api/v2/alerts", "shape": "prometheus", "events": ["opened", "departs"]},
        ".events: the shape prometheus needs worse, resolved, reopened, merged too",
    ),
    "no such setting": ({"name": "a", "url": "http://x/", "colour": 1}, ".colour: no such setting"),
    "a time out of bounds": ({"name": "a", "url": "http://x/", "timeout_s": 0}, ".timeout_s: expected 0.1 to 120"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_subscription_that_cannot_be_used_is_said(case: str) -> None:
    """With place and remedy, at the start; and without what may be secret."""
    row, message = BAD[case]
    with pytest.raises(BadConfig) as error:
        Settings.of({"subscriptions": [row]}, {"WEAK": "whsec_c2hvcnQ="})
    assert str(error.value).startswith("service.subscriptions[0]")
    assert message in str(error.value)
    for secret in ("me:pw", SECRET, "c2hvcnQ"):
        assert secret not in str(error.value)


def test_secrets_come_from_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    row = {"name": "a", "url": "env:URL", "secrets": [f"file:{tmp_path / 'secret'}"], "link": "https://g/{incident}"}
    (found,) = subscriptions([row], {"URL": "https://hooks.example/T00/secret"})
    assert found.url == "https://hooks.example/T00/secret"
    assert found.keys == (key_of(SECRET),)
    assert "T00" not in repr(found)
    assert found.host == "hooks.example"
    with pytest.raises(BadConfig, match="two have the same name"):
        subscriptions([row, row], {"URL": "https://hooks.example/"})
