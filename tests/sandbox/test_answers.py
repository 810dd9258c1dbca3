"""The documented forms of answers, each by its switch, and what is copied from real answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from .driver import DV_HTTP, DV_TXT, TARGET, Driver, driven

ISSUED = 2000
MANY = 1000


async def validating(sandbox: Driver, name: str, ssl: dict[str, Any]) -> dict[str, Any]:
    created = await sandbox.create(name, ssl)
    await sandbox.advance(6)
    return await sandbox.get(created["id"])


async def live(sandbox: Driver, name: str) -> dict[str, Any]:
    await sandbox.put(name, "CNAME", TARGET)
    created = await sandbox.create(name)
    await sandbox.advance(ISSUED)
    return await sandbox.get(created["id"])


@pytest.mark.parametrize(
    ("form", "status", "body"),
    [
        (None, 200, {"id": "ID"}),
        ("bare", 200, {"id": "ID"}),
        (
            "envelope",
            200,
            {"result": {"id": "ID"}, "success": True, "errors": [], "messages": []},
        ),
        ("empty", 200, None),
        ("no_content", 204, None),
    ],
)
async def test_a_delete_is_a_bare_id_unless_another_form_is_chosen(
    sandbox: Driver, form: str | None, status: int, body: dict[str, Any] | None
) -> None:
    if form:
        await sandbox.answers(delete=form)
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    answer = await sandbox.api.delete(f"{sandbox.hostnames}/{hostname_id}")
    assert answer.status_code == status
    assert answer.text.replace(hostname_id, "ID") == (_compact(body) if body else "")
    assert (await sandbox.api.get(f"{sandbox.hostnames}/{hostname_id}")).status_code == 404


def _compact(body: dict[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))


@pytest.mark.parametrize("form", ["bare", "envelope", "empty", "no_content"])
async def test_the_fallback_origin_is_deleted_in_the_same_forms(sandbox: Driver, form: str) -> None:
    await sandbox.answers(delete=form)
    answer = await sandbox.api.delete(f"{sandbox.hostnames}/fallback_origin")
    assert answer.status_code == (204 if form == "no_content" else 200)
    if form == "bare":
        assert list(answer.json()) == ["id"]
    elif form == "envelope":
        assert answer.json()["result"]["status"] == "pending_deletion"
    else:
        assert answer.content == b""
    seen = await sandbox.api.get(f"{sandbox.hostnames}/fallback_origin")
    assert seen.json()["result"]["status"] == "pending_deletion"


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_patch_and_put_succeed_with_each_documented_status(
    sandbox: Driver, status: int
) -> None:
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    path, origin = f"{sandbox.hostnames}/{hostname_id}", f"{sandbox.hostnames}/fallback_origin"
    body = {"origin": "proxy-fallback.nameplate-demo.net"}
    assert (await sandbox.api.patch(path, json={"ssl": DV_HTTP})).status_code == 202
    assert (await sandbox.api.put(origin, json=body)).status_code == 200
    await sandbox.answers(patch_status=status, put_status=status)
    assert (await sandbox.api.patch(path, json={"ssl": DV_HTTP})).status_code == status
    assert (await sandbox.api.put(origin, json=body)).status_code == status


async def test_an_empty_patch_is_a_refresh(sandbox: Driver) -> None:
    created = await sandbox.create("shop.acme.com")
    await sandbox.advance(1000)
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    await sandbox.patch(created["id"])
    assert (await sandbox.get(created["id"]))["status"] == "active"


async def test_ownership_tokens_hold_the_hostnames_id_and_one_value(sandbox: Driver) -> None:
    created = await sandbox.create("shop.acme.com")
    text, http = created["ownership_verification"], created["ownership_verification_http"]
    assert http == {
        "http_url": "http://shop.acme.com/.well-known/cf-custom-hostname-challenge/"
        + created["id"],
        "http_body": text["value"],
    }
    path = f"{sandbox.hostnames}/{created['id']}"
    await sandbox.api.delete(path)
    again = await sandbox.create("shop.acme.com")
    assert again["id"] != created["id"]
    assert again["ownership_verification"]["value"] != text["value"]


async def test_once_active_the_ownership_is_absent_or_emptied(sandbox: Driver) -> None:
    seen = await live(sandbox, "shop.acme.com")
    assert not {"ownership_verification", "ownership_verification_http"} & set(seen)
    await sandbox.answers(ownership_after_activation="emptied")
    seen = await sandbox.get(seen["id"])
    assert seen["ownership_verification"] == {"type": "txt", "name": "", "value": ""}
    assert "ownership_verification_http" not in seen
    (row,) = (await sandbox.api.get(sandbox.hostnames)).json()["result"]
    assert row == seen


async def test_a_certificate_ends_in_two_entries_and_not_on_ssl(sandbox: Driver) -> None:
    ssl = (await live(sandbox, "shop.acme.com"))["ssl"]
    first, second = ssl["certificates"]
    assert (first["signature"], second["signature"]) == ("ECDSAWithSHA256", "SHA256WithRSA")
    assert first["expires_on"]
    assert second["expires_on"]
    assert not {"expires_on", "uploaded_on", "issuer", "serial_number", "settings"} & set(ssl)


async def test_txt_tokens_are_also_flat_on_ssl_and_a_plain_name_may_delegate(
    sandbox: Driver,
) -> None:
    ssl = (await validating(sandbox, "shop.acme.com", DV_TXT))["ssl"]
    (record,) = ssl["validation_records"]
    assert (ssl["txt_name"], ssl["txt_value"]) == (record["txt_name"], record["txt_value"])
    (delegation,) = ssl["dcv_delegation_records"]
    uuid = (await sandbox.api.get(f"{sandbox.zone}/dcv_delegation/uuid")).json()["result"]["uuid"]
    assert len(uuid) == 16
    int(uuid, 16)
    assert delegation == {
        "cname": "_acme-challenge.shop.acme.com",
        "cname_target": f"shop.acme.com.{uuid}.dcv.cloudflare.com",
    }


async def test_http_tokens_are_acme_challenges_and_each_retry_brings_new_ones(
    sandbox: Driver,
) -> None:
    before = (await validating(sandbox, "shop.acme.com", DV_HTTP))["ssl"]["validation_records"][0]
    token = before["http_body"].split(".")[0]
    assert before["http_url"] == f"http://shop.acme.com/.well-known/acme-challenge/{token}"
    (row,) = (await sandbox.api.get(sandbox.hostnames)).json()["result"]
    await sandbox.patch(row["id"], ssl=DV_HTTP)
    after = (await sandbox.get(row["id"]))["ssl"]["validation_records"][0]
    assert after != before
    await sandbox.answers(http_tokens_on_retry="kept")
    await sandbox.patch(row["id"], ssl=DV_HTTP)
    assert (await sandbox.get(row["id"]))["ssl"]["validation_records"][0] == after


@pytest.mark.parametrize("ssl", [DV_HTTP, DV_TXT])
async def test_a_plain_name_may_have_two_tokens(sandbox: Driver, ssl: dict[str, Any]) -> None:
    await sandbox.answers(plain_name_tokens=2)
    records = (await validating(sandbox, "shop.acme.com", ssl))["ssl"]["validation_records"]
    assert len(records) == 2
    assert records[0] != records[1]


async def test_a_name_without_ssl_has_no_such_key(sandbox: Driver) -> None:
    answer = await sandbox.api.post(sandbox.hostnames, json={"hostname": "shop.acme.com"})
    assert "ssl" not in answer.json()["result"]


async def test_a_caa_question_that_fails_is_told_by_its_own_words(sandbox: Driver) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    fault = {"name": "acme.com", "fault": "servfail"}
    await sandbox.order("PUT", "/control/dns/faults", fault)
    seen = await validating(sandbox, "shop.acme.com", DV_HTTP)
    assert seen["ssl"]["validation_errors"] == [
        {"message": "SERVFAIL looking up CAA for shop.acme.com"}
    ]


async def test_settings_of_the_wrong_type_cannot_be_decoded(sandbox: Driver) -> None:
    body = {"hostname": "shop.acme.com", "ssl": {**DV_HTTP, "settings": []}}
    answer = await sandbox.api.post(sandbox.hostnames, json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {
            "code": 1400,
            "message": "Unable to decode the JSON request body. Please check your input and try "
            "again.",
        }
    ]


async def test_a_list_can_come_without_its_counts(sandbox: Driver) -> None:
    await sandbox.create("shop.acme.com")
    shown = dict[str, Any]()
    for form in ("full", "without_total_pages", "absent"):
        await sandbox.answers(result_info=form)
        shown[form] = (await sandbox.api.get(sandbox.hostnames)).json().get("result_info")
    assert shown["absent"] is None
    assert shown["full"] == {**shown["without_total_pages"], "total_pages": 1}


async def test_the_answer_to_a_write_can_lack_status_and_ownership(sandbox: Driver) -> None:
    await sandbox.answers(write="without_status")
    created = await sandbox.create("shop.acme.com")
    patched = await sandbox.patch(created["id"], ssl=DV_HTTP)
    for shown in (created, patched):
        assert set(shown) == {"id", "hostname", "ssl", "created_at"}
    assert (await sandbox.get(created["id"]))["status"] == "pending"


async def test_an_envelope_can_have_more_or_fewer_keys(sandbox: Driver) -> None:
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    good, bad = f"{sandbox.hostnames}/{hostname_id}", f"{sandbox.hostnames}/nonsense"
    await sandbox.answers(envelope="short")
    assert set((await sandbox.api.get(good)).json()) == {"success", "result"}
    assert set((await sandbox.api.get(bad)).json()) == {"success", "errors"}
    await sandbox.answers(envelope="extras")
    content = (await sandbox.api.get(good)).json()
    assert content["success"] is True
    assert content["messages"][0]["code"] == 10000
    assert isinstance(content["messages"][1], str)
    (error,) = (await sandbox.api.get(bad)).json()["errors"]
    assert set(error) == {"code", "message", "documentation_url", "source"}


@pytest.mark.parametrize("status", ["deleted", "pending_deletion"])
async def test_a_removed_name_can_stay_readable_by_its_id_for_a_time(
    sandbox: Driver, status: str
) -> None:
    await sandbox.answers(readable_after_delete=status, readable_seconds=100)
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    path = f"{sandbox.hostnames}/{hostname_id}"
    assert (await sandbox.api.delete(path)).status_code == 200
    seen = await sandbox.get(hostname_id)
    assert (seen["id"], seen["status"], seen["ssl"]["status"]) == (hostname_id, status, status)
    assert (await sandbox.api.get(sandbox.hostnames)).json()["result"] == []
    assert (await sandbox.api.delete(path)).status_code == 404
    assert (await sandbox.create("shop.acme.com"))["id"] != hostname_id
    await sandbox.advance(101)
    assert (await sandbox.api.get(path)).status_code == 404


async def test_a_fallback_origin_that_is_not_proxied_waits_and_says_why(sandbox: Driver) -> None:
    path = f"{sandbox.hostnames}/fallback_origin"
    record = {"type": "A", "name": "plain", "content": "192.0.2.9"}
    made = await sandbox.api.post(f"{sandbox.zone}/dns_records", json=record)
    body = {"origin": "plain.nameplate-demo.net"}
    put = (await sandbox.api.put(path, json=body)).json()
    assert put["result"]["status"] == "pending_deployment"
    assert put["result"]["errors"] == [
        "DNS records are not setup correctly. Origin should be a proxied A/AAAA/CNAME dns record"
    ]
    await sandbox.advance(MANY)
    assert (await sandbox.api.get(path)).json()["result"]["status"] == "pending_deployment"
    record_path = f"{sandbox.zone}/dns_records/{made.json()['result']['id']}"
    await sandbox.api.patch(record_path, json={"proxied": True})
    await sandbox.advance(MANY)
    seen = (await sandbox.api.get(path)).json()["result"]
    assert (seen["status"], "errors" in seen) == ("active", False)
    await sandbox.answers(unproxied_fallback_origin="refused")
    refused = await sandbox.api.put(path, json={"origin": "none.nameplate-demo.net"})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, 1421)


async def test_the_forms_stay_through_a_restart_until_a_reset(tmp_path: Path) -> None:
    async with driven(tmp_path) as sandbox:
        first = await sandbox.answers()
        chosen = await sandbox.answers(delete="empty", patch_status=201, envelope="short")
    async with driven(tmp_path) as sandbox:
        assert await sandbox.answers() == chosen
        await sandbox.order("POST", "/control/reset")
        assert await sandbox.answers() == first


@pytest.mark.parametrize(
    "body", [{"delete": "none"}, {"patch_status": 204}, {"readable_seconds": -1}, {"put": 200}]
)
async def test_impossible_forms_are_refused(sandbox: Driver, body: object) -> None:
    answer = await sandbox.control.put("/control/cloudflare/answers", json=body)
    assert answer.status_code == 422
