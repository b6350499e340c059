"""Of what stands under details, that counts which can tell alerts apart."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from grouping import parse
from grouping.featurise import MAX_DETAILS, details_of
from grouping.records import Alert


def alert(details: dict[str, object]) -> Alert:
    """An alert with these details."""
    event = {"kind": "alert", "id": "a1", "at": 1e9, "scope": "shop", "summary": "disk full", "details": details}
    found = parse(orjson.dumps(event))
    assert isinstance(found, Alert)
    return found


def test_of_too_many_pairs_labels_count_before_sentences_and_addresses() -> None:
    """As in an Alertmanager webhook: annotations and links, and names that happen to come first."""
    annotations = {f"annotations.{name}": f"what {name} means, in a sentence" for name in "abcdefghij"}
    links = {"dashboard": "https://grafana.example/d/1", "generator": "https://prometheus.example/graph?g0=1"}
    found = details_of(alert({**annotations, **links, "path": "x" * 65, "zone": "eu-1", "team": "shop"}))
    assert len(found) == MAX_DETAILS
    assert {("team", "shop"), ("zone", "eu-1")} <= set(found)
    assert found == sorted(found)


@given(
    st.dictionaries(st.sampled_from("abcdefghijklmnop"), st.sampled_from(["eu-1", "two words", "x" * 65]), max_size=16)
)
def test_pairs_come_by_name_and_none_is_left_out_for_a_worse_one(details: dict[str, str]) -> None:
    """Up to the limit all count; beyond it no sentence does where a label does not."""
    found = details_of(alert(details))
    assert found == sorted(found)
    assert len(found) == min(len(details), MAX_DETAILS)
    assert set(found) <= set(details.items())
    if "eu-1" in {value for name, value in details.items() if (name, value) not in found}:
        assert {value for _, value in found} == {"eu-1"}
