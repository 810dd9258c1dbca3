"""The filters, order and page of a list of custom hostnames."""

from collections.abc import Callable, Iterable

from app.sandbox import errors
from app.sandbox.call import Call
from app.sandbox.hostnames import CustomHostnames
from app.sandbox.model import CustomHostname
from app.sandbox.naming import MAX_LENGTH

_Test = Callable[[CustomHostname], bool]
_NAME_FILTERS = ("hostname", "hostname.exact", "hostname.contain", "hostname.startsWith")
_FILTERS = (
    *_NAME_FILTERS,
    "hostname_status",
    "ssl_status",
    "ssl",
    "wildcard",
    "certificate_authority",
    "custom_origin_server",
)


def select(hostnames: CustomHostnames, call: Call) -> list[CustomHostname]:
    """Return the custom hostnames asked for, in the order asked for."""
    query = call.query
    if "id" in query:
        if any(name in query for name in _FILTERS):
            raise errors.id_alone()
        found = hostnames.get(query["id"])
        return [found] if found else []
    if sum(name in query for name in _NAME_FILTERS) > 1:
        raise errors.bad_parameter("hostname")
    tests = _tests(call)
    chosen = [row for row in _candidates(hostnames, call) if all(test(row) for test in tests)]
    _order(chosen, call)
    return chosen


def _candidates(hostnames: CustomHostnames, call: Call) -> Iterable[CustomHostname]:
    """Return the smallest indexed set that holds all matches."""
    query = call.query
    exact = query.get("hostname", query.get("hostname.exact"))
    if exact is not None:
        found = hostnames.named(exact.lower().removeprefix("*."))
        return [found] if found else []
    if "hostname_status" in query:
        return hostnames.with_status(query["hostname_status"])
    if "ssl_status" in query:
        return hostnames.with_ssl_status(query["ssl_status"])
    return hostnames.all()


def _tests(call: Call) -> list[_Test]:
    query = call.query
    tests: list[_Test] = []
    if part := _name_part(query.get("hostname.contain"), "hostname.contain"):
        tests.append(lambda row: part in row.hostname)
    if start := _name_part(query.get("hostname.startsWith"), "hostname.startsWith"):
        tests.append(lambda row: row.hostname.startswith(start))
    if status := query.get("hostname_status"):
        tests.append(lambda row: row.status == status)
    if ssl_status := query.get("ssl_status"):
        tests.append(lambda row: row.ssl_status == ssl_status)
    if authority := query.get("certificate_authority"):
        tests.append(lambda row: bool(row.ssl and row.ssl.certificate_authority == authority))
    if origin := query.get("custom_origin_server"):
        tests.append(lambda row: row.custom_origin_server == origin.lower())
    if has_ssl := call.choice("ssl", ("0", "1")):
        tests.append(lambda row: (row.ssl is not None) == (has_ssl == "1"))
    if wildcard := call.choice("wildcard", ("true", "false", "0", "1")):
        wanted = wildcard in ("true", "1")
        tests.append(lambda row: bool(row.ssl and row.ssl.wildcard) == wanted)
    return tests


def _name_part(value: str | None, parameter: str) -> str | None:
    if value is not None and len(value) > MAX_LENGTH:
        raise errors.bad_parameter(parameter)
    return value and value.lower()


def _order(chosen: list[CustomHostname], call: Call) -> None:
    """Sort by creation, or by what `order` says and then by creation."""
    order = call.choice("order", ("ssl", "ssl_status"))
    descending = call.choice("direction", ("asc", "desc")) == "desc"
    chosen.sort(key=lambda row: row.sequence, reverse=descending)
    if order == "ssl":
        chosen.sort(key=lambda row: row.ssl is not None, reverse=descending)
    elif order == "ssl_status":
        chosen.sort(key=lambda row: row.ssl_status or "", reverse=descending)
