"""`make bench`: run the rows, print a table, and write `benchmarks/latest.json`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks import p1_get_one
from benchmarks.row import Row

ROWS: dict[str, Callable[[], Awaitable[list[Row]]]] = {"P1": p1_get_one.measure}
LATEST = Path(__file__).parent / "latest.json"


def main(names: list[str]) -> int:
    """Measure the named rows, or all; 2 for a name that does not exist, 1 for an aim not met."""
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        print(f"no row {unknown[0]!r}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    rows = [row for name in names or ROWS for row in asyncio.run(_measure(name))]
    LATEST.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    _print(rows)
    return 0 if all(row.met for row in rows) else 1


async def _measure(name: str) -> list[Row]:
    return await ROWS[name]()


def _print(rows: list[Row]) -> None:
    cells = [("id", "figure", "value", "beside", "ratio", "aim", "met")]
    cells += [
        (
            row.id,
            row.figure,
            f"{row.value:,.0f} {row.unit}",
            row.beside,
            f"{row.ratio:.2f}",
            row.aim,
            "yes" if row.met else "NO",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
