"""grouping config: look at settings, make tokens."""

from __future__ import annotations

import os
import secrets
import tomllib
from base64 import b64encode
from dataclasses import asdict, fields
from hashlib import sha256
from pathlib import Path

import click

from grouping.commands.common import CONFIG, settings
from grouping.commands.serving import service_settings
from grouping.runtimes.kafka.settings import BadSettings
from grouping.runtimes.kafka.sources import read_sources
from grouping.runtimes.settings import Right


@click.group()
def command() -> None:
    """Check a configuration, make tokens for it."""


@command.command()
@click.argument("file", type=CONFIG, required=False)
def check(file: Path | None) -> None:
    """Say whether the settings of FILE and of the environment can be used, and print all of them."""
    for name, value in asdict(settings(file, {})).items():
        click.echo(f"{name} = {value!r}")
    try:
        ingress = read_sources({} if file is None else tomllib.loads(file.read_text()))
    except BadSettings as error:
        raise click.UsageError(f"{file}: {error}") from None
    for source in ingress:
        scope = "".join(
            f", {name} {value}" for name, value in (("scope", source.scope), ("from", source.scope_from)) if value
        )
        click.echo(f"worker.ingress: {source.topic}: {source.format}{scope}")
    found = service_settings(file, dict(os.environ), {})
    service = {one.name: getattr(found, one.name) for one in fields(found)}
    tokens, subscriptions, signed = service.pop("tokens"), service.pop("subscriptions"), service.pop("signed")
    for name, value in service.items():
        click.echo(f"service.{name} = {value!r}")
    for token in tokens:
        own = "" if token.rate is None else f", {token.rate:g} events/s" if token.rate else ", as fast as it can"
        click.echo(f"service.tokens: {token.name}: {', '.join(sorted(token.rights))}{own}")
    for name, how in signed.items():
        click.echo(f"service.signed: {name}: {how}")
    for one in subscriptions:
        signed = f", signed with {len(one.keys)} secrets" if one.keys else ""
        click.echo(f"service.subscriptions: {one.name}: {one.shape} to {one.host}{signed}")


@command.command()
def secret() -> None:
    """Make a secret that signs the messages of a subscription."""
    click.echo(f"whsec_{b64encode(secrets.token_bytes(32)).decode()}")


@command.command()
@click.argument("name")
@click.option(
    "--right",
    "rights",
    multiple=True,
    type=click.Choice([str(right) for right in Right]),
    default=["ingest"],
    show_default=True,
)
def token(name: str, rights: tuple[str, ...]) -> None:
    """Make a token for NAME: the token itself on standard error, what the configuration needs on standard output."""
    secret = secrets.token_urlsafe(32)
    click.echo(f"The token, shown once: {secret}", err=True)
    quoted = ", ".join(f'"{right}"' for right in rights)
    click.echo(f'[[service.tokens]]\nname = "{name}"\nrights = [{quoted}]')
    click.echo(f'sha256 = "{sha256(secret.encode()).hexdigest()}"')
