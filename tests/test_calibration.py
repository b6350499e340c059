"""How sure the engine says it is, beside how often it was right."""

from __future__ import annotations

import math
import random

import orjson
import pytest

from grouping import emit
from grouping.calibration import KEPT
from grouping.quality import Quality
from grouping.records import Action, Decision, Merged, Moved, Output, Reason


def decision(alert: str, margin: float, incident: str = "i", action: Action = Action.JOIN) -> Decision:
    return Decision("shop", alert, incident, action, Reason.BEST_SCORE, margin, 1.0, (None, 0.0), 0, f"d-{alert}")


def test_scores_that_are_right_as_often_as_they_promise_have_no_error() -> None:
    """Of 40,000 decisions, each changed with the chance that its score leaves; then with a chance of one half."""
    chance = random.Random(5)
    honest, boastful = Quality(), Quality()
    for number in range(40_000):
        margin = chance.choice([0.2, 0.8, 1.5, 3.0, 5.0])
        right = 1 / (1 + math.exp(-margin))
        for quality, wrong in ((honest, chance.random() > right), (boastful, chance.random() > 0.5)):
            outputs: list[Output] = [decision(f"a{number}", margin)]
            outputs += [Moved("shop", (f"a{number}",), "i", "j", "f")] if wrong else []
            quality.take(number, outputs)
    assert honest.calibration_error() < 0.01
    assert boastful.calibration_error() == pytest.approx(
        sum(1 / (1 + math.exp(-margin)) - 0.5 for margin in (0.2, 0.8, 1.5, 3.0, 5.0)) / 5, abs=0.01
    )


def test_by_hand() -> None:
    """Four decisions with margin 0, promised half right; a move and a merge change two of them: exactly so."""
    quality = Quality()
    assert quality.calibration_error() == 0.0
    made = [decision(f"a{number}", 0.0) for number in range(3)] + [decision("b", 0.0, "new", Action.OPEN)]
    quality.take(1, list(made))
    assert quality.calibration_error() == 0.5
    quality.take(2, [Moved("shop", ("a0", "unknown"), "i", "j", "f")])
    quality.take(3, [Merged("shop", "new", "i", "g")])
    quality.take(4, [Moved("shop", ("a0",), "j", "i", "h")])  # once more: the decision was wrong already
    assert (quality.counts["made_1"], quality.counts["changed_1"]) == (4, 2)
    assert quality.calibration_error() == 0.0
    stored = Quality()
    for seq, output in ((1, made[0]), (1, made[3]), (3, Merged("shop", "new", "i", "g"))):
        stored.read(orjson.loads(emit(seq, output)))
    assert (stored.counts["made_1"], stored.counts["changed_1"]) == (2, 1)


def test_what_is_remembered_is_bounded() -> None:
    """The decision longest ago is not found any more."""
    quality = Quality()
    quality.take(1, [decision(f"a{number}", 1.0) for number in range(KEPT + 1)])
    quality.take(2, [Moved("shop", ("a0", "a1"), "i", "j", "f")])
    assert quality.counts["changed_3"] == 1
