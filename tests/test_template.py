"""Titles to templates: equal shapes share one, and no title can hurt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grouping.template import mask, words

CASES = Path(__file__).with_name("test_template_cases.txt")


def cases() -> Iterator[Any]:
    for case in CASES.read_text(encoding="utf-8").split("\n\n"):
        title, *rest = case.strip().splitlines()
        if rest:
            values = tuple(line.removeprefix("- ") for line in rest[1:])
            yield pytest.param(title, rest[0].removeprefix("= "), values, id=title)


@pytest.mark.parametrize(("title", "template", "values"), list(cases()))
def test_a_title_and_its_template(title: str, template: str, values: tuple[str, ...]) -> None:
    assert mask(title) == (template, values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CPU 97% on db-7", "CPU 3% on web-12"),
        ("timeout after 10ms", "timeout after 1500ms"),
        ("lost 10.0.0.7:5432", "lost 192.168.100.200:80"),
        ("job a1b2c3d failed", "job 9f8e7d6 failed"),
        ("block blk_-160 deleted", "block blk_7 deleted"),
        ("/var/lib/a is full", "/srv is full"),
        ("up since 2025-11-01T12:00:00Z", "up since 2024-02-29T23:59:59.123+02:00"),
    ],
)
def test_titles_of_one_shape_share_a_template(one: str, other: str) -> None:
    """What differs is a value, not the kind of alert."""
    assert mask(one)[0] == mask(other)[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CPU high on db-7", "disk full on db-7"),
        ("4xx rate high", "5xx rate high"),
        ("p50 latency high", "p99 latency high"),
        ("lost 10.0.0.7", "lost db-7"),
        ("took 10ms", "took 10%"),
    ],
)
def test_titles_of_another_kind_do_not(one: str, other: str) -> None:
    assert mask(one)[0] != mask(other)[0]


# Pieces that tempt every kind, glued together in any order.
PIECES = (
    "0x 1. 1, / // : :: @ - -- .. ~/ \\ C:\\ :// http:// a@ a.b a1- _ 00: 12:30 2025-11-01 T12:00 10.0.0.1 fe80:: 1e5 % °C $ # = ?"
    " < > <num> <host> ( ) [ ] { } \" ' * & | ; Jan Mon v1.2 deadbeef1 é ٣ \u00a0 \u2028 \t x86-64 db-7"
).split(" ") + [" ", "\n"]
TITLES = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=24).map("".join)


@given(TITLES)
def test_a_mask_holds_and_spans_no_white_space(title: str) -> None:
    """A title and its template split into the same number of words, so that they can be laid side by side."""
    template, values = mask(title)
    assert len(template.split(" ")) == len(title.split(" "))
    assert len(template.split()) == len(title.split())
    assert not any(character.isspace() for value in values for character in value)


@given(TITLES)
@example("a Nodes/cn304/x.rrd")
@example("C:\\00:vVC:\\00")
@example("<num>/var/lib <b>db-7</b>")
def test_masking_twice_is_masking_once(title: str) -> None:
    """A template is its own template: what was masked by a sender, or by us before, stays as it is."""
    template, _ = mask(title)
    assert mask(template)[0] == template


@given(TITLES)
def test_values_stand_in_the_title_in_order(title: str) -> None:
    rest = title
    for value in mask(title)[1]:
        assert value
        _, found, rest = rest.partition(value)
        assert found


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_numbers_never_tell_titles_apart(one: int, other: int) -> None:
    """Alone, with a unit, after a sign of equality, in brackets."""
    first, second = (f"{n} errors, {n}%, n={n}, ({n}) and 0.{n}s" for n in (one, other))
    if (one < 10**7) == (other < 10**7):  # longer ones may be hexadecimal where they begin with a zero
        assert mask(first)[0] == mask(second)[0]


@pytest.mark.parametrize(
    "unit",
    "a- 0x 1. / : a@ a1- 1, -1 .. -- @ \\ C:\\ a:// _1 = [1 < ( é1 ٣ 00: 1e5:A 5a@--1 a. f: <num>/ 2024-01-01 Jan a-1. + 1- \n 0a".split(
        " "
    ),
)
def test_hostile_titles_return(unit: str) -> None:
    """As long as a summary can be; a pattern that tries every way to fit would not come back for years."""
    for end in ("", "!", "g", "."):
        title = (unit * 1024)[: 1024 - len(end)] + end
        template, _ = mask(title)
        words(template)


# -- words


def test_words_of_a_template() -> None:
    """In lower case, each once, in order; masks, numbers and single letters are none."""
    assert words("Disk <num>% full on <host>: disk is FULL, isn't it a re-run?") == [
        "disk", "full", "on", "is", "isn't", "it", "re-run",
    ]  # fmt: skip
    assert words("<num>MB of <ip>") == ["mb", "of"]
    assert words("") == []


@given(TITLES)
def test_words_are_words(title: str) -> None:
    """Each once, two characters or more, never a mask."""
    found = words(mask(title)[0])
    assert len(found) == len(set(found))
    assert all(len(word) > 1 and not set(word) & set("<> ") for word in found)
