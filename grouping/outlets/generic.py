"""Our own JSON: the notice as it is, for whoever writes a receiver. docs/notifications.md names the fields."""

from __future__ import annotations

import orjson

from grouping.outlets.message import Target, sentence
from grouping.outlets.notice import Notice

_INNER = ("rank", "rank_before", "over")


def render(notice: Notice, target: Target) -> list[bytes]:
    """One object. Fields that are unknown or empty are left out."""
    row = {key: value for key, value in notice.row().items() if key not in _INNER}
    row["text"] = sentence(notice)
    link = target.link_to(notice)
    if link:
        row["link"] = link
    return [orjson.dumps(row)]
