"""Write `docs/event-catalogue.md`: `python -m tests.event_catalogue`. `--check` compares it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.domain.event_samples import SAMPLES

FILE = Path(__file__).resolve().parents[1] / "docs/event-catalogue.md"
WIDTH = 96
INTRODUCTION = """\
# Event catalogue

Every type of event, and a body as [webhooks](webhooks.md) and the [feed](events.md) carry it. The
code made these bodies, of one invented hostname and zone; `python -m tests.event_catalogue` writes
this file. On the wire a body is one line. The schemas are in `/openapi.json`, under `webhooks`.
"""


def catalogue() -> str:
    """Give the whole file."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield INTRODUCTION
    yield "| type | meaning |"
    yield "| --- | --- |"
    for event_type, sample in SAMPLES.items():
        anchor = event_type.replace(".", "")
        yield f"| [`{event_type}`](#{anchor}) | {sample.meaning} |"
    for event_type, sample in SAMPLES.items():
        yield from ("", f"## {event_type}", "", sample.meaning, "")
        yield from ("```json", _pretty(sample.body()), "```")


def _pretty(value: Any, *, indent: int = 0, before: int = 0) -> str:
    """Write JSON in lines: a value that fits into one, after `before` characters, stands on one."""
    line = json.dumps(value)
    if before + len(line) < WIDTH or not isinstance(value, dict | list):
        return line
    inner = indent + 2
    if isinstance(value, list):
        parts = [_pretty(each, indent=inner, before=inner) for each in value]
    else:
        parts = [
            f"{name}{_pretty(each, indent=inner, before=inner + len(name))}"
            for name, each in ((f"{json.dumps(key)}: ", each) for key, each in value.items())
        ]
    lines = ",\n".join(" " * inner + part for part in parts)
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return f"{opening}\n{lines}\n{' ' * indent}{closing}"


def main() -> int:
    """Write or compare the file of this checkout."""
    parser = argparse.ArgumentParser(prog="event_catalogue")
    parser.add_argument("--check", action="store_true", help="only compare, and write nothing")
    if not parser.parse_args().check:
        FILE.write_text(catalogue())
    elif not FILE.exists() or FILE.read_text() != catalogue():
        sys.stderr.write(f"{FILE.name} is not as generated; run python -m tests.event_catalogue\n")
        return 1
    sys.stdout.write(f"{FILE.name}: {len(SAMPLES)} types\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
