"""Backups of the service. The log is the truth: all else is decided from it again, to the same bytes.

But for two things. Who has been told what cannot be decided again: the outbox is copied first, so that it speaks of no
event that the copied log lacks. And where the beginning of the log was removed, the base stands for it (base.py).
"""

from __future__ import annotations

from pathlib import Path

from grouping.runtimes import base, disk
from grouping.runtimes.bypassed import bypassed, lines_of
from grouping.runtimes.held import together
from grouping.runtimes.log import Full, Log, LogError, read, removed, segments
from grouping.runtimes.outbox.ledger import FILE, Ledger, LedgerError
from grouping.runtimes.store import StoreError


class BadBackup(Exception):
    """A backup that cannot be made or restored; the message names place and remedy."""


def backup(directory: Path, to: Path) -> int:
    """Copy log, base and outbox of a service's directory, checked, to a new one; the number of the last event.

    A backup is such a directory itself: the same brings it back. Raises BadBackup.
    """
    if not (directory / "log").is_dir():
        raise BadBackup(f"{directory}: no log in it; name the --state directory of `grouping serve`, or a backup of it")
    try:
        if to.exists() and any(to.iterdir()):
            raise BadBackup(f"{to}: not empty; name a new directory")
        disk.make(to)
        if (directory / FILE).exists():
            _copy_outbox(directory, to)
        with together(directory / "log"):
            return _copy_log(directory, to)
    except (LogError, LedgerError, StoreError) as error:
        raise BadBackup(str(error)) from None
    except Full as full:
        raise BadBackup(f"{to}: {full}; make room, or choose another directory") from None
    except OSError as error:
        raise BadBackup(f"{error.filename or to}: {error.strerror}; make it readable, or choose another") from None


def _copy_log(directory: Path, to: Path) -> int:
    """While nothing is removed. Raises LogError, Full, StoreError, OSError."""
    log, gone, found = directory / "log", removed(directory / "log"), base.base(directory)
    if gone > (found[0] if found else 0):
        raise LogError(f"{directory}: events up to {gone} were removed and no base stands for them; restore base/")
    if found is not None:
        disk.make(to / "base")
        base.copy(found[1], to / "base" / found[1].name)
    copy = Log(to / "log", first=min((first for first, _ in segments(log)), default=gone + 1))
    faults = bypassed(log)
    for batch in read(log):
        copy.append(lines_of(batch, faults))
    copy.close()
    if found is not None and copy.end < found[0]:
        raise LogError(f"{log}: ends with event {copy.end}, but the base has decided {found[0]}; restore the rest")
    return copy.end


def _copy_outbox(directory: Path, to: Path) -> None:
    outbox = Ledger(directory)
    try:
        outbox.copy(to)
    finally:
        outbox.close()
