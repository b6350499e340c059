"""What was delivered to whom, and what could not be: one SQLite database beside the log.

Per subscription the number of the last event whose notices are all delivered or dead letters; notices themselves stay
with the decisions. Other processes may list dead letters and mark them to be sent again while the service runs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from grouping.outlets.notice import Notice

FILE = "outbox.db"
FORMAT = 1
LETTERS_MAX = 10_000  # dead letters kept per subscription; beyond them the oldest goes

_TABLES = """
CREATE TABLE IF NOT EXISTS positions (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    notice TEXT NOT NULL,  -- its id
    row TEXT NOT NULL,
    why TEXT NOT NULL,
    tries INTEGER NOT NULL,
    at REAL NOT NULL,  -- when it was given up, s since the epoch
    again INTEGER NOT NULL DEFAULT 0,  -- 1: to be sent again
    UNIQUE (name, notice)
);
"""


class LedgerError(Exception):
    """The ledger cannot be used; the message names place and remedy."""


class Letter(NamedTuple):
    """A dead letter: a notice that a subscription would not take."""

    number: int
    name: str
    notice: Notice
    why: str
    tries: int
    at: float
    again: bool

    def shown(self) -> dict[str, Any]:
        """For people."""
        notice = self.notice
        about = {"incident": notice.incident, "event": str(notice.event), "scope": notice.scope, "title": notice.title}
        own = {"number": self.number, "subscription": self.name, "notice": notice.id, "seq": notice.seq}
        return own | about | {"why": self.why, "tries": self.tries, "at": self.at, "again": self.again}


_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_AWAY = "restore it from a backup, or move it away: then subscriptions hear of what is accepted from then on, and dead letters are gone"


class Marked(NamedTuple):
    """Dead letters that will be sent again, and those that nobody is there for."""

    resending: int
    lost: int


class Ledger:
    """The database. Not for several threads at once."""

    def __init__(self, directory: Path) -> None:
        """Open or make it. Raises LedgerError."""
        self._path = directory / FILE
        with self._told():
            self._db = sqlite3.connect(self._path, timeout=5.0, isolation_level=None, check_same_thread=False)
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                (found,) = self._db.execute("PRAGMA user_version").fetchone()
                if found == 0:
                    self._db.executescript(f"{_TABLES}PRAGMA user_version={FORMAT};")
            except sqlite3.Error:
                self._db.close()
                raise
        if found not in (0, FORMAT):
            self._db.close()
            raise LedgerError(f"{self._path}: written in format {found}, this version reads {FORMAT}; move it away")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def copy(self, directory: Path) -> None:
        """Make a copy in another directory, of one moment, while others write. Raises LedgerError."""
        with self._told():
            target = sqlite3.connect(directory / FILE)
            try:
                self._db.backup(target)
            finally:
                target.close()

    # -- positions

    def begin(self, names: Sequence[str], end: int) -> dict[str, int]:
        """The positions of the subscriptions there are. A new one begins after event ``end``; others are forgotten."""
        with self._told(), self._whole():
            kept = dict(self._db.execute("SELECT name, seq FROM positions"))
            self._db.executemany(
                "DELETE FROM positions WHERE name = ?", [(name,) for name in kept if name not in names]
            )
            fresh = [(name, end) for name in names if name not in kept]
            self._db.executemany("INSERT INTO positions VALUES (?, ?)", fresh)
        return {name: kept.get(name, end) for name in names}

    def advance(self, name: str, seq: int) -> None:
        """All up to event ``seq`` is delivered."""
        with self._told():
            self._db.execute("UPDATE positions SET seq = ? WHERE name = ?", (seq, name))

    # -- dead letters

    def bury(self, name: str, notice: Notice, why: str, tries: int, *, letter: bool = False) -> int:
        """Keep a notice that could not be delivered; how many older ones had to go for it.

        ``letter``: it was one that was sent again, and stays away if it was discarded meanwhile.
        """
        if letter:
            with self._told():
                self._db.execute(
                    "UPDATE letters SET why = ?, tries = tries + ?, at = ?, again = 0 WHERE name = ? AND notice = ?",
                    (why, tries, time.time(), name, notice.id),
                )
            return 0
        row = orjson.dumps(notice.row()).decode()
        with self._told(), self._whole():
            self._db.execute(
                "INSERT INTO letters (name, notice, row, why, tries, at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET why = excluded.why, tries = letters.tries + excluded.tries, at = excluded.at, again = 0",
                (name, notice.id, row, why, tries, time.time()),
            )
            gone = self._db.execute(
                "DELETE FROM letters WHERE number IN "
                "(SELECT number FROM letters WHERE name = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
                (name, LETTERS_MAX),
            )
        return gone.rowcount

    def taken(self, name: str, notice: str) -> None:
        """A dead letter was delivered after all."""
        with self._told():
            self._db.execute("DELETE FROM letters WHERE name = ? AND notice = ?", (name, notice))

    def letters(self, name: str | None = None, *, after: int = 0, most: int = 100, again: bool = False) -> list[Letter]:
        """Dead letters in order, ``again``: those to be sent again."""
        with self._told():
            rows = self._db.execute(
                "SELECT number, name, row, why, tries, at, again FROM letters WHERE number > :after "
                "AND (:name IS NULL OR name = :name) AND again >= :again ORDER BY number LIMIT :most",
                {"after": after, "name": name, "again": int(again), "most": most},
            ).fetchall()
        return [Letter(one, whose, Notice.of(orjson.loads(row)), *rest) for one, whose, row, *rest in rows]

    def resend(self, name: str | None = None, numbers: Sequence[int] | None = None) -> Marked:
        """Mark dead letters to be sent again, all or these; those of subscriptions that are no more cannot be."""
        count = "UPDATE letters SET again = 1 WHERE name IN (SELECT name FROM positions)"
        lost = "SELECT 1 FROM letters WHERE name NOT IN (SELECT name FROM positions)"
        with self._told(), self._whole():
            return Marked(self._each(count, name, numbers)[0], self._each(lost, name, numbers)[1])

    def discard(self, name: str | None = None, numbers: Sequence[int] | None = None) -> int:
        """Delete dead letters, all or these; how many."""
        with self._told(), self._whole():
            return self._each("DELETE FROM letters WHERE TRUE", name, numbers)[0]

    def _each(self, command: str, name: str | None, numbers: Sequence[int] | None) -> tuple[int, int]:
        """Do it to the letters of a name with these numbers; rows changed and rows found."""
        command += " AND (:name IS NULL OR name = :name)"
        changed = found = 0
        for number in [None] if numbers is None else dict.fromkeys(numbers):
            done = self._db.execute(
                f"{command} AND (:number IS NULL OR number = :number)", {"name": name, "number": number}
            )
            found += len(done.fetchall())
            changed += max(0, done.rowcount)
        return changed, found

    def count(self) -> dict[str, int]:
        """How many dead letters each subscription has."""
        with self._told():
            return dict(self._db.execute("SELECT name, count(*) FROM letters GROUP BY name"))

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says more than is asked
            remedy = _AWAY if code in _DAMAGED else "make it readable and writable, with room on the disk"
            raise LedgerError(f"{self._path}: {error}; {remedy}") from None
