"""The other side of `outbox_comparison`: deliveries as tasks of procrastinate.

Run by an interpreter of its own that has procrastinate and httpx. It imports nothing of ours, and
nothing of ours imports it. `put URL` reads jobs from standard input, `work URL` does them.

Done as its documentation says: a retry strategy of its own has the schedule, a periodic task brings
back the jobs of workers that died, and with `lock` a job takes its endpoint's lock.
"""

import asyncio
import base64
import hashlib
import hmac
import importlib
import json
import sys
import time
from typing import Any

import httpx

p: Any = importlib.import_module("procrastinate")

PLACES = 32
ATTEMPT_SECONDS = 15.0
RETRIES = (5, 300, 1800, 7200, 18000, 36000, 36000)
KEY = b"0" * 24
BATCH = 1000


def application(url: str) -> tuple[Any, Any]:
    """Return the app and its task."""
    app = p.App(connector=p.PsycopgConnector(conninfo=url))
    http = httpx.AsyncClient(timeout=ATTEMPT_SECONDS, trust_env=False)

    class Schedule(p.BaseRetryStrategy):  # type: ignore[misc]
        def get_retry_decision(self, *, exception: BaseException, job: Any) -> Any:  # noqa: ARG002 - its signature
            if job.attempts >= len(RETRIES):
                return None
            return p.RetryDecision(retry_in={"seconds": RETRIES[job.attempts]})

    async def deliver(endpoint: str, message: str, body: str) -> None:
        at = str(int(time.time()))
        signed = hmac.new(KEY, f"{message}.{at}.{body}".encode(), hashlib.sha256).digest()
        headers = {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": at,
            "webhook-signature": "v1," + base64.b64encode(signed).decode(),
        }
        response = await http.post(endpoint, content=body.encode(), headers=headers)
        response.raise_for_status()

    async def bring_back(timestamp: int) -> None:  # noqa: ARG001 - its signature
        for job in await app.job_manager.get_stalled_jobs():
            await app.job_manager.retry_job(job)

    task = app.task(name="deliver", retry=Schedule())(deliver)
    periodic = app.task(name="bring_back", queueing_lock="bring_back")(bring_back)
    app.periodic(cron="* * * * * */10")(periodic)
    return app, task


async def put(url: str) -> None:
    """Add the jobs that standard input lists."""
    app, task = application(url)
    given = json.load(sys.stdin)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        locks: dict[str | None, list[dict[str, str]]] = {}
        for job in given["jobs"]:
            locks.setdefault(job["endpoint"] if given["lock"] else None, []).append(job)
        for lock, jobs in locks.items():
            for first in range(0, len(jobs), BATCH):
                await task.configure(lock=lock).batch_defer_async(*jobs[first : first + BATCH])


async def work(url: str) -> None:
    """Do jobs until SIGTERM, then print the seconds of CPU time."""
    app, _ = application(url)
    async with app.open_async():
        await app.run_worker_async(concurrency=PLACES, shutdown_graceful_timeout=1)
    print(time.process_time())


if __name__ == "__main__":
    asyncio.run({"put": put, "work": work}[sys.argv[1]](sys.argv[2]))
