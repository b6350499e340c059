"""What the process that decides answers, from what is committed: lists as PagerDuty's clients page through them."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from grouping import Config, Engine
from grouping.outlets.announce import Announcer
from grouping.parse import event_of
from grouping.runtimes import answers
from grouping.runtimes.answers import Answers
from grouping.runtimes.forgetting import Forgetting
from grouping.runtimes.index import Index
from grouping.runtimes.store import Store

NOW = (
    "triggered",
    "resolved",
    "acknowledged",
    "triggered",
    "resolved",
    "acknowledged",
    "triggered",
)  # the newest first


@pytest.fixture
def there(tmp_path: Path) -> Answers:
    """Incidents that stand like NOW, committed."""
    store = Store(tmp_path / "store", sync=False)
    engine = Engine(None, store)
    index = Index(store, engine.state)
    events: list[dict[str, Any]] = []
    for number, standing in enumerate(reversed(NOW)):
        one = {"kind": "alert", "id": f"a{number}", "at": 10_000.0 * number, "dedup_key": f"k{number}", "summary": "x"}
        events.append(one | {"host": f"h{number}"})
        if standing != "triggered":
            events.append(one | {"id": f"b{number}", "status": standing})
    for number, event in enumerate(map(event_of, events), 1):
        index.take(number, event, engine.step(event))
    store.commit(dict(engine.drain()) | index.drain(), b"", len(events), {})
    forgetting = Forgetting(tmp_path, store, engine.state, index, Announcer(engine.state, store), lambda: None)
    found = Answers(Config(), store, index, forgetting)
    found.committed(len(events))
    return found


def test_a_page_is_what_a_list_of_all_has_there(there: Answers) -> None:
    """For any choice of standings, any place and any length; the count is that of the list."""
    whole = there.listed([], 0, 100, 1000, count=True)
    assert [one["standing"] for one in whole["incidents"]] == list(NOW)
    choices = [[], *([one] for one in set(NOW)), ["acknowledged", "triggered"], ["resolved", "triggered"], [*set(NOW)]]
    for statuses, skip, most, count in product(choices, range(9), range(1, 9), (False, True)):
        listed = [one for one in whole["incidents"] if not statuses or one["standing"] in statuses]
        expected = {"incidents": listed[skip : skip + most], "more": len(listed) > skip + most}
        page = there.listed(statuses, skip, most, 1000, count=count)
        assert page == expected | {"total": len(listed) if count else None}, (statuses, skip, most)


def test_beyond_the_bound_nothing_is_read_and_nothing_is_said_of_how_many_there_are(
    there: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = there.listed([], 2, 2, 4, count=True)
    assert ([one["standing"] for one in page["incidents"]], page["more"], page["total"]) == ([*NOW[2:4]], False, None)
    monkeypatch.setattr(answers, "LOOKED_AT", 4)  # where each has to be read
    page = there.listed(["triggered"], 0, 5, 1000, count=True)
    assert ([one["standing"] for one in page["incidents"]], page["more"], page["total"]) == (
        ["triggered"] * 2,
        False,
        None,
    )
