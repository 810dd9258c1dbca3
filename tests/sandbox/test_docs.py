import json
import re
from pathlib import Path

from .driver import Driver

DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"
CALL = r"(?:`(?P<method>[A-Z]+) (?P<path>[a-z_/{}]+)`)?"
ROW = re.compile(rf"^\| {CALL} ?\| `(?P<body>\{{.*?\}})`(?= |;|,|:)")
EMAIL = {"method": "email", "type": "dv"}


def examples() -> list[tuple[str, str, object]]:
    """Every example body of the control API, with its call; a row without one has the last."""
    text = DOCS.read_text().split("One body for each call", 1)[1].split("## ", 1)[0]
    found = list[tuple[str, str, object]]()
    call = ("", "")
    for row in filter(None, map(ROW.match, text.splitlines())):
        if row["method"]:
            call = row["method"], f"/control/{row['path']}"
        found.append((*call, json.loads(row["body"])))
    return found


async def test_every_example_body_is_answered_200(sandbox: Driver) -> None:
    hostname_id = (await sandbox.create("a.acme.com", EMAIL))["id"]
    sent = set()
    for method, path, body in examples():
        await sandbox.order(method, path.replace("{id}", hostname_id), body)
        sent.add((method, path))
    assert len(sent) == 19
    assert len(examples()) > 50


async def test_every_call_without_a_body_is_answered_200(sandbox: Driver) -> None:
    hostname_id = (await sandbox.create("a.acme.com", EMAIL))["id"]
    hostname = f"/control/cloudflare/custom_hostnames/{hostname_id}"
    await sandbox.advance(10)
    await sandbox.order("POST", f"{hostname}/approve")
    await sandbox.advance(1000)
    await sandbox.order("POST", f"{hostname}/renew")
    for path in ("clock", "cloudflare/calls", "receiver/deliveries"):
        await sandbox.order("GET", f"/control/{path}")
    await sandbox.order("DELETE", hostname)
    await sandbox.order("POST", "/control/reset")
