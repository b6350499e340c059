"""The quality tables: what they sum up, and that a run which was stopped goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.summary import summary
from benchmarks.tables import fill


def _row(stream: str, policy: str, score: float, **more: Any) -> dict[str, Any]:
    whole = {"macro_jaccard": score, "f1": score}
    row = {"stream": stream, "policy": policy, "score": score, "whole": whole, "half": whole}
    return {**row, "damage": "", "corrections": 0, "capped": False, **more}


def test_the_summary_tells_mean_worst_loss_and_wins() -> None:
    """By hand: B is better on one stream and far worse on another; a shortened play counts nowhere."""
    rows = [
        _row("x", "default", 0.6),
        _row("y", "default", 0.5),
        _row("x", "B", 0.9),
        _row("y", "B", 0.1),
        _row("y", "C", 0.5),
        _row("x", "C", 1.0, capped=True),
        _row("x", "default", 0.3, damage="noise"),
        _row("x", "B", 0.2, damage="noise"),
    ]
    found = {(one["damaged"], one["policy"]): one for one in summary(rows)}
    assert [one["policy"] for one in summary(rows)] == ["default", "B", "C", "default", "B"]
    assert (
        found[False, "default"] | {"mean": 0.55, "loss": None, "on": "", "wins": 1, "cells": 2}
        == found[False, "default"]
    )
    assert found[False, "B"] | {"mean": 0.5, "loss": 0.4, "on": "y", "wins": 1, "cells": 2} == found[False, "B"]
    assert found[False, "C"] | {"mean": 0.5, "loss": 0.0, "on": "", "wins": 1, "cells": 1} == found[False, "C"]
    assert found[True, "B"] | {"loss": 0.1, "on": "x, noise", "wins": 0, "cells": 1} == found[True, "B"]


def test_tables_are_filled_between_their_markers_only() -> None:
    """A table without figures stays as it is; filling twice is filling once."""
    text = (
        "before\n<!-- table: nobody-measured-this -->\nold\n<!-- end -->\nafter <!-- table: quality -->\n<!-- end -->\n"
    )
    once = fill(text)
    assert once.startswith("before\n<!-- table: nobody-measured-this -->\nold\n<!-- end -->\nafter")
    assert fill(once) == once


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """What is in the cache is not played again; a torn last line is; the figures are the same."""
    for package in ("river", "drain3", "vowpalwabbit"):
        pytest.importorskip(package)
    from benchmarks.quality import main  # noqa: PLC0415 — only where what it compares with is installed

    cache, figures = tmp_path / "cache.jsonl", tmp_path / "figures.json"
    arguments = ["--jobs", "1", "--cache", str(cache), "--json", str(figures), "--seeds", "2"]
    arguments += ["--only", "stream=demo", "--only", "policy=[*]=30s", "--only", "damage=", "--only", "damage=half*"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    lines = cache.read_text().splitlines()
    first = json.loads(figures.read_text())
    assert [(row["damage"], row["runs"]) for row in first["rows"]] == [("", 1), ("half lost", 2)]
    cache.write_text("\n".join(lines[:2]) + "\n" + lines[2][:40])
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert len(cache.read_text().splitlines()) == 4
    again = json.loads(figures.read_text())
    for row in (*first["rows"], *again["rows"]):
        del row["us"]
    assert again["rows"] == first["rows"]


def test_a_responder_takes_part_only_where_corrections_are_asked_for() -> None:
    """The same alerts are judged with and without; without, as each was decided; with, later ones go better or not."""
    for package in ("river", "drain3", "vowpalwabbit"):
        pytest.importorskip(package)
    from benchmarks.players import habits, play  # noqa: PLC0415 — only where what it compares with is installed
    from benchmarks.streams import sources, stream  # noqa: PLC0415

    source = next(one for one in sources(None) if one.name == "two_faults")
    events, truth = stream(source)
    without = play("default", events, truth)
    assert [group for _, group in without] == [group for _, group in play("default", events, truth, habits=habits(50))]
    taught = play("river LogisticRegression", events, truth, habits=habits(50))
    assert [group for _, group in without] == [group for _, group in taught]
    assert without != taught
