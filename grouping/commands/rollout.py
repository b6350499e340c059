"""grouping rollout: bring a policy into a share of the scopes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import orjson

from grouping.commands.common import KEPT, Number
from grouping.commands.kept import kept
from grouping.config import Config
from grouping.draw import name, within
from grouping.policy import BadPolicy, policy
from grouping.views import Views


@click.command()
@click.argument("policy_name", metavar="POLICY")
@click.option("--share", type=Number(0, 1), required=True, help="Of the scopes, always the same ones first.")
@click.option("--mode", type=click.Choice(["auto", "shadow", "suggest"]), default="auto", show_default=True)
@click.option("--state", type=KEPT, required=True, help="State directory of a replay or of the service; it may go on.")
@click.option("--force", is_flag=True, help="Also where a person has set another policy.")
def command(policy_name: str, share: float, mode: str, state: Path, *, force: bool) -> None:
    """Print the events that give POLICY to a share of the scopes that there are.

    Send them where feedback goes, e.g. `| curl --data-binary @- localhost:8080/events`. Scopes that have it already are
    left out; so a share can be raised step by step, also for scopes that came since.
    """
    try:
        policy(policy_name)
    except BadPolicy as error:
        raise click.UsageError(str(error)) from None
    with kept(state) as store:
        views = Views(Config(), store)
        known = [views.scope(key[3:].decode()) for key, _ in store.under(b"s")]
    meant = [one for one in known if within(share, one["scope"])]
    free = [one for one in meant if force or one["set"] in ("default", policy_name)]
    new = [one for one in free if _has(one, mode) != policy_name]
    for one in new:
        id = name("rollout", one["scope"], f"{mode}\0{policy_name}\0{one['events']}")
        event = {"kind": "policy", "id": id, "scope": one["scope"], "mode": mode, "policy": policy_name}
        sys.stdout.buffer.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
    click.echo(
        f"{len(meant)} of {len(known)} scopes: {len(new)} to get it, {len(free) - len(new)} have it, "
        f"{len(meant) - len(free)} with another policy that a person set",
        err=True,
    )


def _has(scope: dict[str, Any], mode: str) -> str | None:
    """The policy that a scope was given in this mode."""
    found: str | None = scope["set"] if mode == "auto" else (scope["shadow"] or {}).get("policy")
    return found
