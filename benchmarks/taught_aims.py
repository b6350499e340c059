"""What corrections are to gain and must not spoil, and whether the results reach it: no sentence about hits and misses is typed by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.aims import End, listed

Row = Mapping[str, Any]
KEPT = 0.80  # share of the gain that is left when one correction in ten is wrong, at least
SPOILED = 0.02  # the most that wrong corrections, or more of them, may cost
EVEN = 0.0005  # scores this close are the same
BEHIND = 0.03  # the best rule in hindsight may be ahead by this much


def ends(robustness: Mapping[str, Any], hindsight: Mapping[str, Any]) -> list[End]:
    """Every aim, and what the results of benchmarks/robustness.py and benchmarks/hindsight.py say of it."""
    return [*_robust(robustness["rows"]), _hindsight(hindsight["rows"])]


def lines(robustness: Mapping[str, Any], hindsight: Mapping[str, Any]) -> list[str]:
    """The table: aim, measured, reached."""
    return listed("with a responder", ends(robustness, hindsight))


def _robust(rows: Sequence[Row]) -> list[End]:
    return [
        _kept({row["name"]: row["kept"] for row in rows if row["kept"] is not None}),
        _most(
            "one correction in ten wrong: below no corrections by",
            {row["name"]: _below_cold(row, "50, 10 % wrong") for row in rows},
        ),
        _none(
            "30 % of incidents looked at: streams below no corrections",
            rows,
            lambda row: _below_cold(row, "50, 30 % looked at") > EVEN,
        ),
        _most("more corrections: worse than fewer by", {row["name"]: row["lost"] for row in rows}),
    ]


def spoiled(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Cases of benchmarks/robustness.py, and the streams on which they miss what is aimed at."""
    wrong, few = "50, 10 % wrong", "50, 30 % looked at"
    lost = [
        row for row in rows if _below_cold(row, wrong) > SPOILED or (row["kept"] is not None and row["kept"] < KEPT)
    ]
    blind = [row for row in rows if _below_cold(row, few) > EVEN]
    return [*((wrong, row["name"]) for row in lost), *((few, row["name"]) for row in blind)]


def behind(rows: Sequence[Row]) -> list[Row]:
    """The streams on which the best rule in hindsight is too far ahead."""
    return [row for row in rows if _far(row)]


def _far(row: Row) -> bool:
    return bool(round(row["behind"], 3) > BEHIND)


def _below_cold(row: Row, case: str) -> float:
    by: float = row["scores"]["cold"] - row["scores"][case]
    return by


def _kept(shares: Mapping[str, float]) -> End:
    what, wanted = "one correction in ten wrong: gain kept", f"at least {KEPT:.0%}"
    if not shares:
        return End(what, wanted, "?", None)
    least = min(shares, key=lambda name: shares[name])
    return End(what, wanted, f"{shares[least]:.0%} ({least})", shares[least] >= KEPT)


def _most(what: str, lost: Mapping[str, float]) -> End:
    wanted = f"at most {SPOILED}"
    if not lost:
        return End(what, wanted, "?", None)
    worst = max(lost, key=lambda name: lost[name])
    by = max(lost[worst], 0.0)
    return End(what, wanted, f"{by:.3f}" + (f" ({worst})" if by > EVEN else ""), by <= SPOILED)


def _none(what: str, rows: Sequence[Row], bad: Callable[[Row], bool]) -> End:
    found = sum(bad(row) for row in rows)
    return End(what, "none", f"{found} of {len(rows)}", not found) if rows else End(what, "none", "?", None)


def _hindsight(rows: Sequence[Row]) -> End:
    what = f"50 corrections: streams behind the best rule in hindsight by more than {BEHIND}"
    return _none(what, rows, _far)
