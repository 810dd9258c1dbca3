"""The `nameplate` command. What goes wrong is one line on standard error, not a traceback."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from app import __version__
from app.database_commands import hostnames, keys, reach, say, zones
from app.domain.errors import NameplateError
from app.logging import set_up_logging
from app.persistence.database_url import InvalidDatabaseUrl
from app.settings import (
    Settings,
    SettingsError,
    load_database_settings,
    load_settings,
    named_database_url,
    refuse_unknown_settings,
)
from app.tracing.spans import TracingMissing, set_up_tracing, stop_tracing
from app.webhook_commands.commands import webhooks

USAGE = 2
NO_SANDBOX = (
    "the sandbox is not part of an installed package or of the image: "
    "clone the repository and run `make demo`, `make walk` or `.venv/bin/nameplate sandbox` there."
)

app = typer.Typer(
    name="nameplate",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Your customers' own domains on your product, through Cloudflare for SaaS.",
)
app.add_typer(keys, name="keys")
app.add_typer(hostnames, name="hostnames")
app.add_typer(zones, name="zones")
app.add_typer(webhooks, name="webhooks")

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 means any free one.")]
MetricsHost = Annotated[
    str, typer.Option(help="The address where the worker serves /metrics and /healthz.")
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Its port; 0 means any free one.", show_default="9464, or a free one"
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(file_okay=False, help="Where to keep all data.", show_default="a temporary one"),
]
Speed = Annotated[
    float, typer.Option(min=0.001, help="How many times faster than real time waits run.")
]


def run() -> None:
    """Run the command line; expected failures exit 1, wrong settings exit 2."""
    try:
        app()
    except SettingsError as error:
        _fail(error.lines, USAGE)
    except TracingMissing as error:
        _fail([str(error)], USAGE)
    except InvalidDatabaseUrl as error:
        _fail([error.detail], USAGE)
    except NameplateError as error:
        _fail([error.detail], 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not _is_expected(error):
            raise
        _fail([" ".join(str(error).split())], 1)


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer's own signature
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[  # noqa: ARG001 - its callback prints it and ends
        bool,
        typer.Option("--version", is_eager=True, callback=_version, help="Print the version."),
    ] = False,
) -> None:
    """Nameplate."""
    refuse_unknown_settings()


@app.command()
def api(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Serve the REST API."""
    from app.main import serve_api
    from app.web.serve import bind

    settings = _ready(load_settings(), "nameplate-api")
    sock = bind(host, port, "the API")
    # The loaded modules stay: the garbage collector need not walk through them again and again,
    # which is three per cent of the fast-path read.
    gc.collect()
    gc.freeze()
    _run(lambda stop: serve_api(settings, sock, stop))


@app.command()
def worker(metrics_host: MetricsHost = "127.0.0.1", metrics_port: MetricsPort = None) -> None:
    """Reconcile hostnames and send webhooks; run as many workers as you like."""
    from app.worker.health_server import bind_metrics

    settings = _ready(load_settings(), "nameplate-worker")
    metrics = bind_metrics(metrics_host, metrics_port)
    _run(lambda stop: _work(settings, stop, metrics))


@app.command()
def dev(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    metrics_host: MetricsHost = "127.0.0.1",
    metrics_port: MetricsPort = None,
    data_dir: Path = Path(".nameplate"),
) -> None:
    """Run API and worker in one process, with a local Postgres unless a database is named."""
    from app.bootstrap import check_settings
    from app.local.database import data_directory, local_database
    from app.main import serve_api
    from app.persistence.migrations import migrate as bring_up
    from app.web.serve import bind
    from app.worker.health_server import bind_metrics

    sock = bind(host, port, "the API")
    metrics = bind_metrics(metrics_host, metrics_port)
    with (
        _signals_interrupt(),
        data_directory(data_dir) as directory,
        local_database(directory, keep=True, given=named_database_url()) as url,
    ):
        settings = load_settings(url)
        set_up_logging(settings.log_format, settings.log_level)
        set_up_tracing("nameplate")
        check_settings(settings)
        bring_up(url)

        async def both(stop: asyncio.Event) -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(serve_api(settings, sock, stop))
                tasks.create_task(_work(settings, stop, metrics))

        _run(both)


@app.command()
def sandbox(
    port: Port = 8001,
    dns_port: Port = 8053,
    receiver_port: Port = 8002,
    data_dir: DataDir = None,
    speed: Speed = 60.0,
    *,
    set_up: Annotated[bool, typer.Option(help="Start with the zone set up.")] = True,
) -> None:
    """Run the Cloudflare emulator with its DNS server and webhook receiver."""
    _require_sandbox()
    from app.local.database import data_directory
    from sandbox.server import SandboxOptions, run_sandbox

    with _signals_interrupt(), data_directory(data_dir) as directory:
        options = SandboxOptions(
            data_dir=directory,
            port=port,
            dns_port=dns_port,
            receiver_port=receiver_port,
            speed=speed,
            set_up=set_up,
        )

        async def until_stopped(stop: asyncio.Event) -> None:
            async with run_sandbox(options) as running:
                typer.echo(
                    f"Cloudflare {running.cloudflare_base_url}  zone {running.cloudflare_zone_id}"
                    f"  token {running.cloudflare_token}  DNS {running.dns}"
                    f"  receiver {running.receiver}"
                )
                await stop.wait()

        _run(until_stopped)


@app.command()
def demo(
    *,
    empty: Annotated[bool, typer.Option("--empty", help="Do not add sample tenants.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the addresses as one line of JSON.")
    ] = False,
    port: Port = 8000,
    sandbox_port: Port = 8001,
    dns_port: Port = 8053,
    receiver_port: Port = 8002,
    metrics_port: MetricsPort = None,
    data_dir: DataDir = None,
    speed: Speed = 60.0,
) -> None:
    """Run everything on this machine, with a sandbox in place of Cloudflare, until Ctrl-C."""
    _require_sandbox()
    from app.local.demo import run_demo

    ports = (port, sandbox_port, dns_port, receiver_port)
    with _local_stack(data_dir, ports, metrics_port, speed) as (options, url):
        _run(lambda stop: run_demo(options, url, stop, empty=empty, as_json=as_json))


@app.command()
def walk(
    plan: Annotated[
        str, typer.Option(help="simple, zero_downtime, delegated or wildcard.")
    ] = "simple",
    mistake: Annotated[
        str | None,
        typer.Option(help="Err first: typo, caa, proxied, doubled or apex.", show_default=False),
    ] = None,
    speed: Speed = 60.0,
) -> None:
    """Take one domain through its whole life on free ports, and print each step."""
    _require_sandbox()
    from app.local.mistakes import MISTAKES
    from app.local.stack import running_stack
    from app.local.walk import WALKS
    from app.local.walk import walk as walk_through

    if plan not in WALKS:
        _fail([f"--plan must be one of {', '.join(WALKS)}."], 1)
    if mistake is not None and mistake not in MISTAKES:
        _fail([f"--mistake must be one of {', '.join(MISTAKES)}."], 1)

    async def through(_: asyncio.Event) -> None:
        async with running_stack(options, url) as stack:
            typer.echo(await walk_through(stack, plan=plan, mistake=mistake, say=typer.echo))

    with _local_stack(None, (0, 0, 0, 0), 0, speed) as (options, url):
        _run(through)


@app.command()
def dig(
    hostname: Annotated[str, typer.Argument(help="The name, as `POST` would be given it.")],
    target: Annotated[
        str | None,
        typer.Option(help="The CNAME target.", show_default="NAMEPLATE_CNAME_TARGET"),
    ] = None,
    resolver: Annotated[
        list[str] | None,
        typer.Option(help="host:port; may be repeated.", show_default="NAMEPLATE_DNS_RESOLVERS"),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Ask DNS all about one name, and say what is wrong. Needs no database and no Cloudflare."""
    from app import dig as show
    from app.bootstrap import diagnose_name
    from app.settings import load_dns_settings

    settings = load_dns_settings(cname_target=target, dns_resolvers=resolver)
    set_up_logging("console", logging.WARNING)
    found = asyncio.run(diagnose_name(settings, hostname))
    if as_json:
        typer.echo(show.as_json(found))
        return
    for line in show.as_lines(found):
        typer.echo(line)


@app.command()
def migrate(
    revision: Annotated[str, typer.Option(help="The Alembic revision to migrate to.")] = "head",
) -> None:
    """Migrate the database to the schema that this version needs."""
    from app.persistence.migrations import migrate as bring_up

    settings = load_database_settings()
    reach(settings.database_url, settings.database_tries)
    bring_up(settings.database_url, revision)
    typer.echo("The schema is up to date.")


async def _work(settings: Settings, stop: asyncio.Event, metrics: socket.socket) -> None:
    from app.bootstrap import open_services
    from app.worker.run import run_worker

    async with open_services(settings, application_name="nameplate-worker") as services:
        await run_worker(services, stop, concurrency=settings.worker_concurrency, metrics=metrics)


def _ready(settings: Settings, service: str) -> Settings:
    from app.bootstrap import check_settings

    set_up_logging(settings.log_format, settings.log_level)
    set_up_tracing(service)
    check_settings(settings)
    reach(settings.database_url, settings.database_tries)
    return settings


@contextmanager
def _local_stack(
    data_dir: Path | None,
    ports: tuple[int, int, int, int],
    metrics_port: int | None,
    speed: float,
) -> Iterator[tuple[Any, str]]:
    from app.local.database import data_directory, local_database
    from app.local.stack import StackOptions
    from app.persistence.migrations import migrate as bring_up

    set_up_logging("console", logging.WARNING)
    port, sandbox_port, dns_port, receiver_port = ports
    with (
        _signals_interrupt(),
        data_directory(data_dir) as directory,
        local_database(directory, keep=data_dir is not None) as url,
    ):
        bring_up(url)
        options = StackOptions(
            data_dir=directory,
            port=port,
            sandbox_port=sandbox_port,
            dns_port=dns_port,
            receiver_port=receiver_port,
            metrics_port=metrics_port,
            speed=speed,
        )
        yield options, url


def _run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run until done, or until SIGTERM or SIGINT asks to stop."""

    async def until_stopped() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main(stop)

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(until_stopped())
    finally:
        stop_tracing()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM unwind what is being started, so that a Postgres of ours is stopped too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _require_sandbox() -> None:
    if importlib.util.find_spec("sandbox") is None:
        _fail([NO_SANDBOX], 1)


def _is_expected(error: Exception) -> bool:
    from app.local.postgres import EmbeddedPostgresError
    from app.web.serve import PortInUse

    kinds: tuple[type[Exception], ...] = (EmbeddedPostgresError, PortInUse)
    # Only what is loaded: an installed package lacks the sandbox.
    if "sandbox.server" in sys.modules:
        from sandbox.server import PortInUseError

        kinds += (PortInUseError,)
    if "app.local.stack" in sys.modules:
        from app.local.client import CallFailed
        from app.local.walk import WalkFailed

        kinds += (CallFailed, WalkFailed)
    return isinstance(error, kinds)


def _fail(lines: list[str], status: int) -> None:
    for line in lines:
        say(f"nameplate: {line}")
    sys.exit(status)
