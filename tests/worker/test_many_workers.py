"""G5: four workers at once; no row is worked on twice at a time, each transition comes once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support import Service
from tests.worker.processes import running_processes

# Every claim of a row that somebody still holds is written down.
WITNESS = """
CREATE TABLE witnessed_overlaps (custom_hostname_id text);
CREATE TABLE witnessed_claims (custom_hostname_id text, token bigint);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO witnessed_claims VALUES (NEW.custom_hostname_id, NEW.lease_token);
  IF OLD.leased_until > nameplate_now() THEN
    INSERT INTO witnessed_overlaps VALUES (OLD.custom_hostname_id);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON schedules FOR EACH ROW
  WHEN (NEW.lease_token <> OLD.lease_token) EXECUTE FUNCTION witness();
"""


@pytest.mark.parametrize("count", [pytest.param(20), pytest.param(500, marks=[pytest.mark.proof])])
@pytest.mark.timeout(400)
async def test_four_workers_take_every_hostname_up_once_at_a_time(
    count: int, database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        await processes.start("api")
        await service.sql.execute(WITNESS)
        await service.raise_limits()
        await _accept(service, count)
        workers = [await processes.start("worker") for _ in range(4)]
        await asyncio.sleep(1)
        await _until_all_live(service, count)
        codes = [await processes.end(worker) for worker in workers]
        assert codes == [0, 0, 0, 0]
        assert await service.sql.fetchval("SELECT count(*) FROM witnessed_overlaps") == 0
        assert await service.sql.fetchval("SELECT count(*) FROM witnessed_claims") >= 2 * count
        await _assert_each_transition_once(service, count)
        assert await _at_cloudflare(service) == count
        assert (await service.calls())["breaches"] == 0


async def _at_cloudflare(service: Service) -> int:
    stack = service.stack
    answer = await service.http.get(
        f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/custom_hostnames",
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    return int(answer.json()["result_info"]["total_count"])


async def _accept(service: Service, count: int) -> None:
    """Have all hostnames accepted while Cloudflare is down, so that the workers create them."""
    await service.world.control("PUT", "/cloudflare/faults", rate=1, kinds=[503], seed=1)
    slots = asyncio.Semaphore(8)

    async def accept(number: int) -> None:
        async with slots:
            hostname = await service.create(f"h{number}.crowd.com")
            assert hostname["state"] == "pending"
            await service.world.put_record(hostname["records"][0])

    await asyncio.gather(*(accept(number) for number in range(count)))
    await service.world.control("PUT", "/cloudflare/faults", rate=0, kinds=[], seed=1)


async def _until_all_live(service: Service, count: int) -> None:
    async with asyncio.timeout(300):
        while True:
            live = await service.sql.fetchval(
                "SELECT count(*) FROM custom_hostnames WHERE state = 'cname_verified'"
            )
            if live == count:
                return
            await service.advance(seconds=6)
            await asyncio.sleep(0.5)


async def _assert_each_transition_once(service: Service, count: int) -> None:
    rows = await service.sql.fetch(
        "SELECT array_agg(after ORDER BY sequence) AS path, array_agg(sequence ORDER BY sequence) "
        "AS numbers FROM events GROUP BY custom_hostname_id"
    )
    assert len(rows) == count
    for row in rows:
        assert row["path"] == ["pending", "validating", "active", "cname_verified"]
        assert row["numbers"] == [1, 2, 3, 4]
