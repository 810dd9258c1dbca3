"""Seeds under random changes, read over HTTP, against a plain dict that lives through the same."""

import random
from pathlib import Path

from .driver import Driver, driven
from .test_seed import SEED, listed, seed, seeded_id

Statuses = tuple[str, str]
WORDS = ("active", "pending", "moved", "blocked")


class Twin:
    """The sandbox's zone and, beside it, what it should hold: statuses by number, in order."""

    def __init__(self, sandbox: Driver, rows: dict[int, Statuses], dice: random.Random) -> None:
        self.sandbox = sandbox
        self.rows = rows
        self.dice = dice

    async def load(self) -> None:
        start, statuses = max(self.rows, default=0) + self.dice.randrange(1, 20), self._statuses()
        await seed(
            self.sandbox,
            count=30,
            start=start,
            hostname_status=statuses[0],
            ssl_status=statuses[1],
        )
        self.rows.update(dict.fromkeys(range(start, start + 30), statuses))

    async def restate(self) -> None:
        chosen, (status, ssl_status) = self._some(), self._statuses()
        body = {"numbers": chosen, "hostname_status": status, "ssl_status": ssl_status}
        await self.sandbox.order("POST", f"{SEED}/status", body)
        self.rows.update(dict.fromkeys(chosen, (status, ssl_status)))

    async def remove(self) -> None:
        chosen = self._some()
        body = {"from": min(chosen), "to": max(chosen)}
        await self.sandbox.order("POST", f"{SEED}/remove", body)
        for number in range(min(chosen), max(chosen) + 1):
            self.rows.pop(number, None)

    async def force(self) -> None:
        number, (status, ssl_status) = self._some()[0], self._statuses()
        path = f"/control/cloudflare/custom_hostnames/{seeded_id(number)}"
        await self.sandbox.order("PATCH", path, {"status": status, "ssl_status": ssl_status})
        self.rows[number] = (status, ssl_status)

    async def annotate(self) -> None:
        await self.sandbox.patch(seeded_id(self._some()[0]), custom_metadata={"a": "b"})

    async def delete(self) -> None:
        number = self._some()[0]
        await self.sandbox.api.delete(f"{self.sandbox.hostnames}/{seeded_id(number)}")
        del self.rows[number]

    async def compare(self) -> None:
        query: dict[str, str | int] = {}
        status, ssl_status = (self.dice.choice([None, "active", "moved"]) for _ in range(2))
        if status:
            query["hostname_status"] = status
        if ssl_status:
            query["ssl_status"] = ssl_status
        expected = [
            f"seed-{number:07}"
            for number, statuses in self.rows.items()
            if status in (None, statuses[0]) and ssl_status in (None, statuses[1])
        ]
        if self.dice.random() < 0.5:
            query["direction"] = "desc"
            expected.reverse()
        page = self.dice.randrange(1, 4)
        shown = expected[page * 10 - 10 : page * 10]
        found = await listed(self.sandbox, page=page, per_page=10, **query)
        assert found == (shown, len(expected))

    def _some(self) -> list[int]:
        return self.dice.sample(list(self.rows), min(3, len(self.rows)))

    def _statuses(self) -> Statuses:
        return self.dice.choice(WORDS), self.dice.choice(WORDS)


async def test_lists_are_what_became_of_the_seeds_also_after_restarts(tmp_path: Path) -> None:
    dice, rows = random.Random(3), dict[int, Statuses]()  # noqa: S311 - no secret
    for _ in range(3):
        async with driven(tmp_path) as sandbox:
            await sandbox.account(custom_metadata=True)
            twin = Twin(sandbox, rows, dice)
            await twin.compare()
            await twin.load()
            changes = [twin.restate, twin.force, twin.annotate, twin.delete, twin.remove]
            for _ in range(40):
                if len(rows) < 40:
                    await twin.load()
                await dice.choice(changes)()
                await twin.compare()
