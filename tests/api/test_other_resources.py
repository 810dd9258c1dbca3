"""Webhook endpoints, zones, health, and the OpenAPI document itself."""

from __future__ import annotations

import pytest

from app.api.webhook_schemas import WebhookEndpointCreated, WebhookEndpointOut
from app.api.zone_schemas import ZonePage, ZoneReportOut
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_webhook_endpoints_secret_is_shown_once(shared_service: Service) -> None:
    body = {"url": f"{shared_service.stack.receiver}/a", "event_types": ["custom_hostname.active"]}
    created = await shared_service.http.post("/v1/webhook-endpoints", json=body)
    assert created.status_code == 201
    endpoint = WebhookEndpointCreated.model_validate(created.json())
    assert endpoint.secret is not None
    assert endpoint.secret.startswith("whsec_")
    shown = await shared_service.http.get(f"/v1/webhook-endpoints/{endpoint.id}")
    WebhookEndpointOut.model_validate(shown.json())
    listed = (await shared_service.http.get("/v1/webhook-endpoints")).json()["data"]
    assert shown.json() in listed
    assert "secret" not in shown.json()


async def test_a_deleted_endpoint_is_gone_and_gets_nothing_more(shared_service: Service) -> None:
    body = {"url": f"{shared_service.stack.receiver}/b"}
    made = (await shared_service.http.post("/v1/webhook-endpoints", json=body)).json()
    path = f"/v1/webhook-endpoints/{made['id']}"
    assert (await shared_service.http.delete(path)).status_code == 204
    assert (await shared_service.http.get(path)).status_code == 404
    assert (await shared_service.http.delete(path)).status_code == 404
    await shared_service.create("quiet.rain-drop.com")
    owed = await shared_service.sql.fetchval(
        "SELECT count(*) FROM deliveries WHERE endpoint_id = $1 AND status = 'pending'", made["id"]
    )
    assert owed == 0


async def test_an_endpoint_gets_its_own_tenant_and_event_types_alone(
    shared_service: Service,
) -> None:
    body = {
        "url": f"{shared_service.stack.receiver}/c",
        "tenant": "only-me",
        "event_types": ["custom_hostname.validating"],
    }
    made = (await shared_service.http.post("/v1/webhook-endpoints", json=body)).json()
    await shared_service.create("mine.rain-drop.com", "only-me")
    await shared_service.create("theirs.rain-drop.com", "somebody")
    rows = await shared_service.sql.fetch(
        "SELECT e.type, e.tenant FROM deliveries d JOIN events e ON e.id = d.event_id "
        "WHERE d.endpoint_id = $1",
        made["id"],
    )
    assert [tuple(row) for row in rows] == [("custom_hostname.validating", "only-me")]


async def test_the_default_zone_comes_from_the_settings(shared_service: Service) -> None:
    page = ZonePage.model_validate((await shared_service.http.get("/v1/zones")).json())
    assert [zone.is_default for zone in page.data] == [True]
    by_id = await shared_service.http.get(f"/v1/zones/{page.data[0].id}")
    by_word = await shared_service.http.get("/v1/zones/default")
    assert ZoneReportOut.model_validate(by_id.json()).is_ready
    assert by_id.json() == by_word.json()


async def test_setting_a_zone_up_twice_changes_nothing_the_second_time(
    shared_service: Service,
) -> None:
    stack = shared_service.stack
    token = {"Authorization": f"Bearer {stack.cloudflare_token}"}
    zone = f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}"
    for record in (await shared_service.http.get(f"{zone}/dns_records", headers=token)).json()[
        "result"
    ]:
        await shared_service.http.delete(f"{zone}/dns_records/{record['id']}", headers=token)
    needed = await shared_service.http.post("/v1/zones/default/setup")
    assert (needed.status_code, needed.json()["code"]) == (422, "origin_required")
    first = await shared_service.http.post("/v1/zones/default/setup", json={"origin": "192.0.2.7"})
    assert first.json()["setup"]["fallback_origin_record"]["state"] == "created"
    assert first.json()["setup"]["cname_target"]["content"] == "proxy-fallback.nameplate-demo.net"
    again = await shared_service.http.post("/v1/zones/default/setup")
    parts = again.json()["setup"]
    assert parts["fallback_origin_record"]["state"] == "present"
    assert parts["cname_target"]["state"] == "present"
    assert again.json()["name"] == "nameplate-demo.net"


async def test_a_set_up_says_that_the_origins_record_leads_elsewhere(
    shared_service: Service,
) -> None:
    path = "/v1/zones/default/setup"
    await shared_service.http.post(path, json={"origin": "192.0.2.7"})
    there = (await shared_service.http.get("/v1/zones/default")).json()["setup"]
    content = there["fallback_origin_record"]["content"]
    same = (await shared_service.http.post(path, json={"origin": content})).json()["setup"]
    assert same["fallback_origin_record"]["state"] == "present"
    other = (await shared_service.http.post(path, json={"origin": "198.51.100.9"})).json()
    part = other["setup"]["fallback_origin_record"]
    assert (part["state"], part["type"], part["content"]) == ("points_elsewhere", "A", content)
    assert (other["is_ready"], other["setup"]["cname_target"]["state"]) == (True, "present")
    ZoneReportOut.model_validate(other)
    seen = (await shared_service.http.get("/v1/zones/default")).json()["setup"]
    assert seen["fallback_origin_record"]["state"] == "present"


@pytest.mark.parametrize("origin", ["not a host", "*.x.com", "https://x.com", "x.com:443", "[::1]"])
async def test_a_text_that_is_no_origin_is_refused_though_the_zone_is_set_up(
    shared_service: Service, origin: str
) -> None:
    for zone in ("default", "none"):
        path = f"/v1/zones/{zone}/setup"
        refused = await shared_service.http.post(path, json={"origin": origin})
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (422, "origin_invalid")
        assert problem["errors"][0]["pointer"] == "/origin"
        assert "app.provider.com" in problem["detail"]


async def test_every_operation_is_described_with_examples(shared_service: Service) -> None:
    document = (await shared_service.http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                for media in body.get("content", {}).values():
                    assert _has_example(media, schemas), f"{where}: {media}"


def _has_example(media: dict[str, object], schemas: dict[str, dict[str, object]]) -> bool:
    if "example" in media or "examples" in media:
        return True
    schema = media.get("schema", {})
    assert isinstance(schema, dict)
    choices = [schema, *schema.get("anyOf", [])]
    names = [str(c["$ref"]).rsplit("/", 1)[-1] for c in choices if "$ref" in c]
    return any("examples" in schemas[name] for name in names)


async def test_readiness_fails_while_the_schema_is_too_old(shared_service: Service) -> None:
    await shared_service.sql.execute("UPDATE schema_version SET version = version - 1")
    try:
        response = await shared_service.http.get("/readyz")
    finally:
        await shared_service.sql.execute("UPDATE schema_version SET version = version + 1")
    assert (response.status_code, response.json()["code"]) == (503, "not_ready")
