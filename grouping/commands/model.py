"""grouping model: what a scope has learned, as a file that can be read, compared and given to another scope."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson

from grouping.commands.common import KEPT, OUT_FILE
from grouping.commands.kept import kept
from grouping.config import Config
from grouping.model import BadModel, contents, differences, exported, reset, start
from grouping.runtimes.base import make
from grouping.state import State
from grouping.views import Views

LARGEST = 64 << 20  # bytes of a file
DIFFERS = 4  # exit status: neither a fault of ours (1), nor arguments (2), nor a refused input (3)
MODEL = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Export, import, compare and reset what a scope has learned."""


@command.command("export")
@click.option(
    "--state", type=KEPT, required=True, help="State directory of a replay, a service or a worker; it may go on."
)
@click.option("--scope", default="default", show_default=True)
@click.option("--out", type=OUT_FILE, help="Write it here instead of printing it.")
def export(state: Path, scope: str, out: Path | None) -> None:
    """Write down the model of a scope: the policy set, the rules found and promoted, and the lessons."""
    with kept(state, scope, reading=True) as store:
        views = Views(Config(), store)
        if not views.knows(scope):
            raise click.UsageError(f"--scope: no scope {scope!r} in {state}")
        text = orjson.dumps(views.model(scope), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_bytes(text)


@command.command("import")
@click.argument("file", type=MODEL)
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), required=True, help="Of a replay, or new.")
@click.option("--scope", "scopes", multiple=True, required=True, help="A new scope or one reset; may be given again.")
@click.option("--service", is_flag=True, help="The directory is for `grouping serve`, which has not had an event.")
def import_(file: Path, state: Path, scopes: tuple[str, ...], *, service: bool) -> None:
    """Let scopes that are new or reset start with the model in FILE. Nothing may have the directory open."""
    model = _read(file)
    said: list[str] = []
    with _changed(state, service=service) as records:
        for scope in scopes:
            start(records, scope, model)
            now = exported(records, scope)
            said.append(f"scope {scope} starts with {contents(now)}; {now['decides']} decides")
    click.echo("\n".join(said), err=True)


@command.command()
@click.argument("one", type=MODEL)
@click.argument("other", type=MODEL)
def diff(one: Path, other: Path) -> None:
    """Say what model OTHER has otherwise than model ONE; exit status 4 if anything."""
    lines = list(differences(_read(one), _read(other)))
    for line in lines:
        click.echo(line)
    raise SystemExit(DIFFERS if lines else 0)


@command.command("reset")
@click.option("--state", type=KEPT, required=True, help="State directory of a replay that is not running.")
@click.option("--scope", default="default", show_default=True)
@click.option("--service", is_flag=True, help="Of `grouping serve`, which has not had an event: take back an import.")
def reset_(state: Path, scope: str, *, service: bool) -> None:
    """Let a scope begin to learn anew; its incidents stay."""
    with _changed(state, service=service) as records:
        gone = reset(records, scope)
        now = exported(records, scope)["decides"]
    click.echo(f"scope {scope} has forgotten {contents(gone)}; {now} decides", err=True)


def _read(file: Path) -> dict[str, Any]:
    if file.stat().st_size > LARGEST:
        raise click.UsageError(f"{file}: more than {LARGEST >> 20} MiB; this is no model")
    try:
        model = orjson.loads(file.read_bytes())
        start(State(Config()), "tried", model if type(model) is dict else {})
    except orjson.JSONDecodeError as error:
        raise click.UsageError(f"{file}: not JSON ({error}), so no model; export it with this version") from None
    except BadModel as error:
        raise click.UsageError(f"{file}: {error}") from None
    found: dict[str, Any] = model
    return found


@contextmanager
def _changed(state: Path, *, service: bool) -> Iterator[State]:
    """The state in a directory, written back. Raises UsageError where it belongs to a log, which would not know."""
    owner = state.parent if state.name == "store" else state  # a service's directory, if it is one
    if any((owner / "log").glob("*.log")):
        raise click.UsageError(
            f"{state}: belongs to the log of a service, which decides it anew; send `policy` events, or undo lessons "
            "with `grouping unlearn`"
        )
    if not service and (owner / "base").is_dir():
        raise click.UsageError(f"{state}: of a service that has a model to start with; use --state {owner} --service")
    with kept(state / "store" if service else state, reading=False) as store:
        if "stepped" in store.position():
            raise click.UsageError(
                f"{state}: the state of a worker on Kafka, whose truth is the topic: send `policy` events, or undo "
                "lessons with `grouping unlearn`"
            )
        records = State(Config(), store)
        try:
            yield records
        except BadModel as error:
            raise click.UsageError(str(error)) from None
        store.commit(records.drain(), b"", 0, store.position())
        if service:
            make(store, state)  # the log cannot say what was there before it
