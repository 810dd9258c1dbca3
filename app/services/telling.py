"""Tell of one step: the event, its webhook's body, and the deliveries it owes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from app.domain.custom_hostname import CustomHostname, State
from app.domain.events import Event, event_type, webhook_body
from app.domain.representation import represent
from app.persistence.database import Connection
from app.persistence.events import insert_event
from app.persistence.ids import Prefix, new_id


async def tell(
    tx: Connection, record: CustomHostname, *, before: State | None, after: State, at: datetime
) -> None:
    """Write the event that has the record's sequence number, in the transaction of its change."""
    event = Event(
        id=new_id(Prefix.EVENT),
        custom_hostname_id=record.id,
        tenant=record.tenant,
        sequence=record.sequence,
        type=event_type(before, after),
        before=before,
        after=after,
        reason=record.reason,
        created_at=at,
    )
    shown = represent(replace(record, state=after, updated_at=at))
    await insert_event(tx, event, body=json.dumps(webhook_body(event, shown)))
