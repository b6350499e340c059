"""grouping explain: why an alert was grouped as it was."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import orjson

from grouping.commands.common import KEPT
from grouping.commands.kept import kept
from grouping.config import Config
from grouping.explain import repeated
from grouping.runtimes.store import Store
from grouping.views import Views


@click.command()
@click.argument("id", metavar="ALERT|DECISION")
@click.option(
    "--state", type=KEPT, required=True, help="State directory of a replay, a service or a worker; it may go on."
)
@click.option("--scope", default="default", show_default=True, help="Scope of the alert.")
@click.option("--json", "as_json", is_flag=True, help="All of it, as one JSON object.")
def command(id: str, state: Path, scope: str, as_json: bool) -> None:
    """Say why an alert joined its incident, opened one or counted as a repeat: what settled it, and who said so.

    The contributions, added up in order and in single precision, are the score to the last bit.
    """
    with kept(state, scope) as store:
        found = _found(store, scope, id)
    if found is None:
        raise click.UsageError(
            f"{id}: no such alert or decision in scope {scope!r} of {state}; look up its id and scope"
        )
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return
    click.echo(f"{found['alert']}: {found['action']} {found['incident']} ({found['ruled']})")
    click.echo(found["words"])
    for feature, part in found.get("why", {}).items():
        click.echo(f"  {feature:<14} {part:+.6f}")
    if "score" in found:
        click.echo(f"  {'score':<14} {found['score']:+.6f}")
    runner_up = found.get("runner_up")
    if runner_up is not None:
        other = f"joining {runner_up['incident']}" if runner_up["incident"] else "opening a new incident"
        side = "behind" if found["margin"] >= 0 else "ahead"
        click.echo(f"  {'next best':<14} {runner_up['score']:+.6f}  {other}, {abs(found['margin']):.6f} {side}")


def _found(store: Store, scope: str, id: str) -> dict[str, Any] | None:
    views = Views(Config(), store)
    found = views.explanation(scope, id)
    if found is None and id.startswith("d-"):
        alert = views.alert_of(scope, id)
        found = None if alert is None else views.explanation(scope, alert)
    return found or _repeat(store, scope, id)


def _repeat(store: Store, scope: str, id: str) -> dict[str, Any] | None:
    """The same for a repeat, of which nothing is kept but its output line."""
    quoted = orjson.dumps(id)
    for lines in store.outputs():
        if quoted not in lines:
            continue
        for text in lines.splitlines():
            line = orjson.loads(text) if quoted in text and b'"repeats"' in text else {}
            if line.get("scope") == scope and id in (line["alert"], line["decision"]):
                return repeated(line)
    return None
