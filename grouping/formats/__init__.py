"""Foreign formats to canonical events: one promise, one table.

``FORMATS[name](payload, headers, received)`` gives a list, in the order of the payload: canonical events as objects that
parse.py accepts (unless longer than its MAX_LINE), each with its time, and in the place of an item that could not be translated a ``Malformed``.
Raises ``Malformed``, and nothing else, when the payload cannot be read at all.

payload: the bytes of one request or message. headers: by lower-case name, only those of CloudEvents in binary mode and
of Sentry are looked at. received: s since the epoch, the time of events that bring none. The same three give the same
events, so that a repeat of a message with its own time is a no-op.
"""

from __future__ import annotations

from grouping.formats import canonical
from grouping.formats.base import Translate
from grouping.parse import Malformed

__all__ = ["FORMATS", "Malformed", "Translate"]

FORMATS: dict[str, Translate] = {"canonical": canonical.translate}
