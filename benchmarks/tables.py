"""Writes the tables of the README and of docs/ from benchmarks/results/*.json, between the markers that name them.

    python -m benchmarks.tables [--allow-dirty]

Figures that were measured on changed sources (their commit ends in -dirty) are refused: nobody can measure them again.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import click

from benchmarks import aims, kafka_aims, learning_aims, quality_aims, taught_aims
from benchmarks.summary import DAMAGED, DEFAULT, PUBLIC, SAMPLES, TAUGHT, UNTUNED, kind, summary

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
Figures = dict[str, Any]  # of one result file
Render = Callable[[Figures], list[str]]


def _whole(figures: Figures) -> list[str]:
    lines = ["| load | alerts/s | p50 | p99 | p99.9 | peak memory | open at once |", "|---|--:|--:|--:|--:|--:|--:|"]
    for row in figures["rows"]:
        times = " | ".join(f"{row[key]:,.0f} us" for key in ("p50_us", "p99_us", "p999_us"))
        lines.append(f"| {row['name']} | {row['per_second']:,} | {times} | {row['peak_mib']:,} MiB | {row['open']:,} |")
    return lines


def _beside(figures: Figures) -> list[str]:
    lines = [
        f"| at {figures['incidents']:,} open incidents | us per decision | times this engine |",
        "|---|--:|--:|",
    ]
    lines += [f"| {row['name']} | {row['us']:,.1f} | {row['ratio']:,.2f} |" for row in figures["rows"]]
    return lines


def _steps(figures: Figures) -> list[str]:
    lines = ["| step | median | p99 |", "|---|--:|--:|"]
    lines += [f"| {row['name']} | {row['p50_us']:.1f} us | {row['p99_us']:.1f} us |" for row in figures["rows"]]
    return lines


def _formats(figures: Figures) -> list[str]:
    lines = ["| payload | format | bytes | median | p99 |", "|---|---|--:|--:|--:|"]
    for row in figures["rows"]:
        times = f"{row['p50_us']:.1f} us | {row['p99_us']:.1f} us"
        lines.append(f"| {row['name']} | {row['format']} | {row['bytes']:,} | {times} |")
    return lines


def _history(figures: Figures) -> list[str]:
    lines = ["| alerts so far | alerts/s | memory |", "|--:|--:|--:|"]
    lines += [f"| {row['alerts']:,} | {row['per_second']:,} | {row['mib']:,} MiB |" for row in figures["rows"]]
    return lines


def _service(figures: Figures) -> list[str]:
    lines = [
        "| | load | alerts/s | accept p50 | p99 | decision p50 | p99 | at | caught up after | memory |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in figures["rows"]:
        load = f"{row['load']}, {'one' if row['batch'] == 1 else row['batch']} a post"
        cells = [f"{row['alerts_per_s']:,}", f"{row['accept_p50_ms']:,} ms", f"{row['accept_p99_ms']:,} ms"]
        if "mib" in row:
            cells += [f"{row['decision_p50_ms']:,} ms", f"{row['decision_p99_ms']:,} ms"]
            cells += [f"{row['decision_rate']:,}/s", f"{row['backlog_s']:,} s", f"{row['mib']:,} MiB"]
        else:
            cells += [""] * 5
        lines.append(f"| {row['who']} | {load} | {' | '.join(cells)} |")
    restart = figures["restart"]
    if restart is not None:
        said = f"after kill -9 at {restart['open']:,} open incidents and {restart['events']:,} logged events"
        lines += ["", f"Ready {restart['ready_s']:.1f} s {said}; {restart['mib']:,} MiB."]
    return lines


Row = dict[str, Any]

CUT = " †"  # played on the beginning of the stream only
SHOWN = 8  # players in the table of damages
BETTER = 0.01  # from which difference on a player is called better
NOTHING = ["Not measured."]
WORST = 4  # streams that the README names


def _players(rows: list[Row], part: str = "whole") -> list[str]:
    """All players down, streams across."""
    if not rows:
        return NOTHING
    streams = list(dict.fromkeys(row["stream"] for row in rows))
    cells = {(row["policy"], row["stream"]): row for row in rows}
    best = {stream: max(_points(row, part) for row in rows if row["stream"] == stream) for stream in streams}
    lines = ["| player | " + " | ".join(streams) + " |", "|---" * (1 + len(streams)) + "|"]
    for player in dict.fromkeys(row["policy"] for row in rows):
        mine = [cells.get((player, stream)) for stream in streams]
        lines.append(_line(player, mine, part, best=[best[stream] for stream in streams]))
    return lines


def _line(name: str, cells: list[Row | None], part: str = "whole", best: list[float] | None = None) -> str:
    """A line of macro-Jaccard / F1; bold where it is the best of ``best``, by default of the line."""
    tops = best or [max(_points(row, part) for row in cells if row)] * len(cells)
    shown = [_pair(row, part, _points(row, part) >= top) if row else "" for row, top in zip(cells, tops, strict=True)]
    return f"| {name} | " + " | ".join(shown) + " |"


def _pair(row: Row, part: str, bold: bool) -> str:
    text = f"{row[part]['macro_jaccard']:.2f} / {row[part]['f1']:.2f}"
    return (f"**{text}**" if bold else text) + (CUT if row["capped"] else "")


def _points(row: Row, part: str) -> float:
    points: float = row[part]["macro_jaccard"] + row[part]["f1"]
    return points


def _cold(figures: Figures) -> list[Row]:
    """Streams as they are, without corrections."""
    return [row for row in figures["rows"] if not row["damage"] and not row["corrections"]]


def _of_kind(of: str, part: str = "whole") -> Render:
    return lambda figures: _players([row for row in _cold(figures) if kind(row) == of], part)


def _summary_of(of: str) -> Render:
    """Mean, how far behind and ahead of the default at most, and wins of every player over one kind of streams."""

    def lines(figures: Figures) -> list[str]:
        if not _means(figures, of):
            return NOTHING
        table = [
            "| player | mean | most behind the default | on | most ahead of it | on | best on |",
            "|---|--:|--:|---|--:|---|--:|",
        ]
        for one in summary(figures["rows"]):
            if one["streams"] == of and not one["corrections"]:
                behind, ahead = (f"{one[side]:.2f}" if one[side] else "" for side in ("behind", "ahead"))
                cells = (one["policy"], f"{one['mean']:.3f}", behind, one["behind_on"], ahead, one["ahead_on"])
                table.append(f"| {' | '.join(cells)} | {one['wins']} of {one['cells']} |")
        return table

    return lines


class Beaten(NamedTuple):
    """A stream on which some other player is better than the default."""

    by: float
    stream: str
    default: float
    player: str
    score: float


def _lost(figures: Figures) -> list[Beaten]:
    """The worst first."""
    found = []
    for stream in dict.fromkeys(row["stream"] for row in _cold(figures)):
        rows = [row for row in _cold(figures) if row["stream"] == stream and not row["capped"]]
        default = next(row["score"] for row in rows if row["policy"] == DEFAULT)
        best = max(rows, key=lambda row: row["score"])
        if best["score"] >= default + BETTER:
            found.append(Beaten(best["score"] - default, stream, default, best["policy"], best["score"]))
    return sorted(found, key=lambda one: -one.by)


def _beaten(figures: Figures) -> list[str]:
    """The streams on which another player is better than the default, by how much, and which."""
    lines = ["| stream | default | best player | its score | difference |", "|---|--:|---|--:|--:|"]
    return lines + [
        f"| {one.stream} | {one.default:.2f} | {one.player} | {one.score:.2f} | {one.by:.2f} |"
        for one in _lost(figures)
    ]


def _in_words(figures: Figures) -> str:
    """On how many streams something else is better."""
    lost, total = _lost(figures), len({row["stream"] for row in _cold(figures)})
    if not lost:
        return f"On none of {total} streams anything else is better."
    return (
        f"On {len(lost)} of {total} streams something else is better by {BETTER} or more, by up to {lost[0].by:.2f} "
        f"({lost[0].player} on {lost[0].stream}): {len({one.player for one in lost})} different ones, none of them everywhere."
    )


def _findings(figures: Figures) -> list[str]:
    """What the tables say, in sentences."""
    lines = []
    for of, words in ((SAMPLES, "samples"), (PUBLIC, "public streams"), (DAMAGED, "damaged streams")):
        if _means(figures, of):
            count = _count(figures, of)
            lines.append(f"- Over the {count} {words} the default has a mean of {_beside_others(figures, of)}.")
    lines.append(f"- {_in_words(figures)}")
    for of, words in ((SAMPLES, "samples"), (PUBLIC, "public streams"), (DAMAGED, "damaged streams")):
        cold, taught = (_halves(figures, of, corrections) for corrections in (0, TAUGHT))
        if shared := cold.keys() & taught.keys():
            means = (fmean(points[cell] for cell in shared) for points in (cold, taught))
            lines.append(
                f"- {TAUGHT} corrections a stream take the mean over the second halves of {len(shared)} {words} from "
                f"{' to '.join(f'{mean:.3f}' for mean in means)}."
            )
    return [*lines, *_plays(figures)]


def _plays(figures: Figures) -> list[str]:
    """How many plays a figure is the mean of."""
    runs = Counter(row["runs"] for row in figures["rows"] if row["runs"] > 1).most_common()
    if not runs:
        return []
    fewer = "".join(f"; {count:,} figures: {plays}" for plays, count in runs[1:])
    return [f"- Where chance plays a part a figure is the mean of {runs[0][0]} plays{fewer}."]


def _beside_others(figures: Figures, of: str) -> str:
    """The default's mean over one kind of streams, without tuning, and that of the best of the others."""
    means = _means(figures, of)
    untuned = f" (without tuning {means[UNTUNED]:.2f})" if UNTUNED in means else ""
    others = {name: mean for name, mean in means.items() if name not in {DEFAULT, UNTUNED}}
    best = max(others, key=others.__getitem__, default=None)
    beside = f", the best of the others {others[best]:.2f} ({_named(best)})" if best is not None else ""
    return f"{means[DEFAULT]:.2f}{untuned}{beside}"


def _named(player: str) -> str:
    return f"`{player}`" if "=" in player or "~" in player else player


def _means(figures: Figures, of: str) -> dict[str, float]:
    """The mean of every player that played all streams of that kind in full."""
    found = [one for one in summary(figures["rows"]) if one["streams"] == of and not one["corrections"]]
    most = max((one["cells"] for one in found), default=0)
    return {one["policy"]: one["mean"] for one in found if one["cells"] == most}


def _count(figures: Figures, of: str) -> int:
    return len({(row["stream"], row["damage"]) for row in figures["rows"] if kind(row) == of})


def _halves(figures: Figures, of: str, corrections: int) -> dict[tuple[str, str], float]:
    """The default's points over the second half of each stream of that kind, by stream and damage."""
    rows = [row for row in figures["rows"] if kind(row) == of and row["policy"] == DEFAULT]
    return {
        (row["stream"], row["damage"]): _points(row, "half") / 2 for row in rows if row["corrections"] == corrections
    }


def _damages(figures: Figures) -> list[str]:
    """Damages down, the best players across: means over the streams."""
    rows = [row for row in figures["rows"] if row["damage"] and not row["corrections"] and not row["capped"]]
    means = _means(figures, DAMAGED)
    players = sorted(means, key=lambda name: -means[name])[:SHOWN]
    if not players:
        return NOTHING
    lines = ["| damage | " + " | ".join(players) + " |", "|---" + "|--:" * len(players) + "|"]
    for damage in dict.fromkeys(row["damage"] for row in rows):
        scores = [
            fmean(row["score"] for row in rows if (row["damage"], row["policy"]) == (damage, name)) for name in players
        ]
        shown = (f"**{score:.2f}**" if score >= max(scores) else f"{score:.2f}" for score in scores)
        lines.append(f"| {damage} | " + " | ".join(shown) + " |")
    return lines


def _corrections(figures: Figures) -> list[str]:
    """Streams down, learners and their corrections across; the second half of each stream."""
    rows = [row for row in figures["rows"] if not row["damage"]]
    levels = sorted({row["corrections"] for row in rows})
    if len(levels) == 1:
        return NOTHING
    others = sorted({row["policy"] for row in rows if row["corrections"] and row["policy"] != DEFAULT})
    columns = [(DEFAULT, level) for level in levels] + [(name, TAUGHT) for name in others]
    cells = {(row["stream"], row["policy"], row["corrections"]): row for row in rows}
    heads = (f"{name}, {level or 'none'}" for name, level in columns)
    lines = ["| stream | " + " | ".join(heads) + " |", "|---" * (1 + len(columns)) + "|"]
    streams = dict.fromkeys(row["stream"] for row in rows)
    lines += [_line(stream, [cells.get((stream, *column)) for column in columns], "half") for stream in streams]
    return lines


def _robustness(figures: Figures) -> list[str]:
    """Streams down, cases across; then, in words, where it did harm."""
    cases = list(figures["rows"][0]["scores"])
    lines = [
        "| stream | " + " | ".join(cases) + " | gain kept | lost by more |",
        "|---" + "|--:" * (len(cases) + 2) + "|",
    ]
    harmed = []
    for row in figures["rows"]:
        kept = "" if row["kept"] is None else f"{row['kept']:.0%}"
        scores = " | ".join(f"{score:.3f}" for score in row["scores"].values())
        lines.append(f"| {row['name']} | {scores} | {kept} | {max(row['lost'], 0):.3f} |")
        cold = row["scores"][cases[0]]
        harmed += [
            f"{row['name']}, {case} ({score:.3f} after {cold:.3f})"
            for case, score in row["scores"].items()
            if score <= cold - BETTER
        ]
    words = f"Corrections made it worse by {BETTER} or more than nobody looking: "
    cap = figures.get("cap", 0)  # 0: whole streams
    cut = f" Of each stream at most its first {cap} events were played." if cap else ""
    return [*lines, "", f"{words}{'; '.join(harmed) or 'nowhere'}.{cut}"]


def _seeds(figures: Figures) -> list[str]:
    """Per workload, and all of them."""
    lines = [
        f"| workload | streams | default | untuned | below it by more than {quality_aims.HARM} | the worst |",
        "|---|--:|--:|--:|--:|---|",
    ]
    rows = figures["rows"]
    for row in rows:
        where = row["worst_in"]
        kind = ", ".join(filter(None, (where["damage"], f"{where['alerts']:,} alerts" if where["alerts"] else "")))
        worst = f"{row['worst']:+.2f} (seed {where['seed']}{', ' + kind if kind else ''})" if row["worst"] < 0 else ""
        cells = [str(row["streams"]), f"{row['default']:.3f}", f"{row['untuned']:.3f}", str(row["below"]), worst]
        lines.append(f"| {row['workload']} | {' | '.join(cells)} |")
    streams = sum(row["streams"] for row in rows)
    means = (sum(row[name] * row["streams"] for row in rows) / streams for name in ("default", "untuned"))
    cells = [str(streams), *(f"{mean:.3f}" for mean in means), str(sum(row["below"] for row in rows)), ""]
    return [*lines, f"| all | {' | '.join(cells)} |"]


def _hindsight(figures: Figures) -> list[str]:
    """Streams as they are, the worst first; then, in words, the damaged ones."""
    lines = [
        "| stream | default, corrected | best rule | which | of so many | behind by |",
        "|---|--:|--:|---|--:|--:|",
    ]
    rows = sorted(figures["rows"], key=lambda row: -row["behind"])
    for row in rows:
        if not row["damage"]:
            cells = [f"{row['default']:.3f}", f"{row['best']:.3f}", f"`{row['rule']}`", str(row["rules"])]
            lines.append(f"| {row['stream']} | {' | '.join(cells)} | {round(row['behind'], 3) + 0.0:.3f} |")
    if damaged := [row for row in rows if row["damage"]]:
        far = [row for row in damaged if round(row["behind"], 3) > taught_aims.BEHIND]
        ahead = sum(row["behind"] < 0 for row in damaged)
        worst = "; ".join(f"{row['stream']}, {row['damage']} ({row['behind']:.2f})" for row in far[:WORST])
        lines += ["", f"Of {len(damaged)} damaged streams {len(far)} are further behind than {taught_aims.BEHIND}"]
        lines[-1] += f", the worst {worst}" if far else ""
        lines[-1] += (
            f"; on {ahead} the default is ahead of every rule. Plays in which chance has a part: {figures['seeds']}."
        )
    return lines


def _learning(figures: Figures) -> list[str]:
    """Two tables: what goes on with the alerts, what responders say."""
    lines = [
        "| stream | new alerts | an alert | one of the first 10,000 | slices of tuning | median | longest | trials' pieces | median | longest |",
        "|---" + "|--:" * 9 + "|",
    ]
    for row in figures["streams"]:
        cells = [row["name"], f"{row['alerts']:,}", f"{row['us']:.1f} us", f"{row['early_us']:.1f} us"]
        for part in (row["slices"], row["trials"]):
            times = (f"{part[key]:,.0f} us" if key in part else "" for key in ("p50_us", "most_us"))
            cells += [f"{part['count']:,}", *times]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| correction | alerts | given before | median | longest | undone, median | longest |"]
    lines.append("|---" + "|--:" * 6 + "|")
    for row in figures["corrections"]:
        times = (f"{row[side][key]:,.0f} us" for side in ("given", "undone") for key in ("p50_us", "most_us"))
        lines.append(f"| {row['verb']} | {row['alerts']:,} | {row['lessons']:,} | {' | '.join(times)} |")
    return lines


def _missed(figures: Figures) -> list[str]:
    """Both sides fifth by fifth, and of what is lost how much is torn; then the heaviest loss of each, in words."""
    lines = [
        "| missed | stream | default, by fifths | held against | by fifths | groups lost | of the loss torn |",
        "|---|---|---|---|---|--:|--:|",
    ]
    words = []
    for row in figures["rows"]:
        seed = f"seed {row['seed']}" if row["seed"] > 1 else ""
        where = ", ".join(filter(None, (row["stream"], seed, row["damage"])))
        own, other = row["own"], row["other"]
        against, theirs = ("", "") if other is None else (f"`{other['player']}`", _parts(other["parts"]))
        kinds = row["kinds"]
        cells = [row["aim"], where, _parts(own["parts"]), against, theirs, str(kinds["groups"])]
        lines.append(f"| {' | '.join(cells)} | {kinds['torn_share']:.0%} |")
        words += [f"- {where}: {_in_full(worst)}" for worst in row["worst"][:1]]
    return [*lines, "", *words]


def _parts(parts: Sequence[float]) -> str:
    return " ".join(f"{part:.2f}" for part in parts)


def _in_full(worst: Figures) -> str:
    """A group that is lost, in words."""
    title = f" (*{worst['title']}*)" if "title" in worst else ""
    beside = f", as *{worst['beside']}*" if worst.get("beside") else ""
    strange = worst["strange"]
    others = f" and {'one other' if strange == 1 else f'{strange:,} others'}{beside}" if strange else ""
    many = f"one of {worst['spread']:,} incidents" if worst["spread"] > 1 else "one incident"
    return (
        f"a group of {worst['alerts']:,} alerts{title}, {worst['jaccard']:.2f} against {worst['against']:.2f}: "
        f"{many} has {worst['held']:,} of it{others}."
    )


def _coverage(figures: Figures) -> list[str]:
    """Streams and policies down; claimed, and covered by each estimate, with the mean width of its intervals."""
    estimates = list(figures["rows"][0]["covered"])
    lines = [
        "| stream | explore | other policy | runs | least effective sample | claimed | "
        + " | ".join(name.upper() for name in estimates)
        + " |",
        "|---|--:|---|--:|--:|--:" + "|--:" * len(estimates) + "|",
    ]
    for row in figures["rows"]:
        cells = [row["stream"], row["explore"], f"`{row['policy']}`", row["runs"], row["effective"]]
        cells += [
            f"{100 * figures['claimed']:.0f} %",
            *(f"{100 * row['covered'][name]:.1f} %, {row['width'][name]:.2f}" for name in estimates),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _kafka(figures: Figures) -> list[str]:
    """Three tables: flow, hand-over, recovery."""
    lines = [
        "| what | policy | load | partitions | workers | alerts/s | at so many a second: p50 | p99 |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in [*figures.get("flow", []), *figures.get("beside", [])]:
        shown = [
            row["way"],
            f"`{row['policy']}`",
            row["load"],
            row["partitions"],
            row["workers"],
            f"{row['per_second']:,}",
        ]
        lines.append(
            f"| {' | '.join(map(str, shown))} | {row['half']:,}: {row['p50_ms']:,.0f} ms | {row['p99_ms']:,.0f} ms |"
        )
    lines += [
        "",
        "| one of two workers ends by | open incidents | session | longest wait of an alert |",
        "|---|--:|--:|--:|",
    ]
    for row in figures.get("hand_over", []):
        lines.append(f"| {row['how']} | {row['incidents']:,} | {row['session_s']:.0f} s | {row['silence_s']:.1f} s |")
    lines += ["", "| open incidents | state read | start with an empty disk to first decision |", "|--:|--:|--:|"]
    for row in figures.get("recovery", []):
        lines.append(f"| {row['incidents']:,} | {row['topic_mib']:.1f} MiB | {row['seconds']:.1f} s |")
    return lines


def _glance(quality: Figures, whole: Figures, beside: Figures, service: Figures) -> list[str]:
    """How good, how fast, what hurts: the few lines of the README."""
    kinds = ((SAMPLES, "made-up streams of this repository"), (PUBLIC, "public streams"))
    means = [
        f"over {_count(quality, of)} {it} {_beside_others(quality, of)}" for of, it in kinds if _means(quality, of)
    ]
    lines = [f"- **How good** (mean of macro-Jaccard and pairwise F1, 1 is perfect): {'; '.join(means)}."]
    worst = sorted((row["score"], row["stream"]) for row in _cold(quality) if row["policy"] == DEFAULT)[:WORST]
    named = ", ".join(f"{stream} {score:.2f}" for score, stream in worst)
    lines.append(f"- **What hurts**: the lowest are {named}. {_in_words(quality)}")
    row = next(row for row in whole["rows"] if row["name"] == aims.THOUSAND)
    repeats = next(row for row in whole["rows"] if row["name"] == aims.REPEATS)
    lines.append(
        f"- **How fast**, one core, 1,000 incidents open: {row['per_second']:,} new alerts a second (p99 "
        f"{row['p99_us'] / 1000:.1f} ms, {row['peak_mib']} MiB), {repeats['per_second']:,} repeats a second."
    )
    results = {"whole": whole, "beside": beside, "service": service}
    ends = [(aim, aim.reached(results)) for aim in aims.AIMS]
    missed = "; ".join(aim.in_short(results) for aim, end in ends if end is False)
    lines.append(
        f"- **Aims of speed**: {sum(end is True for _, end in ends)} of {len(ends)} reached. "
        + (f"Missed: {missed}." if missed else "None is missed.")
    )
    return lines


class View(NamedTuple):
    """A table: the results that it is made of, and how."""

    results: tuple[str, ...]
    render: Callable[..., list[str]]


VIEWS: dict[str, View] = {
    "whole": View(("whole",), _whole),
    "beside": View(("beside",), _beside),
    "steps": View(("steps",), _steps),
    "formats": View(("formats",), _formats),
    "coverage": View(("coverage",), _coverage),
    "learning": View(("learning",), _learning),
    "learning-aims": View(("learning",), learning_aims.lines),
    "history": View(("history",), _history),
    "history-repeats": View(("history-repeats",), _history),
    "service": View(("service",), _service),
    "kafka": View(("kafka",), _kafka),
    "kafka-aims": View(("kafka",), kafka_aims.lines),
    "robustness": View(("robustness",), _robustness),
    "seeds": View(("seeds",), _seeds),
    "hindsight": View(("hindsight",), _hindsight),
    "missed": View(("missed",), _missed),
    "taught-aims": View(("robustness", "hindsight"), taught_aims.lines),
    "aims": View(("whole", "beside", "service"), aims.lines),
    "glance": View(("quality", "whole", "beside", "service"), _glance),
    "quality-findings": View(("quality",), _findings),
    "quality-aims": View(("quality", "seeds"), quality_aims.lines),
    "quality-beaten": View(("quality",), _beaten),
    "quality-summary-samples": View(("quality",), _summary_of(SAMPLES)),
    "quality-summary-public": View(("quality",), _summary_of(PUBLIC)),
    "quality-summary-damaged": View(("quality",), _summary_of(DAMAGED)),
    "quality-samples": View(("quality",), _of_kind(SAMPLES)),
    "quality-public": View(("quality",), _of_kind(PUBLIC)),
    "quality-public-half": View(("quality",), _of_kind(PUBLIC, "half")),
    "quality-damages": View(("quality",), _damages),
    "quality-corrections": View(("quality",), _corrections),
}
MARK = re.compile(r"(?P<open><!-- table: (?P<name>[\w-]+) -->)\n.*?(?P<close><!-- end -->)", re.DOTALL)


def results(name: str) -> Figures | None:
    """What was measured under that name; None while nothing was."""
    path = HERE / "results" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def table(name: str) -> str | None:
    """The table of that name, with what it was measured on; None while there are no figures."""
    view = VIEWS[name]
    found = [figures for figures in map(results, view.results) if figures is not None]
    if len(found) < len(view.results):
        return None
    lines = view.render(*found)
    note = f"†: the first {found[0]['cap']:,} events only. " if any(CUT in line for line in lines) else ""
    return "\n".join([*lines, "", f"<sub>{note}{_where(dict(zip(view.results, found, strict=True)))}</sub>"])


def _where(found: dict[str, Figures]) -> str:
    """Machine, versions, commit and day; where results differ in these, each has its own."""
    told: dict[str, dict[str, list[str]]] = {}
    for name, figures in found.items():
        on = figures["machine"]
        packages = ", ".join(f"{package} {version}" for package, version in on["packages"].items())
        where = f"{on['processor']}, {on['cores']} cores, {on['memory_gib']} GiB, Python {on['python']}, {packages}"
        where += f", {on['compiled']}" if "compiled" in on else ""
        at = f"{on['commit']}, {on['day']}"
        rows = figures.get("rows", [])
        kept = Counter(f"{row['measured']['commit']}, {row['measured']['day']}" for row in rows if "measured" in row)
        at += "".join(f" ({count:,} of {len(rows):,} figures: {other})" for other, count in kept.items())
        told.setdefault(where, {}).setdefault(at, []).append(name)
    parts = []
    for where, commits in told.items():
        one = len(told) == len(commits) == 1
        each = (f"commit {at}" if one else f"{', '.join(names)}: commit {at}" for at, names in commits.items())
        parts.append("; ".join([where, *each]))
    return ". ".join(parts)


def dirty() -> list[str]:
    """The results whose sources nobody can get again."""
    found = ((path.stem, json.loads(path.read_text())) for path in sorted((HERE / "results").glob("*.json")))
    return [name for name, figures in found if figures["machine"]["commit"].endswith(("-dirty", "unknown"))]


def fill(text: str) -> str:
    """The text with every marked table written anew."""

    def put(match: re.Match[str]) -> str:
        made = table(match["name"])
        return match[0] if made is None else f"{match['open']}\n{made}\n{match['close']}"

    return MARK.sub(put, text)


@click.command()
@click.option("--allow-dirty", is_flag=True, help="Write tables of changed sources too: to look at, not to publish.")
def main(allow_dirty: bool) -> None:
    """Write the tables of the README and of docs/."""
    if found := dirty():
        click.secho(f"measured on changed sources: {', '.join(found)}", fg="red", bold=True, err=True)
        if not allow_dirty:
            click.echo("commit and measure again, or give --allow-dirty; nothing was written", err=True)
            sys.exit(1)
    for page in PAGES:
        page.write_text(fill(page.read_text()))


if __name__ == "__main__":
    main()
