"""What breaks a caller of the API is found; what does not is let through."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.openapi_changes import Change, breaking_changes
from tests.openapi_document import unannounced

OLD: dict[str, Any] = {
    "paths": {
        "/shops": {
            "post": {
                "operationId": "add_shop",
                "parameters": [
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}}
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/ShopIn"}}
                    }
                },
                "responses": {
                    "201": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Shop"}}
                        }
                    },
                    "404": {},
                },
            }
        }
    },
    "webhooks": {
        "shop.opened": {
            "post": {
                "parameters": [
                    {
                        "in": "header",
                        "name": "webhook-id",
                        "required": True,
                        "schema": {"type": "string"},
                    }
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Opened"}}
                    }
                },
                "responses": {"2XX": {}, "410": {}},
            }
        }
    },
    "components": {
        "schemas": {
            "Opened": {
                "type": "object",
                "properties": {"type": {"type": "string"}, "at": {"type": "string"}},
                "required": ["type"],
            },
            "ShopIn": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 50},
                    "kind": {"enum": ["small", "large"], "type": "string"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
                "required": ["name"],
            },
            "Shop": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "kind": {"enum": ["small", "large"], "type": "string"},
                    "parent": {"anyOf": [{"$ref": "#/components/schemas/Shop"}, {"type": "null"}]},
                },
                "required": ["id", "kind"],
            },
        }
    },
}


class At(NamedTuple):
    """The parts of a document that a change concerns."""

    operation: dict[str, Any]
    sent: dict[str, Any]
    answer: dict[str, Any]


def changed(change: Callable[[At], object]) -> dict[str, Any]:
    new = copy.deepcopy(OLD)
    schemas = new["components"]["schemas"]
    change(At(new["paths"]["/shops"]["post"], schemas["ShopIn"], schemas["Shop"]))
    return new


CHANGE = Change("POST /shops", "answers 404 no longer")
BREAKING = [
    (lambda at: at.operation["responses"].pop("404"), "answers 404 no longer"),
    (lambda at: at.operation.update(operationId="x"), "operationId add_shop became x"),
    (lambda at: at.operation["parameters"].clear(), "query parameter limit was dropped"),
    (lambda at: at.operation["parameters"][0].update(required=True), "limit became required"),
    (
        lambda at: at.operation["parameters"].append(
            {"in": "header", "name": "A", "required": True}
        ),
        "header parameter A is new and required",
    ),
    (lambda at: at.operation["parameters"][0]["schema"].update(maximum=50), "maximum fell to 50"),
    (lambda at: at.operation["requestBody"].update(required=True), "the body became required"),
    (lambda at: at.operation.pop("requestBody"), "the body was dropped"),
    (lambda at: at.sent["properties"].pop("kind"), "body/kind was dropped"),
    (lambda at: at.sent["required"].append("kind"), "body/kind became required"),
    (lambda at: at.sent["properties"]["name"].update(minLength=2), "minLength rose to 2"),
    (lambda at: at.sent["properties"]["name"].update(pattern="a"), "pattern changed"),
    (lambda at: at.sent["properties"]["kind"]["enum"].remove("small"), "lost the value small"),
    (lambda at: at.sent["properties"]["name"].update(enum=["a"]), "body/name became an enum"),
    (
        lambda at: at.sent["properties"].update(note={"type": "string"}),
        "body/note was null or string and is string",
    ),
    (lambda at: at.answer["properties"].pop("id"), "answer 201/id was dropped"),
    (lambda at: at.answer["required"].remove("id"), "answer 201/id may be missing now"),
    (
        lambda at: at.answer["properties"].update(id={"type": ["string", "null"]}),
        "answer 201/id was string and is null or string",
    ),
    (lambda at: at.answer["properties"]["kind"]["enum"].remove("large"), "lost the value large"),
    (
        lambda at: at.operation["responses"]["201"].update(content={"text/plain": {}}),
        "answer 201 is no longer application/json",
    ),
]


@pytest.mark.parametrize(("change", "what"), BREAKING, ids=[what for _, what in BREAKING])
def test_what_takes_something_from_callers_is_found(change: Any, what: str) -> None:
    found = breaking_changes(OLD, changed(change))
    assert found
    assert any(what in str(each) for each in found), found
    assert {each.operation for each in found} == {"POST /shops"}


def test_a_dropped_operation_is_found() -> None:
    assert breaking_changes(OLD, {**OLD, "paths": {}}) == [Change("POST /shops", "was dropped")]


class Sent(NamedTuple):
    """The parts of a document that a change of a webhook concerns."""

    webhook: dict[str, Any]
    body: dict[str, Any]


def changed_webhook(change: Callable[[Sent], object]) -> dict[str, Any]:
    new = copy.deepcopy(OLD)
    change(Sent(new["webhooks"]["shop.opened"]["post"], new["components"]["schemas"]["Opened"]))
    return new


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda sent: sent.webhook["parameters"].clear(), "header webhook-id was dropped"),
        (
            lambda sent: sent.webhook["parameters"][0].pop("required"),
            "header webhook-id may be missing now",
        ),
        (lambda sent: sent.body["properties"].pop("at"), "body/at was dropped"),
        (lambda sent: sent.body["required"].remove("type"), "body/type may be missing now"),
        (
            lambda sent: sent.body["properties"].update(at={"type": "integer"}),
            "body/at was string and is integer",
        ),
        (lambda sent: sent.webhook["responses"].pop("410"), "the answer 410 means nothing now"),
    ],
)
def test_what_takes_something_from_receivers_of_a_webhook_is_found(change: Any, what: str) -> None:
    assert breaking_changes(OLD, changed_webhook(change)) == [Change("webhook shop.opened", what)]


def test_a_dropped_webhook_is_found() -> None:
    dropped = breaking_changes(OLD, {**OLD, "webhooks": {}})
    assert dropped == [Change("webhook shop.opened", "was dropped")]


@pytest.mark.parametrize(
    "change",
    [
        lambda sent: sent.body["properties"].update(size={"type": "integer"}),
        lambda sent: sent.body["required"].append("at"),
        lambda sent: sent.webhook["responses"].update({"default": {}}),
        lambda sent: sent.webhook["parameters"].append(
            {"in": "header", "name": "traceparent", "required": True, "schema": {}}
        ),
    ],
)
def test_what_gives_receivers_more_is_let_through(change: Any) -> None:
    assert breaking_changes(OLD, changed_webhook(change)) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda at: at.operation["responses"].update({"409": {}}),
        lambda at: at.operation["parameters"].append({"in": "query", "name": "q", "schema": {}}),
        lambda at: at.operation["parameters"][0]["schema"].pop("maximum"),
        lambda at: at.sent["properties"].update(size={"type": "integer"}),
        lambda at: at.sent["required"].clear(),
        lambda at: at.sent["properties"]["kind"]["enum"].append("huge"),
        lambda at: at.sent["properties"]["name"].update(maxLength=80),
        lambda at: at.answer["properties"].update(size={"type": "integer"}),
        lambda at: at.answer["required"].append("parent"),
        lambda at: at.operation.update(summary="Another summary"),
    ],
)
def test_what_gives_callers_more_is_let_through(change: Any) -> None:
    assert breaking_changes(OLD, changed(change)) == []


@pytest.mark.parametrize(
    ("changelog", "left"),
    [
        ("## [Unreleased]\n- Breaking: `POST /shops` answers 404 no longer.\n", []),
        ("## [Unreleased]\n- Breaking: among others `POST\n  /shops` changed.\n", []),
        ("## [Unreleased]\n- `POST /shops` is new.\n", [CHANGE]),
        ("## [Unreleased]\n- Breaking: `GET /shops` is gone.\n", [CHANGE]),
        ("## [Unreleased]\n\n## [0.1.0]\n- Breaking: `POST /shops` changed.\n", [CHANGE]),
    ],
)
def test_a_breaking_change_is_announced_by_its_operation(
    changelog: str, left: list[Change]
) -> None:
    assert unannounced([CHANGE], changelog) == left
