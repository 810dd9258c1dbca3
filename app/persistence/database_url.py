"""Reads a database URL as libpq does, once, for every connection that Nameplate opens.

Only the URL counts. PGSSLMODE and the other PG variables, `~/.pgpass`, `~/.postgresql` and service
files are ignored: a connection must not change with the account or the shell that starts a process.
What a URL may contain: https://www.postgresql.org/docs/current/libpq-connect.html (34.1.1 and
34.1.2).
"""

from __future__ import annotations

import re
import ssl as tls
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote

from app.domain.errors import NotReady

VARIABLE = "NAMEPLATE_DATABASE_URL"
CONNECT_SECONDS = 5.0
APPLICATION_NAME = "nameplate"
DEFAULT_PORT = 5432
MAX_PORT = 65535

_SCHEMES = ("postgresql", "postgres")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,62}")
_ESCAPES = "in user, password and database write @ as %40, / as %2F, ? as %3F, # as %23"


class InvalidDatabaseUrl(NotReady):
    """The URL cannot be used. The text says why in one line and contains nothing of the URL.

    The only exception is the name of an unknown parameter.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(f"{VARIABLE} {fault}")


class SslMode(StrEnum):
    """How much TLS protects a connection: libpq's six modes."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


@dataclass(frozen=True, slots=True)
class ConnectArguments:
    """Everything that `connect` in `app/persistence/connecting.py` needs for a connection."""

    hosts: tuple[str, ...]
    """Names, addresses, or directories of sockets."""
    ports: tuple[int, ...]
    user: str
    password: str = field(repr=False)
    database: str
    ssl_mode: SslMode
    ssl_context: tls.SSLContext | None = field(repr=False, compare=False)
    direct_tls: bool
    connect_seconds: float
    target_session_attrs: str
    startup: Mapping[str, str]
    """`application_name` and `options`, which go into the first message to the server."""


def read_database_url(url: str, *, application_name: str = APPLICATION_NAME) -> ConnectArguments:
    """Read a URL. `application_name` is used if the URL gives none.

    Raises:
        InvalidDatabaseUrl: it is wrong, or a file that it names cannot be read.
    """
    authority, path, query = _parts(url)
    given = _parameters(query)
    login, at, places = authority.rpartition("@")
    if at and "@" in login:
        raise InvalidDatabaseUrl(f"contains more than one @: {_ESCAPES}")
    user, _, password = login.partition(":")
    user = given.pop("user", _decoded(user))
    password = given.pop("password", _decoded(password))
    database = given.pop("dbname", _decoded(path))
    if not user:
        raise InvalidDatabaseUrl("must name a user: postgresql://user:password@host/database")
    if not database:
        raise InvalidDatabaseUrl("must name a database: postgresql://user:password@host/database")
    hosts, ports = _places(places, given.pop("host", ""), given.pop("port", ""))
    mode, context = _tls(given)
    startup = {"application_name": given.pop("application_name", "") or application_name}
    if options := given.pop("options", ""):
        startup["options"] = options
    arguments = ConnectArguments(
        hosts=hosts,
        ports=ports,
        user=user,
        password=password,
        database=database,
        ssl_mode=mode,
        ssl_context=context,
        direct_tls=_direct_tls(given, mode),
        connect_seconds=_connect_seconds(given),
        target_session_attrs=_one_of(given, "target_session_attrs", _WRITABLE, _NOT_WRITABLE),
        startup=startup,
    )
    _one_of(
        given,
        "channel_binding",
        ("prefer", "disable"),
        "the driver does not support channel binding",
    )
    _one_of(
        given, "gssencmode", ("prefer", "disable"), "the driver does not support GSS encryption"
    )
    if given:
        raise InvalidDatabaseUrl(f"has an unknown parameter: {min(given)}; remove it")
    return arguments


_WRITABLE = ("any", "read-write", "primary")
_NOT_WRITABLE = "Nameplate needs a server that accepts writes"


def _parts(url: str) -> tuple[str, str, str]:
    """Split the URL into authority, database and query, and find characters that need an escape."""
    if re.search(r"\s", url):
        raise InvalidDatabaseUrl("contains a space or a line break: remove it, or write it as %20")
    if any(ord(character) < ord(" ") for character in url):
        raise InvalidDatabaseUrl("contains a control character: remove it")
    scheme, separator, rest = url.partition("://")
    if not url or not separator:
        raise InvalidDatabaseUrl("must begin with postgresql://")
    if scheme.lower() not in _SCHEMES:
        raise InvalidDatabaseUrl("must begin with postgresql:// or postgres://")
    if "#" in rest:
        raise InvalidDatabaseUrl(f"contains a #: {_ESCAPES}")
    if _BAD_PERCENT.search(rest):
        raise InvalidDatabaseUrl("contains a % without two hexadecimal digits: write % as %25")
    before, _, query = rest.partition("?")
    authority, _, path = before.partition("/")
    if "@" in path or ("@" in query and "@" not in authority):
        raise InvalidDatabaseUrl(f"contains an @ after a / or a ?: {_ESCAPES}")
    if "/" in path:
        raise InvalidDatabaseUrl(f"contains a second / after the host: {_ESCAPES}")
    return authority, path, query


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise InvalidDatabaseUrl("contains percent escapes that are not UTF-8") from None
    if "\0" in decoded:
        raise InvalidDatabaseUrl("contains %00, which Postgres does not allow")
    return decoded


def _parameters(query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        name = _decoded(name)
        if not equals or not _NAME.fullmatch(name):
            raise InvalidDatabaseUrl("must have only name=value parameters after the ?")
        if name in given:
            raise InvalidDatabaseUrl(f"has the parameter {name} twice; remove one")
        given[name] = _decoded(value)
    return given


def _places(authority: str, hosts: str, ports: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Read hosts and ports. Those in the query override those in the authority, as in libpq."""
    pairs = [_host_and_port(text) for text in authority.split(",")]
    names = hosts.split(",") if hosts else [_decoded(host) for host, _ in pairs]
    if not all(names):
        raise InvalidDatabaseUrl(
            "must name a host: postgresql://user:password@host/database, "
            "or add ?host=/var/run/postgresql for a socket"
        )
    numbers = ports.split(",") if ports else [port for _, port in pairs]
    if len(numbers) == 1:
        numbers *= len(names)
    if len(numbers) != len(names):
        raise InvalidDatabaseUrl("must name one port, or as many ports as hosts")
    return tuple(names), tuple(_port(number) for number in numbers)


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InvalidDatabaseUrl(
                "has an IPv6 address without a closing bracket: write [::1]:5432"
            )
        return host, rest[1:]
    if text.count(":") > 1:
        raise InvalidDatabaseUrl("has a host with more than one colon: write IPv6 as [::1]:5432")
    host, _, port = text.partition(":")
    return host, port


def _port(text: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= MAX_PORT):
        raise InvalidDatabaseUrl(f"must have a port from 1 to {MAX_PORT}")
    return int(text)


def _one_of(given: dict[str, str], name: str, known: tuple[str, ...], why: str) -> str:
    value = given.pop(name, known[0])
    if value not in known:
        raise InvalidDatabaseUrl(f"must have {name} set to {' or '.join(known)}: {why}")
    return value


def _connect_seconds(given: dict[str, str]) -> float:
    text = given.pop("connect_timeout", "")
    if not text:
        return CONNECT_SECONDS
    if not (text.isascii() and text.isdigit() and 0 < int(text[:4]) <= 600):  # noqa: PLR2004
        raise InvalidDatabaseUrl("must have a connect_timeout from 1 to 600 seconds")
    return float(text)


def _tls(given: dict[str, str]) -> tuple[SslMode, tls.SSLContext | None]:
    """Build the TLS context as libpq would, but without looking for files in a home directory."""
    root, certificate = given.pop("sslrootcert", ""), given.pop("sslcert", "")
    key, password = given.pop("sslkey", ""), given.pop("sslpassword", "")
    default = SslMode.VERIFY_FULL if root == "system" else SslMode.PREFER
    try:
        mode = SslMode(given.pop("sslmode", default))
    except ValueError:
        raise InvalidDatabaseUrl(f"must have sslmode set to one of {', '.join(SslMode)}") from None
    if mode is SslMode.DISABLE:
        return mode, None
    if root == "system" and mode is not SslMode.VERIFY_FULL:
        raise InvalidDatabaseUrl("has sslrootcert=system, which needs sslmode=verify-full")
    # As in libpq, `require` with a root certificate is `verify-ca`.
    verifies = mode in {SslMode.VERIFY_CA, SslMode.VERIFY_FULL} or (
        mode is SslMode.REQUIRE and bool(root)
    )
    if verifies and not root:
        raise InvalidDatabaseUrl(
            f"has sslmode={mode}, which needs sslrootcert: the path of the authority's "
            "certificate, or system"
        )
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode is SslMode.VERIFY_FULL
    context.verify_mode = tls.CERT_REQUIRED if verifies else tls.CERT_NONE
    context.minimum_version = tls.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["postgresql"])
    if root == "system":
        context.load_default_certs()
    elif verifies:
        _load("sslrootcert", lambda: context.load_verify_locations(cafile=root))
    if key and not certificate:
        raise InvalidDatabaseUrl("has sslkey without sslcert; add sslcert")
    if certificate:
        _load(
            "sslcert or sslkey",
            # Otherwise, a key with a passphrase would ask for it on the terminal.
            lambda: context.load_cert_chain(certificate, key or None, lambda: password),
        )
    return mode, context


def _load(what: str, load: Callable[[], None]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        reason = (
            "not a certificate or key in PEM"
            if isinstance(error, tls.SSLError)
            else str(getattr(error, "strerror", None) or "cannot be used")
        )
        raise InvalidDatabaseUrl(f"names a file as {what} that cannot be used: {reason}") from None


def _direct_tls(given: dict[str, str], mode: SslMode) -> bool:
    how = _one_of(given, "sslnegotiation", ("postgres", "direct"), "other values are not allowed")
    if how == "direct" and mode in {SslMode.DISABLE, SslMode.ALLOW, SslMode.PREFER}:
        raise InvalidDatabaseUrl(
            "has sslnegotiation=direct, which needs sslmode=require or stricter"
        )
    return how == "direct"
