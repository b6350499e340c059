"""A rule that makes the groups responders made is promoted when that is sure, and not before."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.codec import promotion_bytes, read_promotion
from grouping.config import Config
from grouping.engine import Engine
from grouping.grounds import FIRST, GROUPS, WATCHED, certainty
from grouping.parse import parse
from grouping.policy import policy
from grouping.promote import Outcome, due, step, worse
from grouping.promotion import INCIDENTS, Promotion
from grouping.recent import SAME, Recent
from grouping.records import Feedback, Output, PolicyLine, Refused, Verb
from grouping.regroup import jaccards, play
from grouping.responder import Habits, Responder, arrivals
from grouping.simulate import simulate
from grouping.tune import Tuning

NOW = "linear(*~2s)"


def faults(count: int, gap: float = 20.0) -> tuple[Recent, dict[str, list[tuple[int, int]]]]:
    """Faults of four alerts ``gap`` s apart, one every 1,000 s, each alert decided into an incident of its own."""
    recent, incidents = Recent(), {}
    for fault in range(count):
        alerts = []
        for place in range(4):
            number = recent.count
            recent.take(1000.0 * fault + gap * place, number + 1, [("service", place + 1), ("host", fault % 7 + 1)])
            alerts.append((number, number))
        incidents[f"i{fault}"] = alerts
    return recent, incidents


def outcome(
    recent: Recent,
    incidents: dict[str, list[tuple[int, int]]],
    noise: frozenset[str] = frozenset(),
    now: str = NOW,
) -> Outcome:
    """What a trial ends with when somebody corrected each of these incidents."""
    promotion = Promotion()
    for number, id in enumerate(incidents):
        promotion.touch(f"f{number}", [id], corrects=True)
    for _ in range(1000):
        found = step(promotion, Tuning(recent), lambda one: (one, one in noise, incidents[one]), now, now)
        if found is not None:
            return found
    raise AssertionError("the trial does not end")


def test_the_rule_that_makes_what_responders_made() -> None:
    """Groups that last a minute: of the silences that give them exactly the shortest wins, with its evidence."""
    recent, incidents = faults(12)
    found = outcome(recent, incidents)
    assert found.rule == "learned(*=30s)"
    assert found.evidence == {
        "corrections": 12,
        "groups": 12,
        "alerts": 48,
        "worth": 1.0,
        "was": 0.25,
        "better_in": 1.0,
    }


def test_not_on_too_few_groups() -> None:
    recent, incidents = faults(12)
    few = dict(list(incidents.items())[: GROUPS - 1])
    rest = {id: [] for id in list(incidents)[GROUPS - 1 :]}
    assert outcome(recent, few | rest).rule is None


def test_not_where_it_is_right_already() -> None:
    """Alerts a second apart: what decides now groups them."""
    recent, incidents = faults(12, gap=1.0)
    assert outcome(recent, incidents).rule is None


def test_not_where_the_lessons_do_as_well() -> None:
    """The rule alone would be better, but the alerts were decided right all the same."""
    recent, incidents = faults(12)
    right = {id: [(number, fault) for number, _ in alerts] for fault, (id, alerts) in enumerate(incidents.items())}
    assert outcome(recent, right).rule is None


def test_no_silence_is_shorter_than_the_grain_of_the_clock() -> None:
    """Faults of two minutes, told by a clock of minutes, of which somebody has put together what each minute has.

    A silence of 2 s would make just that, and tear every fault to come.
    """
    recent, incidents = Recent(), {}
    for fault in range(12):
        for minute in range(2):
            first = recent.count
            for place in range(4):
                recent.take(5820.0 * fault + 60.0 * minute, first + place + 1, [("service", place + 1)])
            incidents[f"i{fault}-{minute}"] = [(number, number) for number in range(first, first + 4)]
    found = outcome(recent, incidents, now="learned(service=60s)")  # which parts what comes together
    assert (found.rule, found.evidence["worth"], found.evidence["was"]) == ("learned(*=60s)", 0.5, 0.25)


def test_dismissed_incidents_count_as_noise() -> None:
    """Joined with noise, a group is not what responders made: the rule that keeps them apart wins."""
    recent, incidents = Recent(), {}
    for fault in range(12):
        first = recent.count
        for place in range(4):
            recent.take(1000.0 * fault + 20.0 * place, recent.count + 1, [("service", 1)])
        recent.take(1000.0 * fault + 70.0, recent.count + 1, [("service", 2)])
        incidents[f"i{fault}"] = [(number, number) for number in range(first, first + 4)]
        incidents[f"n{fault}"] = [(first + 4, first + 4)]
    noise = frozenset(id for id in incidents if id[0] == "n")
    assert outcome(recent, incidents, noise).rule == "learned(service=30s)"


def test_an_undone_correction_does_not_count() -> None:
    promotion, other = Promotion(), Promotion()
    promotion.touch("f1", ["i1", "i2"], corrects=True)
    promotion.touch("f2", ["i2"], corrects=True)
    promotion.untouch("f1")
    other.touch("f2", ["i2"], corrects=True)
    assert promotion == other
    assert len(promotion.corrections) < FIRST


GIVEN = st.tuples(
    st.lists(st.sampled_from("ijkl"), min_size=1, max_size=2, unique=True),
    st.booleans(),
    st.sampled_from(["ana", "bo", None]),
    st.booleans(),
)


def told_of(given_: list[Any], but: Callable[[int, str | None], bool]) -> Promotion:
    """What is known after this feedback but for some; now and then what decides has changed."""
    promotion = Promotion()
    for number, (incidents, corrects, actor, changed) in enumerate(given_):
        if not but(number, actor):
            promotion.touch(f"f{number}", incidents, corrects, number, actor)
        if changed:
            promotion.watch()
    return promotion


@given(st.lists(GIVEN, max_size=40), st.sets(st.integers(0, 39)))
def test_what_is_undone_is_as_if_never_given(given_: list[Any], gone: set[int]) -> None:
    """Which incidents were touched, when a trial is due, and when what decides is judged."""
    promotion = told_of(given_, lambda *_: False)
    for number in sorted(gone):
        promotion.untouch(f"f{number}")
    assert promotion == told_of(given_, lambda number, _: number in gone)


@given(st.lists(GIVEN, max_size=40), st.sampled_from(["ana", None]))
def test_feedback_of_those_who_are_not_believed_does_not_count(given_: list[Any], actor: str | None) -> None:
    """Neither for a trial nor for judging what decides; and it counts again when they are believed."""
    promotion, before = told_of(given_, lambda *_: False), told_of(given_, lambda *_: False)
    without = told_of(given_, lambda _, by: by == actor)
    assert promotion.believe(frozenset({actor}))
    assert (promotion.counted, promotion.counted_then) == (without.counted, without.counted_then)
    assert promotion.believe(frozenset())
    assert promotion == before


def test_one_who_touches_much_pushes_nobody_out() -> None:
    """Of too many incidents the oldest of whoever touched most goes."""
    promotion = Promotion()
    promotion.touch("good", ["mine"], True, 1, "ana")
    for number in range(2 * INCIDENTS):
        promotion.touch(f"bad{number}", [f"i{number}"], False, -1, "mallory")
    assert len(promotion.touched) == INCIDENTS
    assert "mine" in promotion.touched
    assert set(promotion.actors) == {one for about in promotion.touched.values() for one in about}


@given(
    st.lists(st.tuples(st.integers(-1, 99), st.sampled_from(["ana", "bo", None]), st.booleans()), max_size=60),
    st.integers(1, 12),
)
def test_of_many_corrections_the_oldest_are_only_counted(given_: list[tuple[int, str | None, bool]], most: int) -> None:
    """A trial is due, and what decides is judged, when it would be if all were remembered."""
    few, all_ = Promotion(), Promotion()
    for number, (alert, actor, changed) in enumerate(given_):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("grouping.promotion.CORRECTIONS", most)
            few.touch(f"f{number}", [], True, alert, actor)
        all_.touch(f"f{number}", [], True, alert, actor)
        if changed:
            few.watch()
            all_.watch()
        again = read_promotion(promotion_bytes(few))
        again.restored(frozenset())
        assert again == few
        assert (few.counted, few.counted_then) == (all_.counted, all_.counted_then)
        assert len(few.corrections) <= most
        assert set(few.actors) == set(few.corrections)
        left = {id for id, place in all_.corrections.items() if id not in few.corrections}
        assert all(all_.corrections[id] < few.known_from or few.known_from == 0 for id in left)


def test_what_was_forgotten_does_not_speak_against_what_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corrections from before are needed to tell that there are more now: where they are forgotten, nothing is told."""
    kept, forgot = Promotion(), Promotion()
    for promotion, most in ((kept, 1000), (forgot, 20)):
        monkeypatch.setattr("grouping.promotion.CORRECTIONS", most)
        promotion.touch("first", [], True, 0, "bo")
        for number in range(40):
            promotion.touch(f"f{number}", [], True, 500 + number, "ana")
    assert worse(kept, 500, 600) is not None
    assert worse(forgot, 500, 600) is None
    assert next(iter(forgot.corrections)) == "first", "whoever gave few keeps them"


@pytest.mark.parametrize(
    ("other", "content", "promoted"),
    [
        ("ana", True, True),  # who says all of it is one person
        ("bo", False, True),  # somebody else says the same
        ("bo", True, False),  # somebody else finds right what was decided
    ],
)
def test_where_several_give_feedback_nobody_alone_promotes_a_rule(other: str, content: bool, promoted: bool) -> None:
    """Twelve faults of a minute, eight corrected by ana; of the other four it depends who touched them, and why."""
    recent, incidents = faults(12)
    promotion = Promotion()
    for number, (id, alerts) in enumerate(incidents.items()):
        promotion.touch(f"f{number}", [id], True, number, "ana" if number < 8 else other)
        if number >= 8 and content:  # all were decided into one incident
            incidents[id] = [(alert, 10_000 + number) for alert, _ in alerts]
    found = None
    while found is None:
        found = step(promotion, Tuning(recent), lambda one: (one, False, incidents[one]), NOW, NOW)
    assert (found.rule is not None) == promoted


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3)), min_size=1, max_size=60),
    st.sampled_from(["learned(service=30s)", "learned(*=10s)", "learned(service~2-30s)", NOW]),
)
@settings(max_examples=200)
def test_play_is_what_the_rule_says(alerts: list[tuple[int, int]], name: str) -> None:
    """Beside plain lists: join the key's last incident while it has not been silent for too long."""
    alerts.sort()
    rule = policy(name)
    last: dict[int, list[int]] = {}
    expected: list[int] = []
    for number, (at, service) in enumerate(alerts):
        key = service if rule.key else 1
        members = last.get(key, [])
        times = [alerts[member][0] for member in members]
        limit = rule.limit.after(times[-1] - times[0], len(times)) if members else 0.0
        if key and members and at - times[-1] <= limit:
            members.append(number)
        else:
            members = last[key] = [number]
        expected.append(members[0])
    codes = np.array([[service for _, service in alerts]], np.uint32)
    made = play(np.array([float(at) for at, _ in alerts]), codes, ["service"], name, {}, {}).tolist()
    same = [[one == other for other in expected] for one in expected]
    assert [[one == other for other in made] for one in made] == same


def test_kinds_that_keep_to_themselves_are_groups_of_their_own() -> None:
    """Kinds 7 and 8 are of one family, 5 and 6 of none."""
    codes = np.zeros((SAME + 1, 5), np.uint32)
    codes[SAME] = [5, 7, 6, 8, 5]
    made = play(np.arange(5.0), codes, [], "learned(kin=2s)", {7: 7, 8: 7}, {}).tolist()
    assert made[0] == made[2] == made[4] != made[1] == made[3]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=40))
def test_jaccards_beside_sets(pairs: list[tuple[int, int]]) -> None:
    made, groups = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    true = [group for group in set(groups.tolist()) if group and (groups == group).sum() > 1]
    for group, found in zip(true, jaccards(made, groups, true), strict=True):
        own = {place for place, pair in enumerate(pairs) if pair[1] == group}
        others = [{place for place, pair in enumerate(pairs) if pair[0] == one} for one in set(made.tolist())]
        assert found == pytest.approx(max(len(own & other) / len(own | other) for other in others))


def test_certainty_is_a_share_of_samples() -> None:
    weights = [log2(3)] * 8
    assert certainty([0.0] * 8, [1.0] * 8, weights) == 1.0
    assert certainty([1.0] * 8, [0.0] * 8, weights) == 0.0
    half = certainty([0.0, 1.0] * 4, [1.0, 0.0] * 4, weights)
    assert 0.2 < half < 0.5  # ties are not better


def lived(
    rows: list[tuple[dict[str, Any], str | None]], habits: Habits, restart: int, given_: list[Feedback] | None = None
) -> tuple[list[Output], bytes]:
    """A stream and a responder; the engine is restored after every so many events. What it said and its state.

    What was carried out of the feedback is added to ``given_``.
    """
    events = [parse(orjson.dumps(event)) for event, _ in rows]
    truth = {str(event["id"]): group for event, group in rows if event.get("id")}
    engine, responder = Engine(Config()), Responder(truth, habits)
    outputs: list[Output] = []
    for number, (event, now) in enumerate(zip(events, arrivals(events), strict=True)):
        while (feedback := responder.next(event.scope, now)) is not None:
            said = engine.step(feedback)
            outputs += said
            if given_ is not None and not any(isinstance(line, Refused) for line in said):
                given_.append(feedback)
            responder.watch(feedback, said, now)
        said = engine.step(event)
        outputs += said
        responder.watch(event, said, now)
        if restart and number % restart == 0:
            engine = Engine.restore(engine.snapshot(), engine.config)
    return outputs, engine.snapshot()


def unseen(seed: int = 8) -> list[tuple[dict[str, Any], str | None]]:
    """Two faults at once in two regions, every alert of a service and class of its own: what was told of one says nothing
    of the next, and only a rule can."""
    rows = []
    for event, group in simulate("two_faults", seed=seed):
        one = event["dedup_key"]
        rows.append((event | {"service": f"s-{one}", "host": None, "component": None, "class": f"c-{one}"}, group))
    return rows


def told(restart: int = 0) -> list[Output]:
    """A stream on which a responder's corrections promote a rule."""
    return lived(unseen(), Habits(budget=60), restart)[0]


def test_it_is_said_and_survives_a_restart_at_any_point() -> None:
    outputs = told()
    lines = [output for output in outputs if isinstance(output, PolicyLine) and output.why == "promoted"]
    assert len(lines) == 1
    assert lines[0].evidence["better_in"] >= 0.98
    assert told(restart=37) == outputs


# -- what was promoted is watched


def watched(before: int, after: int, count: int = 2000) -> Promotion:
    """A rule promoted at alert 1,000, with corrections spread evenly over the alerts before and since."""
    promotion = Promotion()
    promotion.promote("learned(*=30s)", 1000)
    for number in range(before):
        promotion.touch(f"b{number}", ["i"], True, number * 1000 // before)
    for number in range(after):
        promotion.touch(f"a{number}", ["i"], True, 1000 + number * (count - 1000) // after)
    return promotion


@pytest.mark.parametrize(
    ("others_before", "others_after", "counts"),
    [
        (0, 0, True),  # nobody else says anything
        (2, 2, True),  # too little to tell
        (10, 2, False),  # the others are content
        (10, 10, False),
        (4, 12, True),  # the others say so too
    ],
)
def test_where_several_give_feedback_nobody_alone_changes_what_decides(others_before, others_after, counts):
    """Forty corrections by one person: what the others say must point the same way."""
    promotion = watched(5, 40)
    for count, start in ((others_before, 0), (others_after, 1000)):
        for number in range(count):
            promotion.touch(f"{start}/{number}", ["i"], True, start + number, "bo")
    assert (worse(promotion, 1000, 2000) is not None) == counts


@pytest.mark.parametrize(
    ("before", "after", "demoted"),
    [
        (10, 40, True),  # four times as many
        (10, 10, False),
        (40, 10, False),  # it helped
        (10, 14, False),  # chance
        (1, 7, False),  # too few to tell
        (1, 12, True),
        (100, 130, False),
        (100, 160, True),
    ],
)
def test_more_corrections_than_before_speak_against_it(before, after, demoted):
    found = worse(watched(before, after), 1000, 2000)
    assert (found is not None) == demoted
    if found is not None:
        assert found.evidence == {
            "corrections": after,
            "alerts": 1000,
            "rate": after / 1000,
            "corrections_before": before,
            "alerts_before": 1000,
            "rate_before": before / 1000,
        }


def test_it_counts_how_many_alerts_there_were():
    """Forty corrections in ten thousand alerts are not more than ten in one thousand."""
    assert worse(watched(10, 40, count=11_000), 1000, 11_000) is None


def test_it_is_judged_seldom():
    """After 8 corrections, then after twice as many each time: many looks would find something by chance."""
    promotion, looks = watched(50, 1), []
    for number in range(200):
        promotion.touch(f"c{number}", ["i"], corrects=True, number=1000 + number)
        if due(promotion, 1000):
            worse(promotion, 1000, 10_000)
            looks.append(sum(at >= 1000 for at in promotion.corrections.values()))
    assert looks[0] <= 2 * WATCHED
    assert len(looks) <= 6


def test_what_an_undone_correction_said_does_not_speak_against_it():
    promotion = watched(10, 40)
    for number in range(28):
        promotion.untouch(f"a{number}")
    assert worse(promotion, 1000, 2000) is None


def test_what_was_demoted_is_not_tried_again():
    recent, incidents = faults(12)
    promotion = Promotion()
    promotion.promote("learned(*=30s)", 5)
    promotion.demote(9)
    assert (promotion.rule, promotion.before) == ("", "")
    for number, id in enumerate(incidents):
        promotion.touch(f"f{number}", [id], corrects=True)
    found = None
    while found is None:
        found = step(promotion, Tuning(recent), lambda one: (one, False, incidents[one]), NOW, NOW)
    assert found.rule == "learned(*=60s)"


def test_it_goes_back_to_the_rule_promoted_before():
    promotion = Promotion()
    promotion.promote("learned(*=30s)", 5)
    promotion.promote("learned(*=60s)", 9)
    promotion.demote(12)
    assert (promotion.rule, promotion.since) == ("learned(*=30s)", 12)


@pytest.mark.parametrize("restart", [0, 1])
def test_a_promotion_goes_with_the_feedback_that_carried_it(restart: int) -> None:
    """Once too little of it stands for it to have been promoted; in the end nothing is left, as if none had been given."""
    given: list[Feedback] = []
    rows = unseen()
    _, state = lived(rows, Habits(budget=60), 0, given)
    engine = Engine.restore(state, Config())
    scope = engine.state.scope("two_faults")
    assert engine.state.policy_name(scope) == "learned(details.region=30s)"
    lines: list[Output] = []
    for number, one in enumerate(reversed(given)):
        lines += engine.step(Feedback(f"undo{number}", one.at, one.scope, "unlearn", Verb.UNDO, feedback=one.id))
        if restart:
            engine = Engine.restore(engine.snapshot(), engine.config)
    assert not [line for line in lines if isinstance(line, Refused)]
    (back,) = [line for line in lines if isinstance(line, PolicyLine) and line.why == "rolled_back"]
    assert (back.policy, back.was) == ("learned(*~64-128s)", "learned(details.region=30s)")
    assert 0 < back.evidence["standing"] < back.evidence["feedback"]
    promotion = engine.state.scope("two_faults").promotion
    assert promotion == Promotion(doubted=frozenset({"responder"}), since=promotion.since)


def test_a_promotion_stays_while_enough_carries_it() -> None:
    """One correction less changes nothing."""
    given: list[Feedback] = []
    _, state = lived(unseen(), Habits(budget=60), 0, given)
    engine = Engine.restore(state, Config())
    said = engine.step(Feedback("undo", given[-1].at, given[-1].scope, "ana", Verb.UNDO, feedback=given[-1].id))
    assert not [line for line in said if isinstance(line, PolicyLine)]
    assert engine.state.policy_name(engine.state.scope("two_faults")) == "learned(details.region=30s)"


def changing() -> list[tuple[dict[str, Any], str | None]]:
    """Two faults at once, where corrections promote a rule by region; then one region breaks in many ways at once.

    The responder corrects all. What was right before, one incident for what a region has within 30 s, is wrong then.
    """
    rows = unseen(seed=16)
    start = float(rows[-1][0]["at"]) + 7200.0
    for number in range(400):
        at = start + 20.0 * number + 1500.0 * (number // 6)
        event = {"kind": "alert", "id": f"own-{number}", "at": at, "scope": "two_faults", "service": f"t{number}"}
        details = {"region": "eu-1"}
        rows.append(
            (event | {"class": f"c{number}", "summary": f"way {number} to break", "details": details}, f"o{number}")
        )
    return rows


def turned(restart: int = 0) -> tuple[list[Output], bytes]:
    return lived(changing(), Habits(), restart)


def test_a_rule_that_has_become_wrong_is_rolled_back():
    """With the figures, once; and the same with restarts in between, to the last byte of the state."""
    outputs, state = turned()
    lines = [output for output in outputs if isinstance(output, PolicyLine) and output.why != "tuned"]
    assert [line.why for line in lines] == ["promoted", "rolled_back"]
    assert lines[1].was == lines[0].policy
    assert lines[1].evidence["rate"] > 2 * lines[1].evidence["rate_before"]
    assert turned(restart=41) == (outputs, state)
