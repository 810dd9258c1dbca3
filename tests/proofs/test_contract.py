"""The API keeps its OpenAPI document: schemathesis tries every operation with keys of each scope.

All checks run but `use_after_free`, because a deleted hostname stays readable as a tombstone.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.proofs.conftest import Say
from tests.proofs.contract_hooks import TENANT, VARIABLE, Run
from tests.support import Service

ROOT = Path(__file__).resolve().parents[2]
SEED = 20261126
EXAMPLES = 12
"""Generated requests of an operation, beside those that cover its schema."""
SECONDS = 600
"""For one scope."""
CONFIG = ROOT / "tests/contract/schemathesis.toml"
KEYS = {
    "read": {"scope": "read"},
    "write": {"scope": "write"},
    "admin": {"scope": "admin"},
    "bound": {"scope": "write", "tenant": TENANT},
}


NEVER_ACCEPTED = {
    # No hostname of a run failed with `already_in_zone`.
    "adopt_custom_hostname",
}
"""By a key that may do everything."""


@pytest.mark.proof
@pytest.mark.timeout(len(KEYS) * SECONDS)
async def test_every_operation_keeps_the_contract(
    service: Service, tmp_path: Path, say: Say
) -> None:
    document = (await service.http.get("/openapi.json")).json()
    operations = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    failed, log = {}, {}
    for name, wanted in KEYS.items():
        key = await _added(service, "api-keys", name=name, **wanted)
        file = tmp_path / name
        run = await _new_run(service, tenant=wanted.get("tenant"), key_id=key["id"], log=str(file))
        began = time.monotonic()
        status, output = await _schemathesis(service.stack.api, key["secret"], run, tmp_path)
        log[name] = Counter(file.read_text().splitlines())
        say(f"{name}, {time.monotonic() - began:.0f} s: {_counts(log[name])}")
        if status:
            failed[name] = output
        await _remove_endpoints(service)
    assert not failed, "\n".join(failed.values())
    accepted = {line.split()[1] for line in log["admin"] if re.fullmatch(r"answered \w+ 2..", line)}
    assert operations - accepted == NEVER_ACCEPTED


def _counts(log: Counter[str]) -> str:
    """Say how many requests had which status, and how often each listed refusal came."""
    statuses: Counter[str] = Counter()
    refused = []
    for line, count in sorted(log.items()):
        kind, operation, what = line.split()
        if kind == "answered":
            statuses[what] += count
        else:
            refused.append(f"\n  refused as listed: {operation} {what}, {count} times")
    by_status = ", ".join(f"{count} of {status}" for status, count in sorted(statuses.items()))
    return f"{statuses.total()} answers ({by_status}){''.join(refused)}"


async def _new_run(service: Service, *, tenant: str | None, key_id: str, log: str) -> Run:
    """Make what the requests of a run ask for, of a tenant that all keys reach."""
    prefix = f"shop-{time.monotonic_ns()}"
    hostnames = [
        await service.create(f"{prefix}-{number}.green-shops.com", TENANT) for number in range(5)
    ]
    # Only a bound key that removes all names of its tenant removes these.
    diagnosed = [
        await service.create(f"{prefix}-dns-{number}.green-shops.com", TENANT) for number in "123"
    ]
    url = f"{service.stack.receiver}/hook"
    # Of the tenant's own key, because a bound key reaches no others.
    own = await _added(service, "api-keys", name="the tenant's", scope="write", tenant=TENANT)
    endpoints = [
        await _added(service, "webhook-endpoints", own["secret"], url=url) for _ in "12345"
    ]
    # No request changes or removes these.
    watched = [await _added(service, "webhook-endpoints", own["secret"], url=url) for _ in "123"]
    keys = [await _added(service, "api-keys", name="to be revoked") for _ in range(5)]
    zone = await service.zone()
    return Run(
        tenant=tenant,
        key_id=key_id,
        ids={
            "custom hostnames": [each["id"] for each in hostnames],
            "diagnosis": [each["id"] for each in diagnosed],
            "webhook endpoints": [each["id"] for each in endpoints],
            "webhook deliveries": [each["id"] for each in watched],
            "API keys": [each["id"] for each in keys],
            "zones": ["default", zone["id"]],
        },
        deliveries={each["id"]: await _delivery(service, each["id"]) for each in watched},
        redirect_to=hostnames[0]["hostname"],
        resolvable=(await service.create(f"{prefix}.kept-shops.com", "kept"))["hostname"],
        receiver=service.stack.receiver,
        log=log,
    )


async def _added(
    service: Service, resource: str, key: str | None = None, **body: Any
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key or service.stack.api_key}"}
    response = await service.http.post(f"/v1/{resource}", json=body, headers=headers)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def _remove_endpoints(service: Service) -> None:
    """Make room for the next run: a tenant has twenty webhook endpoints of its own at most."""
    path, cursor = "/v1/webhook-endpoints", ""
    while cursor is not None:
        page = (await service.http.get(f"{path}?limit=100{cursor and f'&cursor={cursor}'}")).json()
        for each in page["data"]:
            await service.http.delete(f"{path}/{each['id']}")
        cursor = page["next_cursor"]


async def _delivery(service: Service, endpoint_id: str) -> str:
    """Send the endpoint a test event, and return its delivery."""
    response = await service.http.post(f"/v1/webhook-endpoints/{endpoint_id}/test")
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


async def _schemathesis(api: str, key: str, run: Run, folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        f"--config-file={CONFIG}",
        "run",
        f"{api}/openapi.json",
        f"--header=Authorization: Bearer {key}",
        f"--seed={SEED}",
        f"--max-examples={EXAMPLES}",
        "--no-color",
        cwd=folder,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": "tests.proofs.contract_hooks", VARIABLE: run.to_json()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()
