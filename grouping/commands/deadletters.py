"""grouping deadletters: notices that could not be delivered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import orjson

from grouping.commands.common import KEPT
from grouping.runtimes.outbox.ledger import FILE, Ledger, LedgerError

PAGE = 1000

_SUBSCRIPTION = click.option("--subscription", help="Of this subscription only.")


@click.group()
def command() -> None:
    """List what could not be delivered, send it again or discard it."""


@command.command(name="list")
@click.argument("state", type=KEPT, metavar="DIR")
@_SUBSCRIPTION
def list_(state: Path, subscription: str | None) -> None:
    """Print the dead letters of the service on DIR, one a line, the oldest first; also while it runs."""
    after = 0
    with _ledger(state) as ledger:
        while found := ledger.letters(subscription, after=after, most=PAGE):
            for letter in found:
                click.echo(orjson.dumps(letter.shown()))
            after = found[-1].number


@command.command()
@click.argument("state", type=KEPT, metavar="DIR")
@click.argument("numbers", type=click.IntRange(min=1), nargs=-1, metavar="[NUMBER]...")
@_SUBSCRIPTION
@click.option("--all", "every", is_flag=True, help="All there are, instead of numbers.")
def resend(state: Path, numbers: tuple[int, ...], subscription: str | None, every: bool) -> None:
    """Send dead letters again: those of these NUMBERs, or all of them.

    The service on DIR does it within a second, or when it is started. A letter that is taken then is no more.
    """
    _meant(numbers, every=every)
    with _ledger(state) as ledger:
        marked = ledger.resend(subscription, None if every else numbers)
    click.echo(f"{marked.resending} to be sent again", err=True)
    if marked.lost:
        remedy = "configure it again under its name, or discard them"
        click.echo(f"{marked.lost} not: their subscription is no more; {remedy}", err=True)
    _all_there(numbers, marked.resending + marked.lost)


@command.command()
@click.argument("state", type=KEPT, metavar="DIR")
@click.argument("numbers", type=click.IntRange(min=1), nargs=-1, metavar="[NUMBER]...")
@_SUBSCRIPTION
@click.option("--all", "every", is_flag=True, help="All there are, instead of numbers.")
def discard(state: Path, numbers: tuple[int, ...], subscription: str | None, every: bool) -> None:
    """Delete dead letters: those of these NUMBERs, or all of them. They are told to nobody any more."""
    _meant(numbers, every=every)
    with _ledger(state) as ledger:
        count = ledger.discard(subscription, None if every else numbers)
    click.echo(f"{count} discarded", err=True)
    _all_there(numbers, count)


def _meant(numbers: tuple[int, ...], *, every: bool) -> None:
    if every is bool(numbers):
        raise click.UsageError("name the numbers of letters, as `grouping deadletters list` prints them, or say --all")


def _all_there(numbers: tuple[int, ...], found: int) -> None:
    """The others are done by then; a script must hear of those that are not there."""
    if missing := len(set(numbers)) - found if numbers else 0:
        raise click.ClickException(f"{missing} of these numbers: no such dead letter; see `grouping deadletters list`")


@contextmanager
def _ledger(state: Path) -> Iterator[Ledger]:
    if not (state / FILE).exists():
        raise click.UsageError(f"{state}: no {FILE} in it; name the --state directory of `grouping serve`")
    try:
        with closing(Ledger(state)) as ledger:
            yield ledger
    except LedgerError as error:
        raise click.UsageError(str(error)) from None
