"""`make bench`: run the rows, print a table, and write `benchmarks/latest.json`."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks import (
    p1_get_one,
    p2_lists,
    p3_p4_fleet,
    p5_large_zone,
    p6_list_scans,
    p7_dns,
    p8_webhooks,
)
from benchmarks.row import Row

Measure = Callable[[], Awaitable[list[Row]]]

ROWS: dict[str, Measure] = {
    "P1": p1_get_one.measure,
    "P2": p2_lists.measure,
    "P3": p3_p4_fleet.measure,
    "P4": p3_p4_fleet.measure,
    "P5": p5_large_zone.measure,
    "P6": p6_list_scans.measure,
    "P7": p7_dns.measure,
    "P8": p8_webhooks.measure,
}
FEW = 1000
SMALL = 0.1
LATEST = Path(__file__).parent / "latest.json"


def main(names: list[str]) -> int:
    """Measure the named rows, or all.

    Return 2 for a name that does not exist, 1 for a target that was missed.
    """
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        print(f"no row {unknown[0]!r}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    wanted = names or list(ROWS)
    # Rows that come from one run are measured by it once.
    measures = dict.fromkeys(ROWS[name] for name in wanted)
    rows = [row for measure in measures for row in asyncio.run(_rows_of(measure))]
    rows = [row for row in rows if row.id in wanted]
    LATEST.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    _print(rows)
    return 0 if all(row.met for row in rows) else 1


async def _rows_of(measure: Measure) -> list[Row]:
    # What earlier rows left need not be walked by the garbage collector while others are timed.
    gc.collect()
    gc.freeze()
    return await measure()


def _print(rows: list[Row]) -> None:
    cells = [("id", "figure", "value", "beside", "ratio", "aim", "met")]
    cells += [
        (
            row.id,
            row.figure,
            f"{_number(row.value)} {row.unit}",
            row.beside,
            f"{row.ratio:.3f}" if row.ratio < SMALL else f"{row.ratio:.2f}",
            row.aim,
            "yes" if row.met else "NO",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))


def _number(value: float) -> str:
    return f"{value:,.1f}" if value % 1 and value < FEW else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
