"""The numbers of a replay, as a table for a terminal and as a dict for JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grouping.records import Change
from grouping.runtimes.tally import Tally

BIGGEST = 10  # incidents listed
HOUR, DAY = 3600.0, 86_400.0


def as_dict(tally: Tally) -> dict[str, Any]:
    """The numbers of a replay. ``None`` where a number would have no meaning, as a share of nothing."""
    at, incidents = tally.reports().at, tally.incidents()
    sizes = np.array([one.alerts for one in incidents], np.int64)
    first, last = (float(at.min()), float(at.max())) if len(at) else (None, None)
    span = last - first if first is not None and last is not None else None
    opened, came = tally.changes[Change.OPENED], tally.alerts + tally.repeats
    return {
        "events": tally.events,
        "alert_events": came,
        "alerts": tally.alerts,
        "repeats": tally.repeats,
        "resends": tally.resends,
        "refused": tally.refused,
        "scopes": tally.scopes,
        "incidents": len(incidents),
        "opened": opened,
        "resolved": tally.changes[Change.RESOLVED],
        "reopened": tally.changes[Change.REOPENED],
        "merges": tally.merges,
        "moves": tally.moves,
        "policy_changes": tally.policy_changes,
        "alerts_per_incident": _spread(sizes) if len(sizes) else None,
        "incidents_of_one": int((sizes == 1).sum()),
        "noise_reduction": 1 - opened / came if came else None,
        "pages_per_hour": opened / (span / HOUR) if span is not None and span >= HOUR else None,
        "first": first,
        "last": last,
        "span_s": span,
        "decisions": {f"{action}/{reason}": count for (action, reason), count in sorted(tally.decisions.items())},
    }


def _spread(sizes: NDArray[np.int64]) -> dict[str, float]:
    """What sizes are like. The p90 is one of them: nine in ten are no larger."""
    median = float(np.median(sizes))
    return {
        "mean": float(sizes.mean()),
        "median": median if median % 1 else int(median),
        "p90": int(np.quantile(sizes, 0.9, method="inverted_cdf")),
        "largest": int(sizes.max()),
    }


def print_summary(tally: Tally, console: Console) -> None:
    """Print the numbers and the biggest incidents."""
    numbers = as_dict(tally)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, value, remark in _rows(numbers):
        table.add_row(name, value, remark)
    console.print(table)
    if numbers["incidents"]:
        console.print()
        console.print(_biggest(tally, console.width))


def _rows(numbers: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and remark of each line of the table."""
    rows = [("alert events in", f"{numbers['alert_events']:,}", "")]
    if numbers["repeats"]:
        rows.append(("of them repeats", f"{numbers['repeats']:,}", "the alert was open already"))
    if numbers["resends"]:
        rows.append(("sent twice", f"{numbers['resends']:,}", "not counted again"))
    rows.append(("incidents opened", f"{numbers['opened']:,}", pace(numbers["pages_per_hour"])))
    if numbers["incidents"] != numbers["opened"]:
        rows.append(("incidents now", f"{numbers['incidents']:,}", f"{numbers['merges']:,} merged away"))
    spread = numbers["alerts_per_incident"]
    if spread:
        remark = f"median {spread['median']:,}, p90 {spread['p90']:,}, largest {spread['largest']:,}"
        rows.append(("alerts per incident", f"{spread['mean']:,.1f}", remark))
        rows.append(("incidents of one alert", f"{numbers['incidents_of_one']:,}", ""))
    if numbers["noise_reduction"] is not None:
        rows.append(("noise reduction", percent(numbers["noise_reduction"]), "1 - incidents opened / alert events"))
    if numbers["span_s"] is not None:
        rows.append(("time covered", lasting(numbers["span_s"]), f"from {moment(numbers['first'])} UTC"))
    if numbers["scopes"] > 1:
        rows.append(("scopes", f"{numbers['scopes']:,}", ""))
    if numbers["refused"]:
        rows.append(("refused", f"{numbers['refused']:,}", ""))
    return rows


def _biggest(tally: Tally, width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("biggest incidents", no_wrap=True, overflow="ellipsis", max_width=max(width - 44, 20))
    for heading in ("alerts", "lasted"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("severity", "state"):
        table.add_column(heading, no_wrap=True)
    for one in tally.incidents()[:BIGGEST]:
        state = "resolved" if one.resolved else "open"
        # A Text, not a str: what stands in brackets in a title is no markup.
        table.add_row(
            Text(plain(one.title)), f"{one.alerts:,}", lasting(one.last - one.first), one.severity or "unknown", state
        )
    return table


# -- how numbers are written, here and in the report


def plain(text: str) -> str:
    """A text without control characters: it comes from outside and may steer a terminal, or hide what it says."""
    return "".join(char if char.isprintable() else " " for char in text)


def percent(share: float) -> str:
    """A share as a percentage. What is not all or nothing is never rounded to it."""
    if 0 < share < 0.0001:
        return "< 0.01 %"
    return "100 %" if share == 1 else f"{min(share * 100, 99.99):.2f} %"


def pace(pages_per_hour: float | None) -> str:
    """How often somebody is paged, per hour or, where that would be a small fraction, per day."""
    if pages_per_hour is None:
        return ""
    return f"{pages_per_hour:,.1f} an hour" if pages_per_hour >= 1 else f"{pages_per_hour * 24:,.1f} a day"


def moment(at: float) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%d %H:%M:%S")


def lasting(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 9.95 else f"{whole} s"
    units = ((DAY, "d", HOUR, "h"), (HOUR, "h", 60.0, "min"), (60.0, "min", 1.0, "s"))
    unit, name, part, smaller = next(row for row in units if whole >= row[0])
    rest = int(whole % unit // part)
    return f"{int(whole // unit):,} {name}" + (f" {rest} {smaller}" if rest else "")
