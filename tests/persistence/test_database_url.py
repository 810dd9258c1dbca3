"""What a database URL may say, and what is said of a wrong one."""

from __future__ import annotations

import ssl as tls

import pytest

from app.persistence.database_url import InvalidDatabaseUrl, SslMode, read_database_url

SECRET = "geheim"
AT = "postgresql://u:geheim@h/db"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "POSTGRES"])
def test_both_schemes_are_read(scheme: str) -> None:
    read = read_database_url(f"{scheme}://u:geheim@db.example.com:6432/nameplate")
    assert (read.hosts, read.ports) == (("db.example.com",), (6432,))
    assert (read.user, read.password, read.database) == ("u", SECRET, "nameplate")
    assert SECRET not in repr(read)


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        (AT, ("h",), (5432,)),
        ("postgresql://u@a:1,b:2/db", ("a", "b"), (1, 2)),
        ("postgresql://u@a,b:2/db", ("a", "b"), (5432, 2)),
        ("postgresql://u@[::1]:7/db", ("::1",), (7,)),
        ("postgresql://u@[::1],h/db", ("::1", "h"), (5432, 5432)),
        ("postgresql://u@/db?host=/var/run/postgresql", ("/var/run/postgresql",), (5432,)),
        ("postgresql://u@%2Fvar%2Frun:6/db", ("/var/run",), (6,)),
        ("postgresql://u@localhost/db?host=/cloudsql/p:r:i", ("/cloudsql/p:r:i",), (5432,)),
        ("postgresql:///db?user=u&host=a,b&port=7", ("a", "b"), (7, 7)),
        ("postgresql://u@/db?host=a,b&port=7,8", ("a", "b"), (7, 8)),
    ],
)
def test_hosts_and_ports(url: str, hosts: tuple[str, ...], ports: tuple[int, ...]) -> None:
    read = read_database_url(url)
    assert (read.hosts, read.ports) == (hosts, ports)


@pytest.mark.parametrize(
    ("written", "password"),
    [("p%40s%2Fs%23%3F%25", "p@s/s#?%"), ("a:b", "a:b"), ("a+b", "a+b"), ("%C3%A9", "é"), ("", "")],
)
def test_a_password_is_percent_decoded(written: str, password: str) -> None:
    assert read_database_url(f"postgresql://u:{written}@h/db").password == password


@pytest.mark.parametrize("mode", list(SslMode))
def test_all_six_modes_are_read(mode: SslMode) -> None:
    root = "&sslrootcert=system" if mode is SslMode.VERIFY_FULL else ""
    if mode is SslMode.VERIFY_CA:
        with pytest.raises(InvalidDatabaseUrl, match="needs sslrootcert"):
            read_database_url(f"{AT}?sslmode={mode}")
        return
    read = read_database_url(f"{AT}?sslmode={mode}{root}")
    assert read.ssl_mode is mode
    assert (read.ssl_context is None) is (mode is SslMode.DISABLE)
    if read.ssl_context:
        verifies = read.ssl_context.verify_mode is tls.CERT_REQUIRED
        assert verifies is read.ssl_context.check_hostname is (mode is SslMode.VERIFY_FULL)


def test_the_rest_of_what_managed_databases_hand_out() -> None:
    read = read_database_url(
        AT + "?sslmode=require&application_name=mine&connect_timeout=9&options=-c%20work_mem%3D8MB"
        "&target_session_attrs=read-write&sslnegotiation=direct&channel_binding=prefer"
        "&gssencmode=disable"
    )
    assert read.startup == {"application_name": "mine", "options": "-c work_mem=8MB"}
    assert (read.connect_seconds, read.target_session_attrs) == (9, "read-write")
    assert read.direct_tls


def test_nothing_else_is_said_where_the_url_is_short() -> None:
    read = read_database_url(AT, application_name="nameplate-api")
    assert read.startup == {"application_name": "nameplate-api"}
    assert (read.ssl_mode, read.connect_seconds) == (SslMode.PREFER, 5)
    assert (read.target_session_attrs, read.direct_tls) == ("any", False)


BAD = [
    ("", "must begin with postgresql://"),
    ("geheim", "must begin with postgresql://"),
    ("u:geheim@h/db", "must begin with postgresql://"),
    ("//u:geheim@h/db", "must begin with postgresql://"),
    ("mysql://u:geheim@h/db", "must begin with postgresql://"),
    ("postgresql+asyncpg://u:geheim@h/db", "must begin with postgresql://"),
    ("postgresql:u:geheim@h/db", "must begin with postgresql://"),
    ("postgresql://u:geheim@h", "must name a database"),
    ("postgresql://u:geheim@h/", "must name a database"),
    ("postgresql://u:geheim@h?sslmode=require", "must name a database"),
    ("postgresql://h/db", "must name a user"),
    ("postgresql://:geheim@h/db", "must name a user"),
    ("postgresql://u:geheim/db", "must name a user"),
    ("postgresql://u:geheim@/db", "must name a host"),
    ("postgresql://u:geheim@a,,b/db", "must name a host"),
    ("postgresql://u:geheim@h:geheim/db", "a port from 1 to 65535"),
    ("postgresql://u:geheim@h:0/db", "a port from 1 to 65535"),
    ("postgresql://u:geheim@h:65536/db", "a port from 1 to 65535"),
    ("postgresql://u:geheim@h:-1/db", "a port from 1 to 65535"),
    ("postgresql://u:geheim@h:" + "9" * 5000 + "/db", "a port from 1 to 65535"),
    ("postgresql://u:geheim@a,b/db?port=1,2,3", "as many ports as hosts"),
    ("postgresql://u:geheim@::1/db", "more than one colon"),
    ("postgresql://u:geheim@[::1/db", "closing bracket"),
    (" postgresql://u:geheim@h/db", "a space"),
    ("postgresql://u:geheim@h/db\n", "a space"),
    ("postgresql://u:gehe im@h/db", "a space"),
    ("postgresql://u:gehe\0im@h/db", "a control character"),
    ("postgresql://u:geheim@x@h/db", "more than one @"),
    ("postgresql://u:geheim#x@h/db", "contains a #"),
    ("postgresql://u:geheim/x@h/db", "%2F"),
    ("postgresql://u:geheim?x@h/db", "%3F"),
    ("postgresql://u:geheim%x@h/db", "write % as %25"),
    ("postgresql://u:geheim%ff@h/db", "not UTF-8"),
    ("postgresql://u:geheim%00@h/db", "%00"),
    ("postgresql://u:geheim@h/a/b", "a second /"),
    (AT + "?pgbouncer=true", "unknown parameter: pgbouncer"),
    (AT + "?geheim", "only name=value"),
    (AT + "?sslmode=require&sslmode=disable", "sslmode twice"),
    (AT + "?sslmode=geheim", "one of disable, allow, prefer, require, verify-ca, verify-full"),
    (AT + "?sslmode=verify-full", "needs sslrootcert"),
    (AT + "?sslmode=require&sslrootcert=system", "needs sslmode=verify-full"),
    (AT + "?sslmode=verify-full&sslrootcert=/none/geheim", "No such file"),
    (AT + "?sslmode=verify-ca&sslrootcert=/dev/null", "sslrootcert that cannot be used"),
    (AT + "?sslmode=require&sslcert=/none/geheim", "No such file"),
    (AT + "?sslmode=require&sslkey=/none/geheim", "sslkey without sslcert"),
    (AT + "?sslnegotiation=direct", "needs sslmode=require"),
    (AT + "?channel_binding=require", "not support channel binding"),
    (AT + "?gssencmode=require", "not support GSS encryption"),
    (AT + "?connect_timeout=soon", "from 1 to 600 seconds"),
    (AT + "?connect_timeout=0", "from 1 to 600 seconds"),
    (AT + "?target_session_attrs=standby", "accepts writes"),
]


@pytest.mark.parametrize(("url", "said"), BAD)
def test_a_wrong_url_is_one_line_that_says_what_is_wrong(url: str, said: str) -> None:
    with pytest.raises(InvalidDatabaseUrl) as error:
        read_database_url(url)
    assert str(error.value).startswith("NAMEPLATE_DATABASE_URL ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)
