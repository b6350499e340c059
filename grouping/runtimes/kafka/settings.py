"""What a worker is told: where the brokers are, what the topics are called, how it proves who it is."""

from __future__ import annotations

import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from grouping.config import Config

EVENTS, DECISIONS, INCIDENTS, STATE = "events", "decisions", "incidents", "state"
INBOX, DEAD_LETTERS = "inbox", "dead_letters"

FILES: tuple[str, ...] = ("ca_file", "cert_file", "key_file", "key_password")

MAX_RECORD = 16 * 1024 * 1024  # bytes of one request to a broker; a topic's own limit is mostly lower
MAX_BATCH = 900_000  # bytes of records sent together, below the 1 MB that a broker takes unless told otherwise


class BadSettings(ValueError):
    """Settings that cannot be used; the message names place and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that a worker is told. Times are in seconds of the wall clock."""

    brokers: str  # HOST:PORT, several with commas
    state: Path  # of this worker alone
    config: Config = field(default_factory=Config)
    prefix: str = ""  # before the names of all topics, of the group and of the transactions
    security: Mapping[str, Any] = field(default_factory=dict)  # as `connection` takes them
    accept_loss: bool = False  # go on where events were deleted before they were read
    keep_days: float = 0.0  # incidents that nothing was said of for so long, by their events, are deleted; 0: never
    batch_events: int = 500  # at most so many in one transaction
    linger_s: float = 0.02  # wait after a batch that was not full
    checkpoint_events: int = 4096  # a new owner steps at most so many events again ...
    checkpoint_s: float = 5.0  # ... and what came in longer ago than this not at all
    session_s: float = 10.0  # silence after which the group gives a worker's partitions to others
    transactions: int = 6  # partitions of this worker whose batches are under way at once, at most
    transaction_s: float = 30.0  # one that takes longer is given up, by the brokers and by us

    def topic(self, name: str) -> str:
        """The full name of a topic."""
        return self.prefix + name

    @property
    def group(self) -> str:
        """The consumer group of all workers that share the work."""
        return f"{self.prefix}grouping"

    @property
    def ingress_group(self) -> str:
        """The consumer group of those that read `inbox` and the topics of foreign payloads."""
        return f"{self.prefix}grouping-ingress"

    @property
    def digest(self) -> str:
        """Of everything that decides what the engine answers: a state belongs to one."""
        return blake2b(orjson.dumps(asdict(self.config)), digest_size=8).hexdigest()

    def connection(self) -> dict[str, Any]:
        """What every client of Kafka is given to connect. Raises BadSettings, OSError."""
        security = dict(self.security)
        found: dict[str, Any] = {"bootstrap_servers": self.brokers}
        protocol = security.pop("protocol", "PLAINTEXT")
        files = {key: security.pop(key) for key in FILES if key in security}
        if protocol not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
            raise BadSettings(f"protocol: expected PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, got {protocol!r}")
        found["security_protocol"] = protocol
        if protocol.endswith("SSL"):
            found["ssl_context"] = _tls(files)
        elif files:
            raise BadSettings(f"{next(iter(files))}: of no use with {protocol}; set protocol to SSL or SASL_SSL")
        mechanism = security.pop("mechanism", "PLAIN")
        if protocol.startswith("SASL"):
            if mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
                raise BadSettings(f"mechanism: expected PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, got {mechanism!r}")
            if not {"username", "password"} <= security.keys():
                raise BadSettings(f"username and password: {protocol} needs both")
            found["sasl_mechanism"] = mechanism
            found["sasl_plain_username"] = security.pop("username")
            found["sasl_plain_password"] = security.pop("password")
        if security:
            raise BadSettings(f"{next(iter(security))}: no such setting, or of no use with {protocol}")
        return found


def read_security(file: Path) -> dict[str, Any]:
    """The security settings of a TOML file. Raises BadSettings, OSError."""
    try:
        found = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{file}: {error}") from None
    for key, value in found.items():
        if type(value) is not str:
            raise BadSettings(f"{file}: {key}: expected a text, got {value!r}; quote it")
    return found


def _tls(files: Mapping[str, str]) -> ssl.SSLContext:
    """Checks the broker's certificate and name, always; shows our own where there is one."""
    try:
        context = ssl.create_default_context(cafile=files.get("ca_file"))
        if "cert_file" in files:
            context.load_cert_chain(files["cert_file"], files.get("key_file"), files.get("key_password"))
    except ssl.SSLError as error:
        raise BadSettings(f"certificates: {error.reason or error}; give PEM files") from None
    except OSError as error:
        raise BadSettings(f"certificates: {error.strerror}: {', '.join(files.values())}") from None
    return context
