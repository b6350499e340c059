"""One HTML page about an evaluation: the measures, learning curves, which group went where, the worst incidents.

Like the page about a replay it loads nothing, and the same evaluation gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from grouping.evaluate import Match, Pair, hidden, matches
from grouping.records import Alert, Event
from grouping.runtimes.evaluate import Played
from grouping.runtimes.evaluation import MEASURES, Evaluation, mean_figure, spent_lines
from grouping.runtimes.page import ALERTS, FAINT, PAGES, draw_svg, page_template
from grouping.runtimes.summary import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUPS = 200  # in the table: those found worst
ROWS, COLUMNS = 36, 48  # of the map
WORST = 20  # incidents with their alerts
EACH = 8  # alerts shown of each group in one of them
PARTS = 12  # groups named in one of them
LINES = 12.0  # a curve is the mean over this part of all groups, at each of them


def write_evaluation(
    evaluation: Evaluation, events: Sequence[Event], directory: Path, *, source: str, command: str | None = None
) -> Path:
    """Write ``index.html`` about an evaluation of ``source`` into ``directory``, and return its path."""
    shown = (evaluation.corrected or evaluation.without)[0]
    alerts = _alerts(events, shown)
    found = matches(shown.pairs)
    page = page_template("evaluation.html.j2").render(
        source=plain(source),
        command=command and plain(command),
        evaluation=evaluation,
        shown=shown,
        done=spent_lines(evaluation),
        cards=_cards(evaluation),
        measures=_measures(evaluation),
        curves=_curves(evaluation),
        map=confusion(shown.pairs),
        groups=_groups(shown, found, alerts),
        count=len(found),
        worst=[_told(one, alerts) for one in worst(shown.pairs)],
    )
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "index.html"
    path.write_bytes(page.encode())
    return path


def _alerts(events: Sequence[Event], played: Played) -> list[Alert | None]:
    """What each judged alert looked like."""
    wanted = dict.fromkeys(played.alerts)
    kept: dict[str, Alert] = {}
    for event in events:
        if isinstance(event, Alert) and event.id in wanted:
            kept.setdefault(event.id, event)
    return [kept.get(id) for id in played.alerts]


# -- numbers

CARDS = ("macro_jaccard", "log_jaccard", "f1", "actions", "contamination", "hidden")


def _cards(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Value, name and remark of each card: with the responder, if there is one, and without in the remark."""
    titles = {name: (title, remark) for name, title, remark in MEASURES}
    without = [one.scores() for one in evaluation.without]
    corrected = [one.scores() for one in evaluation.corrected]
    cards = []
    for name in CARDS:
        title, remark = titles[name]
        before = mean_figure(without, name)
        cards.append((mean_figure(corrected or without, name), title, f"{before} without" if corrected else remark))
    return cards


def _measures(evaluation: Evaluation) -> tuple[list[str], list[tuple[str, list[str], str]]]:
    """Headings, and for each measure its name, figures and remark."""
    columns = {
        "whole stream": [one.scores() for one in evaluation.without],
        "second half": [one.second_half() for one in evaluation.without],
    }
    if evaluation.corrected:
        columns |= {
            "responder: whole": [one.scores() for one in evaluation.corrected],
            "second half ": [one.second_half() for one in evaluation.corrected],
            "left at the end": [one.after_corrections() for one in evaluation.corrected],
        }
    rows = [
        (title, [mean_figure(scores, name) for scores in columns.values()], remark) for name, title, remark in MEASURES
    ]
    return list(columns), rows


# -- learning curves


class Curve(NamedTuple):
    """Means over the groups around each group: one line, and how far the seeds are apart. Arrays (groups,)."""

    along: NDArray[np.float64]  # alerts before the group began
    spent: NDArray[np.float64]  # corrections before the group began, mean over seeds
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def curve(plays: Sequence[Played]) -> Curve:
    """How well groups were found, in the order in which they began, smoothed over their neighbours."""
    points = [one.curve() for one in plays]
    found = np.array([[point.jaccard for point in run] for run in points], np.float64)
    spent = np.array([[point.spent for point in run] for run in points], np.float64).mean(axis=0)
    smooth = np.stack([_smooth(run) for run in found])
    along = np.array([point.alert for point in points[0]], np.float64)
    return Curve(along, spent, smooth.mean(axis=0), smooth.min(axis=0), smooth.max(axis=0))


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each value and its neighbours; at the ends there are some on one side only."""
    reach = round(len(values) / LINES / 2)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    first, end = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(values))
    smoothed: NDArray[np.float64] = (sums[end] - sums[first]) / (end - first)
    return smoothed


def _curves(evaluation: Evaluation) -> list[tuple[str, str, Markup]]:
    """Title, remark and picture of each learning curve; none where fewer than two groups could be drawn."""
    without = curve(evaluation.without)
    if len(without.along) < 2:
        return []
    if not evaluation.corrected:
        remark = "Jaccard of each group with its best incident, in the order in which the groups began."
        return [("Along the stream", remark, _lines("along", 1160, without, None, without.along, "alerts before"))]
    corrected = curve(evaluation.corrected)
    band = " The band holds all seeds." if len(evaluation.seeds) > 1 else ""
    return [
        (
            "Learning curve",
            f"Jaccard of the groups that began after so many corrections, as decided, and without a responder.{band}",
            _lines("learning", 570, without, corrected, corrected.spent, "corrections spent before the group began"),
        ),
        (
            "Along the stream",
            f"The same groups by the alerts that came before them.{band}",
            _lines("along", 570, without, corrected, without.along, "alerts before the group began"),
        ),
    ]


def _lines(
    name: str, width: float, without: Curve, corrected: Curve | None, x: NDArray[np.float64], label: str
) -> Markup:
    """The curves over ``x``; where many groups stand at one place, their mean."""
    place, which = np.unique(x, return_inverse=True)
    each = np.bincount(which)

    def at(values: NDArray[np.float64]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = np.bincount(which, values) / each
        return mean

    def draw(axes: Axes) -> None:
        axes.set_position((48 / width, 0.17, 1 - 66 / width, 0.8))
        # The one without is wider: it can be seen where both are the same.
        for line, colour, thick, what in ((without, ALERTS, 5, "without"), (corrected, PAGES, 2, "with responder")):
            if line is not None:
                axes.fill_between(place, at(line.low), at(line.high), color=colour, alpha=0.25, linewidth=0)
                axes.plot(place, at(line.mean), color=colour, linewidth=thick, label=what, solid_joinstyle="round")
        axes.set_ylim(-0.02, 1.02)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.set_xlim(float(x.min()), max(float(x.max()), float(x.min()) + 1))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel(label)
        axes.grid(axis="y", color=FAINT)
        axes.tick_params(axis="both", length=0)
        if corrected is not None:
            axes.legend(loc="lower right", frameon=False, ncols=2)

    return draw_svg(name, width, 270, draw)


# -- which group went where


class Cell(NamedTuple):
    """So many alerts of a group in an incident; ``share`` of the group's.

    ``own``: it is the group's largest part, and the incident's. Everything else is to be moved or merged.
    """

    column: int
    incident: str
    alerts: int
    share: float
    own: bool


class Row(NamedTuple):
    """A group, or noise where it is None."""

    group: str | None
    alerts: int
    cells: list[Cell]


class Confusion(NamedTuple):
    """Groups down, incidents across, the last column all other incidents; of how many groups and incidents."""

    rows: list[Row]
    columns: int
    groups: int
    incidents: int


def confusion(pairs: Sequence[Pair]) -> Confusion:
    """Where the alerts of the groups found worst went, and which noise is with them. A right grouping is a diagonal."""
    found = matches(pairs)
    chosen = sorted(sorted(found, key=lambda one: (one.jaccard, -one.alerts))[:ROWS], key=lambda one: one.first)
    counts = Counter(pairs)
    names: dict[Any, int] = {one.group: one.alerts for one in chosen}
    place = {incident: number for number, incident in enumerate(_columns(chosen, counts)[:COLUMNS])}
    noise = sum(count for (incident, group), count in counts.items() if group is None and incident in place)
    if noise:
        names[None] = noise
    largest = _largest(counts)
    cells: dict[Any, dict[int, Cell]] = {group: {} for group in names}
    for (incident, group), count in counts.items():
        if group in names:
            at = place.get(incident, len(place))
            if group is None and at == len(place):
                continue  # noise that is with none of these groups does no harm to them
            alerts = count + (cells[group][at].alerts if at in cells[group] else 0)
            own = at < len(place) and group is not None and largest[incident] == group
            name = str(incident) if at < len(place) else "other incidents"
            cells[group][at] = Cell(at, name, alerts, alerts / names[group], own)
    best = {one.group: place.get(one.incident) for one in chosen}
    rows = [
        Row(
            group and str(group),
            size,
            [cell._replace(own=cell.own and best[group] == at) for at, cell in sorted(cells[group].items())],
        )
        for group, size in names.items()
    ]
    return Confusion(rows, len(place) + 1, len(found), len({incident for incident, _ in counts}))


def _columns(chosen: Sequence[Match], counts: Mapping[Pair, int]) -> list[Any]:
    """The best incident of each group, then the others by how much they hold of these groups."""
    groups = {one.group for one in chosen}
    held: Counter[Any] = Counter()
    for (incident, group), count in counts.items():
        if group in groups:
            held[incident] += count
    return list(dict.fromkeys([*(one.incident for one in chosen), *(incident for incident, _ in held.most_common())]))


def _largest(counts: Mapping[Pair, int]) -> dict[Any, Any]:
    """The largest group of each incident."""
    found: dict[Any, tuple[int, Any]] = {}
    for (incident, group), count in counts.items():
        if group is not None and count > found.get(incident, (0, None))[0]:
            found[incident] = count, group
    return {incident: group for incident, (_, group) in found.items()}


class GroupRow(NamedTuple):
    """A group in the table. ``at``: seconds since the epoch."""

    name: str
    at: float | None
    alerts: int
    jaccard: float
    incident: str
    held: int  # alerts of it in its best incident
    foreign: int  # alerts of others there
    spread: int
    hidden: bool


def _groups(played: Played, found: list[Match], alerts: Sequence[Alert | None]) -> list[GroupRow]:
    """The groups found worst first."""
    covered = {played.pairs[number][1] for number in hidden(played.pairs)}
    counts, sizes = Counter(played.pairs), Counter(incident for incident, _ in played.pairs)
    rows = []
    for one in sorted(found, key=lambda one: (one.jaccard, -one.alerts, one.first))[:GROUPS]:
        first, held = alerts[one.first], counts[one.incident, one.group]
        rows.append(
            GroupRow(
                str(one.group),
                None if first is None else first.at,
                one.alerts,
                one.jaccard,
                str(one.incident),
                held,
                sizes[one.incident] - held,
                one.spread,
                one.group in covered,
            )
        )
    return rows


# -- the worst incidents


class Worst(NamedTuple):
    """An incident that needs correcting, with the numbers of its alerts among the pairs, by group, largest first."""

    incident: str
    alerts: int
    parts: list[tuple[str | None, list[int]]]
    elsewhere: int  # alerts of its largest group in other incidents


def worst(pairs: Sequence[Pair]) -> list[Worst]:
    """The incidents that need the most moves; among those, the ones with the most alerts in the wrong place."""
    members: dict[Any, dict[Any, list[int]]] = {}
    sizes: Counter[Any] = Counter()
    for number, (incident, group) in enumerate(pairs):
        members.setdefault(incident, {}).setdefault(group, []).append(number)
        sizes[group] += 1
    found = []
    for incident, groups in members.items():
        if all(group is None for group in groups):
            continue
        parts = sorted(groups.items(), key=lambda part: (part[0] is None, -len(part[1]), part[1][0]))
        main, own = parts[0]
        elsewhere = sizes[main] - len(own)
        if len(parts) > 1 or elsewhere:
            found.append(Worst(str(incident), sum(map(len, groups.values())), parts, elsewhere))
    return sorted(found, key=lambda one: (-len(one.parts), -_misplaced(one), one.parts[0][1][0]))[:WORST]


def _misplaced(one: Worst) -> int:
    return one.alerts - len(one.parts[0][1]) + one.elsewhere


class Told(NamedTuple):
    """One of the worst incidents, with some of its alerts: (group, alert) in the order they came."""

    worst: Worst
    first: float | None
    last: float | None
    parts: list[tuple[str | None, int, float]]  # group, alerts, share
    more: int  # groups not named
    alerts: list[tuple[str | None, Alert]]


def _told(one: Worst, alerts: Sequence[Alert | None]) -> Told:
    times = [at for at in _times(one, alerts) if at is not None]
    named = one.parts[:PARTS]
    examples = sorted((number, group) for group, numbers in named for number in numbers[:EACH])
    return Told(
        one,
        min(times, default=None),
        max(times, default=None),
        [(group, len(numbers), len(numbers) / one.alerts) for group, numbers in named],
        len(one.parts) - len(named),
        [(group, alert) for number, group in examples if (alert := alerts[number]) is not None],
    )


def _times(one: Worst, alerts: Sequence[Alert | None]) -> Iterator[float | None]:
    for _, numbers in one.parts:
        for number in numbers:
            alert = alerts[number]
            yield None if alert is None else alert.at
