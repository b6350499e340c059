"""grouping rollout: bring a policy into a share of the scopes."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from grouping.commands.common import KEPT
from grouping.commands.kept import kept
from grouping.config import Config
from grouping.draw import name, within
from grouping.policy import BadPolicy, policy
from grouping.views import Views


@click.command()
@click.argument("policy_name", metavar="POLICY")
@click.option(
    "--share", type=click.FloatRange(0.0, 1.0), required=True, help="Of the scopes, always the same ones first."
)
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
    for one in known:
        if not within(share, one["scope"]) or (one["set"] not in ("default", policy_name) and not force):
            continue
        has = one["set"] if mode == "auto" else (one["shadow"] or {}).get("policy")
        if has != policy_name:
            id = name("rollout", one["scope"], f"{mode}\0{policy_name}\0{one['events']}")
            event = {"kind": "policy", "id": id, "scope": one["scope"], "mode": mode, "policy": policy_name}
            sys.stdout.buffer.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
