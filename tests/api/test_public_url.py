"""With a public URL, the answers' own URLs and the contract begin with it."""

from __future__ import annotations

import httpx
import pytest

from app.bootstrap import open_services
from app.main import create_app
from app.settings import Settings
from tests.support import PLAIN

PUBLIC = "https://api.provider.com/nameplate"
GIVEN = {
    "cloudflare_base_url": "http://127.0.0.1:9/client/v4",
    "cloudflare_zone_id": "0" * 32,
    "cloudflare_api_token": "none",
    "cname_target": "customers.provider.net",
    "fallback_origin": "fallback.provider.net",
    "secret_keys": "bmFtZXBsYXRlIHRlc3RzLCBub3RoaW5nIHNlY3JldCE=",
    "bootstrap_api_key": "np_a-key-for-this-test-only",
    "dns_resolvers": "127.0.0.1:9",
    "dns_authoritative": False,
    "inline_deadline": 0.01,
    "webhooks_allow_loopback": True,
}


@pytest.mark.parametrize(("public_url", "begin"), [("", ""), (f"{PUBLIC}/", PUBLIC)])
async def test_location_links_and_servers_begin_with_the_public_url(
    database_url: str, public_url: str, begin: str
) -> None:
    settings = Settings.model_validate(
        GIVEN | {"database_url": database_url, "public_url": public_url}
    )
    assert (settings.public_url or "") == begin
    async with (
        open_services(settings) as services,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(services, public_url=begin)),
            base_url="http://elsewhere.com",
            headers={"Authorization": f"Bearer {GIVEN['bootstrap_api_key']}"},
            verify=PLAIN,
        ) as http,
    ):
        body = {"url": "http://127.0.0.1:9/hook"}
        endpoint = await http.post("/v1/webhook-endpoints", json=body)
        added = await http.post(
            "/v1/custom-hostnames", json={"hostname": "shop.customer.com", "tenant": "t"}
        )
        page = await http.get("/v1/custom-hostnames")
        contract = (await http.get("/openapi.json")).json()
        await services.inline.drain(1)
    path = "/v1/custom-hostnames"
    assert added.headers["location"] == f"{begin}{path}/{added.json()['id']}"
    assert endpoint.headers["location"] == (f"{begin}/v1/webhook-endpoints/{endpoint.json()['id']}")
    assert page.headers["link"] == f'<{begin}{path}>; rel="first"'
    assert contract["servers"] == [{"url": begin or "/"}]


@pytest.mark.parametrize(
    "url",
    [
        "api.provider.com",
        "ftp://api.provider.com",
        "https://",
        "https://user@api.provider.com",
        "https://api.provider.com?x=1",
        "https://api.provider.com/#a",
        "https://api.provider.com/a b",
        "https://api.provider.com/<a>",
        "https://api.provider.com:0",
        "https://api.provider.com:99999",
    ],
)
def test_what_is_no_public_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="PUBLIC_URL must be https:// or http://"):
        Settings.model_validate(GIVEN | {"database_url": "postgresql://h/d", "public_url": url})
