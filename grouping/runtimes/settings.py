"""The settings of the service: from the table [service] of the TOML file, overruled by GROUPING_* variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from grouping.config import BadConfig
from grouping.formats import formats_of
from grouping.runtimes.outbox.subscriptions import Subscription, subscriptions
from grouping.runtimes.signatures import Signed, signatures

MIB = 1 << 20


class Right(StrEnum):
    """What a token allows."""

    INGEST = "ingest"  # send events
    READ = "read"  # look at incidents, scopes, metrics, subscriptions; change nothing
    RESPOND = "respond"  # correct incidents; and read
    ADMIN = "admin"  # set policies, let time pass, send dead letters again; and all of the others


@dataclass(frozen=True, slots=True)
class Token:
    """One sender or person. Only the SHA-256 of the token itself is kept."""

    name: str
    sha256: str
    rights: frozenset[Right]
    rate: float | None = None  # events/s, in place of the service's own
    burst: float | None = None

    def may(self, right: Right) -> bool:
        """Whether it allows this: by itself, or because it allows more."""
        more = {Right.READ: (Right.RESPOND, Right.ADMIN)}.get(right, (Right.ADMIN,))
        return right in self.rights or not self.rights.isdisjoint(more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that a person can set about the service."""

    listen: str = "127.0.0.1:8080"  # HOST:PORT
    open_to_all: bool = False  # allow an address beyond this machine without tokens
    body_max: int = 8 * MIB  # bytes of one request
    events_max: int = 10_000  # events of one request
    under_way_max: int = 32 * MIB  # bytes of all requests that are taken at the same time; beyond them 503
    read_s: float = 10.0  # s in which headers, and then a body, must arrive; an idle connection is closed
    connections_max: int = 4096  # open at once; beyond them 503, but for a few that ask how it is
    rate: float = 0.0  # events/s that one token may send, over time; 0: as many as can be taken
    burst: float = 10_000.0  # events it may be ahead of that
    backlog_max: int = 1_000_000  # accepted events that wait for their decision; beyond them 503
    reserve_mb: int = 256  # MiB of the disk that the log leaves free; below them 503
    keep_days: float = 0.0  # what nothing was said of for so long is deleted, and the log before it; 0: never
    late_s: float = 30.0  # when decisions are so late, s, alerts that come are opened ungrouped; 0: never
    stuck_s: float = 60.0  # without any decision for so long, s, the process that decides is started anew
    answer_s: float = 5.0  # s that a request waits for what it caused (then 202) or asks (1 at least, then 503)
    stop_s: float = 10.0  # s to decide what is left before the process ends
    log_level: str = "info"  # debug, info, warning or error
    tokens: tuple[Token, ...] = field(default=())
    subscriptions: tuple[Subscription, ...] = field(default=())  # who is told what is decided
    signed: Mapping[str, Signed] = field(default_factory=dict)  # formats that are taken only when they are signed
    formats: Mapping[str, Any] = field(default_factory=dict)  # the file's table [formats]: mappings of foreign JSON

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadConfig(f"service.{name}: expected {low} to {high}, got {value!r}")
        if self.log_level not in _LEVELS:
            raise BadConfig(f"service.log_level: expected one of {', '.join(_LEVELS)}, got {self.log_level!r}")
        formats_of(self.formats)  # refuses what cannot be used
        host, _ = self.address()
        if not self.tokens and not self.open_to_all and not _own(host):
            raise BadConfig(
                f"service.listen: {self.listen} can be reached from other machines and there are no tokens; "
                "add [[service.tokens]], listen on 127.0.0.1, or set service.open_to_all = true"
            )

    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65_535:
            raise BadConfig(f"service.listen: expected HOST:PORT, got {self.listen!r}; e.g. 127.0.0.1:8080")
        return host.strip("[]"), int(port)

    @classmethod
    def of(cls, table: Any, environment: Mapping[str, str]) -> Settings:
        """Settings from a TOML table and variables like GROUPING_LISTEN. Raises BadConfig."""
        if type(table) is not dict:
            raise BadConfig(f"service: expected a table, got {table!r}; write [service]")
        kinds = {spec.name: type(spec.default) for spec in fields(cls) if spec.name not in _APART}
        clean: dict[str, Any] = {"tokens": _tokens(table.get("tokens", [])), "formats": table.get("formats", {})}
        clean["subscriptions"] = subscriptions(table.get("subscriptions", []), environment)
        clean["signed"] = signatures(table.get("signed", []), environment, formats_of(clean["formats"]))
        for key, value in table.items():
            if key in _APART:
                continue
            if key not in kinds:
                raise BadConfig(
                    f"service.{key}: no such setting; there are: {', '.join([*kinds, 'tokens', 'subscriptions', 'signed'])}"
                )
            fitting = float(value) if kinds[key] is float and type(value) is int else value
            if type(fitting) is not kinds[key]:
                raise BadConfig(f"service.{key}: expected {_WORDS[kinds[key]]}, got {value!r}")
            clean[key] = fitting
        for key, kind in kinds.items():
            value = environment.get(f"GROUPING_{key.upper()}")
            if value is not None:
                clean[key] = _read(f"GROUPING_{key.upper()}", kind, value)
        return cls(**clean)


_APART = ("tokens", "subscriptions", "signed", "formats")  # tables
_LEVELS = ("debug", "info", "warning", "error")
_WORDS: dict[type, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_BOUNDS: dict[str, tuple[float, float]] = {
    "body_max": (1024, 256 * MIB),
    "events_max": (1, 1_000_000),
    "under_way_max": (1024, 1 << 40),
    "read_s": (0.1, 600.0),
    "connections_max": (1, 1_000_000),
    "rate": (0.0, 1e9),
    "keep_days": (0.0, 36_500.0),
    "burst": (1.0, 1e9),
    "backlog_max": (1, 1_000_000_000),
    "reserve_mb": (0, 1_000_000_000),
    "late_s": (0.0, 86_400.0),
    "stuck_s": (1.0, 86_400.0),
    "answer_s": (0.0, 60.0),
    "stop_s": (0.0, 600.0),
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _own(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(name: str, kind: type, value: str) -> Any:
    """A variable's text as its setting's kind."""
    if kind is bool and value in ("true", "false"):
        return value == "true"
    try:
        if kind is not bool:
            return kind(value)
    except ValueError:
        pass
    raise BadConfig(f"{name}: expected {_WORDS[kind]}, got {value!r}")


def _tokens(rows: Any) -> tuple[Token, ...]:
    if type(rows) is not list:
        raise BadConfig("service.tokens: expected tables; write [[service.tokens]]")
    tokens = tuple(_token(row, f"service.tokens[{index}]") for index, row in enumerate(rows))
    if len({token.name for token in tokens}) < len(tokens) or len({token.sha256 for token in tokens}) < len(tokens):
        raise BadConfig("service.tokens: two have the same name or the same sha256; make new ones")
    return tokens


def _token(row: Any, place: str) -> Token:
    if type(row) is not dict or set(row) - {"rate", "burst"} != {"name", "sha256", "rights"}:
        told = "expected name, sha256 and rights, rate and burst if it has its own"
        raise BadConfig(f"{place}: {told}; `grouping config token NAME` prints them")
    name, digest, rights = row["name"], row["sha256"], row["rights"]
    if type(name) is not str or not name:
        raise BadConfig(f"{place}.name: expected a text, got {name!r}")
    if type(digest) is not str or not _SHA256.fullmatch(digest):
        raise BadConfig(f"{place}.sha256: expected 64 hexadecimal digits; `grouping config token NAME` prints them")
    words = [str(right) for right in Right]
    if type(rights) is not list or not rights or not all(right in words for right in rights):
        raise BadConfig(f"{place}.rights: expected some of {', '.join(words)}, got {rights!r}")
    own = {key: _own_rate(row[key], key, place) for key in ("rate", "burst") if key in row}
    return Token(name, digest, frozenset(Right(right) for right in rights), **own)


def _own_rate(value: Any, key: str, place: str) -> float:
    low, high = _BOUNDS[key]
    if type(value) not in (int, float) or not low <= value <= high:
        raise BadConfig(f"{place}.{key}: expected a number from {low:g} to {high:g}, got {value!r}")
    return float(value)
