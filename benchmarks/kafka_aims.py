"""What the worker on Kafka aims at, and whether the results reach it: no sentence about hits and misses is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.aims import End, listed

PER_SECOND = 8_000  # of one worker, at least
LATE_MS = 250.0  # p99 from when an alert was due to its decision, at most
HAND_OVER_S = 5.0  # after a graceful stop; after a kill, beyond the session
PARTITIONS = (8, 64)
LOADS = {"repeats": "repeats", "crowd": "new alerts, 1,000 incidents open"}


def ends(figures: Mapping[str, Any], policy: str) -> list[End]:
    """Every aim, and what the results of benchmarks/kafka.py say of it, of one worker that decides by ``policy``."""
    found: list[End] = []
    for load, words in LOADS.items():
        for partitions in PARTITIONS:
            row = _flow(figures, policy, load, partitions)
            what = f"{words}, {partitions} partitions"
            if row is None:
                found.append(End(what, f"at least {PER_SECOND:,}/s", "?", None))
                continue
            rate, late = row["per_second"], row["p99_ms"]
            found.append(End(what, f"at least {PER_SECOND:,}/s", f"{rate:,}/s", rate >= PER_SECOND))
            what = f"{what}, p99 at {row['half']:,}/s"
            found.append(End(what, f"at most {LATE_MS:.0f} ms", f"{late:,.0f} ms", late <= LATE_MS))
    for row in figures.get("hand_over", []):
        most = HAND_OVER_S + (row["session_s"] if row["how"] == "SIGKILL" else 0)
        what = f"longest wait after {row['how']}, {row['incidents']:,} incidents open"
        found.append(End(what, f"at most {most:.0f} s", f"{row['silence_s']:.1f} s", row["silence_s"] <= most))
    return found


def _flow(figures: Mapping[str, Any], policy: str, load: str, partitions: int) -> Mapping[str, Any] | None:
    wanted = {"way": "this worker", "policy": policy, "load": load, "partitions": partitions, "workers": 1}
    return next((row for row in figures.get("flow", []) if wanted.items() <= row.items()), None)


def lines(figures: Mapping[str, Any]) -> list[str]:
    """The table: aim, measured, reached; by the rule that the flow is measured with."""
    policy = next((row["policy"] for row in figures.get("flow", [])), "")
    return listed(f"one worker, `{policy}`", ends(figures, policy))
