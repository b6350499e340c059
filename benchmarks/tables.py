"""Writes the tables of the README from benchmarks/results/*.json, between the markers that name them.

python -m benchmarks.tables
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


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


def _history(figures: dict[str, Any]) -> list[str]:
    lines = ["| alerts so far | alerts/s | memory |", "|--:|--:|--:|"]
    lines += [f"| {row['alerts']:,} | {row['per_second']:,} | {row['mib']:,} MiB |" for row in figures["rows"]]
    return lines


def _quality(figures: dict[str, Any]) -> list[str]:
    rows = figures["rows"]
    policies = list(dict.fromkeys(row["policy"] for row in rows))
    lines = ["| stream | " + " | ".join(policies) + " |", "|---" * (1 + len(policies)) + "|"]
    for stream in dict.fromkeys(row["stream"] for row in rows):
        mine = [row for row in rows if row["stream"] == stream]
        best = max(row["macro_jaccard"] + row["f1"] for row in mine)
        cells = [f"{row['macro_jaccard']:.2f} / {row['f1']:.2f}" for row in mine]
        marked = [
            f"**{cell}**" if row["macro_jaccard"] + row["f1"] == best else cell
            for cell, row in zip(cells, mine, strict=True)
        ]
        lines.append(f"| {stream} | " + " | ".join(marked) + " |")
    return lines


TABLES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "whole": _whole,
    "beside": _beside,
    "steps": _steps,
    "history": _history,
    "quality": _quality,
}


def table(path: Path) -> str:
    """The table of a result file, with what it was measured on."""
    figures = json.loads(path.read_text())
    on = figures["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in on["packages"].items())
    where = f"{on['processor']}, {on['cores']} cores, {on['memory_gib']} GiB, Python {on['python']}, {packages}"
    return "\n".join([*TABLES[figures["what"]](figures), "", f"<sub>{where}; commit {on['commit']}, {on['day']}</sub>"])


def fill(text: str) -> str:
    """The text with every marked table written anew."""

    def put(match: re.Match[str]) -> str:
        path = HERE / "results" / f"{match['name']}.json"
        return f"{match['open']}\n{table(path)}\n{match['close']}" if path.exists() else match[0]

    pattern = r"(?P<open><!-- table: (?P<name>[\w-]+) -->)\n.*?(?P<close><!-- end -->)"
    return re.sub(pattern, put, text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(fill(README.read_text()))
