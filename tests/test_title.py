"""The title of an incident: the words its alerts agree on, a mask where they differ, and how many kinds there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.template import mask
from grouping.title import KINDS_KEPT, MAX_TEXT, Title

KINDS = ("disk full", "link down", "fan slow", "no route", "out of memory", "login failed", "queue long", "late backup")
OTHERS = ("broken pipe", "clock skew", "stale read")


def title(*summaries: str) -> Title:
    """The title of an incident with alerts of these summaries."""
    found = Title()
    for summary in summaries:
        found.add(mask(summary)[0], summary)
    return found


@pytest.mark.parametrize(
    ("summaries", "text"),
    [
        ([], "(no alerts)"),
        (["CPU 97% on db-7"], "CPU 97% on db-7"),
        (["CPU 97% on db-7", "CPU 97% on db-7"], "CPU 97% on db-7"),
        (["CPU 97% on db-7", "CPU 93% on db-7"], "CPU <num>% on db-7"),
        (["CPU 97% on db-7", "CPU 97% on db-8"], "CPU 97% on <host>"),
        (["CPU 97% on db-7", "CPU 93% on db-8", "CPU 97% on db-7"], "CPU <num>% on <host>"),
        (["disk full", "link down"], "disk full (+1 other kind)"),
        (["disk full", "link down", "link down"], "link down (+1 other kind)"),
        (["disk full", "link down", "fan slow"], "disk full (+2 other kinds)"),
        (["CPU 97% on db-7", "fan slow", "CPU 93% on db-7"], "CPU <num>% on db-7 (+1 other kind)"),
        (KINDS, "disk full (+7 other kinds)"),
        ([*KINDS, OTHERS[0]], "disk full (+7 or more other kinds)"),
        ([*KINDS, *OTHERS, "late backup"], "late backup (+7 or more other kinds)"),
        (["two\nlines\tand \x1b[31mred\u2028"], "two lines and  [31mred "),
    ],
)
def test_a_title_says_what_alerts_share(summaries: list[str], text: str) -> None:
    assert title(*summaries).text() == text


def test_kinds_beyond_those_kept_are_counted() -> None:
    """Alerts of the kinds that found no room."""
    one = title(*KINDS, *OTHERS, OTHERS[0])
    assert (len(one.kinds), one.others) == (KINDS_KEPT, 4)
    assert one.text() == "disk full (+7 or more other kinds)"


def test_the_longest_title() -> None:
    """Masks are longer than numbers: what would be too long ends in dots, and how many kinds there are is still told."""
    long = [" ".join(str(number) for _ in range(512)) for number in (1, 2)]
    assert title(long[0]).text() == long[0]
    assert title(*long).text() == ("<num> " * 512)[: MAX_TEXT - 1] + "…"
    text = title(*long, "fan slow").text()
    assert len(text) == MAX_TEXT
    assert text.startswith("<num> <num> ")
    assert text.endswith("… (+1 other kind)")


SUMMARIES = st.lists(
    st.sampled_from(["CPU 97% on db-7", "CPU 3% on db-8", *KINDS, *OTHERS, "a\nb", "1 " * 512]) | st.text(min_size=1),
    max_size=30,
)


@given(SUMMARIES)
def test_a_title_is_one_short_line(summaries: list[str]) -> None:
    """Whatever its alerts say, it fits a line and the place of a summary."""
    whole = title(*summaries)
    text = whole.text()
    assert 0 < len(text) <= MAX_TEXT
    assert len(text.splitlines()) <= 1
    assert sum(count for count, _ in whole.kinds.values()) + whole.others == len(summaries)
    assert len(whole.kinds) <= KINDS_KEPT


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 9)), min_size=1, max_size=6))
def test_every_word_of_a_title_is_shared_or_masked(alerts: list[tuple[int, int]]) -> None:
    """In any order: a number stands in the title where all alerts have it, else its mask."""
    words = title(*(f"CPU {load} on db-{host}" for load, host in alerts)).text().split(" ")
    loads, hosts = {load for load, _ in alerts}, {host for _, host in alerts}
    assert words[1] == (str(loads.pop()) if len(loads) == 1 else "<num>")
    assert words[3] == (f"db-{hosts.pop()}" if len(hosts) == 1 else "<host>")
