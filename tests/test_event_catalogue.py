"""The catalogue of events is what the code says, and its bodies are whole."""

from __future__ import annotations

import json
import re

from app.domain.event_samples import SAMPLES, sample_body
from tests.event_catalogue import FILE, catalogue


def test_the_catalogue_is_as_generated() -> None:
    assert FILE.read_text() == catalogue(), "run python -m tests.event_catalogue"


def test_the_bodies_of_the_catalogue_are_the_samples() -> None:
    shown = re.findall(r"^```json\n(.+?)^```$", FILE.read_text(), re.MULTILINE | re.DOTALL)
    assert [json.loads(each) for each in shown] == [sample_body(each) for each in SAMPLES]


def test_the_links_of_the_table_lead_to_the_chapters() -> None:
    text = FILE.read_text()
    chapters = re.findall(r"^## (.+)$", text, re.MULTILINE)
    # As renderers of Markdown make anchors: dots fall away.
    anchors = [chapter.replace(".", "") for chapter in chapters]
    assert re.findall(r"\]\(#([^)]+)\)", text) == anchors
    assert chapters == list(SAMPLES)
