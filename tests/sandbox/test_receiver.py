import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from .driver import Driver

SECRET = "whsec_c2VjcmV0LW9mLXRoZS1zYW5kYm94LXRlc3Rz"
OTHER = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3Rz"
BODY = json.dumps({"type": "custom_hostname.active", "data": {"ü": 1}})


def signed(secret: str, *, at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, BODY),
    }


async def deliver(sandbox: Driver, headers: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=sandbox.running.receiver) as client:
        return await client.post("/hooks/a?b=c", content=BODY, headers=headers, timeout=1)


async def test_a_delivery_is_kept_whole_and_its_signature_verified(sandbox: Driver) -> None:
    await sandbox.order("PUT", "/control/receiver", {"secrets": [OTHER, SECRET]})
    assert (await deliver(sandbox, signed(SECRET))).status_code == 200
    (delivery,) = await sandbox.order("GET", "/control/receiver/deliveries")
    assert delivery["path"] == "/hooks/a"
    assert delivery["headers"]["webhook-id"] == "msg_1"
    assert delivery["raw_body"] == BODY
    assert delivery["body"] == json.loads(BODY)
    assert delivery["received_at"].endswith("Z")
    assert (delivery["verified"], delivery["status"]) == (True, 200)


async def test_unknown_secrets_missing_headers_and_old_stamps_do_not_verify(
    sandbox: Driver,
) -> None:
    await sandbox.order("PUT", "/control/receiver", {"secrets": [SECRET]})
    await deliver(sandbox, signed(OTHER))
    await deliver(sandbox, {})
    await deliver(sandbox, signed(SECRET, at=datetime.now(UTC) - timedelta(hours=1)))
    await deliver(sandbox, {**signed(SECRET), "webhook-id": "msg_2"})
    await deliver(sandbox, {**signed(SECRET), "webhook-signature": "v1,%%%"})
    deliveries = await sandbox.order("GET", "/control/receiver/deliveries")
    assert [delivery["verified"] for delivery in deliveries] == [False] * 5


async def test_signatures_verify_after_the_sandbox_was_advanced(sandbox: Driver) -> None:
    await sandbox.order("PUT", "/control/receiver", {"secrets": [SECRET]})
    await sandbox.advance(86_400)
    await deliver(sandbox, signed(SECRET))
    (delivery,) = await sandbox.order("GET", "/control/receiver/deliveries")
    assert delivery["verified"] is True


async def test_it_answers_late_or_otherwise_or_not_at_all(sandbox: Driver) -> None:
    await sandbox.order("PUT", "/control/receiver", {"secrets": [SECRET], "status": 503})
    assert (await deliver(sandbox, signed(SECRET))).status_code == 503
    await sandbox.order("PUT", "/control/receiver", {"status": 200, "delay_seconds": 0.2})
    answer = await deliver(sandbox, signed(SECRET))
    assert answer.elapsed >= timedelta(seconds=0.2)
    await sandbox.order("PUT", "/control/receiver", {"drop": True, "delay_seconds": 0})
    with pytest.raises(httpx.TransportError):
        await deliver(sandbox, signed(SECRET))
    deliveries = await sandbox.order("GET", "/control/receiver/deliveries")
    assert [delivery["status"] for delivery in deliveries] == [503, 200, None]
    assert all(delivery["verified"] for delivery in deliveries)


async def test_while_the_clock_is_frozen_its_time_is_good_too(sandbox: Driver) -> None:
    await sandbox.order("PUT", "/control/receiver", {"secrets": [SECRET]})
    await sandbox.order("PUT", "/control/clock", {"frozen": True})
    await sandbox.advance(86_400)
    frozen = datetime.fromisoformat((await sandbox.order("GET", "/control/clock"))["wall"])
    await deliver(sandbox, signed(SECRET, at=frozen))
    await deliver(sandbox, signed(SECRET))
    await deliver(sandbox, signed(OTHER, at=frozen))
    await deliver(sandbox, signed(SECRET, at=frozen - timedelta(hours=1)))
    await deliver(sandbox, {**signed(SECRET, at=frozen), "webhook-signature": "v1,%%%"})
    await deliver(sandbox, {})
    deliveries = await sandbox.order("GET", "/control/receiver/deliveries")
    assert [row["verified"] for row in deliveries] == [True, True, False, False, False, False]
