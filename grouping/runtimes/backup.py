"""Backups of the service. The log is the truth: all else is decided from it again, to the same bytes.

But for the outbox: who has been told what cannot be decided again. It is copied first, so that it speaks of no event
that the copied log lacks.
"""

from __future__ import annotations

from pathlib import Path

from grouping.runtimes.bypassed import bypassed, lines_of
from grouping.runtimes.log import Full, Log, LogError, read
from grouping.runtimes.outbox.ledger import FILE, Ledger, LedgerError


class BadBackup(Exception):
    """A backup that cannot be made; the message names place and remedy."""


def backup(directory: Path, to: Path) -> int:
    """Copy log and outbox of a service's directory, checked, to a new one; the number of events. Raises BadBackup."""
    if not (directory / "log").is_dir():
        raise BadBackup(f"{directory}: no log in it; name the --state directory of `grouping serve`")
    if to.exists() and any(to.iterdir()):
        raise BadBackup(f"{to}: not empty; name a new directory")
    try:
        copy = Log(to / "log")
        if (directory / FILE).exists():
            _copy_outbox(directory, to)
        faults = bypassed(directory / "log")
        for batch in read(directory / "log"):
            copy.append(lines_of(batch, faults))
        events = copy.end
        copy.close()
    except (LogError, LedgerError) as error:
        raise BadBackup(str(error)) from None
    except Full as full:
        raise BadBackup(f"{to}: {full}; make room, or choose another directory") from None
    return events


def _copy_outbox(directory: Path, to: Path) -> None:
    outbox = Ledger(directory)
    try:
        outbox.copy(to)
    finally:
        outbox.close()
