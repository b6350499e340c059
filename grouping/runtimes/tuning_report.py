"""How each scope found its shape, as pictures and tables for the page about a replay.

Drawn from the evidence of the scope's last ``policy`` line that tuning wrote (tune.py says what it holds). In a picture
keys go by the numbers they have in the table beside it: names from alerts stand in the template alone, which escapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from grouping.policy import KIN, BadPolicy, policy
from grouping.runtimes.page import ALERTS, FAINT, INK, PAGES, draw_svg
from grouping.runtimes.summary import lasting
from grouping.runtimes.tally import PolicyChange

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN = 6  # keys in a picture: the best
SCOPES = 12  # scopes that are drawn


class Row(NamedTuple):
    """A key that was looked at; numbers are those at its best silence."""

    key: str
    score: float
    silence: str
    together: float
    chance: float
    incidents: int
    stable: float | None  # how many of the incidents are left at twice the silence; None: not looked at
    verdict: str
    chosen: bool


class Picture(NamedTuple):
    """What a scope found."""

    change: PolicyChange
    alerts: int
    rows: list[Row]
    counts: Markup  # incidents over the silence
    scores: Markup  # score over the silence


def pictures(changes: Iterable[PolicyChange]) -> list[Picture]:
    """A picture of each change that has the evidence for one."""
    drawable = [change for change in changes if change.evidence.get("keys") and change.evidence.get("silences_s")]
    return [_picture(number, change) for number, change in enumerate(drawable[:SCOPES])]


def _picture(number: int, change: PolicyChange) -> Picture:
    found = change.evidence
    chosen, limits = _chosen(change.policy)
    keys = sorted(found["keys"].items(), key=lambda item: (item[0] != chosen, -item[1]["score"]))
    rows = [_row(key, one, found, chosen) for key, one in keys]
    drawn = [one for _, one in keys[:DRAWN]]
    silences = found["silences_s"]
    counts = _lines(f"counts{number}", silences, [one["incidents"] for one in drawn], chosen is not None, limits, 1)
    scores = _lines(f"scores{number}", silences, [one["scores"] for one in drawn], chosen is not None, limits, 0)
    return Picture(change, found["alerts"], rows, counts, scores)


def _chosen(name: str) -> tuple[str | None, tuple[float, float] | None]:
    """The key and the shortest and longest silence of the rule that tuning chose; none if it fell back."""
    if not name.startswith("learned("):
        return None, None
    try:
        rule = policy(name)
    except BadPolicy:  # lines of another version
        return None, None
    return "+".join(rule.key).replace(KIN, "*") or "*", (rule.limit.low, rule.limit.high)


def _row(key: str, one: dict[str, Any], found: Mapping[str, Any], chosen: str | None) -> Row:
    place = found["silences_s"].index(one["silence_s"])
    counts = one["incidents"]
    stable = counts[place + 1] / counts[place] if place + 1 < len(counts) and counts[place] else None
    whys = [f"from {_silence(no['silence_s'])} on: {no['why']}" for no in found["refused"] if no["key"] == key]
    if key == chosen:
        verdict = "chosen" + (f"; refused {'; '.join(whys)}" if whys else "") + _parted(found.get(KIN, []))
    elif whys:
        verdict = f"refused {'; '.join(whys)}"
    elif not one["score"]:
        verdict = "nothing beyond chance, or only the time"
    elif chosen is not None and one["score"] >= found["keys"][chosen]["score"]:
        verdict = "not better by enough to be worth a change"
    else:
        verdict = "a lower score"
    return Row(
        key,
        one["score"],
        _silence(one["silence_s"]),
        one["together"],
        one["chance"],
        counts[place],
        stable,
        verdict,
        key == chosen,
    )


def _parted(families: Sequence[Mapping[str, Any]]) -> str:
    """The kinds that keep to themselves, in words."""
    kinds = [", ".join(family["kinds"]) for family in families]
    return f"; apart from all others: {' | '.join(kinds)}" if kinds else ""


def _silence(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else lasting(seconds)


def _lines(
    name: str,
    silences: list[float],
    lines: list[list[float]],
    chosen: bool,
    limits: tuple[float, float] | None,
    least: float,
) -> Markup:
    """One line per key over the silence, numbered from 1; the first is the chosen one. ``least`` > 0: logarithmic."""

    def draw(axes: Axes) -> None:
        axes.set_position((0.1, 0.17, 0.86, 0.78))
        axes.set_xscale("log", base=2)
        if least:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        else:
            axes.set_ylim(0, 1.05)
        if limits is not None:
            axes.axvspan(limits[0] / 2**0.25, limits[1] * 2**0.25, color=ALERTS, alpha=0.4, linewidth=0)
        for number, line in reversed(list(enumerate(lines, 1))):
            best = chosen and number == 1
            height = [max(value, least) for value in line]
            axes.plot(silences, height, color=PAGES if best else INK, linewidth=2.4 if best else 1.0)
            place = (number * 2) % len(silences)
            axes.annotate(str(number), (silences[place], height[place]), fontsize=10, ha="center", va="bottom")
        ticks = silences[:: max(1, len(silences) // 6)]
        axes.set_xticks(ticks, [_silence(tick) for tick in ticks])
        axes.minorticks_off()
        axes.grid(axis="both", color=FAINT)
        axes.tick_params(axis="both", length=0)
        axes.set_xlabel("silence of at most")

    return draw_svg(name, 570, 270, draw)
