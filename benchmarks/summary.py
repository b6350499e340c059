"""What a table of quality comes to, per player: the mean, how far it is behind and ahead of the default, wins."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

DEFAULT = "default"
UNTUNED = "linear(*~2s)"  # what the default is until a scope has found something
TAUGHT = 50  # corrections at which learners are compared
EVEN = 0.0005  # scores this close to the best have won, too

Row = dict[str, Any]
Cell = tuple[str, str]  # stream, damage

SAMPLES, PUBLIC, DAMAGED = KINDS = ("samples", "public", "damaged")  # of streams
_DATA = Path(__file__).parent.parent / "data"


def kind(row: Row) -> str:
    """Which of KINDS a row is about."""
    if row["damage"]:
        return DAMAGED
    return SAMPLES if (_DATA / f"{row['stream']}.truth.csv").exists() else PUBLIC


def summary(rows: Iterable[Row]) -> list[Row]:
    """One row per player, for each kind of streams and each number of corrections; best mean first.

    score = (macro-Jaccard + pairwise F1) / 2 of a stream or a damaged one. ``behind``: the most by which the default had
    a higher score than the player, ``ahead``: a lower one, each with the stream; None for the default itself and where it
    did not play. Players that were shortened count nowhere: their streams are others.
    """
    boards: dict[tuple[int, int], dict[str, dict[Cell, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if not row["capped"]:
            board = boards[KINDS.index(kind(row)), row["corrections"]]
            board[row["policy"]][row["stream"], row["damage"]] = row["score"]
    found: list[Row] = []
    for (place, corrections), board in sorted(boards.items()):
        best: dict[Cell, float] = defaultdict(float)
        for scores in board.values():
            for cell, score in scores.items():
                best[cell] = max(best[cell], score)
        default = board.get(DEFAULT, {})
        for policy, scores in sorted(board.items(), key=lambda item: -fmean(item[1].values())):
            shared = [] if policy == DEFAULT else sorted(scores.keys() & default)
            behind, behind_on = _most((default[cell] - scores[cell], cell) for cell in shared)
            ahead, ahead_on = _most((scores[cell] - default[cell], cell) for cell in shared)
            found.append(
                {
                    "streams": KINDS[place],
                    "corrections": corrections,
                    "policy": policy,
                    "mean": round(fmean(scores.values()), 5),
                    "behind": behind,
                    "behind_on": behind_on,
                    "ahead": ahead,
                    "ahead_on": ahead_on,
                    "wins": sum(score >= best[cell] - EVEN for cell, score in scores.items()),
                    "cells": len(scores),
                }
            )
    return found


def _most(differences: Iterable[tuple[float, Cell]]) -> tuple[float | None, str]:
    """The largest difference, 0 if none is positive, and where; None if there is nothing to compare."""
    most, cell = max(differences, key=lambda one: one[0], default=(None, ("", "")))
    if most is None or most <= 0:
        return (None if most is None else 0.0), ""
    return round(most, 5), ", ".join(part for part in cell if part)


def as_json(head: Row, **lists: list[Row]) -> str:
    """One JSON object, each row of a list on a line of its own: a new figure is one changed line."""
    parts = [f'"{name}": {json.dumps(value)}' for name, value in head.items()]
    parts += [f'"{name}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]" for name, rows in lists.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"
