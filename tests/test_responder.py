"""The simulated responder: when a review falls due, what is corrected, and what is left when all is corrected."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from grouping import Config, Engine, parse
from grouping.decided import Decided
from grouping.evaluate import evaluate
from grouping.records import Alert, Decision, Status, Verb
from grouping.responder import Habits, arrivals
from grouping.runtimes.evaluate import play, read_events
from grouping.runtimes.truth import read_truth

DATA = Path(__file__).parent.parent / "data"
START = 1_760_000_000.0
RULE = Config(policy="class=3600s", explore=0.0, window_min_s=3600.0)  # by class, for as long as one likes


def stream(*rows, scope="s"):
    """Events and truth of (seconds, class, group) rows; ids are a0, a1, ..."""
    events, truth = [], {}
    for number, (after, kind, group) in enumerate(rows):
        id = f"a{number}" if scope == "s" else f"{scope}{number}"
        event = {"kind": "alert", "id": id, "at": START + after, "scope": scope, "class": kind, "summary": kind}
        events.append(parse(orjson.dumps(event)))
        truth[id] = group
    return events, truth


def told(played):
    """All feedback, in short: seconds after the start, verb, what it names."""
    return [
        (feedback.at - START, str(feedback.action), feedback.alerts or feedback.incidents or feedback.incident)
        for _, feedback in played.feedback
    ]


def sample(name):
    """A sample whose alerts stay open, in order of time: nobody can merge into an incident that is over."""
    path = next(DATA.glob(f"{name}.jsonl*"))
    events = [one for one in read_events([str(path)])[0] if isinstance(one, Alert) and one.status is Status.FIRING]
    events = sorted((one._replace(dedup_key=None) for one in events), key=lambda one: one.at)
    return events, read_truth(DATA / f"{name}.truth.csv")


# -- when


def test_an_incident_is_reviewed_when_it_has_been_quiet_for_ten_minutes():
    played = play(*stream((0, "a", "g"), (100, "a", "g"), (5000, "b", "h")), RULE, Habits())
    one, _, other = played.incidents
    assert told(played) == [(700, "confirm", one), (5600, "confirm", other)]


def test_an_incident_that_goes_on_is_reviewed_every_hour():
    rows = [(300 * i, "a", "g") for i in range(30)]
    played = play(*stream(*rows), RULE, Habits())
    assert [at for at, *_ in told(played)] == [3600, 7200, 29 * 300 + 600]


def test_the_feedback_comes_later_by_the_delay():
    played = play(*stream((0, "a", "g"), (5000, "b", "h")), RULE, Habits(delay=1000))
    assert [at for at, *_ in told(played)] == [1600, 6600]


def test_feedback_stands_before_the_alerts_that_come_after_it():
    """Reviewed at 700 s: the correction is known to the decision at 701 s."""
    played = play(*stream((0, "a", "g"), (100, "a", "h"), (701, "a", "g")), RULE, Habits())
    assert [number for number, _ in played.feedback][:2] == [2, 2]
    assert played.spent[0] == 2


def test_a_wrong_clock_makes_no_years_pass():
    rows = [(i, "a", "g") for i in range(10)]
    events, truth = stream(*rows[:5], (10**9, "a", "g"), *rows[5:])
    assert arrivals(events) == sorted(arrivals(events))
    assert max(arrivals(events)) == START + 9
    assert max(at for at, *_ in told(play(events, truth, RULE, Habits()))) < 5000


# -- what


def test_what_does_not_belong_is_split_off_and_put_where_it_belongs():
    events, truth = stream((0, "a", "g"), (1, "a", "g"), (2, "a", "h"), (3, "b", "h"), (4, "b", "h"))
    played = play(events, truth, RULE, Habits())
    first, second = played.incidents[0], played.incidents[3]
    assert played.corrected == [first, first, second, second, second]
    assert [verb for _, verb, _ in told(played)] == ["move", "confirm", "confirm"]


def test_what_belongs_together_is_merged_in_one_correction():
    played = play(*stream((0, "a", "g"), (1, "b", "g"), (2, "c", "g"), (3, "c", "g")), RULE, Habits())
    assert set(played.corrected) == {played.incidents[2]}  # the largest
    assert len(played.spent) == 1


def test_noise_is_dismissed_and_taken_out_of_incidents():
    played = play(*stream((0, "a", None), (1, "b", "g"), (2, "b", None), (3, "b", "g")), RULE, Habits())
    assert played.responder == {"reviews": 2, "moves": 1, "dismisses": 2, "confirms": 1, "wrong": 0}
    noise, one = played.corrected[2], played.corrected[1]
    assert noise not in (one, played.corrected[0])
    assert one == played.incidents[1]


def test_nothing_is_said_about_alerts_without_a_truth():
    events, truth = stream((0, "a", "g"), (1, "a", "h"), (2, "b", "h"))
    del truth["a1"], truth["a2"]
    assert [verb for _, verb, _ in told(play(events, truth, RULE, Habits()))] == ["confirm"]


def right(played):
    """Every group in one incident that holds nothing else."""
    scores = played.after_corrections()
    return (scores.macro_jaccard, scores.f1, scores.b3_f1, scores.actions, scores.contamination) == (1, 1, 1, 0, 0)


@pytest.mark.parametrize("policy", ["default", "*=300s", "*=2s", "class=300s"])
@pytest.mark.parametrize("name", ["demo", "hidden_outage", "two_faults", "skew"])
def test_with_budget_enough_everything_is_right_in_the_end(name, policy):
    """Whatever decides, and however badly; yet the decisions stay judged as they were made."""
    played = play(*sample(name), Config(policy=policy), Habits())
    assert right(played)
    assert played.scores().macro_jaccard < 1
    assert played.responder.get("refused", 0) == 0
    assert len(played.spent) == played.responder.get("moves", 0) + played.responder.get("merges", 0)


rows = some.lists(
    some.tuples(some.sampled_from([0, 1, 60, 700, 4000]), some.sampled_from("abc"), some.sampled_from(["g", "h", "k", None])),
    min_size=1, max_size=30,
)  # fmt: skip


@given(rows, some.sampled_from(["class=3600s", "*=300s", "*=2s"]), some.sampled_from([0.0, 900.0]))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_is_right_in_the_end(rows, policy, delay):
    at, timed = 0, []
    for gap, kind, group in rows:
        at += gap
        timed.append((at, kind, group))
    assert right(play(*stream(*timed), Config(policy=policy, window_min_s=3600.0), Habits(delay=delay)))


def test_a_closed_incident_is_neither_merged_into_nor_dismissed():
    """All alerts of the sample resolve: what can be said is said, and nothing is refused."""
    events, _ = read_events([str(DATA / "flapping.jsonl.gz")])
    played = play(events, read_truth(DATA / "flapping.truth.csv"), Config(), Habits())
    assert played.responder.get("refused", 0) == 0


# -- how much


@pytest.mark.parametrize("budget", [0, 1, 5, 20])
def test_the_budget_is_never_overdrawn(budget):
    played = play(*sample("drip"), Config(policy="*=2s"), Habits(budget=budget))
    assert len(played.spent) == budget
    assert sum(feedback.action in (Verb.MOVE, Verb.MERGE) for _, feedback in played.feedback) == budget
    if budget == 0:
        assert played.feedback == []


def test_more_corrections_leave_less_to_do():
    left = [
        play(*sample("two_faults"), Config(policy="class=300s"), Habits(budget=budget)).after_corrections().actions
        for budget in (0, 10, 30, 100)
    ]
    assert left == sorted(left, reverse=True)
    assert left[0] > left[-1] == 0


def test_only_the_incidents_looked_at_are_touched():
    """A merge or move names incidents that are known; what nobody looks at stays as it was decided."""
    played = play(*sample("noise"), Config(policy="*=30s"), Habits(look=0.4))
    share = played.responder["reviews"] / len(set(played.incidents))
    assert 0.3 < share < 0.5
    named = {id for _, one in played.feedback for id in (*one.incidents, one.into, one.incident) if id}
    made = {end for end, was in zip(played.corrected, played.incidents, strict=True) if end != was}
    assert len(named - made) < 0.5 * len(set(played.incidents))
    assert play(*sample("noise"), Config(policy="*=30s"), Habits(look=0.0)).feedback == []


def test_the_share_of_wrong_corrections_is_that_asked_for():
    def wrong(share):
        return play(*sample("drip"), Config(policy="*=2s"), Habits(wrong=share))

    some_wrong = wrong(0.2)
    assert 0.12 < some_wrong.responder["wrong"] / len(some_wrong.spent) < 0.28
    all_wrong = wrong(1.0)
    assert all_wrong.responder["wrong"] > 0.95 * len(all_wrong.spent) > 0  # a lone incident of one alert leaves no way
    ends = [one.after_corrections().macro_jaccard for one in (wrong(0.0), some_wrong, all_wrong)]
    assert ends == sorted(ends, reverse=True)


# -- again


def test_the_same_seed_says_the_same_and_another_one_something_else():
    def feedback(seed):
        habits = Habits(look=0.5, wrong=0.2, seed=seed)
        return play(*sample("two_faults"), Config(policy="class=300s"), habits).feedback

    assert feedback(1) == feedback(1)
    assert [one.action for _, one in feedback(1)] != [one.action for _, one in feedback(2)]


def test_scopes_do_not_share_what_is_said():
    first, second = sample("two_faults"), stream(*((7 * i, "a", "gh"[i % 2]) for i in range(300)), scope="t")
    both = sorted([*first[0], *second[0]], key=lambda one: one.at)
    habits = Habits(wrong=0.1)
    alone = [one for _, one in play(*first, Config(), habits).feedback]
    together = [one for _, one in play(both, first[1] | second[1], Config(), habits).feedback]
    assert alone == [one for one in together if one.scope == "two_faults"] != together


def test_a_log_with_the_feedback_in_it_gives_the_same_decisions():
    """Feedback is events like all others: nothing but it changed what the engine did."""
    events, truth = sample("two_faults")
    config = Config(policy="class=300s")
    played = play(events, truth, config, Habits(wrong=0.2))
    waiting = list(played.feedback)
    engine, decided = Engine(config), Decided()
    for number, event in enumerate(events):
        while waiting and waiting[0][0] <= number:
            decided.take(engine.step(waiting.pop(0)[1]))
        outputs = engine.step(event)
        assert sum(isinstance(one, Decision) for one in outputs) == 1
        decided.take(outputs)
    for _, feedback in waiting:
        decided.take(engine.step(feedback))
    assert list(zip(decided.names, (truth[id] for id in decided.alerts), strict=True)) == played.pairs
    assert decided.corrected() == played.corrected
    assert played.after_corrections() == evaluate(
        list(zip(decided.corrected(), (g for _, g in played.pairs), strict=True))
    )


def test_corrections_cost_no_more_on_a_long_stream():
    """Feedback is counted per incident, not per event: 2,000 incidents of one alert each, one review each."""
    events, truth = stream(*((2 * i, f"k{i}", "g" if i % 4 == 0 else None) for i in range(2000)))
    played = play(events, truth, Config(policy="class=300s"), Habits())
    assert right(played)
    assert Counter(one.action for _, one in played.feedback)[Verb.DISMISS] == 1500
    assert len(played.spent) < 100
