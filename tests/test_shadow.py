"""A policy that plays along: it decides nothing, it is counted fairly, and what it suggests is what it would have done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping import Config, Engine, emit, parse
from grouping.__main__ import main
from grouping.keyspace import unpack
from grouping.views import Views
from tests.logs import Player, logs

T = 1_760_000_000.0


class Play:
    """Events told in short; answers as lines."""

    def __init__(self, policy: str = "*=60s") -> None:
        self.store: dict[bytes, bytes] = {}
        self.engine = Engine(Config(policy=policy, explore=0.0), self.store)
        self.number = 0

    def tell(self, **event: Any) -> list[dict[str, Any]]:
        self.number += 1
        event = {"kind": "alert", "id": f"e{self.number}", "at": T + self.number, "summary": "no answer"} | event
        return [orjson.loads(emit(self.number, output)) for output in self.engine.step(parse(orjson.dumps(event)))]

    def alert(self, id: str, service: str) -> str:
        return next(line["incident"] for line in self.tell(id=id, service=service) if line["kind"] == "decision")

    def policy(self, mode: str, name: str | None = None) -> list[dict[str, Any]]:
        return self.tell(kind="policy", mode=mode, **({"policy": name} if name else {}))

    def figures(self) -> dict[str, Any] | None:
        for key, value in self.engine.drain().items():
            if value is None:
                self.store.pop(key, None)
            else:
                self.store[key] = value
        return Views(Config(policy="*=60s"), self.store).scope("default")["shadow"]


def test_it_is_counted_beside_what_was_done():
    """Everything together in truth, by service in the shadow: a1 b1 | a2 a3 would be two incidents."""
    play = Play()
    (line,) = play.policy("shadow", "service=60s")
    assert (line["kind"], line["policy"], line["was"], line["why"]) == ("policy", "default", "default", "set")
    assert line["evidence"] == {"by": "e1", "mode": "shadow", "policy": "service=60s"}
    for id, service in (("a1", "api"), ("b1", "web"), ("a2", "api"), ("a3", "api")):
        play.alert(id, service)
    found = play.figures()
    assert found is not None
    assert (found["alerts"], found["same"], found["alone"]) == (4, 3, 1)
    assert (found["opened"], found["would_open"]) == (1, 2)


def test_it_tells_whether_it_would_have_saved_a_correction():
    """A responder takes b1 out, as the shadow had it; and merges two that the shadow has apart as well."""
    play = Play()
    play.policy("shadow", "service=60s")
    first = play.alert("a1", "api")
    play.alert("b1", "web")
    (moved, *_) = [
        line for line in play.tell(kind="feedback", action="move", alerts=["b1"], into=None) if "into" in line
    ]
    found = play.figures()
    assert (found["corrected"], found["right"]) == (1, 1)
    play.tell(kind="feedback", action="merge", incidents=[moved["into"]], into=first)
    found = play.figures()
    assert (found["corrected"], found["right"]) == (2, 1)


def test_it_suggests_what_it_would_have_done():
    """A move out where it would have opened, a merge where it would have let join; nothing where it agrees."""
    play = Play()
    play.policy("suggest", "service=60s")
    first = play.alert("a1", "api")
    (said,) = [line for line in play.tell(id="b1", service="web") if line["kind"] == "suggestion"]
    assert (said["action"], said["incidents"], said["alerts"]) == ("move", [first, None], ["b1"])
    assert said["reason"] == "service=60s would have opened an incident for it"
    apart = Play("service=60s")
    apart.policy("suggest", "*=60s")
    one = apart.alert("a1", "api")
    lines = apart.tell(id="b1", service="web")
    (said,) = [line for line in lines if line["kind"] == "suggestion"]
    opened = next(line["incident"] for line in lines if line["kind"] == "decision")
    assert (said["action"], said["incidents"]) == ("merge", [one, opened])
    assert [line["kind"] for line in apart.tell(id="a2", service="api")] == ["decision"]


def test_what_is_put_to_work_ends_it_with_its_figures():
    """So does the policy that decides anyway, named as a shadow."""
    play = Play()
    play.policy("shadow", "service=60s")
    play.alert("a1", "api")
    (line,) = play.policy("auto", "service=60s")
    assert (line["policy"], line["was"]) == ("service=60s", "default")
    assert line["evidence"]["ended"]["alerts"] == 1
    assert play.figures() is None
    play.policy("shadow", "*=9s")
    (line,) = play.policy("shadow", "service=60s")
    assert line["evidence"]["ended"]["policy"] == "*=9s"
    assert play.figures() is None


@pytest.mark.parametrize("mode", ["shadow", "suggest"])
def test_a_policy_that_cannot_be_read_is_refused(mode):
    play = Play()
    (line,) = play.policy(mode, "whatever")
    assert line["kind"] == "refused"
    assert line["error"].startswith("$.policy: 'whatever': expected a policy such as")
    assert play.figures() is None


def lines(played: list[bytes]) -> Iterator[dict[str, Any]]:
    """The output lines but those of suggestions and policies, with the number of their event."""
    for number, part in enumerate(played):
        for line in part.splitlines():
            output = orjson.loads(line)
            if output["kind"] not in {"suggestion", "policy"}:
                yield output | {"seq": number}


def told(log: list[dict[str, Any]], mode: str) -> list[dict[str, Any]]:
    """The log with a shadow for every scope from the start."""
    scopes = dict.fromkeys(event["scope"] for event in log)
    return [
        {"kind": "policy", "id": f"shadow-{scope}", "mode": mode, "policy": "service=60s", "scope": scope}
        for scope in scopes
    ] + log


@given(logs(), st.sampled_from(["shadow", "suggest"]))
@settings(max_examples=40, deadline=None)
def test_it_changes_nothing(log, mode):
    """The outputs, suggestions apart, are those without it."""
    log = [event for event in log if event["kind"] != "policy"]
    with_it = told(log, mode)
    player, plain = Player(), Player()
    played = [player.play(event) for event in with_it][len(with_it) - len(log) :]
    undisturbed = [plain.play(event) for event in log]
    ours = [line | {"model": 0} for line in lines(played)]
    assert ours == [line | {"model": 0} for line in lines(undisturbed)]


@given(logs())
@settings(max_examples=40, deadline=None)
def test_a_restore_after_every_event_changes_nothing(log):
    """Nor does a store drained after each: figures and suggestions are part of the state."""
    log = told(log, "suggest")
    reference, restored, stored = Player(), Player(), Player()
    store: dict[bytes, bytes] = {}
    stored.engine = Engine(None, store)
    for event in log:
        line = reference.play(event)
        assert restored.play(event) == line
        restored.engine = Engine.restore(restored.engine.snapshot())
        assert stored.play(event) == line
        for key, value in stored.engine.drain().items():
            if value is None:
                store.pop(key, None)
            else:
                store[key] = value
        stored.engine = Engine(None, store)
    assert reference.engine.snapshot() == restored.engine.snapshot() == stored.engine.snapshot()


def test_a_merge_reaches_it_too():
    """Its incidents have the names of the true ones that the same alerts opened."""
    play = Play("service=60s")
    play.policy("shadow", "host=60s")
    one, two = (play.tell(id=name, service=name, host=name)[0]["incident"] for name in ("a", "b"))
    play.tell(kind="feedback", id="f1", action="merge", incidents=[two], into=one)
    play.figures()
    (kept,) = (value for key, value in play.store.items() if key[:2] == b"Si" and two.encode() in key)
    assert b'"merged"' in kept


@pytest.mark.parametrize("restart", [False, True])
def test_what_it_knew_is_deleted_when_it_ends(restart: bool) -> None:
    """A piece with each event, whether it was replaced or put to work; what plays along since then keeps its own."""
    play = Play()
    scopes = []
    for name in ("service=60s", "host=60s", "service~5s"):
        play.policy("shadow", name)
        scopes.append(f"7 default e{play.number}".encode())
        for number in range(250):
            play.alert(f"{name}{number}", f"s{number % 7}")

    def held() -> list[int]:
        play.figures()
        return [sum(key[:1] == b"S" and scope in key for key in play.store) for scope in scopes]

    assert held()[:2] == [0, 0]
    assert held()[2] > 250
    play.policy("auto", "service~5s")
    before = held()[2]
    assert before > 0, "not all at once"
    for number in range(5):
        if restart:
            play.engine = Engine.restore(play.engine.snapshot(), play.engine.config)
        play.alert(f"after{number}", "s1")
    assert not any(key[:1] == b"S" for key in unpack(play.engine.snapshot()))


# -- a policy is brought into a share of the scopes, step by step


def rolled_out(state: Path, *options: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(main, ["rollout", "service~5s", "--state", str(state), *options])
    assert done.exit_code == 0, done.output
    found = [orjson.loads(line) for line in done.stdout_bytes.splitlines()]
    assert f": {len(found)} to get it" in done.stderr
    return found


def replayed(state: Path, *events: dict[str, Any]) -> None:
    """Go on with the state, by events that come after those it has had."""
    log = state.parent / "log.jsonl"
    with log.open("ab") as file:
        file.writelines(orjson.dumps(event) + b"\n" for event in events)
    done = CliRunner().invoke(main, ["replay", str(log), "--state", str(state), "--out", str(state.parent / "out")])
    assert done.exit_code == 0, done.output


def test_a_share_is_raised_step_by_step(tmp_path):
    """Nobody gets it twice, those that have it keep it, and who was given another policy by hand is left alone."""
    state = tmp_path / "state"
    teams = [f"team-{number}" for number in range(60)]
    replayed(state, *({"kind": "alert", "summary": "down", "scope": team} for team in teams))
    mine = rolled_out(state, "--share", "1")[0]["scope"]
    replayed(state, {"kind": "policy", "id": "by-hand", "scope": mine, "mode": "auto", "policy": "*=9s"})
    some = rolled_out(state, "--share", "0.3")
    assert 8 <= len(some) <= 28
    replayed(state, *some)
    assert rolled_out(state, "--share", "0.3") == []
    rest = rolled_out(state, "--share", "1")
    assert sorted(event["scope"] for event in some + rest) == sorted(set(teams) - {mine})
    replayed(state, *rest)
    assert [event["scope"] for event in rolled_out(state, "--share", "1", "--force")] == [mine]
    outputs = [orjson.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    assert sum(line["kind"] == "policy" and line["policy"] == "service~5s" for line in outputs) == len(teams) - 1


def test_a_shadow_is_brought_in_the_same_way(tmp_path):
    """Once per scope."""
    state = tmp_path / "state"
    replayed(state, {"kind": "alert", "summary": "down", "scope": "shop"})
    events = rolled_out(state, "--share", "1", "--mode", "shadow")
    assert [(event["scope"], event["mode"]) for event in events] == [("shop", "shadow")]
    replayed(state, *events)
    assert rolled_out(state, "--share", "1", "--mode", "shadow") == []


def test_a_rollout_says_whom_it_left_out(tmp_path):
    """Those that have it, and those where a person chose another one."""
    state = tmp_path / "state"
    replayed(state, *({"kind": "alert", "summary": "down", "scope": team} for team in ("a", "b", "c")))
    chosen = {"a": "*=9s", "b": "service~5s"}.items()
    replayed(state, *({"kind": "policy", "id": team, "scope": team, "mode": "auto", "policy": p} for team, p in chosen))
    done = CliRunner().invoke(main, ["rollout", "service~5s", "--state", str(state), "--share", "1"])
    assert done.stderr == "3 of 3 scopes: 1 to get it, 1 have it, 1 with another policy that a person set\n"


@pytest.mark.parametrize(
    "call", ["rollout *=9s --share 1", "unlearn --actor ana", "explain a1", "model export", "outputs"]
)
def test_a_directory_without_state_is_called_that(tmp_path, call):
    """Not the library's words about a file of its own."""
    option = [] if call == "outputs" else ["--state"]
    done = CliRunner().invoke(main, [*call.split(), *option, str(tmp_path)])
    assert done.exit_code == 2
    assert "holds no state" in done.stderr


def test_a_share_that_is_no_number_is_refused(tmp_path):
    """It would give the policy to no scope, without a word."""
    done = CliRunner().invoke(main, ["rollout", "*=9s", "--share", "nan", "--state", str(tmp_path)])
    assert done.exit_code == 2
    assert "'nan' is no number" in done.stderr


def test_a_policy_that_cannot_be_read_is_not_rolled_out(tmp_path):
    (tmp_path / "state").mkdir()
    done = CliRunner().invoke(main, ["rollout", "whatever", "--share", "1", "--state", str(tmp_path / "state")])
    assert done.exit_code == 2
    assert "expected a policy such as" in done.output
