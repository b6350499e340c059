"""Stream clusterers of others as groupers: an incident is a cluster until it has been silent for 300 s.

Drain3 (https://github.com/logpai/Drain3): templates of titles by a fixed-depth tree, its default configuration.
river TextClust (Carnein, Assenmacher, Trautmann 2017): micro-clusters of titles by the cosine of their tf-idf, faded in
event time such that one of a single alert lives for 300 s.
river DBSTREAM (Hahsler, Bolanos 2016): density-based, its default settings, over hashed fields such that alerts which
share two of service, host and class are neighbours; micro-clusters connected by shared density are one cluster.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable

from river import cluster, feature_extraction

from benchmarks.baselines.rules import Keyed
from grouping.records import Alert

SILENCE = 300.0
DIMENSIONS = 16
WEIGHT = 0.7  # two alerts that differ in one field of three are 0.7 x sqrt(2) = 0.99 apart: below the threshold of 1


def drain() -> Keyed:
    """One incident per template."""
    from drain3 import TemplateMiner  # noqa: PLC0415 — the other players do without
    from drain3.template_miner_config import TemplateMinerConfig  # noqa: PLC0415

    miner = TemplateMiner(config=TemplateMinerConfig())

    def key(alert: Alert) -> Hashable:
        return miner.add_log_message(alert.summary)["cluster_id"]

    return Keyed(key, lambda _: SILENCE)


def textclust() -> Keyed:
    """One incident per micro-cluster of titles."""
    words = feature_extraction.BagOfWords(lowercase=True)
    model = cluster.TextClust(real_time_fading=True, tgap=SILENCE, fading_factor=0.001)
    clock = 0.0

    def key(alert: Alert) -> Hashable | None:
        nonlocal clock
        clock = max(clock, alert.at or 0.0)
        bag = words.transform_one(alert.summary)
        model.learn_one(bag, t=clock)
        return model.predict_one(bag)

    return Keyed(key, lambda _: SILENCE)


def dbstream() -> Keyed:
    """One incident per cluster of service, host and class."""
    model = cluster.DBSTREAM()
    names: dict[int, tuple[object, int]] = {}  # id of a micro-cluster, which may be used again -> itself, name

    def name(id: int) -> int:
        one = model.micro_clusters[id]
        if id not in names or names[id][0] is not one:
            names[id] = one, 1 + max((known for _, known in names.values()), default=0)
        return names[id][1]

    def key(alert: Alert) -> Hashable | None:
        point = dict.fromkeys(range(DIMENSIONS), 0.0)
        for field, value in (("service", alert.service), ("host", alert.host), ("class", alert.class_)):
            point[zlib.crc32(f"{field}={value}".encode()) % DIMENSIONS] += WEIGHT
        model.learn_one(point)
        micros = model.micro_clusters
        if not micros:
            return None
        nearest = min(micros, key=lambda one: model._distance(micros[one].center, point))
        labels = model._generate_labels(model._generate_weighted_adjacency_matrix())
        own = labels[nearest]
        together = [id for id, label in labels.items() if label == own] if own is not None else [nearest]
        return min(name(id) for id in together)

    return Keyed(key, lambda _: SILENCE)
