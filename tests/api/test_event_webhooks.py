"""The webhooks of the OpenAPI document: what is sent is what is described."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema_rs
import pytest

from app.domain.document import add_moment
from app.domain.event_samples import SAMPLES, sample_body
from app.domain.events import (
    EVENT_TYPES,
    EventType,
    ZoneEventType,
    tenants_webhook_body,
    thin_webhook_body,
)
from app.main import new_app
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENT = new_app().openapi()
TYPES = EVENT_TYPES


def media(event_type: str) -> Any:
    operation = DOCUMENT["webhooks"][event_type]["post"]
    return operation["requestBody"]["content"]["application/json"]


def validator(event_type: str) -> Any:
    schema = {**media(event_type)["schema"], "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(schema)


def faults(body: dict[str, Any]) -> list[str]:
    return [str(error) for error in validator(body["type"]).iter_errors(body)]


async def test_every_type_of_event_has_a_sample_and_a_webhook() -> None:
    assert list(SAMPLES) == list(TYPES)
    assert list(DOCUMENT["webhooks"]) == [str(each) for each in TYPES]


@pytest.mark.parametrize("event_type", TYPES)
async def test_a_sample_is_of_its_type_and_fits_the_schema(event_type: str) -> None:
    body = sample_body(event_type)
    assert body["type"] == body["data"]["event"]["type"] == event_type
    assert json.loads(json.dumps(body)) == body == media(event_type)["example"]
    assert faults(body) == []


@pytest.mark.parametrize("event_type", EventType)
async def test_what_a_bound_key_receives_fits_the_schema(event_type: str) -> None:
    assert faults(tenants_webhook_body(sample_body(event_type))) == []


async def test_a_thin_body_fits_the_schema() -> None:
    body = sample_body(EventType.ACTIVE)
    thin = thin_webhook_body(body)
    assert thin["data"]["custom_hostname"]["link"].endswith(body["data"]["custom_hostname"]["id"])
    assert faults(thin) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("event"),
        lambda data: data.pop("custom_hostname"),
        lambda data: data["event"].update(surprise=1),
        lambda data: data["event"].update(sequence="3"),
        # What changes by the moment is not part of an event.
        lambda data: data.update(
            custom_hostname=add_moment(data["custom_hostname"], next_check_at=None)
        ),
    ],
)
async def test_a_body_with_other_fields_does_not_fit(change: Any) -> None:
    body = copy.deepcopy(sample_body(EventType.ACTIVE))
    change(body["data"])
    assert faults(body) != []


async def test_a_body_of_another_type_does_not_fit() -> None:
    assert not validator(EventType.FAILED).is_valid(sample_body(EventType.ACTIVE))


async def test_the_samples_differ_in_their_ids_as_events_do() -> None:
    events = [sample_body(each)["data"]["event"] for each in TYPES]
    assert all(len(each["id"]) == len("evt_") + 26 for each in events)
    by_way_up = [each["sequence"] for each in events[:4]]
    assert by_way_up == [1, 2, 3, 4]


async def test_what_a_life_emits_fits_the_schemas(shared_service: Service) -> None:
    hostname = await shared_service.go_live("shop.well-described.com")
    await shared_service.http.post("/v1/zones/default/pause", json={"detail": "a look"})
    await shared_service.http.post("/v1/zones/default/resume")
    await shared_service.http.delete(f"/v1/custom-hostnames/{hostname['id']}")
    await shared_service.follow(hostname["id"], "deleted")
    rows = await shared_service.sql.fetch("SELECT body FROM events")
    bodies = [json.loads(row["body"]) for row in rows]
    assert {body["type"] for body in bodies} >= {
        EventType.CREATED,
        EventType.VALIDATING,
        EventType.ACTIVE,
        EventType.CNAME_VERIFIED,
        EventType.DELETING,
        EventType.DELETED,
        ZoneEventType.PAUSED,
        ZoneEventType.RESUMED,
    }
    assert [fault for body in bodies for fault in faults(body)] == []
