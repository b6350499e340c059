"""Writes the tables of the README and of docs/ from benchmarks/results/*.json, between the markers that name them.

python -m benchmarks.tables
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGES = tuple(HERE.parent / name for name in ("README.md", "docs/quality.md", "docs/kafka.md", "docs/sources.md"))
SHORT = ("default", "*~2s", "*=30s", "*=300s", "service~1s", "class=300s")  # players in the table of the README
SAMPLES = HERE.parent / "data"


def _whole(figures: dict[str, Any]) -> list[str]:
    lines = ["| load | alerts/s | p50 | p99 | p99.9 | peak memory | open at once |", "|---|--:|--:|--:|--:|--:|--:|"]
    for row in figures["rows"]:
        times = " | ".join(f"{row[key]:,.0f} us" for key in ("p50_us", "p99_us", "p999_us"))
        lines.append(f"| {row['name']} | {row['per_second']:,} | {times} | {row['peak_mib']:,} MiB | {row['open']:,} |")
    return lines


def _beside(figures: dict[str, Any]) -> list[str]:
    lines = [
        f"| at {figures['incidents']:,} open incidents | us per decision | times this engine |",
        "|---|--:|--:|",
    ]
    lines += [f"| {row['name']} | {row['us']:,.1f} | {row['ratio']:,.2f} |" for row in figures["rows"]]
    return lines


def _steps(figures: dict[str, Any]) -> list[str]:
    lines = ["| step | median | p99 |", "|---|--:|--:|"]
    lines += [f"| {row['name']} | {row['p50_us']:.1f} us | {row['p99_us']:.1f} us |" for row in figures["rows"]]
    return lines


def _formats(figures: dict[str, Any]) -> list[str]:
    lines = ["| payload | format | bytes | median | p99 |", "|---|---|--:|--:|--:|"]
    for row in figures["rows"]:
        times = f"{row['p50_us']:.1f} us | {row['p99_us']:.1f} us"
        lines.append(f"| {row['name']} | {row['format']} | {row['bytes']:,} | {times} |")
    return lines


def _history(figures: dict[str, Any]) -> list[str]:
    lines = ["| alerts so far | alerts/s | memory |", "|--:|--:|--:|"]
    lines += [f"| {row['alerts']:,} | {row['per_second']:,} | {row['mib']:,} MiB |" for row in figures["rows"]]
    return lines


def _service(figures: dict[str, Any]) -> list[str]:
    lines = [
        "| | load | alerts/s | accept p50 | p99 | decision p50 | p99 | at | caught up after | memory |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in figures["rows"]:
        load = f"{row['load']}, {'one' if row['batch'] == 1 else row['batch']} a post"
        cells = [f"{row['alerts_per_s']:,}", f"{row['accept_p50_ms']:,} ms", f"{row['accept_p99_ms']:,} ms"]
        if "mib" in row:
            cells += [f"{row['decision_p50_ms']:,} ms", f"{row['decision_p99_ms']:,} ms", f"{row['decision_rate']:,}/s"]
            cells += [f"{row['backlog_s']:,} s", f"{row['mib']:,} MiB"]
        else:
            cells += [""] * 5
        lines.append(f"| {row['who']} | {load} | {' | '.join(cells)} |")
    restart = figures["restart"]
    if restart is not None:
        said = f"after kill -9 at {restart['open']:,} open incidents and {restart['events']:,} logged events"
        lines += ["", f"Ready {restart['ready_s']:.1f} s {said}; {restart['mib']:,} MiB."]
    return lines


Row = dict[str, Any]


def _quality(figures: dict[str, Any]) -> list[str]:
    """A few players on all streams."""
    rows = [row for row in _cold(figures) if row["policy"] in SHORT]
    players = [name for name in SHORT if any(row["policy"] == name for row in rows)]
    lines = ["| stream | " + " | ".join(players) + " |", "|---" * (1 + len(players)) + "|"]
    for stream in dict.fromkeys(row["stream"] for row in rows):
        mine = {row["policy"]: row for row in rows if row["stream"] == stream}
        lines.append(_line(stream, [mine.get(name) for name in players]))
    return lines


def _players(rows: list[Row], part: str = "whole") -> list[str]:
    """All players down, streams across."""
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


CUT = " †"  # played on the beginning of the stream only


def _cold(figures: dict[str, Any]) -> list[Row]:
    return [row for row in figures["rows"] if not row["damage"] and not row["corrections"]]


def _is_sample(row: Row) -> bool:
    return (SAMPLES / f"{row['stream']}.truth.csv").exists()


def _samples(figures: dict[str, Any]) -> list[str]:
    return _players([row for row in _cold(figures) if _is_sample(row)])


def _real(figures: dict[str, Any]) -> list[str]:
    return _players([row for row in _cold(figures) if not _is_sample(row)])


def _real_half(figures: dict[str, Any]) -> list[str]:
    return _players([row for row in _cold(figures) if not _is_sample(row)], "half")


def _summary(figures: dict[str, Any]) -> list[str]:
    """Mean, worst loss, wins of every player."""
    lines = [
        "| streams | corrections | player | mean | worst loss | on | wins | of |",
        "|---|--:|---|--:|--:|---|--:|--:|",
    ]
    for one in figures["summary"]:
        loss = "" if one["loss"] is None else f"{one['loss']:.3f}"
        cells = ("damaged" if one["damaged"] else "as they are", one["corrections"] or "none", one["policy"])
        cells += (f"{one['mean']:.3f}", loss, one["on"], one["wins"], one["cells"])
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _damages(figures: dict[str, Any]) -> list[str]:
    """Damages down, players across: means over the streams."""
    rows = [row for row in figures["rows"] if row["damage"] and not row["corrections"] and not row["capped"]]
    players = list(dict.fromkeys(row["policy"] for row in rows))
    lines = ["| damage | " + " | ".join(players) + " |", "|---" + "|--:" * len(players) + "|"]
    for damage in dict.fromkeys(row["damage"] for row in rows):
        scores = {
            name: _mean([r["score"] for r in rows if (r["damage"], r["policy"]) == (damage, name)]) for name in players
        }
        top = max(score for score in scores.values() if score is not None)
        shown = (
            "" if score is None else f"**{score:.2f}**" if score >= top else f"{score:.2f}" for score in scores.values()
        )
        lines.append(f"| {damage} | " + " | ".join(shown) + " |")
    return lines


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _corrections(figures: dict[str, Any]) -> list[str]:
    """Learners and numbers of corrections down, streams across; the second half of each stream."""
    taught = {row["policy"] for row in figures["rows"] if row["corrections"]}
    rows = [row for row in figures["rows"] if row["policy"] in taught and not row["damage"]]
    rows.sort(key=lambda row: (row["policy"] != "default", row["policy"], row["corrections"]))
    named = [{**row, "policy": f"{row['policy']}, {row['corrections'] or 'none'}"} for row in rows]
    return _players(named, "half") if named else ["Nothing was measured yet."]


def _robustness(figures: dict[str, Any]) -> list[str]:
    """Streams down, cases across."""
    cases = list(figures["rows"][0]["scores"])
    lines = [
        "| stream | " + " | ".join(cases) + " | gain kept | lost by more |",
        "|---" + "|--:" * (len(cases) + 2) + "|",
    ]
    for row in figures["rows"]:
        kept = "" if row["kept"] is None else f"{row['kept']:.0%}"
        scores = " | ".join(f"{score:.3f}" for score in row["scores"].values())
        lines.append(f"| {row['name']} | {scores} | {kept} | {max(row['lost'], 0):.3f} |")
    return lines


def _kafka(figures: dict[str, Any]) -> list[str]:
    """Three tables: flow, hand-over, recovery."""
    lines = [
        "| what | load | partitions | workers | alerts/s | p50 at half load | p99 |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in figures.get("flow", []):
        shown = [row["way"], row["load"], row["partitions"], row["workers"], f"{row['per_second']:,}"]
        lines.append(f"| {' | '.join(map(str, shown))} | {row['p50_ms']:,.0f} ms | {row['p99_ms']:,.0f} ms |")
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


Render = Callable[[dict[str, Any]], list[str]]
TABLES: dict[str, Render] = {  # by what a result file holds
    "whole": _whole,
    "beside": _beside,
    "steps": _steps,
    "formats": _formats,
    "history": _history,
    "service": _service,
    "kafka": _kafka,
    "robustness": _robustness,
    "quality": _quality,
}
VIEWS: dict[str, Render] = {  # further tables from quality.json
    "quality-summary": _summary,
    "quality-samples": _samples,
    "quality-real": _real,
    "quality-real-half": _real_half,
    "quality-damages": _damages,
    "quality-corrections": _corrections,
}


def table(name: str) -> str | None:
    """The table of that name, with what it was measured on; None while there are no figures."""
    path = HERE / "results" / ("quality.json" if name in VIEWS else f"{name}.json")
    if not path.exists():
        return None
    figures = json.loads(path.read_text())
    on = figures["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in on["packages"].items())
    where = f"{on['processor']}, {on['cores']} cores, {on['memory_gib']} GiB, Python {on['python']}, {packages}"
    lines = VIEWS.get(name, TABLES[figures["what"]])(figures)
    note = f"†: the first {_cap(figures):,} events only. " if any(CUT in line for line in lines) else ""
    return "\n".join([*lines, "", f"<sub>{note}{where}; commit {on['commit']}, {on['day']}</sub>"])


def _cap(figures: dict[str, Any]) -> int:
    return int(figures.get("cap", 0))


def fill(text: str) -> str:
    """The text with every marked table written anew."""

    def put(match: re.Match[str]) -> str:
        made = table(match["name"])
        return match[0] if made is None else f"{match['open']}\n{made}\n{match['close']}"

    pattern = r"(?P<open><!-- table: (?P<name>[\w-]+) -->)\n.*?(?P<close><!-- end -->)"
    return re.sub(pattern, put, text, flags=re.DOTALL)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(fill(page.read_text()))
