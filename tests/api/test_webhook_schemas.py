"""What requests about webhook endpoints may hold."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.api.delivery_schemas import Replay
from app.api.webhook_schemas import WebhookEndpointUpdate


@pytest.mark.parametrize("field", ["since", "until"])
@pytest.mark.parametrize(
    "instant",
    [
        pytest.param("0001-01-01T00:00:00+14:00", id="before the year 1"),
        pytest.param("9999-12-31T23:59:59-14:00", id="after the year 9999"),
        pytest.param(0, id="a number"),
        pytest.param("2026-11-26T12:00:00", id="no offset"),
        pytest.param("yesterday", id="a word"),
    ],
)
def test_a_replay_lies_between_instants_that_postgres_can_hold(field: str, instant: object) -> None:
    with pytest.raises(ValidationError):
        Replay.model_validate({"since": "2026-11-26T12:00:00Z", field: instant})


@pytest.mark.parametrize("field", ["url", "description", "event_types", "enabled"])
def test_a_field_that_has_no_null_is_documented_without_it(field: str) -> None:
    assert "null" not in str(WebhookEndpointUpdate.model_json_schema()["properties"][field])
    with pytest.raises(ValidationError):
        WebhookEndpointUpdate.model_validate({field: None})


def test_a_rate_limit_is_taken_away_by_null() -> None:
    update = WebhookEndpointUpdate.model_validate({"rate_limit": None})
    assert update.model_dump(exclude_unset=True) == {"rate_limit": None}
