"""Who is told what, and where: the tables [[service.subscriptions]] of the configuration.

Addresses come from here alone; secrets stand elsewhere (runtimes/secrets.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from grouping.config import BadConfig
from grouping.outlets import SHAPES
from grouping.outlets.message import Target
from grouping.outlets.notice import Filter, Happening
from grouping.outlets.pagerduty import ADDRESS
from grouping.outlets.prometheus import DOOR, NEEDED
from grouping.outlets.signing import BadSecret, key_of
from grouping.records import Severity
from grouping.runtimes.secrets import secret_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One receiver. What may be secret is not shown."""

    name: str
    shape: str
    url: str = field(repr=False)
    filter: Filter = field(default_factory=Filter)
    keys: tuple[bytes, ...] = field(default=(), repr=False)  # each signs; see outlets/signing.py
    bearer: str = field(default="", repr=False)  # a token sent as Authorization
    target: Target = field(default=Target(""), repr=False)
    timeout_s: float = 10.0  # s that one message may take, all in all
    retry_s: float = 1.0  # s until the second try, more or less; then twice as long each time
    retry_max_s: float = 300.0  # s between two tries at most
    give_up_s: float = 21_600.0  # after s of trying a notice becomes a dead letter

    @property
    def host(self) -> str:
        """Where it goes, as far as it may be shown: what follows the host can be a secret."""
        return urlsplit(self.url).hostname or ""


def subscriptions(rows: Any, environment: Mapping[str, str]) -> tuple[Subscription, ...]:
    """The subscriptions of a configuration; secrets are read now. Raises BadConfig."""
    if type(rows) is not list:
        raise BadConfig("service.subscriptions: expected tables; write [[service.subscriptions]]")
    found = tuple(_Row(row, f"service.subscriptions[{index}]", environment).read() for index, row in enumerate(rows))
    if len({one.name for one in found}) < len(found):
        raise BadConfig("service.subscriptions: two have the same name; what was delivered is remembered under it")
    return found


_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TIMES = {"timeout_s": (0.1, 120.0), "retry_s": (0.01, 3600.0), "retry_max_s": (0.01, 86_400.0), "give_up_s": (0.0, 2_592_000.0)}  # fmt: skip
_KEYS = ("name", "shape", "url", "scopes", "severity", "events", "secrets", "routing_key", "bearer", "link", *_TIMES)


class _Row:
    """Reads one table."""

    def __init__(self, row: Any, place: str, environment: Mapping[str, str]) -> None:
        if type(row) is not dict:
            raise BadConfig(f"{place}: expected a table; write [[service.subscriptions]]")
        self._row: dict[str, Any] = row
        self._place = place
        self._environment = environment

    def read(self) -> Subscription:
        for key in self._row:
            if key not in _KEYS:
                raise BadConfig(f"{self._place}.{key}: no such setting; there are: {', '.join(_KEYS)}")
        name = self._text("name")
        if not _NAME.fullmatch(name):
            raise self._bad("name", "1 to 64 letters, digits, dots, dashes and underscores", name)
        shape = self._one_of("shape", self._text("shape", "generic"), SHAPES)
        pagerduty = shape == "pagerduty"
        if pagerduty is not ("routing_key" in self._row):
            raise BadConfig(
                f"{self._place}.routing_key: the shape pagerduty needs it, and no other; e.g. env:PAGERDUTY_KEY"
            )
        url, filter_ = self._url(ADDRESS if pagerduty else None), self._filter()
        self._fits(shape, urlsplit(url).path, filter_)
        return Subscription(
            name=name,
            shape=shape,
            url=url,
            filter=filter_,
            keys=tuple(self._key(index, secret) for index, secret in enumerate(self._texts("secrets"))),
            bearer=self._secret("bearer", self._text("bearer")) if "bearer" in self._row else "",
            target=Target(
                name,
                self._secret("routing_key", self._text("routing_key")) if pagerduty else "",
                self._link(),
            ),
            **{key: self._seconds(key, *bounds) for key, bounds in _TIMES.items() if key in self._row},
        )

    def _fits(self, shape: str, path: str, filter_: Filter) -> None:
        """Alertmanager's own door takes one shape, and must hear the end of what it was told."""
        posted = shape == "prometheus"
        if shape in ("prometheus", "alertmanager") and posted is not path.endswith(DOOR):
            hint = "to Alertmanager itself the shape is prometheus and the address ends in"
            raise BadConfig(f"{self._place}.url: {hint} {DOOR}; the shape alertmanager is for what takes its webhooks")
        missing = [str(event) for event in Happening if event in NEEDED - filter_.events]
        if posted and missing:
            raise BadConfig(
                f"{self._place}.events: the shape prometheus needs {', '.join(missing)} too; or leave it out"
            )

    def _filter(self) -> Filter:
        events = [self._one_of("events", event, list(Happening)) for event in self._texts("events")]
        severity = self._row.get("severity")
        return Filter(
            self._texts("scopes"),
            None if severity is None else Severity(self._one_of("severity", severity, list(Severity))),
            frozenset(map(Happening, events)) if "events" in self._row else frozenset(Happening),
        )

    def _url(self, usual: str | None) -> str:
        said = self._text("url", usual)
        text = self._secret("url", said) if said.startswith(("env:", "file:")) else said
        if not _usable(text):
            hint = "http(s)://HOST/..., without a user or fragment, or env:NAME or file:PATH that holds it"
            raise BadConfig(f"{self._place}.url: expected {hint}")
        return text

    def _link(self) -> str:
        link = self._text("link", "")
        if link and not link.startswith(("http://", "https://")):
            raise self._bad("link", "http(s)://..., with {incident} and {scope} where these come", link)
        return link

    def _key(self, index: int, said: str) -> bytes:
        key = f"secrets[{index}]"
        try:
            return key_of(self._secret(key, said))
        except BadSecret as error:
            raise BadConfig(f"{self._place}.{key}: {said}: {error}; `grouping config secret` makes one") from None

    def _secret(self, key: str, said: str) -> str:
        """What a reference names."""
        return secret_of(f"{self._place}.{key}", said, self._environment)

    # -- kinds of value

    def _text(self, key: str, usual: str | None = None) -> str:
        value = self._row.get(key, usual)
        if type(value) is not str or (not value and usual is None):
            raise self._bad(key, "a text", value)
        return value

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self._row.get(key, [])
        if type(value) is not list or not all(type(one) is str and one for one in value):
            raise self._bad(key, "a list of texts", value)
        return tuple(value)

    def _one_of(self, key: str, value: Any, words: Any) -> str:
        if value not in list(words):
            raise self._bad(key, f"one of {', '.join(words)}", value)
        return str(value)

    def _seconds(self, key: str, low: float, high: float) -> float:
        value = self._row[key]
        if type(value) not in (int, float) or not low <= value <= high:
            raise self._bad(key, f"{low:g} to {high:g} seconds", value)
        return float(value)

    def _bad(self, key: str, expected: str, value: object) -> BadConfig:
        return BadConfig(f"{self._place}.{key}: expected {expected}, got {value!r}")


def _usable(text: str) -> bool:
    """Whether an address can be posted to, and holds nothing that would be sent as something else."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and " " not in text and "#" not in text
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None and port != 0
