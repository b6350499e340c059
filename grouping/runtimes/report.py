"""One HTML page about a replay: numbers, timeline, pictures and tables in a single file.

The page loads nothing from anywhere and holds no time of its own: the same replay gives the same bytes. What stands in
alerts is untrusted: every text goes through the template, which escapes it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from grouping.records import SEVERITY_BY_RANK
from grouping.runtimes.page import ALERTS, FAINT, PAGES, draw_svg, page_template
from grouping.runtimes.summary import DAY, HOUR, as_dict, lasting, moment, plain
from grouping.runtimes.tally import Incident, Reports, Tally
from grouping.runtimes.tuning_report import pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 200  # incidents on the page: the largest
TICKS = 200  # alerts drawn per incident; more would not be told apart
BANDS = 12  # scopes that get a band of their own in the timeline; with more they share one
WIDTH = 1160  # of a picture, in its own units
LEFT, RIGHT = 48, 8  # margins within it, so that one time stands at one place in all pictures


def write_report(tally: Tally, directory: Path, *, source: str, command: str | None = None) -> Path:
    """Write ``index.html`` about a replay of ``source`` into ``directory``, and return its path."""
    incidents, reports = tally.incidents(), tally.reports()
    shown = incidents[:SHOWN]
    drawn: dict[str, Any] = {}
    if shown:
        axis = Axis(reports.at)
        drawn["timeline"] = timeline(shown, reports, axis)
        drawn["flow"], drawn["per"] = _flow(reports.at, tally.paged(), axis)
        drawn["sizes"] = _sizes([one.alerts for one in incidents])
    page = page_template("report.html.j2").render(
        source=plain(source),
        command=command and plain(command),
        tally=tally,
        numbers=as_dict(tally),
        incidents=shown,
        tuning=pictures(tally.tuned.values()),
        **drawn,
    )
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "index.html"
    path.write_bytes(page.encode())
    return path


# -- time on paper

STEPS = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0]
STEPS += [60 * step for step in STEPS] + [HOUR * hours for hours in (1, 2, 3, 6, 12)]
STEPS += [DAY * days for days in (1, 2, 7, 14, 28, 91, 182, 365, 730, 1825, 3650, 36500)]
CUTS = 10  # silences cut out at most
CUT_FROM = 0.06  # of the time that is left: a silence at least this long is cut out
SHORTEST_CUT = 600.0  # s
CUT_WIDTH = 22.0
LABEL = 92.0  # room for a label of the axis
LETTER, GAP = 6.4, 14.0  # width of a letter, and between two labels


class Label(NamedTuple):
    """A mark on the axis."""

    x: float
    text: str
    day: str


class Axis:
    """Times to places from left to right. Long silences are cut out, so that one wrong clock does not flatten all."""

    def __init__(self, times: NDArray[np.float64]) -> None:
        self.pieces, self._air = _pieces(np.unique(times))
        room = WIDTH - LEFT - RIGHT - CUT_WIDTH * (len(self.pieces) - 1)
        self.scale = room / sum(end - start for start, end in self.pieces)
        self._starts = [start for start, _ in self.pieces]
        self._lefts = [float(LEFT)]
        for start, end in self.pieces[:-1]:
            self._lefts.append(self._lefts[-1] + (end - start) * self.scale + CUT_WIDTH)

    def place(self, at: float) -> float:
        """Where a time stands."""
        number = max(bisect_right(self._starts, at) - 1, 0)
        return self._lefts[number] + (at - self._starts[number]) * self.scale

    def places(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where many times stand."""
        number = np.maximum(np.searchsorted(self._starts, times, "right") - 1, 0)
        found: NDArray[np.float64] = (
            np.array(self._lefts)[number] + (times - np.array(self._starts)[number]) * self.scale
        )
        return found

    def cuts(self) -> list[tuple[float, float, str]]:
        """Each silence cut out: where it begins and ends, and how long it is."""
        return [
            (left - CUT_WIDTH, left, lasting(start - before[1] + 2 * self._air))
            for left, (before, (start, _)) in zip(self._lefts[1:], pairwise(self.pieces), strict=True)
        ]

    def step(self, room: float) -> float:
        """The smallest handy step of time, s, that takes up at least ``room``."""
        return next((step for step in STEPS if step * self.scale >= room), STEPS[-1])

    def labels(self) -> list[Label]:
        """Marks at handy times, the day where it changes; a piece without one gets the time it begins."""
        step, found = self.step(LABEL), list[Label]()
        for start, end in self.pieces:
            handy = np.arange(np.ceil(start / step), np.floor(end / step) + 1) * step
            marks = self._marks(handy.tolist(), step, found) or self._marks([start + self._air], step, found)
            found += marks
        return found

    def _marks(self, times: list[float], step: float, before: list[Label]) -> list[Label]:
        """Marks at those of the times where there is room, after the marks ``before``."""
        found, last = list[Label](), before[-1] if before else Label(-LABEL, "", "")
        for time in times:
            x, text = self.place(time), _clock(time, step, last.day)
            if x >= last.x + LETTER * len(last.text) + GAP and x + LETTER * len(text) + GAP <= WIDTH:
                last = Label(x, text, moment(time)[:10])
                found.append(last)
        return found


def _clock(time: float, step: float, day: str) -> str:
    """What stands at a mark: the day where it is another than ``day``, and the time where steps are shorter."""
    date, clock = moment(time).split(" ")
    clock = clock[:5] if step >= 60 else clock
    return date if step >= DAY else clock if date == day else f"{date} {clock}"


def _pieces(times: NDArray[np.float64]) -> tuple[list[tuple[float, float]], float]:
    """The stretches of time that are drawn, and how much air each has at its ends."""
    gaps = np.diff(times)
    left, cuts = float(times[-1] - times[0]), list[int]()
    for index in np.argsort(-gaps, kind="stable")[:CUTS].tolist():
        if gaps[index] < max(SHORTEST_CUT, CUT_FROM * left):
            break
        left -= float(gaps[index])
        cuts.append(index)
    air = min(max(left * 0.005, 0.5), SHORTEST_CUT / 4)
    firsts = [0, *(index + 1 for index in sorted(cuts))]
    lasts = [*sorted(cuts), len(times) - 1]
    ends = zip(firsts, lasts, strict=True)
    return [(float(times[first]) - air, float(times[last]) + air) for first, last in ends], air


# -- the timeline, drawn by the template


class Bar(NamedTuple):
    """An incident in the timeline. ``ticks``: for each severity, worst last, a path of strokes."""

    row: int  # in the table
    incident: Incident
    x: float
    y: float
    width: float
    ticks: list[tuple[str, str]]


class Band(NamedTuple):
    """The lanes of one scope, or of all."""

    scope: str | None
    y: float
    height: float


class Timeline(NamedTuple):
    """Everything that the template draws."""

    bars: list[Bar]
    bands: list[Band]
    labels: list[Label]
    cuts: list[tuple[float, float, str]]
    thick: float
    height: float


LANES_HEIGHT = 420.0  # that all lanes together try not to exceed
CAPTION = 20.0  # room for the name of a scope
NARROWEST = 2.5  # width of a bar
AIR = 2.0  # between bars of a lane


def timeline(shown: Sequence[Incident], reports: Reports, axis: Axis) -> Timeline:
    """Place incidents in as few lanes as hold them without overlap, scope by scope."""
    scopes = sorted({one.scope for one in shown})
    groups: list[str | None] = [*scopes] if len(scopes) <= BANDS else [None]
    placed = [(group, *_lanes(shown, axis, group)) for group in groups]
    lanes = sum(count for _, _, count in placed)
    thick = min(max(LANES_HEIGHT / lanes - 3, 4.0), 16.0)
    strokes = _strokes(shown, reports, axis)
    bars, bands, y = list[Bar](), list[Band](), 0.0
    for group, lane_of, count in placed:
        top = y + (CAPTION if len(groups) > 1 else AIR)
        for row, lane in lane_of.items():
            one = shown[row]
            x = axis.place(one.first)
            width = max(axis.place(one.last) - x, NARROWEST)
            bars.append(Bar(row, one, x, top + lane * (thick + 3), width, strokes[one.number]))
        bands.append(Band(group if len(groups) > 1 else None, y, top - y + count * (thick + 3) + AIR))
        y += bands[-1].height
    return Timeline(bars, bands, axis.labels(), axis.cuts(), thick, y)


def _lanes(shown: Sequence[Incident], axis: Axis, scope: str | None) -> tuple[dict[int, int], int]:
    """The lane of each incident of a scope, by its row, and how many lanes there are. First come, topmost free."""
    rows = [row for row, one in enumerate(shown) if scope is None or one.scope == scope]
    lane_of, free = dict[int, int](), list[float]()
    for row in sorted(rows, key=lambda row: (shown[row].first, row)):
        x = axis.place(shown[row].first)
        end = max(axis.place(shown[row].last), x + NARROWEST) + AIR
        lane = next((lane for lane, until in enumerate(free) if until <= x), len(free))
        free[lane : lane + 1] = [end]
        lane_of[row] = lane
    return lane_of, len(free)


def _strokes(shown: Sequence[Incident], reports: Reports, axis: Axis) -> dict[int, list[tuple[str, str]]]:
    """The strokes of each incident, by its number: at most TICKS, at places that can be told apart."""
    numbers = np.array([one.number for one in shown])
    mine = np.isin(reports.incident, numbers).nonzero()[0]
    mine = mine[np.lexsort((reports.at[mine], reports.incident[mine]))]
    incident, rank, x = reports.incident[mine], reports.rank[mine], axis.places(reports.at[mine])
    found = {}
    for number in numbers.tolist():
        start, end = np.searchsorted(incident, [number, number + 1])
        # Half units; where several fall together the worst is seen.
        places = np.unique(np.stack([np.round(x[start:end] * 2), rank[start:end]], 1), axis=0)
        places = places[np.append(places[1:, 0] != places[:-1, 0], [True])]
        keep = np.unique(np.linspace(0, len(places) - 1, min(len(places), TICKS)).round().astype(np.int64))
        found[number] = list(_paths(places[keep]))
    return found


def _paths(places: NDArray[np.float64]) -> Iterator[tuple[str, str]]:
    for rank, severity in sorted(SEVERITY_BY_RANK.items()):
        xs = places[places[:, 1] == rank, 0] / 2
        if len(xs):
            yield severity or "unknown", "".join(f"M{x:g} 0v1" for x in xs.tolist())


# -- the pictures, drawn by matplotlib

BARELY = 0.7  # where a logarithmic axis of counts begins: one is seen, none is not
BIN = 6.0  # width of a bin of time


def _flow(times: NDArray[np.float64], pages: NDArray[np.float64], axis: Axis) -> tuple[Markup, str]:
    """Alerts in and pages out over time, and the width of a bin in words."""
    step = axis.step(BIN)

    def draw(axes: Axes) -> None:
        axes.set_position((LEFT / WIDTH, 0.1, (WIDTH - LEFT - RIGHT) / WIDTH, 0.87))
        for series, colour, label in ((times, ALERTS, "alerts in"), (pages, PAGES, "pages out")):
            for edges, places in _bins(axis, step):
                counts, _ = np.histogram(series, edges)
                height = np.maximum(counts, BARELY)
                axes.stairs(height, places, baseline=BARELY, fill=True, color=colour, label=label)
                label = "_"  # noqa: PLW2901 — one entry in the legend, not one per piece
        axes.set_yscale("log")
        axes.set_ylim(BARELY, axes.get_ylim()[1] * 3)  # with room for the legend
        _count_axis(axes)
        axes.set_xlim(LEFT, WIDTH - RIGHT)
        axes.set_xticks([mark.x for mark in axis.labels()], [mark.text for mark in axis.labels()], ha="left")
        for start, end, _ in axis.cuts():
            axes.axvspan(start, end, color=FAINT, alpha=0.35, linewidth=0)
        axes.legend(loc="upper right", frameon=False, ncols=2)

    return draw_svg("flow", WIDTH, 270, draw), lasting(step)


def _bins(axis: Axis, step: float) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The edges of bins over each piece of the axis, as times and as places."""
    for start, end in axis.pieces:
        first = np.floor(start / step)
        edges = np.arange(first, max(np.ceil(end / step), first + 1) + 1) * step
        yield edges, axis.places(np.clip(edges, start, end))


def _sizes(sizes: Sequence[int]) -> Markup:
    """How many incidents hold 1, 2, 3-4, 5-8 ... alerts."""
    exponents = np.array([max(size - 1, 0).bit_length() for size in sizes])
    counts = np.bincount(exponents)

    def draw(axes: Axes) -> None:
        axes.set_position((0.085, 0.17, 0.9, 0.8))
        bars = axes.bar(np.arange(len(counts)), np.maximum(counts, BARELY), width=0.82, color=ALERTS)
        axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts.tolist()], padding=2)
        axes.set_yscale("log")
        axes.set_ylim(BARELY, max(counts.max() * 2.2, 3))
        _count_axis(axes)
        axes.set_xticks(np.arange(len(counts)), [_power(exponent) for exponent in range(len(counts))])
        axes.set_xlabel("alerts in the incident, up to")

    return draw_svg("sizes", 570, 270, draw)


def _power(exponent: int) -> str:
    """A power of two in few letters."""
    return f"{2**exponent // 1024:,}k" if exponent >= 10 else str(2**exponent)


def _count_axis(axes: Axes) -> None:
    """A logarithmic axis of counts, in plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator  # noqa: PLC0415 — as in page.py

    axes.yaxis.set_major_locator(LogLocator(base=10))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y")
    axes.tick_params(axis="both", length=0)
