"""A progress bar on a terminal: events/s and time left. Silent elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

COUNTED = "{task.completed:,.0f} of {task.total:,.0f} events"


def _bar(before: str, *after: str) -> Progress:
    """A bar with these texts before and after it, on standard error."""
    from rich.console import Console  # noqa: PLC0415 — 40 ms that those who show nothing need not wait for
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn(before), BarColumn(), *map(TextColumn, after), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5)


@contextmanager
def progress(paths: Sequence[str], *, show: bool) -> Iterator[Callable[[int, int, int], None] | None]:
    """A function that takes lines read, bytes of the present file read and open incidents; None where not shown."""
    if not show:
        yield None
        return
    sizes = [Path(path).stat().st_size for path in paths if path != "-"]
    texts = ("{task.fields[lines]:,} events", "{task.fields[rate]:,.0f}/s  {task.fields[open]:,} open")
    with _bar(*texts) as bar:
        task = bar.add_task("", total=sum(sizes) if len(sizes) == len(paths) else None, lines=0, rate=0.0, open=0)
        done = last = 0

        def tick(lines: int, at: int, incidents: int) -> None:
            nonlocal done, last
            if at < last:  # the next file
                done += last
            last = at
            elapsed = bar.tasks[0].elapsed or 1e-9
            bar.update(task, completed=done + at, lines=lines, rate=lines / elapsed, open=incidents)

        yield tick


@contextmanager
def counted(total: int, *, show: bool) -> Iterator[Callable[[int], None] | None]:
    """A function that takes how many more events are done; None where not shown."""
    if not show:
        yield None
        return
    with _bar(COUNTED) as bar:
        task = bar.add_task("", total=total)
        yield lambda more: bar.advance(task, more)


@contextmanager
def decided(*, show: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A function that takes how many events are decided, and of how many; None where not shown."""
    if not show:
        yield None
        return
    with _bar(COUNTED) as bar:
        task = bar.add_task("", total=0)
        yield lambda done, total: bar.update(task, completed=done, total=total)
