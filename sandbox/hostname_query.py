"""The filters, order and page of a list of custom hostnames.

By statuses alone a list costs about its page; every other filter reads all that could fit.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from sandbox import errors
from sandbox.call import Call
from sandbox.envelope import Page
from sandbox.hostnames import CustomHostnames
from sandbox.model import CustomHostname
from sandbox.naming import MAX_LENGTH
from sandbox.sorted_numbers import SortedNumbers
from sandbox.status_index import ANY

_Test = Callable[[CustomHostname], bool]
_NameTest = Callable[[str], bool]
_Found = tuple[Sequence[CustomHostname], int]
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


def select(hostnames: CustomHostnames, call: Call, page: Page) -> _Found:
    """Return a page of the custom hostnames asked for, and how many they are in all."""
    query = call.query
    if "id" in query:
        if any(name in query for name in _FILTERS):
            raise errors.id_alone()
        return _one(hostnames.get(query["id"]), [], page)
    if sum(name in query for name in _NAME_FILTERS) > 1:
        raise errors.bad_parameter("hostname")
    name_tests, tests = _name_tests(call), _tests(call)
    order = call.choice("order", ("ssl", "ssl_status"))
    descending = call.choice("direction", ("asc", "desc")) == "desc"
    exact = query.get("hostname", query.get("hostname.exact"))
    if exact is not None:
        found = hostnames.named(exact.lower().removeprefix("*."))
        return _one(found, [*tests, *_status_tests(call)], page)
    groups = _groups(hostnames, call, by_ssl_status=order == "ssl_status")
    if not (name_tests or tests) and order != "ssl":
        return _cut(hostnames, groups, page, descending=descending)
    fitting = (
        number
        for number in chain.from_iterable(groups)
        if all(test(hostnames.name_at(number)) for test in name_tests)
    )
    rows = [row for row in hostnames.at(fitting) if all(test(row) for test in tests)]
    if order == "ssl":
        rows.sort(key=lambda row: row.ssl is not None)
    if descending:
        rows.reverse()
    return page.cut(rows), len(rows)


def _one(found: CustomHostname | None, tests: list[_Test], page: Page) -> _Found:
    rows = [found] if found and all(test(found) for test in tests) else []
    return page.cut(rows), len(rows)


def _groups(hostnames: CustomHostnames, call: Call, *, by_ssl_status: bool) -> list[SortedNumbers]:
    """Return all that have the statuses asked for, in the order asked for."""
    status = call.query.get("hostname_status", ANY)
    ssl_status = call.query.get("ssl_status", ANY)
    if by_ssl_status and ssl_status is ANY:
        return hostnames.index.by_ssl_status(status)
    return [hostnames.index.of(status, ssl_status)]


def _cut(
    hostnames: CustomHostnames, groups: list[SortedNumbers], page: Page, *, descending: bool
) -> _Found:
    total = sum(len(group) for group in groups)
    start = (page.number - 1) * page.size
    stop = min(start + page.size, total)
    if not descending:
        return list(hostnames.at(_positions(groups, start, stop))), total
    rows = list(hostnames.at(_positions(groups, total - stop, total - start)))
    return rows[::-1], total


def _positions(groups: list[SortedNumbers], start: int, stop: int) -> Iterator[int]:
    for group in groups:
        if stop > 0 and start < len(group):
            yield from group.cut(start, stop)
        start -= len(group)
        stop -= len(group)


def _name_tests(call: Call) -> list[_NameTest]:
    query = call.query
    tests: list[_NameTest] = []
    if part := _name_part(query.get("hostname.contain"), "hostname.contain"):
        tests.append(lambda name: part in name)
    if start := _name_part(query.get("hostname.startsWith"), "hostname.startsWith"):
        tests.append(lambda name: name.startswith(start))
    return tests


def _tests(call: Call) -> list[_Test]:
    """Return the tests of all but names that no index makes needless."""
    query = call.query
    tests: list[_Test] = []
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


def _status_tests(call: Call) -> list[_Test]:
    query = call.query
    tests: list[_Test] = []
    if (status := query.get("hostname_status")) is not None:
        tests.append(lambda row: row.status == status)
    if (ssl_status := query.get("ssl_status")) is not None:
        tests.append(lambda row: row.ssl_status == ssl_status)
    return tests


def _name_part(value: str | None, parameter: str) -> str | None:
    if value is not None and len(value) > MAX_LENGTH:
        raise errors.bad_parameter(parameter)
    return value and value.lower()
