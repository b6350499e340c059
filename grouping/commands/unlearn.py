"""grouping unlearn: take back what somebody taught."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from grouping.commands.common import KEPT
from grouping.commands.kept import kept
from grouping.config import Config
from grouping.draw import name
from grouping.parse import MAX_NAME
from grouping.views import Views


@click.command()
@click.option("--actor", required=True, help="Whose feedback, as it was sent.")
@click.option("--state", type=KEPT, required=True, help="State directory of a replay or of the service; it may go on.")
@click.option("--scope", help="In this scope only.")
def command(actor: str, state: Path, scope: str | None) -> None:
    """Print the events that undo all that ACTOR's feedback did and taught, the latest first.

    Send them where feedback goes, e.g. `| curl --data-binary @- localhost:8080/events`. What was learned is then what
    the others alone would have taught; sent twice, they are no-ops.
    """
    with kept(state) as store:
        given = [one for one in Views(Config(), store).feedback_of(actor) if scope in (None, one[0])]
    for where, id in given:
        event = {
            "kind": "feedback",
            "id": _undo_of(where, id),
            "scope": where,
            "actor": "unlearn",
            "action": "undo",
        }
        sys.stdout.buffer.write(orjson.dumps(event | {"feedback": id}, option=orjson.OPT_APPEND_NEWLINE))
    if not given:
        place = "" if scope is None else f" in scope {scope!r}"
        click.echo(f"nothing to undo: no feedback of {actor!r} stands{place} in {state}", err=True)


def _undo_of(scope: str, feedback: str) -> str:
    """The id of the event that undoes a feedback; of one whose id is as long as an id may be, by its hash."""
    id = f"undo-{feedback}"
    return id if len(id) <= MAX_NAME else name("undo", scope, feedback)
