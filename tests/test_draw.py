"""Chance and identity are functions of what is known: the same on every machine, and even over everything."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from grouping.draw import content_id, draw, name

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)


def test_draws_and_names_never_change() -> None:
    """Across versions too: ids are kept by others, and a log must give what it gave."""
    assert draw(0, "d-7f3a09c2e1b4") == 0.8461795691960713
    assert draw(1, "d-7f3a09c2e1b4") == 0.08339962934908729
    assert name("i", "payments", "a1") == "i-0f7175c316bd94d9"
    assert content_id(b'{"kind":"alert"}') == "e-b6110aaf56fd3557a34815fc"


@given(st.integers(0, 2**63), TEXTS)
@example(2**63, "")
def test_a_draw_is_a_number_from_zero_to_below_one(seed: int, decision: str) -> None:
    """And the same each time."""
    assert 0 <= draw(seed, decision) < 1
    assert draw(seed, decision) == draw(seed, decision)


def test_draws_are_even() -> None:
    """Over ids that differ little, and over seeds: each tenth of the range has a tenth of the draws."""
    for draws in ([draw(0, f"d-{n}") for n in range(10_000)], [draw(n, "d-1") for n in range(10_000)]):
        tenths = [sum(int(value * 10) == tenth for value in draws) for tenth in range(10)]
        assert sum(tenths) == 10_000
        assert all(900 < count < 1100 for count in tenths)  # 3.3 standard deviations; the draws are always the same


@given(st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS))
@example(("a", "bc"), ("ab", "c"))
@example(("a\0", "b"), ("a", "\0b"))
@example(("", "1\0a"), ("1\0a", ""))
def test_names_differ_where_scope_or_origin_does(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Also where both, written one after the other, are the same."""
    assert (name("i", *one) == name("i", *other)) == (one == other)


@given(TEXTS, TEXTS)
def test_a_name_is_short_and_plain(scope: str, origin: str) -> None:
    """Whatever the scope and the event are called, their incident can be typed."""
    assert re.fullmatch("d-[0-9a-f]{16}", name("d", scope, origin))


@given(st.binary(max_size=32), st.binary(max_size=32))
def test_a_derived_id_is_that_of_its_content(one: bytes, other: bytes) -> None:
    assert re.fullmatch("e-[0-9a-f]{24}", content_id(one))
    assert (content_id(one) == content_id(other)) == (one == other)
