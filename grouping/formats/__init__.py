"""Foreign formats to canonical events: one promise, one table.

``FORMATS[name](payload, headers, received)`` gives a list, in the order of the payload: canonical events as objects that
parse.py accepts (unless longer than its MAX_LINE), each with its time, and in the place of an item that could not be translated a ``Malformed``.
Raises ``Malformed``, and nothing else, when the payload cannot be read at all.

payload: the bytes of one request or message. headers: by lower-case name; those of CloudEvents in binary mode, those of
Sentry and the content type are looked at. received: s since the epoch, the time of events that bring none. The same three give the same
events, so that a repeat of a message with its own time is a no-op.
"""

from __future__ import annotations

import re
from typing import Any

from grouping.config import BadConfig
from grouping.formats import (
    alertmanager,
    canonical,
    cloudevents,
    cloudwatch,
    datadog,
    form,
    grafana,
    mapping,
    otlp,
    pagerduty,
    sentry,
    zabbix,
)
from grouping.formats.base import Translate
from grouping.parse import Malformed

__all__ = ["FORMATS", "Malformed", "Translate", "formats_of"]

FORMATS: dict[str, Translate] = {
    "canonical": canonical.translate,
    "pagerduty": pagerduty.translate,
    "pagerduty-change": pagerduty.translate_changes,
    "alertmanager": alertmanager.translate,
    "grafana": grafana.translate,
    "datadog": form.formed(datadog.translate),
    "cloudwatch": cloudwatch.translate,
    "cloudevents": cloudevents.translate,
    "otlp": otlp.translate,
    "sentry": sentry.translate,
    "zabbix": form.formed(zabbix.translate),
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def formats_of(table: Any) -> dict[str, Translate]:
    """All formats, with those of the configuration's table ``[formats]``. Raises BadConfig."""
    if type(table) is not dict:
        raise BadConfig(f"formats: expected a table, got {table!r}; write [formats.NAME]")
    found = dict(FORMATS)
    for name, rules in table.items():
        if name in FORMATS:
            raise BadConfig(f"formats.{name}: this format is there already; give yours another name")
        if not _NAME.fullmatch(name):
            raise BadConfig(f"formats.{name}: expected a name of a-z, 0-9, - and _; it becomes part of an address")
        found[name] = form.formed(mapping.compiled(name, rules))
    return found
