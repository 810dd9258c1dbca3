"""`python -m benchmarks.fleet`: one simulation by itself, with `--explain` and other sizes."""

from __future__ import annotations

import argparse
import asyncio

from benchmarks.fleet.report import explanation, summary
from benchmarks.fleet.simulation import Scenario, simulate


def main() -> None:
    """Run the simulation and print the results."""
    default = Scenario()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=default.names)
    parser.add_argument("--days", type=int, default=default.days, help="in which names are added")
    parser.add_argument("--tail-days", type=float, default=default.tail_days, help="and after them")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--every-check", action="store_true", help="pass over no look at DNS")
    parser.add_argument("--explain", action="store_true", help="say where calls and time went")
    given = parser.parse_args()
    outcome = asyncio.run(
        simulate(
            Scenario(
                names=given.names,
                days=given.days,
                tail_days=given.tail_days,
                seed=given.seed,
                every_check=given.every_check,
            )
        )
    )
    print(summary(outcome))
    if given.explain:
        print(explanation(outcome))


if __name__ == "__main__":
    main()
