"""`nameplate demo`: everything on this machine, until told to stop."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx
import typer

from app.local.client import CallFailed
from app.local.samples import play_samples
from app.local.stack import Stack, StackOptions, running_stack

GUIDE = """
Nameplate is running with a sandbox in place of Cloudflare. Press Ctrl-C to stop it.

  API            {api}/v1   (OpenAPI: {api}/openapi.json)
  admin key      {api_key}
  sandbox        {sandbox}/control
  DNS            {dns}
  webhooks       {receiver}, listed at {sandbox}/control/receiver/deliveries
  Postgres       {database_url}
  metrics        {metrics_api} (API), {metrics_worker} (worker)

List the hostnames:

  curl -s -H "Authorization: Bearer {api_key}" {api}/v1/custom-hostnames
"""


async def run_demo(
    options: StackOptions, database_url: str, stop: asyncio.Event, *, empty: bool, as_json: bool
) -> None:
    """Run until `stop` is set; say on standard output where everything is."""
    async with running_stack(options, database_url, ended=stop) as stack:
        _announce(stack, as_json=as_json)
        samples = None if empty else asyncio.create_task(_samples(stack))
        await stop.wait()
        if samples is not None:
            samples.cancel()
            with suppress(asyncio.CancelledError):
                await samples


async def _samples(stack: Stack) -> None:
    try:
        await play_samples(stack)
    except* (CallFailed, httpx.HTTPError, OSError) as errors:
        # Somebody may be playing with the sandbox's faults: the samples are no reason to end.
        typer.echo(f"the sample tenants stopped: {errors.exceptions[0]!r}", err=True)


def _announce(stack: Stack, *, as_json: bool) -> None:
    if as_json:
        typer.echo(stack.to_json())
        return
    values = {name: getattr(stack, name) for name in Stack.__dataclass_fields__}
    typer.echo(GUIDE.format(**values))
