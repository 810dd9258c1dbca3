"""Write `openapi.json`: `python -m tests.openapi_document`. With `--check`, only compare it.

It is written only if it takes nothing from callers, or if CHANGELOG.md says so: a line
`- Breaking: ...` below `[Unreleased]` that names the operation. Ends with 1 and one line about each
fault.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from app.main import new_app
from tests.openapi_changes import Change, breaking_changes

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "openapi.json"


def main() -> int:
    """Write or compare the file of this checkout."""
    parser = argparse.ArgumentParser(prog="openapi")
    parser.add_argument("--check", action="store_true", help="only compare, and write nothing")
    is_check = parser.parse_args().check
    document = new_app().openapi()
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    before = FILE.read_text() if FILE.exists() else ""
    if is_check:
        if text != before:
            return _fail(["openapi.json is not what the code serves; run `make openapi`"])
        sys.stdout.write(f"openapi.json: {len(document['paths'])} paths, as served\n")
        return 0
    changes = breaking_changes(json.loads(before), document) if before else []
    faults = unannounced(changes, (ROOT / "CHANGELOG.md").read_text())
    if faults:
        return _fail(
            f"{change}; add a line `- Breaking: {change.operation} ...` to CHANGELOG.md"
            for change in faults
        )
    FILE.write_text(text)
    sys.stdout.write(f"openapi.json: {len(document['paths'])} paths written\n")
    return 0


def unannounced(changes: Iterable[Change], changelog: str) -> list[Change]:
    """Return the changes that no `Breaking` line of the unreleased part names."""
    unreleased = changelog.partition("## [Unreleased]")[2].partition("\n## [")[0]
    lines = re.findall(r"^- Breaking: (?:.+(?:\n  .+)*)", unreleased, re.MULTILINE)
    return [
        change
        for change in changes
        if not any(change.operation in " ".join(line.split()) for line in lines)
    ]


def _fail(faults: Iterable[str]) -> int:
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
