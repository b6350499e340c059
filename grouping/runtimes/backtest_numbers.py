"""What a backtest came to as one dict: what JSON holds and what the tables and the page are made of.

Titles and ids stand in it as they came. Shares are rounded: their last bits may differ from machine to machine.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from grouping.backtest import UNKNOWN, Held, Known, Outage, Play, Shift, moved, shifts
from grouping.offpolicy import LEVEL, Estimate
from grouping.runtimes.backtest import Correction, Result

DIGITS = 6


def numbers(result: Result, most: int) -> dict[str, Any]:
    """Everything, with at most ``most`` examples of each kind."""
    traffic = result.traffic
    return {
        "policy": result.policy,
        "was": result.was,
        "policy_events": result.policies,
        "lines": result.lines,
        "refused": result.refused,
        "feedback": result.feedback,
        "alerts": len(result.rows),
        "repeats": result.repeats,
        "first": float(traffic.at.min()) if len(traffic.at) else None,
        "last": float(traffic.at.max()) if len(traffic.at) else None,
        "moved": int(moved(traffic.before.incident, traffic.after.incident).sum()),
        "before": _play(traffic.before),
        "after": _play(traffic.after),
        "corrections": _corrections(result, most),
        "responders": _held(result, result.held, result.known, result.groups, most),
        "truth": None if result.truth is None else _held(result, *result.truth, result.truth_groups, most),
        "off_policy": _value(result),
        "examples": [_shift(result, shift) for shift in shifts(traffic, _best(result), most)],
    }


def _best(result: Result) -> Held:
    return result.truth[0] if result.truth is not None else result.held


def _play(play: Play) -> dict[str, int]:
    sizes = np.bincount(play.incident) if len(play.incident) else np.zeros(0, np.int64)
    return {
        "opened": int(play.opened.sum()),
        "of_one": int((sizes == 1).sum()),
        "largest": int(sizes.max(initial=0)),
    }


def _corrections(result: Result, most: int) -> dict[str, Any]:
    verdicts = Counter(_need(one) for one in result.corrections)
    titles = {(row.scope, row.id): row.title for row in result.rows} if result.corrections else {}
    return {
        "merges": sum(one.verb == "merge" for one in result.corrections),
        "moves": sum(one.verb == "move" for one in result.corrections),
        **{verdict: verdicts[verdict] for verdict in ("needless", "smaller", "needed", "larger")},
        "work_before": sum(one.before for one in result.corrections),
        "work_after": sum(one.after for one in result.corrections),
        "examples": [
            {
                "at": one.at,
                "scope": one.scope,
                "id": one.id,
                "action": one.verb,
                "alert": one.alert,
                "title": titles.get((one.scope, one.alert), ""),
                "before": one.before,
                "after": one.after,
                "verdict": _need(one),
            }
            for one in sorted(result.corrections, key=lambda one: one.after == 0)[:most]  # those still needed first
        ],
    }


def _need(one: Correction) -> str:
    if one.after == 0:
        return "needless"
    return "smaller" if one.after < one.before else "needed" if one.after == one.before else "larger"


def _held(result: Result, held: Held, known: Known, groups: list[str], most: int) -> dict[str, Any]:
    worse, told = held.worse(), known.group != UNKNOWN
    sorts = {
        "hidden": (held.hidden, result.titles_after),
        "late": (held.late, result.titles_after),
        "found": (held.found, result.titles_before),
    }
    return {
        "alerts": held.alerts,
        "said": int((told & known.firm).sum()),
        "groups": held.groups,
        "noise": held.noise,
        "before": _rounded(asdict(held.before)),
        "after": _rounded(asdict(held.after)),
        "wrong_before": int(held.wrong_before.sum()),
        "wrong_after": int(held.wrong_after.sum()),
        "better": int(held.better().sum()),
        "worse": int(worse.sum()),
        "worse_said": int((worse & known.firm).sum()),
        "unpaged_before": held.unpaged_before,
        "unpaged_after": held.unpaged_after,
        "noise_pages_before": held.noise_pages_before,
        "noise_pages_after": held.noise_pages_after,
        **{name: len(found) for name, (found, _) in sorts.items()},
        **{
            f"{name}_examples": [_outage(result, one, groups, titles) for one in found[:most]]
            for name, (found, titles) in sorts.items()
        },
    }


def _outage(result: Result, one: Outage, groups: list[str], titles: list[str]) -> dict[str, Any]:
    row, at = result.rows[one.first], result.traffic.at
    return {
        "at": float(at[one.first]),
        "scope": row.scope,
        "group": groups[one.group],
        "alert": row.id,
        "title": row.title,
        "alerts": one.alerts,
        "critical": one.critical,
        "said": one.firm,
        "into": titles[one.host],
        "page_after_s": None if one.page is None else float(at[one.page] - at[one.first]),
    }


def _shift(result: Result, shift: Shift) -> dict[str, Any]:
    row, at = result.rows[shift.rows[0]], result.traffic.at
    return {
        "verdict": shift.verdict,
        "alerts": len(shift.rows),
        "at": float(at[shift.rows[0]]),
        "until": float(at[shift.rows[-1]]),
        "scope": row.scope,
        "alert": row.id,
        "title": row.title,
        "before": {"incident": result.before[shift.before][1], "title": result.titles_before[shift.before]},
        "after": {"incident": result.after[shift.after][1], "title": result.titles_after[shift.after]},
    }


def _value(result: Result) -> dict[str, Any]:
    found = result.value
    return {
        "by": "responders" if result.truth is None else "truth",
        "decisions": found.decisions,
        "explored": result.explored,
        "logged": _round(found.logged),
        **{name: _estimate(getattr(found, name)) for name in ("ips", "snips", "dr")},
        "level": LEVEL,
        "effective": _round(found.effective),
        "overlap": _round(found.overlap),
        "warnings": list(found.warnings),
    }


def _estimate(one: Estimate) -> dict[str, Any]:
    return {"value": _round(one.value), "low": _round(one.low), "high": _round(one.high), "interval": one.interval}


def _round(number: float | None) -> float | None:
    return None if number is None else round(number, DIGITS)


def _rounded(scores: dict[str, Any]) -> dict[str, Any]:
    return {name: round(number, DIGITS) if isinstance(number, float) else number for name, number in scores.items()}
