"""What learning may cost, and whether the results stay below it: no sentence about hits and misses is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.aims import End, listed

ALERT_US, STEP_MS, CORRECTION_MS = 6.0, 5.0, 5.0  # at most: per alert, amortised; one piece of the work; a correction


def ends(figures: Mapping[str, Any]) -> list[End]:
    """Every aim, and what the results of benchmarks/learning.py say of it: the worst of all streams and corrections."""
    alert, early = (max(row[key] for row in figures["streams"]) for key in ("us", "early_us"))
    step = max(row["most_us"] for row in figures["streams"]) / 1000
    said = max(row[side]["most_us"] for row in figures["corrections"] for side in ("given", "undone")) / 1000
    return [
        _end("an alert, amortised over all of them", ALERT_US, alert, "us"),
        _end("an alert, amortised over a scope's first 10,000", ALERT_US, early, "us"),
        _end("the longest piece of tuning or of a trial", STEP_MS, step, "ms"),
        _end("the longest correction, or undoing of one", CORRECTION_MS, said, "ms"),
    ]


def lines(figures: Mapping[str, Any]) -> list[str]:
    """The table: aim, measured, reached."""
    return listed("learning", ends(figures))


def _end(what: str, most: float, measured: float, unit: str) -> End:
    return End(what, f"at most {most:g} {unit}", f"{measured:.1f} {unit}", measured <= most)
