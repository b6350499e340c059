"""What a responder said once holds at the next such alert, until told otherwise; undone, it is as if never said."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grouping.__main__ import main
from grouping.config import Config
from grouping.engine import Engine
from grouping.keyspace import unpack
from grouping.lessons import KINDS, SAYINGS
from grouping.lifecycle import root
from grouping.memory import AGREEING, DISPUTED, LESSONS, Lesson, Memory, Saying, Verdict
from grouping.parse import parse
from grouping.records import Alert, Decision, Event, Feedback, Output, PolicyLine, Reason, Refused, Status, Verb
from grouping.runtimes.store import Store

DAY = 86_400.0


def alert(id: str, at: float, service: str, **more: Any) -> Alert:
    fields: dict[str, Any] = dict.fromkeys(("severity", "source", "host", "component", "group", "class_"))
    return Alert(
        id,
        at,
        "s",
        Status.FIRING,
        None,
        service=service,
        **fields | {"summary": f"{service} is down"} | {"details": {}} | more,
    )


def said(id: str, at: float, action: Verb, actor: str = "ana", **what: Any) -> Feedback:
    return Feedback(id, at, "s", actor, action, **what)


class Desk:
    """An engine under a policy, and the latest decision on each alert."""

    def __init__(self, policy: str = "learned(*=60s)") -> None:
        self.engine = Engine(Config(policy=policy, explore=0.0))
        self.decided: dict[str, Decision] = {}

    def __call__(self, *events: Event) -> list[Output]:
        outputs = [output for event in events for output in self.engine.step(event)]
        self.decided |= {output.alert: output for output in outputs if isinstance(output, Decision)}
        return outputs

    def incident(self, alert: str) -> str:
        return self.decided[alert].incident

    def together(self, one: str, other: str) -> bool:
        return self.incident(one) == self.incident(other)


@pytest.mark.parametrize("policy", ["learned(*=60s)", "linear(*~2s)", "learned(service=60s)"])
def test_what_was_moved_out_stays_out(policy: str) -> None:
    """Split once, an alert of that kind opens its own incident the next time, and the decision names the feedback."""
    desk = Desk(policy)
    desk(alert("a1", 0, "db"), alert("b1", 1, "mail"))
    if not desk.together("a1", "b1"):  # the policy would not join them anyway
        desk(said("f0", 2, Verb.MERGE, incidents=(desk.incident("b1"),), into=desk.incident("a1")))
    desk(said("f1", 3, Verb.MOVE, alerts=("b1",), into=None))
    desk(alert("a2", DAY, "db"), alert("b2", DAY + 1, "mail"))
    assert not desk.together("a2", "b2")
    decision = desk.decided["b2"]
    if policy != "learned(service=60s)":
        assert decision.reason is Reason.TOLD
        assert decision.choice is not None
        assert "f1" in (decision.choice.told or [])


@pytest.mark.parametrize("policy", ["learned(*=60s)", "linear(*~2s)", "learned(service=60s)"])
def test_what_was_merged_comes_together(policy: str) -> None:
    """Also after a silence at which the policy would open: up to half as much again, and no longer."""
    desk = Desk(policy)
    desk(alert("a1", 0, "db"), alert("b1", 100, "mail"))
    assert not desk.together("a1", "b1")
    desk(said("f1", 120, Verb.MERGE, incidents=(desk.incident("b1"),), into=desk.incident("a1")))
    desk(alert("a2", DAY, "db"), alert("b2", DAY + 100, "mail"))
    assert desk.together("a2", "b2")
    assert desk.decided["b2"].reason is Reason.TOLD
    desk(alert("a3", 2 * DAY, "db"), alert("b3", 2 * DAY + 160, "mail"))
    assert not desk.together("a3", "b3")


def test_until_told_otherwise() -> None:
    """The latest word holds, whoever said it."""
    desk = Desk()
    desk(alert("a1", 0, "db"), alert("b1", 1, "mail"), said("f1", 2, Verb.MOVE, alerts=("b1",), into=None))
    desk(alert("a2", DAY, "db"), alert("b2", DAY + 1, "mail"))
    desk(said("f2", DAY + 2, Verb.MERGE, "bo", incidents=(desk.incident("b2"),), into=desk.incident("a2")))
    desk(alert("a3", 2 * DAY, "db"), alert("b3", 2 * DAY + 1, "mail"))
    assert desk.together("a3", "b3")


def test_told_at_the_very_next_decision() -> None:
    """Not the next day: the incident that was corrected is judged by it at once."""
    desk = Desk()
    desk(alert("a1", 0, "db"), alert("b1", 1, "mail"), said("f1", 2, Verb.MOVE, alerts=("b1",), into=None))
    desk(alert("b2", 3, "mail"))
    assert desk.together("b2", "b1") or desk.incident("b2") != desk.incident("a1")
    assert desk.incident("b2") != desk.incident("a1")


def test_it_survives_a_restart() -> None:
    desk = Desk()
    desk(alert("a1", 0, "db"), alert("b1", 1, "mail"), said("f1", 2, Verb.MOVE, alerts=("b1",), into=None))
    desk.engine = Engine.restore(desk.engine.snapshot(), desk.engine.config)
    desk(alert("a2", DAY, "db"), alert("b2", DAY + 1, "mail"))
    assert not desk.together("a2", "b2")


def test_the_one_in_whose_turn_it_would_have_been_next() -> None:
    """Told that it does not belong to the latest incident, an alert goes to the one before it, if that is in time."""
    desk = Desk()
    desk(alert("a1", 0, "db"), alert("b1", 1, "mail"), said("f1", 2, Verb.MOVE, alerts=("b1",), into=None))
    desk(alert("c1", 3, "web"))
    desk(
        said(
            "f2",
            4,
            Verb.MOVE,
            alerts=("c1",),
            into=desk.engine.state.alert(desk.engine.state.scope("s"), "b1").incident,
        )
    )  # type: ignore[union-attr]
    desk(alert("a2", DAY, "db"), alert("b2", DAY + 1, "mail"), alert("c2", DAY + 2, "web"))
    assert desk.together("b2", "c2")
    assert not desk.together("a2", "c2")


def test_noise_teaches_nothing_about_belonging() -> None:
    """What was put together only to be dismissed does not come together for that."""
    desk = Desk("learned(service=60s)")
    desk(alert("a1", 0, "db"), alert("b1", 1, "mail"))
    desk(said("f1", 2, Verb.MERGE, incidents=(desk.incident("b1"),), into=desk.incident("a1")))
    desk(said("f2", 3, Verb.DISMISS, incident=desk.incident("a1")))
    desk(alert("a2", DAY, "db"), alert("b2", DAY + 1, "mail"))
    assert not desk.together("a2", "b2")
    desk(said("f3", DAY + 2, Verb.UNDO, feedback="f2"), alert("a3", 2 * DAY, "db"), alert("b3", 2 * DAY + 1, "mail"))
    assert desk.together("a3", "b3")


def test_what_is_frequent_needs_two_to_agree() -> None:
    """Two alerts that come all day meet by chance: one merge says little, a second one about another incident enough."""
    desk = Desk("default")
    for minute in range(200):
        desk(alert(f"n{minute}", 60.0 * minute, "web"), alert(f"m{minute}", 60.0 * minute + 50, "cache"))
    for number, minute in enumerate((198, 199)):
        web, cache = desk.incident(f"n{minute}"), desk.incident(f"m{minute}")
        if web != cache:
            desk(said(f"f{number}", 12_000.0 + number, Verb.MERGE, incidents=(cache,), into=web))
    memory = desk.engine.state.scope("s").memory
    assert memory.lessons
    assert not all(saying.sure for lesson in memory.lessons.values() for saying in lesson.sayings if saying.together)


def test_of_many_moved_alerts_it_is_kept_what_they_do_not_belong_to() -> None:
    """A lesson has few places; what moved alerts are to each other, which is said of each of them, does not take them all."""
    desk = Desk()
    desk(*[alert(f"{side}{number}", 2.0 * number, f"{side}-{number}") for number in range(30) for side in ("eu", "us")])
    desk(said("f1", 100, Verb.MOVE, alerts=tuple(f"us{number}" for number in range(30)), into=None))
    kept = desk.engine.state.scope("s").memory.lessons["f1"].sayings
    assert len(kept) == SAYINGS
    assert len([saying for saying in kept if saying.pair[0] & 1]) == KINDS
    desk(alert("eu", DAY, "eu-5"), alert("us", DAY + 1, "us-5"))
    assert not desk.together("eu", "us")
    assert desk.decided["us"].reason is Reason.TOLD


def test_what_is_taken_out_of_a_large_incident_is_told_where_it_belongs() -> None:
    """Also where there is more that it does not belong to than a lesson has places."""
    desk = Desk("learned(*=5s)")
    desk(alert("home", 0, "mail"))
    odd = ("odd", "odd too", "odd as well")
    desk(*[alert(id, 10, f"queue-{number}") for number, id in enumerate(odd)])
    desk(*[alert(f"a{number}", 10.0 + number / 4, f"db-{number}") for number in range(2 * SAYINGS)])
    desk(said("f1", 100, Verb.MOVE, alerts=odd, into=desk.incident("home")))
    desk(alert("home again", DAY, "mail"), alert("odd again", DAY + 10, "queue-0"))
    assert len(desk.engine.state.scope("s").memory.lessons["f1"].sayings) == SAYINGS
    assert desk.together("home again", "odd again")


def moved_after_a_merge() -> Desk:
    """Two incidents are merged, and what does not belong there is moved out of them."""
    desk = Desk("learned(*=5s)")
    desk(alert("l1", 0, "db"))
    desk(*[alert(f"b{number}", 10.0 + number, f"web-{number}") for number in range(9)], alert("m1", 19, "mail"))
    desk(said("f1", 100, Verb.MERGE, incidents=(desk.incident("l1"),), into=desk.incident("m1")))
    desk(said("f2", 101, Verb.MOVE, alerts=("m1",), into=None))
    return desk


def test_what_is_moved_out_after_a_merge_was_not_meant_by_it() -> None:
    """The merge said of them, too, that they belong together; so much lies between them that the move alone says nothing."""
    desk = moved_after_a_merge()
    desk(alert("l2", DAY, "db"), alert("m2", DAY + 19, "mail"))
    assert not desk.together("l2", "m2")
    desk(alert("l3", 2 * DAY, "db"), alert("b", 2 * DAY + 10, "web-0"))
    assert desk.together("l3", "b")


def test_a_merge_holds_again_when_what_was_moved_out_of_it_is_undone() -> None:
    desk = moved_after_a_merge()
    desk(said("f3", 102, Verb.UNDO, feedback="f2"), alert("l2", DAY, "db"), alert("m2", DAY + 19, "mail"))
    assert desk.together("l2", "m2")


# -- the memory by itself


def lesson(
    id: str, *sayings: Saying, actor: str | None = "ana", where: str | None = None, noise: bool = False
) -> Lesson:
    return Lesson(id, actor, where or f"i-{id}", sayings, noise)


def test_kinds_need_incidents_to_agree() -> None:
    """One lesson on a pair of kinds says nothing; two about different incidents do; about the same one they do not."""
    memory = Memory()
    kinds = Saying((3, 5), True, 10.0)
    for number in range(AGREEING):
        memory.learn(lesson(f"f{number}", kinds, where="i-1"))
    assert memory.told((2, 3), 5.0, {5: (0.0, 0)}) == (0, "")
    memory.learn(lesson("g", kinds, where="i-2"))
    assert memory.told((2, 3), 5.0, {5: (0.0, 0)}) == (1, "g")
    assert memory.told((2, 3), 11.0, {5: (0.0, 0)}) == (0, "")


def test_one_who_is_contradicted_by_others_is_not_heard() -> None:
    """Five of somebody's lessons contradicted, and those the most of them: none of them counts until that changes."""
    memory = Memory()
    for number in range(DISPUTED):
        memory.learn(lesson(f"bad{number}", Saying((2 * number, 100), True, 60.0), actor="mallory"))
    memory.learn(lesson("bad", Saying((50, 100), True, 60.0), actor="mallory"))
    assert memory.told((50, 51), 1.0, {100: (0.0, 0)}) == (1, "bad")
    for number in range(DISPUTED):
        memory.learn(lesson(f"good{number}", Saying((2 * number, 100), False, 0.0), actor="ana"))
    assert memory.quarantined == {"mallory"}
    assert memory.told((50, 51), 1.0, {100: (0.0, 0)}) == (0, "")
    memory.forget("good0")
    assert memory.quarantined == frozenset()
    assert memory.told((50, 51), 1.0, {100: (0.0, 0)}) == (1, "bad")


def split_by_mallory(desk: Desk, count: int, actor: str | None = "mallory") -> list[Feedback]:
    """Day after day another alert is split off its incident; in the end that holds. The splits."""
    given = []
    for day in range(count):
        at = day * DAY
        desk(alert(f"a{day}", at, f"db{day}"), alert(f"b{day}", at + 1, f"mail{day}"))
        given.append(Feedback(f"bad{day}", at + 2, "s", actor, Verb.MOVE, alerts=(f"b{day}",)))
        desk(given[-1])
    return given


def apart_again(desk: Desk) -> bool:
    """Whether the last two are still told apart, a year later."""
    desk(alert("a again", 400 * DAY, f"db{DISPUTED}"), alert("b again", 400 * DAY + 1, f"mail{DISPUTED}"))
    return not desk.together("a again", "b again")


@pytest.mark.parametrize(("actor", "other"), [("mallory", "ana"), ("mallory", None), (None, "ana")])
def test_who_is_undone_by_somebody_else_is_not_heard_and_it_is_said(actor: str | None, other: str | None) -> None:
    """At the fifth, with the evidence; also of those who gave no name; through a restart; until more of it stands."""
    desk = Desk()
    given = split_by_mallory(desk, DISPUTED + 1, actor)
    lines = []
    for number, bad in enumerate(given[:DISPUTED]):
        undo = Feedback(f"undo{number}", 100 * DAY, "s", other, Verb.UNDO, feedback=bad.id)
        lines += [output for output in desk(undo) if isinstance(output, PolicyLine)]
    evidence = {"by": "undo4", "actor": actor, "lessons": DISPUTED + 1, "contradicted": DISPUTED}
    assert [(line.why, line.policy == line.was, line.evidence) for line in lines] == [("quarantined", True, evidence)]
    desk.engine = Engine.restore(desk.engine.snapshot(), desk.engine.config)
    assert desk.engine.state.scope("s").memory.quarantined == {actor}
    assert not apart_again(desk)
    lines = []
    for number in range(DISPUTED - 1):
        at = 500 * DAY + number * DAY
        desk(alert(f"c{number}", at, f"web{number}"), alert(f"d{number}", at + 1, f"api{number}"))
        good = Feedback(f"good{number}", at + 2, "s", actor, Verb.MOVE, alerts=(f"d{number}",))
        lines += [output for output in desk(good) if isinstance(output, PolicyLine)]
    assert [line.why for line in lines] == ["freed"]


def test_who_takes_back_what_he_said_himself_is_heard() -> None:
    desk = Desk()
    for bad in split_by_mallory(desk, DISPUTED + 1)[:DISPUTED]:
        desk(said(f"undo-{bad.id}", 100 * DAY, Verb.UNDO, "mallory", feedback=bad.id))
    assert desk.engine.state.scope("s").memory.quarantined == frozenset()
    assert apart_again(desk)


def test_who_is_not_heard_cannot_silence_others() -> None:
    """What somebody takes back whom nobody believes does not count against those who taught it."""
    desk = Desk()
    for bad in split_by_mallory(desk, DISPUTED)[:DISPUTED]:
        desk(said(f"undo-{bad.id}", 100 * DAY, Verb.UNDO, "ana", feedback=bad.id))
    memory = desk.engine.state.scope("s").memory
    assert memory.quarantined == {"mallory"}
    for day in range(DISPUTED):
        at = 200 * DAY + day * DAY
        desk(alert(f"x{day}", at, f"web{day}"), alert(f"y{day}", at + 1, f"api{day}"))
        desk(said(f"good{day}", at + 2, Verb.MOVE, "ana", alerts=(f"y{day}",), into=None))
        desk(said(f"revenge{day}", at + 3, Verb.UNDO, "mallory", feedback=f"good{day}"))
    assert memory.quarantined == {"mallory"}


def test_the_oldest_are_forgotten() -> None:
    memory = Memory()
    for number in range(LESSONS + 1):
        memory.learn(lesson(f"f{number}", Saying((0, 2 + 2 * number), True, 60.0)))
    assert len(memory.lessons) == LESSONS
    assert memory.told((0, 1), 1.0, {2: (0.0, 0)}) == (0, "")
    assert memory.told((0, 1), 1.0, {4: (0.0, 0)}) == (1, "f1")


def test_one_who_teaches_much_pushes_nobody_out() -> None:
    """The oldest of whoever gave most is forgotten; when those are unlearned, what the others taught is all there."""
    memory = Memory()
    for actor in ("ana", None):
        memory.learn(lesson(f"by {actor}", Saying((2, 4), True, 60.0), actor=actor))
    for number in range(2 * LESSONS):
        memory.learn(lesson(f"bad{number}", Saying((100, 102 + 2 * number), True, 60.0), actor="mallory"))
    assert len(memory.lessons) == LESSONS
    for id in [id for id, one in memory.lessons.items() if one.actor == "mallory"]:
        memory.forget(id)
    assert list(memory.lessons) == ["by ana", "by None"]
    assert memory.told((2, 3), 1.0, {4: (0.0, 0)}) == (1, "by None")


def test_a_state_with_more_lessons_than_are_kept_today_comes_down_to_the_bound() -> None:
    memory = Memory()
    memory.restore(lesson(f"f{number}", Saying((0, 2 + 2 * number), True, 60.0)) for number in range(LESSONS + 9))
    memory.learn(lesson("new", Saying((0, 2), True, 60.0)))
    assert len(memory.lessons) == LESSONS
    assert next(iter(memory.lessons)) == "f10"


def test_of_two_who_gave_as_much_the_oldest_lesson_goes() -> None:
    memory = Memory()
    for number in range(LESSONS + 2):
        memory.learn(lesson(f"f{number}", Saying((0, 2), True, 60.0), actor=("ana", "bo")[number % 2]))
    assert list(memory.lessons) == [f"f{number}" for number in range(2, LESSONS + 2)]


CODES = st.integers(0, 7)
OFTEN = st.sampled_from([0, 2]) | CODES  # much of it about one pair
SAID = st.builds(
    lambda one, other, together, silence, sure: Saying((min(one, other), max(one, other)), together, silence, sure),
    OFTEN,
    OFTEN,
    st.booleans(),
    st.sampled_from([-1.0, 0.0, 1.0, 5.0, 60.0]),
    st.booleans(),
).filter(lambda saying: saying.pair[0] % 2 == saying.pair[1] % 2)
GIVEN = st.lists(
    st.tuples(
        st.lists(SAID, max_size=4, unique_by=lambda saying: saying.pair),
        st.sampled_from(["ana", "bo", "cy", None]),
        st.sampled_from(["i1", "i2", "i3"]),
        st.booleans(),
    ),
    max_size=24,
)


def verdicts(memory: Memory) -> dict[tuple[int, int], Verdict]:
    """What holds, with the numbers of lessons replaced by their order."""
    order = {number: place for place, number in enumerate(memory._number.values())}
    return {
        (code, partner): verdict._replace(
            together_at=order.get(verdict.together_at, -1), apart_at=order.get(verdict.apart_at, -1)
        )
        for code, partners in memory.partners.items()
        for partner, verdict in partners.items()
    }


def about(who: str, together: bool, where: str = "i1", sure: bool = True) -> Any:
    """One lesson about one pair."""
    return [Saying((0, 2), together, 5.0, sure)], who, where, False


# What was not sure goes though what holds is the same; who was contradicted by one that goes, but not by those before it;
# and the one who is not believed any more as his own lesson goes: what that said holds no longer either.
DISBELIEVED = [([Saying((4, 6 + 2 * n), True, 5.0)], "eve", f"i{n}", False) for n in range(5)] + [
    ([Saying((4, 6 + 2 * n), False, 5.0)], who, f"i{n}", False) for n in range(5) for who in ("ana", "bo")
]


@given(GIVEN, st.sets(st.integers(0, 23)))
@settings(max_examples=500)
@example([about("ana", True, sure=False), about("ana", False, "i2")], {0})
@example([about("eve", True), about("ana", False), about("eve", True, "i2")], {2})
@example([about("eve", True), *[([], "eve", "i9", False)] * 4, *DISBELIEVED], {0})
def test_forgetting_is_exact(given_: list[Any], gone: set[int]) -> None:
    """Lessons taught and taken away again, in any order: what is left is what the others alone would have taught."""
    lessons = [
        Lesson(f"f{n}", actor, where, tuple(said), noise) for n, (said, actor, where, noise) in enumerate(given_)
    ]
    undone, never = Memory(), Memory()
    for one in lessons:
        undone.learn(one)
    for number in gone:
        undone.forget(f"f{number}")
    for number, one in enumerate(lessons):
        if number not in gone:
            never.learn(one)
    assert verdicts(undone) == verdicts(never)
    assert undone.quarantined == never.quarantined
    assert list(undone.lessons) == list(never.lessons)
    # Nothing else is left either: who comes and goes for years takes no room.
    assert undone._given == never._given
    assert undone._on == never._on
    assert undone._at == never._at
    assert undone._noise == never._noise
    assert undone._doubted == never._doubted
    assert undone._unsure == never._unsure


@pytest.mark.parametrize("seed", range(4))
def test_full_of_lessons_on_the_same_pairs_it_is_as_if_only_those_kept_had_been_given(seed: int) -> None:
    """Many say much about little, with noise and things taken back in between: nothing is worked out from too little."""
    chance, memory = random.Random(seed), Memory()
    pairs = [(one, other) for one in range(6) for other in range(one, 6) if one % 2 == other % 2]
    for number in range(LESSONS + 300):
        said = tuple(
            Saying(pair, chance.random() < 0.8, chance.choice([-1.0, 1.0, 5.0, 60.0, 61.0]), chance.random() < 0.7)
            for pair in chance.sample(pairs, 4)
        )
        actor, where = chance.choice(["eve", "eve", "eve", "ana", None]), f"i{chance.randrange(900)}"
        memory.learn(Lesson(f"f{number}", actor, where, said, noise=chance.random() < 0.05))
        if chance.random() < 0.03:
            memory.withdraw(chance.choice(list(memory.lessons)), chance.choice(["eve", "ana"]))
    read = Memory()
    read.restore(memory.lessons.values())
    assert verdicts(memory) == verdicts(read)
    assert memory.quarantined == read.quarantined
    assert memory._doubted == read._doubted
    assert memory._unsure == read._unsure


def contradicted(lessons: list[Lesson], actor: str | None) -> int:
    """How many lessons of somebody a later one of somebody else contradicts, on a pair of which both count."""

    def on(pair: tuple[int, int]) -> list[tuple[Lesson, Saying]]:
        rows = [(one, saying) for one in lessons for saying in one.sayings if saying.pair == pair]
        noise = {one.where for one in lessons if one.noise}
        return [(one, saying) for one, saying in rows if not (saying.together and one.where in noise)]

    found: set[str] = set()
    for pair in {saying.pair for one in lessons for saying in one.sayings}:
        heard = on(pair)
        for place, (one, saying) in enumerate(heard):
            for other, later in heard[place + 1 :]:
                if later.together != saying.together and other.actor != one.actor:
                    found.add(one.feedback)
    return sum(one.feedback in found for one in lessons if one.actor == actor)


def slowly_told(
    memory: Memory, codes: tuple[int, int], at: float, seen: dict[int, tuple[float, int]]
) -> tuple[int, str]:
    """What is told of an alert, by looking at all that was ever said of what has its codes."""
    for code in codes:
        said: list[tuple[int, int, str]] = []
        for partner, verdict in memory.partners.get(code, {}).items():
            if partner not in seen:
                continue
            silence = abs(at - seen[partner][0])
            if silence <= verdict.until:
                said.append((verdict.together_at, 1, verdict.together_by))
            elif silence >= verdict.since and (partner == code or code not in seen):
                said.append((verdict.apart_at, -1, verdict.apart_by))
        if said:
            return max(said)[1:]
    return 0, ""


@given(GIVEN, st.dictionaries(CODES, st.tuples(st.sampled_from([0.0, 3.0, 30.0]), st.just(0))))
@settings(max_examples=300)
def test_what_follows_from_lessons_is_what_looking_at_all_of_them_gives(
    given_: list[Any], seen: dict[int, tuple[float, int]]
) -> None:
    """Learned one by one or read back at once: who is contradicted, what holds, what is told, who are friends."""
    lessons = [
        Lesson(f"f{n}", actor, where, tuple(said), noise) for n, (said, actor, where, noise) in enumerate(given_)
    ]
    learned, read = Memory(), Memory()
    for one in lessons:
        for code in range(8):
            learned.friends(code)
        learned.learn(one)
    read.restore(lessons)
    assert verdicts(read) == verdicts(learned)
    assert read.quarantined == learned.quarantined
    for memory in (learned, read):
        for actor in ("ana", "bo", "cy", None):
            given_by = [one for one in lessons if one.actor == actor]
            assert memory.trust(actor) == (len(given_by), contradicted(lessons, actor))
        for codes in [(0, 1), (2, 3), (4, 5), (6, 7)]:
            assert memory.told(codes, 3.0, seen) == slowly_told(memory, codes, 3.0, seen)
            assert [memory.dismissed(where) for where in ("i1", "i2", "i3")] == [
                any(one.noise and one.where == where and one.actor not in memory.quarantined for one in lessons)
                for where in ("i1", "i2", "i3")
            ]
        for code in range(8):
            spoken = {
                partner: verdict for partner, verdict in memory.partners.get(code, {}).items() if verdict.until >= 0
            }
            assert memory.friends(code) == sorted(spoken, key=lambda one: (-spoken[one].together_at, one))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(0, 40), st.booleans()), max_size=8)
)
@settings(max_examples=25, deadline=None)
def test_as_told_until_told_otherwise(history: list[tuple[str, str, int, bool]]) -> None:
    """Whatever was said before, a correction on two alerts decides the same situation the next day."""
    desk = Desk()
    for day, (one, other, gap, belongs) in enumerate([*history, ("a", "b", 7, True), ("a", "b", 7, False)]):
        if one == other:
            continue
        at, x, y = day * DAY, f"x{day}", f"y{day}"
        desk(alert(x, at, one), alert(y, at + gap, other))
        if desk.together(x, y) and not belongs:
            desk(said(f"f{day}", at + gap + 1, Verb.MOVE, alerts=(y,), into=None))
        elif belongs and not desk.together(x, y):
            desk(said(f"f{day}", at + gap + 1, Verb.MERGE, incidents=(desk.incident(y),), into=desk.incident(x)))
        at += DAY / 2
        desk(alert(f"again-{x}", at, one), alert(f"again-{y}", at + gap, other))
        assert desk.together(f"again-{x}", f"again-{y}") == belongs


def test_undone_it_is_as_if_never_said() -> None:
    desk, other = Desk(), Desk()
    first = [alert("a1", 0, "db"), alert("b1", 1, "mail")]
    desk(*first, said("f1", 2, Verb.MOVE, alerts=("b1",), into=None), said("f2", 3, Verb.UNDO, feedback="f1"))
    other(*first)
    again = [alert("a2", DAY, "db"), alert("b2", DAY + 1, "mail")]
    desk(*again)
    other(*again)
    assert desk.together("a2", "b2")
    for name in ("a2", "b2"):
        assert desk.decided[name]._replace(model=0) == other.decided[name]._replace(model=0)


def split_and_put_back(desk: Desk) -> None:
    """Mallory moves an alert out of an incident, and ana moves it back."""
    desk(alert("a1", 0, "db"), alert("b1", 1, "mail"))
    desk(said("bad", 2, Verb.MOVE, "mallory", alerts=("b1",), into=None))
    desk(said("fix", 3, Verb.MOVE, "ana", alerts=("b1",), into=desk.incident("a1")))


def dismissed_and_merged(desk: Desk) -> None:
    """Mallory dismisses an incident, and ana merges it into another."""
    desk(alert("a1", 0, "db"), alert("b1", 100, "mail"))
    desk(said("bad", 102, Verb.DISMISS, "mallory", incident=desk.incident("b1")))
    desk(said("fix", 103, Verb.MERGE, "ana", incidents=(desk.incident("b1"),), into=desk.incident("a1")))


@pytest.mark.parametrize("story", [split_and_put_back, dismissed_and_merged])
def test_a_lesson_is_taken_back_though_the_alerts_have_moved_on(story: Callable[[Desk], None]) -> None:
    """What somebody else did since stands; what was taught goes, so that it cannot rule later."""
    desk = Desk()
    story(desk)
    where = desk.engine.state.alert(desk.engine.state.scope("s"), "b1")
    assert where is not None
    outputs = desk(said("undo-bad", 200, Verb.UNDO, "unlearn", feedback="bad"))
    assert not [output for output in outputs if isinstance(output, Refused)]
    scope = desk.engine.state.scope("s")
    assert [id for id, one in scope.memory.lessons.items() if one.sayings] == ["fix"]
    assert not scope.promotion.knows("bad")
    assert scope.promotion.knows("fix")
    again = desk.engine.state.alert(scope, "b1")
    assert again is not None
    assert again.incident == where.incident


def printed(store: Path, desk: Desk, actor: str) -> list[Event]:
    """The events that `grouping unlearn --actor` prints for the state of a desk."""
    with_state = Store(store)
    with_state.commit(unpack(desk.engine.snapshot()), b"", 1, {})
    with_state.close()
    done = CliRunner().invoke(main, ["unlearn", "--actor", actor, "--state", str(store)])
    assert done.exit_code == 0, done.output
    assert (f"no feedback of {actor!r} stands" in done.stderr) == (not done.stdout)
    return [parse(line) for line in done.stdout_bytes.splitlines()]


@pytest.mark.parametrize("length", [1, 250, 251, 255])
def test_feedback_of_any_id_can_be_unlearned(tmp_path: Path, length: int) -> None:
    """Also where the undo's id would be longer than an id may be; afterwards nothing is left to print."""
    desk = Desk()
    desk(alert("a1", 0, "db"), alert("b1", 1, "mail"))
    desk(said("f" * length, 2, Verb.MOVE, "mallory", alerts=("b1",), into=None))
    undos = printed(tmp_path / "one", desk, "mallory")
    assert len(undos) == 1
    assert not [output for output in desk(*undos) if isinstance(output, Refused)]
    assert not any(one.sayings for one in desk.engine.state.scope("s").memory.lessons.values())
    assert printed(tmp_path / "two", desk, "mallory") == []


def test_one_who_merges_everything_is_undone_by_one_command(tmp_path: Path) -> None:
    """What is then learned, and where every alert is, is as if that person had never been there."""
    events = [alert(f"a{number}", 100.0 * number, f"service{number % 5}") for number in range(40)]
    desk, other = Desk(), Desk()
    desk(*events)
    other(*events)
    honest = said("good", 4001, Verb.MERGE, "ana", incidents=(desk.incident("a1"),), into=desk.incident("a0"))
    desk(honest)
    other(honest)
    for number in range(2, 40):
        bad = said(
            f"bad{number}",
            4010.0 + number,
            Verb.MERGE,
            "mallory",
            incidents=(desk.incident(f"a{number}"),),
            into=desk.incident("a0"),
        )
        desk(bad)
    assert len(desk.engine.state.scope("s").memory.lessons) == 39
    undos = printed(tmp_path / "store", desk, "mallory")
    assert [undo.feedback for undo in undos if isinstance(undo, Feedback)] == [f"bad{n}" for n in range(39, 1, -1)]
    assert not [output for output in desk(*undos) if isinstance(output, Refused)]
    scopes = [one.engine.state.scope("s") for one in (desk, other)]
    assert verdicts(scopes[0].memory) == verdicts(scopes[1].memory)
    for number in range(40):
        homes = []
        for one, scope in zip((desk, other), scopes, strict=True):
            kept = one.engine.state.alert(scope, f"a{number}")
            assert kept is not None
            homes.append(root(one.engine.state, scope, kept.incident).id)
        assert homes[0] == homes[1]
