"""The OpenAPI document as documentation: names, problems, and examples that work."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.domain.errors import ErrorCode
from app.main import new_app
from app.web.errors import STATUSES
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENT = new_app().openapi()
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
ANYWHERE = {
    # Of no operation: the path or the method is wrong, the framework refused, or a page is asked
    # for that is not described.
    ErrorCode.METHOD_NOT_ALLOWED,
    ErrorCode.BAD_REQUEST,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.INVALID_INPUT,
    ErrorCode.CONFLICT,
    ErrorCode.NOT_READY,
    # At the command line: the schema of a request refuses an unknown scope as `invalid_request`.
    ErrorCode.SCOPE_UNKNOWN,
}


async def test_operation_ids_make_method_names_of_a_client() -> None:
    ids = [operation["operationId"] for *_, operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    verbs = (
        "create|list|get|update|delete|revoke|refresh|diagnose|preflight|adopt|release|resolve"
        "|set_up|pause|resume|rotate|test|redeliver|replay"
    )
    for name in ids:
        assert re.fullmatch(rf"({verbs}|stream|check)(_[a-z]+)+", name), name


async def test_every_code_is_listed_with_its_status() -> None:
    listed: dict[str, set[int]] = {}
    for _, _, operation in OPERATIONS:
        for status, answer in operation["responses"].items():
            if answer["description"].startswith("A problem"):
                for code in re.findall(r"`(\w+)`", answer["description"]):
                    listed.setdefault(code, set()).add(int(status))
    expected = {str(code): {int(status)} for code, status in STATUSES.items()}
    for code in ANYWHERE:
        del expected[code]
    assert listed == expected


async def test_every_tag_is_described() -> None:
    used = {tag for *_, operation in OPERATIONS for tag in operation["tags"]}
    assert {tag["name"] for tag in DOCUMENT["tags"]} == used
    assert all(tag["description"].endswith(".") for tag in DOCUMENT["tags"])


def examples_of(operation: dict[str, Any]) -> list[Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    for part in [schema, *schema.get("anyOf", [])]:
        name = part.get("$ref", "").rpartition("/")[2]
        if name:
            return list(DOCUMENT["components"]["schemas"][name].get("examples", []))
    return []


SENT = [
    (method, path, example)
    for method, path, operation in OPERATIONS
    for example in examples_of(operation)
]
OWN_ADDRESS = {"url": "http://127.0.0.1:9/hook"}
"""Tests send nothing to others: an endpoint of an example has our own address instead."""


async def test_every_body_has_an_example() -> None:
    with_body = {(m, p) for m, p, operation in OPERATIONS if "requestBody" in operation}
    assert {(method, path) for method, path, _ in SENT} == with_body


@pytest.mark.parametrize(("method", "path", "example"), SENT)
async def test_an_example_of_a_body_works(
    shared_service: Service, method: str, path: str, example: Any
) -> None:
    url = path.replace("{id}", await _id_for(shared_service, path))
    if "url" in example:
        example = example | OWN_ADDRESS
    response = await shared_service.http.request(method, url, json=example)
    assert response.is_success, response.text
    documented = DOCUMENT["paths"][path][method.lower()]["responses"]
    assert str(response.status_code) in documented


async def _id_for(service: Service, path: str) -> str:
    if "{id}" not in path:
        return ""
    if path.startswith("/v1/zones"):
        if path.endswith("/resume"):
            await service.http.post("/v1/zones/default/pause")
        return "default"
    if path.startswith("/v1/webhook-endpoints"):
        made = await service.http.post("/v1/webhook-endpoints", json=OWN_ADDRESS)
        return str(made.json()["id"])
    return str((await service.create("examples.green-tea.com", "examples"))["id"])
