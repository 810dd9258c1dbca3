"""Everything a route depends on runs in the event loop, never in a thread."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.api import (
    custom_hostnames,
    dependencies,
    health,
    hostname_lists,
    webhook_endpoints,
    zones,
)

ROUTES = [
    route
    for module in (custom_hostnames, hostname_lists, webhook_endpoints, zones, health)
    for route in module.router.routes
    if isinstance(route, APIRoute)
]


def calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for each in dependant.dependencies:
        yield from calls(each)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.name}")
def test_a_route_and_its_dependencies_are_coroutine_functions(route: APIRoute) -> None:
    for call in calls(route.dependant):
        function = call if inspect.isfunction(call) else type(call).__call__
        assert inspect.iscoroutinefunction(function), call


def test_the_refusal_of_unknown_query_parameters_is_a_coroutine_function() -> None:
    assert inspect.iscoroutinefunction(dependencies.KnownQuery.dependency)
