"""What a table of quality comes to, per player: mean, worst loss against the default, wins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean
from typing import Any

DEFAULT = "default"
EVEN = 0.0005  # scores this close to the best have won, too

Row = dict[str, Any]
Cell = tuple[str, str]  # stream, damage


def summary(rows: Iterable[Row]) -> list[Row]:
    """One row per player, for streams as they are and damaged ones, and each number of corrections; best mean first.

    score = (macro-Jaccard + pairwise F1) / 2 of a stream or a damaged one. ``loss``: the most by which the default had
    a higher score, and ``on`` which stream; None for the default itself and where it did not play. Players that were
    shortened count nowhere: their streams are others.
    """
    boards: dict[tuple[bool, int], dict[str, dict[Cell, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if not row["capped"]:
            board = boards[bool(row["damage"]), row["corrections"]]
            board[row["policy"]][row["stream"], row["damage"]] = row["score"]
    found: list[Row] = []
    for (is_damaged, corrections), board in sorted(boards.items()):
        best: dict[Cell, float] = defaultdict(float)
        for scores in board.values():
            for cell, score in scores.items():
                best[cell] = max(best[cell], score)
        default = board.get(DEFAULT, {})
        for policy, scores in sorted(board.items(), key=lambda item: -fmean(item[1].values())):
            losses = (
                {} if policy == DEFAULT else {cell: default[cell] - scores[cell] for cell in scores.keys() & default}
            )
            worst = max(sorted(losses), key=losses.__getitem__, default=None)
            found.append(
                {
                    "damaged": is_damaged,
                    "corrections": corrections,
                    "policy": policy,
                    "mean": round(fmean(scores.values()), 5),
                    "loss": None if worst is None else round(max(0.0, losses[worst]), 5),
                    "on": "" if worst is None or losses[worst] <= 0 else ", ".join(part for part in worst if part),
                    "wins": sum(score >= best[cell] - EVEN for cell, score in scores.items()),
                    "cells": len(scores),
                }
            )
    return found
