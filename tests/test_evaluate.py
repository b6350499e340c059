"""Measures of a grouping: what they say of cases one can count by hand, and that slow and foreign oracles agree."""

from __future__ import annotations

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as some
from river import metrics
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import pair_confusion_matrix

from grouping.evaluate import evaluate, hidden, matches

pairs = some.lists(
    some.tuples(some.sampled_from("ABCDE"), some.sampled_from(["g", "h", "k", "l", None])), min_size=1, max_size=40
)


def of(text: str) -> list[tuple[str, str | None]]:
    """Pairs from a text such as "Ag Ag Bh C-": incident, group; "-" is noise."""
    return [(incident, None if group == "-" else group) for incident, group in text.split()]


def test_a_right_grouping_has_nothing_to_improve():
    scores = evaluate(of("Ag Bh Ag Bh C- D-"))
    assert scores.macro_jaccard == scores.log_jaccard == scores.f1 == scores.b3_f1 == scores.rand == 1
    assert scores.f1_noise == scores.b3_f1_noise == scores.rand_noise == 1
    assert scores.actions == scores.contamination == scores.hidden == 0
    assert (scores.alerts, scores.groups, scores.incidents) == (6, 2, 4)


# What an alert stream does wrong, and what each measure makes of it.
CASES = [
    # one foreign group in A (a move), h over two incidents (a merge), and h began inside of A
    ("Ag Ag Ag Ah Bh", {"actions": 1.0, "contamination": 0.2, "hidden": 1, "macro_jaccard": (3 / 4 + 1 / 2) / 2}),
    # all noise in an incident is one move
    ("Ag Ag A- A-", {"actions": 1.0, "contamination": 0.5, "hidden": 0, "macro_jaccard": 0.5, "f1": 1, "f1_noise": 2 / 7}),
    # noise put together with noise costs a person nothing, and yet those pairs are false
    ("Ag Ag B- B-", {"actions": 0.0, "contamination": 0.0, "f1": 1.0, "f1_noise": 2 / 3}),
    # one giant incident: few actions, nothing told apart
    ("Ag Ag Ah Ah Ak Ak", {"actions": 2 / 3, "hidden": 2, "macro_jaccard": 1 / 3, "rand": 0.0, "per_1000": 1000 / 6}),
    # every alert its own incident
    ("Ag Bg Ch Dh", {"actions": 1.0, "precision": 1.0, "recall": 0.0, "f1": 0.0, "b3_recall": 0.5, "macro_jaccard": 0.5}),
    # a group of one alert is no case for the Jaccards, but it can be hidden and be foreign
    ("Ag Ag Ah", {"macro_jaccard": 2 / 3, "hidden": 1, "actions": 1.0}),
    # large groups weigh more, by log2(1 + size)
    ("Ag Ag Ag Bh Ch", {"log_jaccard": (1 * log2(4) + 0.5 * log2(3)) / (log2(4) + log2(3))}),
    # only noise: nothing there to get wrong
    ("A- A-", {"macro_jaccard": 1.0, "f1": 1.0, "actions": 0.0, "groups": 0, "b3_precision_noise": 0.5}),
]  # fmt: skip


@pytest.mark.parametrize(("grouping", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_went_wrong_shows_in_the_measures_that_are_about_it(grouping, expected):
    scores = evaluate(of(grouping))
    assert {name: getattr(scores, name) for name in expected} == pytest.approx(expected)


def test_the_second_half_knows_what_was_there_before():
    """A group that began in the first half cannot be hidden in the second, and an old incident can hide a new group."""
    stream = of("Ag Bh Bg Ak Bh")
    assert hidden(stream) == [3]
    assert evaluate(stream, since=2).hidden == 1
    assert evaluate(stream, since=4).hidden == 0
    assert evaluate(stream, since=2).alerts == 3


def test_each_group_is_told_with_its_best_incident():
    first, second = matches(of("C- Ag Bg Bg Bh"))
    assert (first.group, first.alerts, first.first, first.incident, first.spread) == ("g", 3, 1, "B", 2)
    assert first.jaccard == 2 / 4
    assert (second.group, second.incident, second.jaccard) == ("h", "B", 1 / 3)


def _told_apart(stream, *, noise):
    """The stream as labels, each noise alert a group of its own, or without noise."""
    kept = [(i, pair) for i, pair in enumerate(stream) if noise or pair[1] is not None]
    return [found for _, (found, _) in kept], [group or f"noise {i}" for i, (_, group) in kept]


@given(pairs)
def test_pairs_and_the_adjusted_rand_index_are_those_of_scikit_learn(stream):
    scores = evaluate(stream)
    for noise, suffix in ((False, ""), (True, "_noise")):
        found, true = _told_apart(stream, noise=noise)
        if len(found) < 2:
            continue
        (_, false), (missed, right) = pair_confusion_matrix(true, found).tolist()
        precision = right / (right + false) if right + false else 1
        recall = right / (right + missed) if right + missed else 1
        assert getattr(scores, "precision" + suffix) == pytest.approx(precision)
        assert scores.recall == pytest.approx(recall) or not noise
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0
        assert getattr(scores, "f1" + suffix) == pytest.approx(f1)
        assert getattr(scores, "rand" + suffix) == pytest.approx(adjusted_rand_score(true, found))


@given(pairs)
def test_the_adjusted_rand_index_and_pairs_are_those_of_river(stream):
    found, true = _told_apart(stream, noise=True)
    rand, pairs_ = metrics.AdjustedRand(), metrics.FowlkesMallows()
    names = {name: number for number, name in enumerate(dict.fromkeys([*found, *true]))}
    for left, right in zip(true, found, strict=True):
        rand.update(names[left], names[right])
        pairs_.update(names[left], names[right])
    scores = evaluate(stream)
    if len(set(found)) > 1 and len(set(true)) > 1 and len(set(true)) < len(true):
        assert scores.rand_noise == pytest.approx(rand.get(), abs=1e-9)
        assert (scores.precision_noise * scores.recall) ** 0.5 == pytest.approx(pairs_.get(), abs=1e-9)


@given(pairs)
def test_b_cubed_jaccard_and_actions_are_those_of_a_slow_count(stream):
    """Alert by alert and set by set."""
    scores = evaluate(stream)
    for noise, suffix in ((False, ""), (True, "_noise")):
        found, true = _told_apart(stream, noise=noise)
        each = range(len(found))
        precision = recall = 0.0
        for i in each:
            near = [j for j in each if found[j] == found[i]]
            same = [j for j in each if true[j] == true[i]]
            both = set(near) & set(same)
            precision += len(both) / len(near) / len(found)
            recall += len(both) / len(same) / len(found)
        if each:
            assert getattr(scores, "b3_precision" + suffix) == pytest.approx(precision)
            assert getattr(scores, "b3_recall" + suffix) == pytest.approx(recall)
    incidents = {name: {i for i, (found, _) in enumerate(stream) if found == name} for name, _ in stream}
    groups = {name: {i for i, (_, true) in enumerate(stream) if true == name} for _, name in stream if name}
    several = [alerts for alerts in groups.values() if len(alerts) > 1]
    best = [max(len(group & one) / len(group | one) for one in incidents.values()) for group in several]
    if best:
        assert scores.macro_jaccard == pytest.approx(sum(best) / len(best))
        moves = sum(
            len({stream[i][1] for i in one}) - 1 for one in incidents.values() if any(stream[i][1] for i in one)
        )
        merges = sum(sum(bool(group & one) for one in incidents.values()) > 1 for group in groups.values())
        assert scores.actions == pytest.approx((moves + merges) / len(several))


@given(pairs)
def test_measures_do_not_depend_on_names_or_order(stream):
    """Only `hidden` asks which alert came first."""
    renamed = [(("x", found), group and group * 2) for found, group in reversed(stream)]
    fields = set(evaluate(stream).__slots__) - {"hidden"}
    again = evaluate(renamed)
    assert {name: getattr(again, name) for name in fields} == pytest.approx(
        {name: getattr(evaluate(stream), name) for name in fields}
    )


@given(pairs)
def test_hidden_groups_are_those_whose_first_alert_found_another_there(stream):
    slow = []
    for i, (found, group) in enumerate(stream):
        before = stream[:i]
        if group and group not in [true for _, true in before]:
            slow += [i] if any(true for there, true in before if there == found) else []
    assert hidden(stream) == slow


def test_pairs_are_counted_without_looking_at_each():
    """A hundred thousand alerts in one incident are five thousand million pairs; half of them belong together."""
    scores = evaluate([("A", "g" if i % 2 else "h") for i in range(100_000)])
    assert scores.precision == pytest.approx(49_999 / 99_999)
    assert scores.recall == 1
