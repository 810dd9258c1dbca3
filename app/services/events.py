"""Emits an event for a step or notification, with its webhook body and its deliveries.

`domain/events` defines them; `persistence/events` stores them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from app.domain.custom_hostname import CustomHostname, State
from app.domain.document import represent
from app.domain.events import (
    LONGEST_BODY,
    Event,
    EventType,
    event_type,
    thin_webhook_body,
    webhook_body,
)
from app.domain.reason import Reason
from app.persistence.database import Connection
from app.persistence.events import insert_event
from app.persistence.ids import Prefix, new_id


async def emit_event(
    tx: Connection,
    record: CustomHostname,
    *,
    before: State | None,
    after: State,
    at: datetime,
    reason: Reason | None = None,
    notification: EventType | None = None,
) -> None:
    """Write the event with the record's sequence number, in the transaction of its change.

    The type of a step follows from its two states. A `notification` has its own type, and the same
    state twice.
    """
    record = replace(record, state=after, reason=reason or record.reason, updated_at=at)
    event = Event(
        id=new_id(Prefix.EVENT),
        custom_hostname_id=record.id,
        tenant=record.tenant,
        sequence=record.sequence,
        type=notification or event_type(before, after),
        before=before,
        after=after,
        reason=record.reason,
        created_at=at,
    )
    body = webhook_body(event, represent(record))
    text = json.dumps(body)
    if len(text) > LONGEST_BODY:
        text = json.dumps(thin_webhook_body(body))
    await insert_event(tx, event, body=text)
