"""An alert to hashed features: field=value pairs, the title's template, its words and masked values.

The rows are laid out as layout.py says. Everything here is a pure function of the alert; a memo keeps what was
computed for the same content.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from grouping import kernel
from grouping.layout import ABSENT, HASHED, NAMED_FIELDS, PROFILE_ROWS, USUAL_BITS, VALUES
from grouping.records import Alert
from grouping.template import mask, words

MAX_DETAILS: Final = 12  # pairs under details that count: labels before prose and addresses, first by name
MAX_LABEL: Final = 64  # characters of a value that may be a label
MAX_WORDS: Final = 12  # words and masked values of the title that count
MAX_VALUE: Final = 256  # characters; a longer value is prose, equal only by copy, and tells nothing as a field
LABEL: Final = 80  # characters of what a person reads of a kind
MEMO: Final = 8192  # alerts of the same content remembered


@dataclass(frozen=True, slots=True)
class Features:
    """What the scoring core and the learner see of an alert. R = number of rows."""

    rows: NDArray[np.intp]  # (R,) rows of the incident profiles, laid out as layout.py says
    usual: NDArray[np.intp]  # (R - VALUES,) counters of how usual each feature is, from VALUES on
    details: int  # first row of the pairs under details
    kind: int  # odd hash of what kind of alert this is, for seen-together counts
    template: str
    same: int  # code of the named fields but severity, for telling repeats
    label: str  # the same for people
    codes: list[tuple[str, int]]  # a code of the value of each known field, 0 standing for none
    told: tuple[int, int]  # signature (even: all named fields but severity, and the title) and kind, for lessons


class Featuriser:
    """Featurise with a memo. The memo is bounded and only saves work: it never changes an answer."""

    def __init__(self) -> None:
        self._memo: OrderedDict[tuple[object, ...], Features] = OrderedDict()

    def __call__(self, alert: Alert) -> Features:
        """The features of an alert."""
        pairs = tuple(details_of(alert)) if alert.details else ()
        named = _named(alert)
        template, values = mask(alert.summary)
        key = (template, values, named, pairs)
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= MEMO:  # one at a time: to free all of them takes as long as a thousand decisions
                self._memo.popitem(last=False)
            found = self._memo[key] = _features(template, values, named, pairs)
        return found


def _features(
    template: str, values: tuple[str, ...], named: tuple[str | None, ...], pairs: tuple[tuple[str, str], ...]
) -> Features:
    texts = [None if value is None else f"{name}={value}" for name, value in zip(NAMED_FIELDS, named, strict=True)]
    known = [ABSENT if text is None else 1 + field for field, text in enumerate([*texts, template])]
    texts.append(f"title={template}")
    said = dict.fromkeys([f"value={value}" for value in values] + [f"word={word}" for word in words(template)])
    texts += list(said)[:MAX_WORDS] or [None]
    details = VALUES + len(texts)
    texts += [f"details.{name}={value}" for name, value in pairs] or [None]
    both = places(known, texts)
    kind = zlib.crc32(f"{named[5]}\0{named[2] or template}".encode()) & 0x1FFFFFF | 1
    text = _identity(named)
    rows = VALUES + len(texts)
    return Features(
        both[:rows],
        both[rows:],
        details,
        kind,
        template,
        _code(text or template),
        " ".join(dict.fromkeys(value for value in (*named[2:], named[0]) if value))[:LABEL] or template[:LABEL],
        [(name, _code(value)) for name, value in _known(named, pairs)],
        (zlib.crc32(template.encode(), zlib.crc32(text.encode())) << 1, kind),
    )


def places(known: list[int], texts: list[str | None]) -> NDArray[np.intp]:
    """``known`` (K,), then the row of each of the texts (T,) in a profile, then its counter of how usual it is."""
    compiled = kernel.compiled
    if compiled is not None:
        out = np.empty(len(known) + 2 * len(texts), np.intp)
        compiled.places(out, known, texts)
        return out
    hashes = [zlib.crc32(text.encode()) if text else None for text in texts]
    both = known + [ABSENT if value is None else HASHED + value % _ROWS for value in hashes]
    both += [0 if value is None else 1 + value // _ROWS % _COUNTERS for value in hashes]
    return np.array(both, np.intp)


def _named(alert: Alert) -> tuple[str | None, ...]:
    return (
        alert.source,
        alert.severity,
        alert.class_,
        alert.group,
        alert.component,
        alert.service,
        alert.host,
    )


def _identity(named: tuple[str | None, ...]) -> str:
    return "\0".join(value or "" for field, value in enumerate(named) if NAMED_FIELDS[field] != "severity")


def _known(named: tuple[str | None, ...], pairs: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    for name, value in zip(NAMED_FIELDS, named, strict=True):
        if value is not None:
            yield name, value
    for name, value in dict(reversed(pairs)).items():  # of the items of an array the first counts, as in value_of
        yield f"details.{name}", value


def _code(text: str) -> int:
    return zlib.crc32(text.encode()) or 1


_ROWS: Final = PROFILE_ROWS - HASHED
_COUNTERS: Final = (1 << USUAL_BITS) - 1


def details_of(alert: Alert) -> list[tuple[str, str]]:
    """Pairs under details as text, by name: ("region", "eu-1"), ("disk.size", "40"). Long and empty values left out.

    Of too many those are left out first that are no labels: what tells alerts apart must not depend on how it is called.
    """
    pairs = [pair for pair in _flat("", alert.details) if 0 < len(pair[1]) <= MAX_VALUE]
    if len(pairs) > MAX_DETAILS:
        pairs.sort(key=_least_telling)
        del pairs[MAX_DETAILS:]
    pairs.sort()
    return pairs


def _least_telling(pair: tuple[str, str]) -> tuple[bool, str, str]:
    """Sorts labels to the front, and then by name: a sentence or an address says of one alert what is of no other."""
    name, value = pair
    return len(value) > MAX_LABEL or " " in value or "://" in value, name, value


def _flat(prefix: str, node: Any) -> Iterator[tuple[str, str]]:
    """Leaves of a nested value with their dotted names; the items of an array share its name."""
    for name, value in node.items():
        kind = type(value)
        if kind is str:
            yield prefix + name, value
        elif kind is dict:
            yield from _flat(f"{prefix}{name}.", value)
        elif kind is list:
            for item in value:
                yield from _flat(prefix, {name: item})
        elif value is not None:
            yield prefix + name, str(value)


def kind_of(alert: Alert) -> int:
    """Features.same of an alert, without the rest."""
    return _code(_identity(_named(alert)) or mask(alert.summary)[0])


def value_of(alert: Alert, field: str) -> str | None:
    """The value of a named field or of a pair under details ("details.region"). None where it is unknown."""
    if field in NAMED_FIELDS:
        value: str | None = getattr(alert, "class_" if field == "class" else field)
        return value
    wanted = field.removeprefix("details.")
    if not alert.details:
        return None
    found = (value for name, value in _flat("", alert.details) if name == wanted and 0 < len(value) <= MAX_VALUE)
    return min(found, default=None)  # not only of those that count as features: a policy names what it needs
