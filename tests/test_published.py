"""What the owners of the formats publish is taken, field for field: nothing of it is lost but what is said here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from grouping.formats import FORMATS, Malformed
from grouping.formats.base import moment
from grouping.parse import parse
from tests.live import Live
from tests.published import PUBLISHED, Published

RECEIVED = 1_770_790_000.0


def sent(one: Published) -> bytes:
    """Its body."""
    return one.payload if isinstance(one.payload, bytes) else orjson.dumps(one.payload)


def texts(node: Any) -> Iterator[str]:
    """All texts that are values."""
    if isinstance(node, str):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from texts(child)


def moment_of(text: str) -> float | None:
    """The time that a text says, if it says one."""
    try:
        return moment(text, "$")
    except Malformed:
        return None


def by_name(one: Published) -> str:
    return one.name


@pytest.mark.parametrize("one", PUBLISHED, ids=by_name)
def test_what_is_published_is_taken(one: Published) -> None:
    """As many events as it tells of, with the fields that it has a word for; parse takes them."""
    found = FORMATS[one.format](sent(one), one.headers, RECEIVED)
    assert [
        {key: event.get(key) for key in want} for event, want in zip(found, one.becomes, strict=True)
    ] == one.becomes
    for event in found:
        parse(orjson.dumps(event))


@pytest.mark.parametrize(
    "one", [one for one in PUBLISHED if one.becomes and not isinstance(one.payload, bytes)], ids=by_name
)
def test_nothing_published_is_lost(one: Published) -> None:
    """Each text of the payload is in an event, or is its time, or is named as one that is left out."""
    events = FORMATS[one.format](sent(one), one.headers, RECEIVED)
    kept = orjson.dumps(events).decode()
    times = {event["at"] for event in events}
    lost = {text for text in texts(one.payload) if text and orjson.dumps(text.strip()).decode()[1:-1] not in kept}
    assert {text for text in lost if moment_of(text) not in times} - set(one.without) == set()


def test_each_format_has_what_its_owner_publishes() -> None:
    """And each payload names where its shape stands."""
    assert {one.format for one in PUBLISHED} == set(FORMATS) - {"canonical"}
    assert all(one.address.startswith("https://") for one in PUBLISHED)


def test_the_doors_take_it(tmp_path: Path) -> None:
    """On a real service, at the address of each format."""
    with Live(tmp_path / "state") as live:
        for one in PUBLISHED:
            answer = live.ask("POST", f"/v1/webhooks/{one.format}?scope={one.name}", sent(one), **one.headers)
            assert (answer.status, answer.json["accepted"], "refused" in answer.json) == (202, len(one.becomes), False)
        assert live.stop() == 0
