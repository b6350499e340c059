"""This engine beside what one would pick instead, per decision, on the same stream, in turn in one process.

    python -m benchmarks.beside [--json FILE] [--incidents 1000]

Each contender has seen the same warm-up; then they take turns, round after round, so that a slow moment of the machine
hits all of them. The slow ones get fewer alerts a round. Figures are medians over the rounds.
"""

from __future__ import annotations

import json
import statistics
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import orjson
import vowpalwabbit
from drain3 import TemplateMiner
from rich.console import Console
from rich.table import Table
from river import bandit, cluster, feature_extraction, linear_model

import grouping.engine as road
from benchmarks.aims import DECISION, RIVER, RIVER_BANDIT, VOWPAL
from benchmarks.machine import machine
from benchmarks.walk import walk
from grouping import Config, parse
from grouping.arena import Arena
from grouping.layout import CANDIDATES, FEATURE_NAMES, VALUES
from grouping.learners.linear import PACE, Linear
from grouping.records import Alert
from grouping.score import Evidence, pair_features
from grouping.simulate import simulate

ROUNDS = 7
Contender = Callable[[Alert], object]


@click.command()
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--incidents", default=1000, show_default=True, help="Open at once.")
def main(out: Path | None, incidents: int) -> None:
    """Measure the contenders in turn."""
    events = simulate("crowd", 7, alerts=12 * incidents, incidents=incidents)
    alerts = [event for raw, _ in events if isinstance(event := parse(orjson.dumps(raw)), Alert)]
    warm, rest = alerts[: 5 * incidents], alerts[5 * incidents :]
    contenders = _contenders(warm)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(ROUNDS):
        for name, (decide, share) in contenders.items():
            mine = rest[turn * len(rest) // ROUNDS :][:share]
            begun = time.perf_counter()
            for alert in mine:
                decide(alert)
            times[name].append((time.perf_counter() - begun) / len(mine) * 1e6)
    rows = _rows(times)
    if out is not None:
        figures = {"what": "beside", "incidents": incidents, "machine": machine(), "rows": rows}
        out.write_text(json.dumps(figures, indent=1) + "\n")
    table = Table(title=f"us per decision at {incidents:,} open incidents")
    for column in ("what", "median", "low", "high", "times this engine"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in rows:
        table.add_row(row["name"], *(f"{row[key]:,.2f}" for key in ("us", "low", "high", "ratio")))
    Console().print(table)


def _rows(times: dict[str, list[float]]) -> list[dict[str, Any]]:
    own = times[OWN]
    return [
        {
            "name": name,
            "us": statistics.median(mine),
            "low": min(mine),
            "high": max(mine),
            "ratio": statistics.median(theirs / ours for theirs, ours in zip(mine, own, strict=True)),
        }
        for name, mine in times.items()
    ]


OWN = "this engine, the whole step: featurise, decide, apply, write down"


def _contenders(warm: list[Alert]) -> dict[str, tuple[Contender, int]]:
    """Name -> (decide, alerts a round), each warmed up."""
    engine = road.Engine(Config(policy="host=300s"))
    decisions = [_kept(walk(engine, alert).seen) for alert in warm][-2000:]
    found: dict[str, tuple[Contender, int]] = {
        OWN: (engine.step, 500),
        DECISION: (_replayed(decisions, _decide), 500),
        VOWPAL: (_replayed(decisions, _vw()), 100),
        RIVER: (_replayed(decisions, _river()), 100),
        RIVER_BANDIT: (_replayed(decisions, _river_bandit()), 20),
        "rules of the same key and window in plain Python": (_rules(), 500),
        "dense numpy gemv over all open incidents (1,024 columns), top 16": (_gemv(engine), 200),
        "gather over all open incidents, top 16 (part of this engine)": (_gather(engine), 500),
        "Drain3, template of the title alone": (_drain(warm), 300),
        "river TextClust, titles": (_textclust(warm), 20),
        "river DBSTREAM, 16 hashed features": (_dbstream(warm), 20),
    }
    return found


def _kept(seen: Evidence) -> Evidence:
    """The evidence with arrays of its own: those of the engine go on changing."""
    profile = np.ascontiguousarray(seen.profile[seen.rows[:, None], seen.slots])
    places = np.arange(len(seen.rows))
    slots = list(range(len(seen.slots)))
    return seen._replace(profile=profile, rows=places, stats=seen.stats.take(seen.slots, 1), slots=slots)


def _replayed(decisions: list[Evidence], decide: Callable[[Evidence], object]) -> Contender:
    """Go through recorded decisions, one a call."""
    place = 0

    def contender(_: Alert) -> object:
        nonlocal place
        place = (place + 1) % len(decisions)
        return decide(decisions[place])

    return contender


_LINEAR = Linear(PACE)


def _decide(seen: Evidence) -> int:
    scores = _LINEAR.score(pair_features(seen)).tolist()[: len(seen.slots) + 1]
    return scores.index(max(scores))


def _vw() -> Callable[[Evidence], object]:
    workspace = vowpalwabbit.Workspace("--cb_explore_adf --squarecb --quiet --cb_type mtr")

    def decide(seen: Evidence) -> object:
        columns = pair_features(seen)[:, : len(seen.slots) + 1].T.tolist()
        lines = ["shared |s b:1"]
        for column in columns:
            pairs = zip(FEATURE_NAMES, column, strict=True)
            lines.append("|f " + " ".join(f"{name}:{value:.6g}" for name, value in pairs if value))
        return workspace.predict(lines)

    return decide


def _river() -> Callable[[Evidence], object]:
    model = linear_model.LogisticRegression()
    model.learn_one(dict.fromkeys(FEATURE_NAMES, 1.0), True)

    def decide(seen: Evidence) -> object:
        columns = pair_features(seen)[:, : len(seen.slots) + 1].T.tolist()
        chances = [model.predict_proba_one(dict(zip(FEATURE_NAMES, column, strict=True))) for column in columns]
        return max(chance[True] for chance in chances)

    return decide


def _river_bandit() -> Callable[[Evidence], object]:
    """It has one context for all arms: here the features of the option that scores best."""
    model = bandit.LinUCBDisjoint(seed=1)
    arms = range(CANDIDATES + 1)
    for arm in arms:
        model.update(arm, dict.fromkeys(FEATURE_NAMES, 1.0), 1.0)

    def decide(seen: Evidence) -> object:
        features = pair_features(seen)
        best = int(_LINEAR.score(features)[: len(seen.slots) + 1].argmax())
        context = dict(zip(FEATURE_NAMES, features[:, best].tolist(), strict=True))
        return model.pull(arms[: len(seen.slots) + 1], context)

    return decide


def _rules() -> Contender:
    last: dict[str | None, tuple[str, float]] = {}

    def decide(alert: Alert) -> str:
        at = alert.at or 0.0
        known = last.get(alert.host)
        incident = known[0] if known is not None and at - known[1] <= 300.0 else alert.id
        last[alert.host] = (incident, at)
        return incident

    return decide


def _gemv(engine: road.Engine) -> Contender:
    arena: Arena = engine.state.scope("crowd").arena
    folded = arena.profile[:4096].reshape(4, 1024, -1).sum(0).T.astype(np.float32)  # (slots, 1024)

    def decide(alert: Alert) -> object:
        query = np.zeros(1024, np.float32)
        query[[value % 1024 for value in engine._featurise(alert).rows[VALUES:]]] = 1.0
        return np.argpartition(folded @ query, -CANDIDATES)[-CANDIDATES:]

    return decide


def _gather(engine: road.Engine) -> Contender:
    scope = engine.state.scope("crowd")

    def decide(alert: Alert) -> object:
        features = engine._featurise(alert)
        bits = road.learn.bits(scope.usual)
        return scope.arena.alike(0.0, features.rows[VALUES:], features.usual, bits, CANDIDATES)

    return decide


def _drain(warm: list[Alert]) -> Contender:
    miner = TemplateMiner()
    for alert in warm[:1000]:
        miner.add_log_message(alert.summary)
    return lambda alert: miner.add_log_message(alert.summary)


def _textclust(warm: list[Alert]) -> Contender:
    words = feature_extraction.BagOfWords(lowercase=True)
    model = cluster.TextClust(real_time_fading=False, fading_factor=0.001, tgap=100)

    def decide(alert: Alert) -> object:
        bag = words.transform_one(alert.summary)
        found = model.predict_one(bag)
        model.learn_one(bag)
        return found

    for alert in warm[:2000]:
        decide(alert)
    return decide


def _dbstream(warm: list[Alert]) -> Contender:
    model = cluster.DBSTREAM(clustering_threshold=1.0, fading_factor=0.01)

    def decide(alert: Alert) -> object:
        point = dict.fromkeys(range(16), 0.0)
        for text in (alert.host, alert.service, alert.class_):
            point[zlib.crc32((text or "").encode()) % 16] += 1.0
        found = model.predict_one(point)
        model.learn_one(point)
        return found

    for alert in warm[:2000]:
        decide(alert)
    return decide


if __name__ == "__main__":
    main()
