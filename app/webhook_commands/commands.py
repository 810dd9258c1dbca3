"""The commands of `nameplate webhooks`. None needs the database or a setting."""

from __future__ import annotations

import asyncio
import base64
import secrets
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

WRONG, UNUSABLE = 1, 2
SECRET_BYTES = 24

webhooks = typer.Typer(no_args_is_help=True, help="For developing a receiver of webhooks.")


@webhooks.command()
def listen(
    forward_to: Annotated[str, typer.Option(help="The receiver's URL on this machine.")],
    api: Annotated[
        str, typer.Option(envvar="API", help="Where the API answers.")
    ] = "http://127.0.0.1:8000",
    key: Annotated[
        str | None,
        typer.Option(envvar="KEY", help="An API key that may read.", show_default=False),
    ] = None,
    event_type: Annotated[
        list[str] | None,
        typer.Option(help="Only this type; may be repeated.", show_default="all types"),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            envvar="SECRET", help="Sign with this secret, whsec_...", show_default="a new one"
        ),
    ] = None,
) -> None:
    """Forward events to a receiver on this machine, signed as webhooks, until Ctrl-C.

    No endpoint is needed, and none is changed. Each event is sent once: there are no retries.
    """
    from app.webhook_commands.listening import CannotListen, Source
    from app.webhook_commands.listening import listen as forward_events
    from app.webhook_commands.verification import Keys, NotToBeJudged

    if not key:
        _fail("no API key: set KEY, or give --key", UNUSABLE)
    own = secret or "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    try:
        Keys.of(secret=own, public_key=None)
        _say_at_once(f"signing with {own}")
        source = Source(api=api, key=key, event_types=tuple(event_type or ()))
        _run_until_stopped(
            forward_events(
                source, forward_to=forward_to, secret=own, say=_say_at_once, say_error=_say_error
            )
        )
    except NotToBeJudged as error:
        _fail(str(error), UNUSABLE)
    except CannotListen as error:
        _fail(str(error), WRONG)


@webhooks.command()
def verify(
    file: Annotated[
        Path, typer.Argument(help="The body, byte for byte; `-` is standard input.")
    ] = Path("-"),
    secret: Annotated[
        str | None,
        typer.Option(envvar="SECRET", help="The endpoint's secret, whsec_...", show_default=False),
    ] = None,
    public_key: Annotated[
        str | None,
        typer.Option(help="The endpoint's public key, whpk_...", show_default=False),
    ] = None,
    id: Annotated[  # noqa: A002 - the option's name
        str | None, typer.Option(help="The header webhook-id.", show_default=False)
    ] = None,
    timestamp: Annotated[
        str | None, typer.Option(help="The header webhook-timestamp.", show_default=False)
    ] = None,
    signature: Annotated[
        str | None, typer.Option(help="The header webhook-signature.", show_default=False)
    ] = None,
    request: Annotated[
        Path | None,
        typer.Option(
            help="A captured HTTP request, instead of the headers and FILE.", show_default=False
        ),
    ] = None,
) -> None:
    """Say whether a webhook's signature is right, and if not, why.

    Ends with 0 if it is right, 1 if it is not, and 2 if nothing can be said: a key or a file is
    unusable.
    """
    from app.webhook_commands.verification import (
        Keys,
        NotToBeJudged,
        Received,
        judge,
        parse_request,
    )

    given = [each for each in (id, timestamp, signature) if each is not None]
    if request is not None and given:
        _fail("--request has the headers: leave out the others", UNUSABLE)
    if request is None and len(given) < 3:  # noqa: PLR2004 - the three above
        _fail("give --id, --timestamp and --signature, or --request", UNUSABLE)
    try:
        keys = Keys.of(secret=secret, public_key=public_key)
        if request is not None:
            received = parse_request(_read(request))
        else:
            received = Received(id or "", timestamp or "", signature or "", _read(file))
        verdict = judge(received, keys, now=time.time())
    except NotToBeJudged as error:
        _fail(str(error), UNUSABLE)
    except OSError as error:
        _fail(f"{error.filename} cannot be read: {error.strerror}", UNUSABLE)
    typer.echo(verdict.why)
    if not verdict.is_right:
        raise typer.Exit(WRONG)


def _read(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()


def _run_until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGINT or SIGTERM asks to stop, which is a good end."""

    async def run() -> None:
        task = asyncio.create_task(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def _say_at_once(line: str) -> None:
    """Print a line that a pipe gets as well as soon as it is said."""
    typer.echo(line)
    sys.stdout.flush()


def _say_error(line: str) -> None:
    typer.echo(f"nameplate: {line}", err=True)


def _fail(line: str, status: int) -> NoReturn:
    _say_error(line)
    raise typer.Exit(status)
