"""PATCH: what it changes, what it leaves, and what it refuses with nothing half done."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from app.api.hostname_schemas import CustomHostnameOut
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/custom-hostnames"
NUMBERS = itertools.count()


async def patched(service: Service, made: dict[str, Any], /, **said: Any) -> Any:
    return await service.http.patch(f"{PATH}/{made['id']}", json=said)


async def test_what_is_left_out_stays_and_null_resets(shared_service: Service) -> None:
    made = await shared_service.create(
        "merge.green-teacup.com", tls={"http2": "on", "min_tls_version": "1.2"}, metadata={"a": 1}
    )
    first = (await patched(shared_service, made, tls={"http2": None}, metadata={"b": 2})).json()
    CustomHostnameOut.model_validate(first)
    assert (first["tls"]["http2"], first["tls"]["min_tls_version"]) == (None, "1.2")
    assert first["metadata"] == {"b": 2}
    second = (await patched(shared_service, made, tls=None, metadata=None)).json()
    assert (second["tls"]["min_tls_version"], second["metadata"]) == (None, {})
    assert second["revision"] == made["revision"] + 2


async def test_labels_are_replaced_and_cleared(shared_service: Service) -> None:
    made = await shared_service.create("marked.green-teacup.com", labels={"a": "1", "b": "2"})
    first = (await patched(shared_service, made, labels={"b": "3"})).json()
    assert (first["labels"], first["revision"]) == ({"b": "3"}, made["revision"] + 1)
    same = (await patched(shared_service, made, labels={"b": "3"})).json()
    assert same["revision"] == first["revision"]
    cleared = (await patched(shared_service, made, labels=None)).json()
    assert (cleared["labels"], cleared["revision"]) == ({}, made["revision"] + 2)


async def test_a_change_that_changes_nothing_is_no_change(shared_service: Service) -> None:
    made = await shared_service.create("same.green-teacup.com")
    for said in ({}, {"plan": "simple"}, {"tls": None}, {"dcv_method": "http"}):
        answer = await patched(shared_service, made, **said)
        assert (answer.status_code, answer.json()["revision"]) == (200, made["revision"])


async def test_another_plan_has_other_records(shared_service: Service) -> None:
    made = await shared_service.create("other.green-teacup.com")
    changed = (await patched(shared_service, made, plan="zero_downtime")).json()
    assert (changed["plan"], changed["dcv_method"]) == ("zero_downtime", "txt")
    complete = await shared_service.until(made["id"], lambda s: bool(s["records_complete"]))
    assert [r["type"] for r in complete["records"]] == ["TXT", "TXT", "CNAME"]
    records = (await shared_service.http.get(f"{PATH}/{made['id']}/records")).json()
    assert (records["next"], records["switch_safe"]) == (0, False)


async def test_if_match_guards_a_change(shared_service: Service) -> None:
    made = await shared_service.create("guard.green-teacup.com")
    path = f"{PATH}/{made['id']}"
    etag = (await shared_service.http.get(path)).headers["etag"]
    await patched(shared_service, made, metadata={"a": 1})
    stale = await shared_service.http.patch(
        path, json={"metadata": {"a": 2}}, headers={"If-Match": etag}
    )
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")


async def test_what_is_leaving_takes_no_change(shared_service: Service) -> None:
    made = await shared_service.create("leave.green-teacup.com")
    await shared_service.http.delete(f"{PATH}/{made['id']}")
    await shared_service.until_state(made["id"], "deleted")
    refused = await patched(shared_service, made, plan="delegated")
    assert (refused.status_code, refused.json()["code"]) == (409, "is_deleted")


REFUSED = [
    ({"plan": "magic"}, "plan_not_available", "/plan"),
    ({"plan": 7}, "invalid_request", "/plan"),
    ({"dcv_method": "txt"}, "option_not_available", "/dcv_method"),
    ({"dcv_method": "pigeon"}, "invalid_request", "/dcv_method"),
    ({"certificate_authority": "verisign"}, "invalid_request", "/certificate_authority"),
    ({"custom_origin_server": "10.0.0.1"}, "option_not_available", "/custom_origin_server"),
    ({"custom_origin_sni": "a.b.com"}, "option_not_available", "/custom_origin_sni"),
    ({"tls": {"min_tls_version": "0.9"}}, "invalid_request", "/tls/min_tls_version"),
    ({"tls": {"http3": "on"}}, "invalid_request", "/tls/http3"),
    ({"tls": {"ciphers": "AES"}}, "invalid_request", "/tls/ciphers"),
    ({"custom_metadata": {"a": "x" * 5000}}, "option_not_available", "/custom_metadata"),
    ({"custom_metadata": [1]}, "invalid_request", "/custom_metadata"),
    ({"hostname": "x.com"}, "field_fixed", "/hostname"),
    ({"tenant": "other"}, "field_fixed", "/tenant"),
    ({"zone": None}, "field_fixed", "/zone"),
    ({"state": "active"}, "invalid_request", "/state"),
]


@pytest.mark.parametrize(("said", "code", "pointer"), REFUSED)
async def test_a_change_that_cannot_work_is_refused_and_changes_nothing(
    shared_service: Service, said: dict[str, Any], code: str, pointer: str
) -> None:
    made = await shared_service.create(f"{next(NUMBERS)}.green-teacup.com")
    refused = await patched(shared_service, made, metadata={"half": "done"}, **said)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert refused.json()["errors"][0]["pointer"] == pointer
    now = await shared_service.get(made["id"])
    assert (now["revision"], now["metadata"]) == (made["revision"], {})


async def test_an_address_for_an_origin_is_told_that_a_name_is_needed(
    shared_service: Service,
) -> None:
    body = {"hostname": "new.green-teacup.com", "tenant": "t", "custom_origin_server": "192.0.2.1"}
    refused = (await shared_service.http.post(PATH, json=body)).json()
    assert refused["errors"][0]["pointer"] == "/custom_origin_server"
    assert "origin" in refused["detail"]
    assert "Give a hostname" in refused["detail"]
    assert "custom hostname" not in refused["detail"]


@pytest.mark.parametrize(("said", "code", "pointer"), REFUSED[:12])
async def test_the_same_is_refused_when_a_hostname_is_added(
    shared_service: Service, said: dict[str, Any], code: str, pointer: str
) -> None:
    body = {"hostname": "new.green-teacup.com", "tenant": "t", **said}
    refused = await shared_service.http.post(PATH, json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert refused.json()["errors"][0]["pointer"] == pointer
