"""Labelled streams: the samples in data/ and, where they are given, real ones; as they are or damaged."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

import orjson

from benchmarks.stress import Labelled, damaged
from grouping import parse
from grouping.records import Event

SAMPLES = Path(__file__).parent.parent / "data"

Truth = dict[str, str | None]  # the group of every firing alert, None for noise


@dataclass(frozen=True, slots=True)
class Source:
    """Where a labelled stream is."""

    name: str
    events: Path
    truth: Path


def sources(data: Path | None) -> Iterator[Source]:
    """The samples, then what is in the folder: NAME.events.jsonl.gz with NAME.truth.csv.gz."""
    for truth in sorted(SAMPLES.glob("*.truth.csv")):
        name = truth.name.removesuffix(".truth.csv")
        yield Source(name, next(SAMPLES.glob(f"{name}.jsonl*")), truth)
    for truth in sorted(data.glob("*.truth.csv.gz")) if data else ():
        name = truth.name.removesuffix(".truth.csv.gz")
        yield Source(name, truth.with_name(f"{name}.events.jsonl.gz"), truth)


@lru_cache(maxsize=1)
def raw(source: Source) -> list[Labelled]:
    """The stream as dicts, each with its truth."""
    with _open(source.truth) as file, io.TextIOWrapper(file, newline="") as text:
        truth = {row["alert"]: row["group"] or None for row in csv.DictReader(text)}
    with _open(source.events) as lines:
        events = [orjson.loads(line) for line in lines]
    return [(event, truth[event["id"]] if event["id"] in truth and _firing(event) else None) for event in events]


@lru_cache(maxsize=1)
def stream(source: Source, damage: str = "", seed: int = 1, cap: int = 0) -> tuple[list[Event], Truth]:
    """Events and truth; of a damaged stream, the first ``cap`` events where it is not 0.

    No events: the damage changes nothing.
    """
    whole = raw(source)
    labelled = damaged(damage, whole, seed) if damage else whole
    if (damage and labelled == whole) or (damage == "one scope" and len({one.get("scope") for one, _ in whole}) == 1):
        return [], {}
    return parsed(labelled[:cap] if cap else labelled)


def parsed(labelled: Sequence[Labelled]) -> tuple[list[Event], Truth]:
    """The events of a stream, and the truth about those that are firing."""
    events = [parse(orjson.dumps(event)) for event, _ in labelled]
    return events, {event["id"]: group for event, group in labelled if _firing(event)}


@lru_cache
def digest(source: Source) -> str:
    """A hash of the bytes of a stream and its truth."""
    whole = hashlib.sha256()
    for path in (source.events, source.truth):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def _firing(event: dict[str, object]) -> bool:
    return event.get("status", "firing") == "firing"


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
