"""grouping explain: why an alert was grouped as it was."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from grouping.commands.common import KEPT
from grouping.config import Config
from grouping.runtimes.store import Store, StoreError, kept_in
from grouping.views import Views


@click.command()
@click.argument("id", metavar="ALERT|DECISION")
@click.option("--state", type=KEPT, required=True, help="State directory of a replay or of the service; it may go on.")
@click.option("--scope", default="default", show_default=True, help="Scope of the alert.")
@click.option("--json", "as_json", is_flag=True, help="All of it, as one JSON object.")
def command(id: str, state: Path, scope: str, as_json: bool) -> None:
    """Say why an alert joined its incident or opened one: what settled it, what each feature added, who said so.

    The contributions, added up in order and in single precision, are the score to the last bit.
    """
    try:
        store = Store(kept_in(state), reading=True)
    except StoreError as error:
        raise click.UsageError(str(error)) from None
    try:
        views = Views(Config(), store)
        found = views.explanation(scope, id)
        if found is None and id.startswith("d-"):
            alert = views.alert_of(scope, id)
            found = None if alert is None else views.explanation(scope, alert)
    finally:
        store.close()
    if found is None:
        raise click.UsageError(
            f"{id}: no such alert or decision in scope {scope!r} of {state}; look up its id and scope"
        )
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return
    click.echo(f"{found['alert']}: {found['action']} {found['incident'] or 'a new incident'} ({found['ruled']})")
    click.echo(found["words"])
    for feature, part in found["why"].items():
        click.echo(f"  {feature:<14} {part:+.4f}")
    click.echo(f"  {'score':<14} {found['score']:+.4f}")
