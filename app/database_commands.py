"""The commands that act on the database alone: keys, zones and hostnames."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.logging import set_up_logging
from app.settings import SecretsSettings, load_database_settings, load_secrets_settings

CONNECT_WAIT_SECONDS = 2.0
_MINUTE = "%Y-%m-%d %H:%M"

keys = typer.Typer(no_args_is_help=True, help="API keys, and keys for encryption at rest.")
hostnames = typer.Typer(no_args_is_help=True, help="What an operator does to a hostname.")
zones = typer.Typer(
    no_args_is_help=True, help="List zones, pause and resume them, set their tokens."
)


def say(line: str) -> None:
    """Print for people, on standard error."""
    typer.echo(line, err=True)


def reach(database_url: str, tries: int) -> None:
    """Wait until Postgres can be reached.

    Raises:
        NotReady: it could not be, in so many tries.
    """
    from app.persistence.database import wait_until_reachable

    asyncio.run(
        wait_until_reachable(
            database_url, attempts=tries, wait_seconds=CONNECT_WAIT_SECONDS, say=say
        )
    )


def _instant(text: str) -> datetime:
    """Read an instant with its offset from UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise typer.BadParameter("must be an instant such as 2027-11-26T12:00:00Z")
    return instant


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="A name for the key, to tell keys apart.")] = "unnamed",
    scope: Annotated[str, typer.Option(help="read, write or admin.")] = "write",
    tenant: Annotated[
        str | None, typer.Option(help="Bind the key to this tenant; not with admin.")
    ] = None,
    expires_at: Annotated[
        datetime | None,
        typer.Option(
            parser=_instant,
            metavar="TIME",
            help="When it stops working, such as 2027-11-26T12:00:00Z.",
        ),
    ] = None,
) -> None:
    """Create an API key and print it; it is shown only once."""
    from app.services.api_keys import ApiKeys

    _, secret = _with_database(
        lambda database: ApiKeys(database).create(
            name=name, scope=scope, tenant=tenant, expires_at=expires_at
        )
    )
    typer.echo(secret)


@keys.command("secret")
def keys_secret() -> None:
    """Generate a key for NAMEPLATE_SECRET_KEYS and print it."""
    from cryptography.fernet import Fernet

    typer.echo(Fernet.generate_key().decode())


@keys.command("list")
def keys_list() -> None:
    """List the API keys, newest first.

    Id, beginning, scope, day of creation, whether it is revoked or expires, last use, tenant, name.
    """
    from app.services.api_keys import ApiKeys

    for key in _with_database(lambda database: ApiKeys(database).list()):
        state = "active"
        if key.revoked_at:
            state = f"revoked {key.revoked_at:{_MINUTE}}"
        elif key.expires_at:
            verb = "expires" if key.expires_at > datetime.now(UTC) else "expired"
            state = f"{verb} {key.expires_at:{_MINUTE}}"
        used = f"used {key.last_used_at:{_MINUTE}}" if key.last_used_at else "not used"
        begins = f"{key.prefix}..." if key.prefix else "-"
        tenant = "-" if key.tenant is None else key.tenant
        typer.echo(
            f"{key.id}  {begins:10}  {key.scope:5}  {key.created_at:%Y-%m-%d}  {state}  {used}  "
            f"{tenant}  {key.name}"
        )


@keys.command("revoke")
def keys_revoke(
    key: Annotated[str, typer.Argument(help="The id of the key, not the key itself.")],
) -> None:
    """Revoke an API key; this takes effect at once."""
    from app.services.api_keys import ApiKeys

    revoked = _with_database(lambda database: ApiKeys(database).revoke(key))
    typer.echo(f"{revoked.id} ({revoked.name}) is revoked.")


@keys.command("rotate-secrets")
def keys_rotate_secrets() -> None:
    """Re-encrypt every stored secret with the first of NAMEPLATE_SECRET_KEYS; safe to repeat."""
    rotated, kept = _with_secrets(lambda secrets: secrets.rotate())
    typer.echo(f"{rotated} secrets were re-encrypted, {kept} had the newest key already.")


Hostname = Annotated[str, typer.Argument(help="A custom hostname, or its id.")]


@hostnames.command("adopt")
def hostnames_adopt(hostname: Hostname) -> None:
    """Take over the custom hostname that the zone already has with this name."""
    adopting = _with_hostname(hostname, lambda actions, found: actions.adopt(found))
    typer.echo(f"{adopting.hostname.name} is adopted as {adopting.id}.")


@hostnames.command("release")
def hostnames_release(hostname: Hostname) -> None:
    """Remove a custom hostname and free its name, wherever its DNS points."""
    freed = _with_hostname(hostname, lambda actions, found: actions.release(found))
    typer.echo(f"{freed.hostname.name} is free once Cloudflare has removed it.")


def _with_hostname(hostname: str, action: Callable[[Any, str], Awaitable[Any]]) -> Any:
    from app.services.operator_actions import OperatorActions

    async def act_on_it(database: Any) -> Any:
        actions = OperatorActions(database)
        return await action(actions, await actions.id_of(hostname))

    return _with_database(act_on_it)


Zone = Annotated[str, typer.Argument(help="A zone's id; `default` names the default one.")]


@zones.command("pause")
def zones_pause(
    zone: Zone = "default",
    detail: Annotated[
        str | None, typer.Option(help="Why the zone is paused; shown with the zone.")
    ] = None,
) -> None:
    """Pause a zone: no calls to Cloudflare and no conclusions until it is resumed."""
    paused = _with_pauses(lambda pauses: pauses.pause_by_operator(zone, detail=detail))
    typer.echo(f"{paused.id} is paused.")


@zones.command("resume")
def zones_resume(
    zone: Zone = "default",
    *,
    accept_regressions: Annotated[
        bool, typer.Option("--accept-regressions", help="Accept the losses and emit their events.")
    ] = False,
) -> None:
    """Resume a zone. What fell due during the pause is spread over at most one hour."""
    resumed = _with_pauses(
        lambda pauses: pauses.resume(zone, accept_regressions=accept_regressions)
    )
    typer.echo(f"{resumed.id} is resumed.")


@zones.command("list")
def zones_list() -> None:
    """List the zones, the default one first: id, Cloudflare's id, name, and what paused it."""
    from app.persistence.zones import list_zones

    async def read(database: Any) -> Any:
        async with database.transaction() as tx:
            return await list_zones(tx)

    for zone in _with_database(read):
        state = f"paused ({zone.pause.reason})" if zone.pause else "open"
        default = "  default" if zone.is_default else ""
        typer.echo(f"{zone.id}  {zone.cloudflare_zone_id}  {zone.name or '-'}  {state}{default}")


@zones.command("set-token")
def zones_set_token(zone: Annotated[str, typer.Argument(help="The zone's id.")]) -> None:
    """Set a zone's API token, read from standard input.

    For zones other than the default one, whose token is a setting.
    """
    token = _read_secret("API token: ")
    changed = _with_secrets(lambda secrets: secrets.set_zone_token(zone, token))
    typer.echo(f"{changed.id} has a new token.")


def _read_secret(prompt: str) -> str:
    """Read one line, without showing it where somebody types."""
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, prompt_suffix=""))
    return sys.stdin.readline().strip()


def _with_secrets(change: Callable[[Any], Awaitable[Any]]) -> Any:
    from app.bootstrap import read_secret_keys
    from app.services.stored_secrets import StoredSecrets

    settings: SecretsSettings = load_secrets_settings()
    cipher = read_secret_keys(settings.secret_key_texts)
    return _with_database(lambda database: change(StoredSecrets(database, cipher)))


def _with_pauses(change: Callable[[Any], Awaitable[Any]]) -> Any:
    from app.services.zone_pauses import Pauses

    return _with_database(lambda database: change(Pauses(database)))


def _with_database(change: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run one change on a database that has this code's schema."""
    from app.persistence.database import open_database, require_schema

    set_up_logging("console", logging.CRITICAL)
    settings = load_database_settings()
    reach(settings.database_url, settings.database_tries)

    async def run_change() -> Any:
        await require_schema(settings.database_url)
        async with open_database(settings.database_url, connections=1) as database:
            return await change(database)

    return asyncio.run(run_change())
