"""Bases: the store as it was after some event, kept so that the log before it can go.

``DIR/base/NUMBER`` is a store of its own. It shares its files with the live one and costs what that one has rewritten
since. Whatever happens to ``DIR/store``, it is had again: the base is put back, and the log after it decided anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grouping.runtimes import disk
from grouping.runtimes.store import OtherFormat, Store, StoreError

_PART = ".part"  # ends the name of what is being made


def base(directory: Path) -> tuple[int, Path] | None:
    """The latest base of a state directory, with the number of the event it was made after."""
    found = [(int(path.name), path) for path in (directory / "base").glob("*") if path.name.isdecimal()]
    return max(found, default=None)


def make(store: Store, directory: Path) -> int:
    """Make what is committed in the store the only base; the number of the last event in it. Raises StoreError."""
    number: int = store.position().get("seq", 0)
    folder = directory / "base"
    path = folder / f"{number:020d}"
    with _told(folder):
        disk.make(folder)
        if not path.exists() or not number:  # before the first event, models may still be given
            part = folder / f"{path.name}{_PART}"
            shutil.rmtree(part, ignore_errors=True)
            store.copy(part)
            shutil.rmtree(path, ignore_errors=True)
            part.rename(path)
            disk.settle(folder)
        for other in folder.iterdir():
            if other != path:
                shutil.rmtree(other)
    return number


def put_back(directory: Path) -> bool:
    """Where there is no store but a base, make the store from it. Whether it was. Raises StoreError."""
    store, found = directory / "store", base(directory)
    if found is None or (store / "CURRENT").exists():
        return False
    copy(found[1], store)
    return True


def copy(path: Path, to: Path) -> None:
    """Copy a base, whole or not at all. Raises StoreError."""
    part = to.with_name(to.name + _PART)
    with _told(to):
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(path, part)
        disk.settle_all(part)  # before it has its name: what has that is whole, also after a loss of power
        if to.exists():
            to.rmdir()
        part.rename(to)
        disk.settle(to.parent)


def set_aside(directory: Path, other: OtherFormat) -> Path:
    """Move the store of another version away, so that the log is decided anew; where it is now. Raises StoreError.

    Raises ``other`` where the log begins after a base of that version: nothing can take its place.
    """
    found = base(directory)
    if found is not None:
        try:
            Store(found[1], reading=True).close()
        except OtherFormat:
            raise StoreError(
                f"{other}: and what the log followed cannot be read either. `grouping model export` each scope with the "
                "version that wrote it, and begin a new directory with `grouping model import --service`"
            ) from None
    aside = directory / f"store.format-{other.found}"
    with _told(aside):
        shutil.rmtree(aside, ignore_errors=True)
        (directory / "store").rename(aside)
    return aside


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}; make room, or make it writable") from None
