"""What `docs/webhooks.md` shows is what is run."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from app.adapters.webhook_signing import public_key_of, signatures
from app.domain.deliveries import WEBHOOK_RETRIES
from app.domain.event_samples import sample_body
from tests.receivers.test_verify import PUBLIC
from tests.test_docs import read, rows

FILES = Path(__file__).resolve().parents[2] / "docs/receivers"
DOCUMENT = read("docs/webhooks.md")
SECONDS = {"s": 1, "min": 60, "h": 3600}


def shown(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def test_the_code_that_is_shown_is_that_of_the_files() -> None:
    assert shown("python") == [(FILES / "verify.py").read_text()]
    assert shown("js") == [(FILES / "verify.mjs").read_text()]


def test_every_file_is_linked() -> None:
    linked = set(re.findall(r"\(receivers/([\w.]+)\)", DOCUMENT))
    assert linked == {path.name for path in FILES.iterdir() if path.is_file()}


def test_the_body_that_is_shown_is_part_of_the_sample() -> None:
    (body,) = [each for each in map(json.loads, shown("json")) if "data" in each]
    sample = sample_body(body["type"])
    hostname = body["data"].pop("custom_hostname")
    assert hostname.items() <= sample["data"].pop("custom_hostname").items()
    assert body == sample


def test_the_message_to_check_with_is_signed_by_what_stands_beside_it() -> None:
    (shown_message,) = [each for each in shown("text") if "webhook-signature: " in each]
    given = dict(re.findall(r"^([a-z -]+?)(?:: |  +)(\S.*)$", shown_message, re.MULTILINE))
    body = shown_message.splitlines()[-1]
    at = datetime.fromtimestamp(int(given["webhook-timestamp"]), UTC)
    private_key = "whsk_" + base64.b64encode(bytes([1]) * 32 + PUBLIC).decode()
    assert given["public key"] == public_key_of(private_key)
    secrets = [given["secret"], private_key]
    assert given["webhook-signature"] == signatures(secrets, given["webhook-id"], at, body)


def test_the_schedule_is_that_of_the_code() -> None:
    waits = [row[1].split() for row in rows("docs/webhooks.md", "attempt")]
    assert waits[0] == ["at", "once"]
    assert tuple(int(n) * SECONDS[unit] for n, unit in waits[1:]) == WEBHOOK_RETRIES


def test_the_links_within_the_document_lead_to_its_chapters() -> None:
    chapters = re.findall(r"^#+ (.+)$", DOCUMENT, re.MULTILINE)
    anchors = {chapter.lower().replace(" ", "-") for chapter in chapters}
    assert set(re.findall(r"\]\(#([^)]+)\)", DOCUMENT)) <= anchors
