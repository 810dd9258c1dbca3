"""Cloudflare's official SDK, parsing strictly, drives every endpoint over real HTTP."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TypeVar

import pytest
from cloudflare import (
    APIStatusError,
    AsyncCloudflare,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
)
from cloudflare.types.custom_hostnames import CustomHostnameCreateResponse

from .driver import ENTITLED, TARGET, Driver

T = TypeVar("T")


@pytest.fixture
async def sdk(sandbox: Driver) -> AsyncIterator[AsyncCloudflare]:
    running = sandbox.running
    async with AsyncCloudflare(
        api_token=running.cloudflare_token,
        base_url=running.cloudflare_base_url,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


@pytest.fixture
def zone(sandbox: Driver) -> str:
    return sandbox.running.cloudflare_zone_id


def there(answer: T | None) -> T:
    """Every answer may be missing in the SDK's types; none may be here."""
    assert answer is not None
    return answer


async def created(
    sdk: AsyncCloudflare, zone: str, hostname: str, method: str = "txt"
) -> CustomHostnameCreateResponse:
    return there(
        await sdk.custom_hostnames.create(
            zone_id=zone,
            hostname=hostname,
            ssl={"method": "http" if method == "http" else "txt", "type": "dv"},
        )
    )


def code(error: APIStatusError) -> int:
    assert isinstance(error.body, dict)
    return int(error.body["errors"][0]["code"])


async def test_a_custom_hostname_parses_at_every_status_of_its_life(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    await sandbox.account(**ENTITLED)
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    hostname = there(
        await sdk.custom_hostnames.create(
            zone_id=zone,
            hostname="shop.acme.com",
            ssl={
                "method": "txt",
                "type": "dv",
                "certificate_authority": "lets_encrypt",
                "bundle_method": "optimal",
                "settings": {"min_tls_version": "1.2", "http2": "on", "ciphers": ["AES128-SHA"]},
            },
            custom_metadata={"tenant": "acme"},
            custom_origin_server="proxy-fallback.nameplate-demo.net",
        )
    )
    statuses = set()
    for _ in range(300):
        seen = there(await sdk.custom_hostnames.get(hostname.id, zone_id=zone))
        ssl = there(seen.ssl)
        statuses.add(ssl.status)
        if ssl.status == "active":
            break
        await sandbox.advance(1)
    assert statuses >= {"initializing", "pending_issuance", "pending_deployment", "active"}
    assert seen.custom_metadata == {"tenant": "acme"}
    for certificate in there(ssl.model_extra)["certificates"]:
        begins, ends = (certificate[key] for key in ("issued_on", "expires_on"))
        assert (datetime.fromisoformat(ends) - datetime.fromisoformat(begins)).days == 90


async def test_edit_returns_202_and_delete_makes_the_name_free_again(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    await sandbox.account(**ENTITLED)
    hostname = await created(sdk, zone, "shop.acme.com")
    edited = there(
        await sdk.custom_hostnames.edit(
            hostname.id,
            zone_id=zone,
            custom_metadata={"a": "b"},
            ssl={"method": "txt", "type": "dv"},
        )
    )
    assert edited.custom_metadata == {"a": "b"}
    raw = await sdk.custom_hostnames.with_raw_response.edit(hostname.id, zone_id=zone)
    assert raw.status_code == 202
    deleted = await sdk.custom_hostnames.delete(hostname.id, zone_id=zone)
    assert deleted.id == hostname.id
    with pytest.raises(NotFoundError) as gone:
        there(await sdk.custom_hostnames.get(hostname.id, zone_id=zone))
    assert code(gone.value) == 1436
    await created(sdk, zone, "shop.acme.com")


async def test_the_addresses_of_email_dcv_parse(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    hostname = there(
        await sdk.custom_hostnames.create(
            zone_id=zone, hostname="shop.acme.com", ssl={"method": "email", "type": "dv"}
        )
    )
    await sandbox.advance(10)
    seen = there(await sdk.custom_hostnames.get(hostname.id, zone_id=zone))
    (record,) = there(there(seen.ssl).validation_records)
    assert there(record.emails)[0] == "admin@acme.com"


async def test_a_list_is_paged_and_counted(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    for number in range(12):
        await created(sdk, zone, f"n{number:02}.acme.com")
    names = [row.hostname async for row in sdk.custom_hostnames.list(zone_id=zone, per_page=5)]
    assert names == [f"n{number:02}.acme.com" for number in range(12)]
    answer = await sandbox.api.get(sandbox.hostnames, params={"page": 3, "per_page": 5})
    assert answer.json()["result_info"] == {
        "page": 3,
        "per_page": 5,
        "count": 2,
        "total_count": 12,
        "total_pages": 3,
    }
    descending = await sdk.custom_hostnames.list(zone_id=zone, direction="desc", per_page=5)
    assert descending.result[0].hostname == "n11.acme.com"
    for per_page in (4, 51):
        with pytest.raises(BadRequestError):
            await sdk.custom_hostnames.list(zone_id=zone, per_page=per_page)


async def test_every_filter_finds_what_it_says(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    await sandbox.account(**ENTITLED, authorities=["google"])
    shop = await created(sdk, zone, "shop.acme.com", "http")
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    await sandbox.advance(1000)
    wild = there(
        await sdk.custom_hostnames.create(
            zone_id=zone,
            hostname="globex.org",
            ssl={
                "method": "txt",
                "type": "dv",
                "wildcard": True,
                "certificate_authority": "ssl_com",
            },
            custom_origin_server=TARGET,
        )
    )
    bare = there(await sdk.custom_hostnames.create(zone_id=zone, hostname="bare.acme.com"))
    listed = sdk.custom_hostnames.list
    expected = [
        (listed(zone_id=zone, id=shop.id), [shop.id]),
        (listed(zone_id=zone, hostname={"exact": "shop.acme.com"}), [shop.id]),
        (listed(zone_id=zone, hostname={"contain": "acme"}), [shop.id, bare.id]),
        (listed(zone_id=zone, hostname={"starts_with": "glob"}), [wild.id]),
        (listed(zone_id=zone, hostname_status="active"), [shop.id]),
        (listed(zone_id=zone, hostname_status="pending"), [wild.id, bare.id]),
        (listed(zone_id=zone, hostname_status="blocked"), []),
        (listed(zone_id=zone, ssl_status="active"), [shop.id]),
        (listed(zone_id=zone, ssl_status="initializing"), [wild.id]),
        (listed(zone_id=zone, ssl=1), [shop.id, wild.id]),
        (listed(zone_id=zone, ssl=0), [bare.id]),
        (listed(zone_id=zone, wildcard=True), [wild.id]),
        (listed(zone_id=zone, certificate_authority="ssl_com"), [wild.id]),
        (listed(zone_id=zone, custom_origin_server=TARGET), [wild.id]),
        (listed(zone_id=zone, order="ssl_status"), [bare.id, shop.id, wild.id]),
        (listed(zone_id=zone, order="ssl", direction="desc"), [wild.id, shop.id, bare.id]),
    ]
    for number, (pages, ids) in enumerate(expected):
        assert [row.id async for row in pages] == ids, number


async def test_a_wildcard_is_found_by_either_spelling_and_an_id_stands_alone(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    wild = await created(sdk, zone, "*.globex.org")
    for spelling in ("*.globex.org", "globex.org"):
        answer = await sandbox.api.get(sandbox.hostnames, params={"hostname": spelling})
        assert [row["id"] for row in answer.json()["result"]] == [wild.id]
    with pytest.raises(BadRequestError) as both:
        await sdk.custom_hostnames.list(zone_id=zone, id=wild.id, ssl_status="active")
    assert code(both.value) == 1438


@pytest.mark.parametrize(
    ("hostname", "expected"),
    [
        ("10.0.0.1", 1407),
        ("sh op.acme.com", 1407),
        (".".join(["a" * 60] * 5), 1407),
        ("shöp.acme.com", 1408),
        ("shop.test", 1409),
        ("co.uk", 1410),
        ("shop.nosuchtld", 1410),
        ("shop.example.com", 1411),
        ("nameplate-demo.net", 1407),
        (TARGET, 1407),
        ("a" * 63 + ".acme.com", 1469),
    ],
)
async def test_names_that_cannot_be_are_refused_by_their_code(
    sdk: AsyncCloudflare, zone: str, hostname: str, expected: int
) -> None:
    with pytest.raises(BadRequestError) as refused:
        await created(sdk, zone, hostname)
    assert code(refused.value) == expected


async def test_a_wildcard_and_its_base_are_one_object(sdk: AsyncCloudflare, zone: str) -> None:
    hostname = await created(sdk, zone, "*.acme.com")
    assert hostname.hostname == "acme.com"
    assert there(hostname.ssl).wildcard is True
    for name in ("acme.com", "*.acme.com", "ACME.com"):
        with pytest.raises(ConflictError) as duplicate:
            await created(sdk, zone, name)
        assert code(duplicate.value) == 1406


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"ssl": {"method": "http"}}, 1440),
        ({"ssl": {"type": "dv"}}, 1440),
        ({"ssl": {"method": "dns", "type": "dv"}}, 1432),
        ({"ssl": {"method": "http", "type": "ev"}}, 1433),
        ({"ssl": "dv"}, 1434),
        ({"ssl": {"method": "http", "type": "dv", "wildcard": True}}, 1448),
        ({"ssl": {"method": "http", "type": "dv", "bundle_method": "best"}}, 1449),
        ({"ssl": {"method": "http", "type": "dv", "settings": {"http2": 1}}}, 1422),
        ({"custom_metadata": "x"}, 1401),
        ({"custom_origin_server": "no.nameplate-demo.net"}, 1421),
        ({"custom_origin_server": "192.0.2.1"}, 1415),
    ],
)
async def test_bodies_that_cannot_be_are_refused_by_their_code(
    sandbox: Driver, body: dict[str, object], expected: int
) -> None:
    await sandbox.account(**ENTITLED)
    answer = await sandbox.api.post(sandbox.hostnames, json={"hostname": "a.acme.com", **body})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == expected


async def test_broken_json_ids_and_routes_are_answered_in_the_envelope(sandbox: Driver) -> None:
    cases = [
        ("POST", sandbox.hostnames, b"{", 400, 1400),
        ("GET", f"{sandbox.hostnames}/nonsense", b"", 400, 1435),
        ("GET", "/nowhere", b"", 404, 7000),
        ("PATCH", sandbox.hostnames, b"{}", 405, 7001),
        ("GET", "/zones/00000000000000000000000000000000", b"", 403, 9109),
    ]
    for method, path, body, status, expected in cases:
        answer = await sandbox.api.request(method, path, content=body)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, expected)
        assert answer.json()["success"] is False


async def test_the_quota_counts_what_is_used(sdk: AsyncCloudflare, zone: str) -> None:
    await created(sdk, zone, "shop.acme.com")
    quota = there(await sdk.custom_hostnames.quota.get(zone_id=zone))
    assert (quota.used, quota.exceeded) == (1, False)
    assert quota.hard_cap > quota.allocated


async def test_the_fallback_origin_needs_a_proxied_record_and_takes_seconds(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    origins = sdk.custom_hostnames.fallback_origin
    plain = await sdk.dns.records.create(
        zone_id=zone, name="plain", type="A", content="192.0.2.9", ttl=1
    )
    assert plain is not None
    waiting = there(await origins.update(zone_id=zone, origin="plain.nameplate-demo.net"))
    assert (waiting.status, len(there(waiting.errors))) == ("pending_deployment", 1)
    await sdk.dns.records.edit(
        plain.id,
        zone_id=zone,
        name="plain",
        type="A",
        content="192.0.2.9",
        ttl=1,
        proxied=True,
    )
    updated = there(await origins.update(zone_id=zone, origin="plain.nameplate-demo.net"))
    statuses = [updated.status]
    for seconds in (1.2, 2.2):
        await sandbox.advance(seconds)
        seen = there(await origins.get(zone_id=zone))
        statuses.append(seen.status)
    assert statuses == ["initializing", "pending_deployment", "active"]
    # The SDK looks for an envelope here, which the reference does not show.
    await sandbox.answers(delete="envelope")
    deleted = there(await origins.delete(zone_id=zone))
    assert deleted.status == "pending_deletion"
    await sandbox.advance(4)
    with pytest.raises(NotFoundError):
        there(await origins.get(zone_id=zone))


async def test_dns_records_live_their_life(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    records = sdk.dns.records
    made = await records.create(zone_id=zone, name="a", type="A", content="192.0.2.1", ttl=60)
    assert made is not None
    assert (made.name, made.proxied) == ("a.nameplate-demo.net", False)
    answer = await sandbox.ask("a.nameplate-demo.net", "A")
    assert [item.to_text() for item in answer.answer[0]] == ["192.0.2.1"]
    edited = await records.edit(
        made.id, zone_id=zone, name="a", type="A", content="192.0.2.1", ttl=1, proxied=True
    )
    assert edited is not None
    assert edited.proxied is True
    replaced = await records.update(
        made.id, zone_id=zone, name="b", type="CNAME", content="a.acme.com", ttl=300
    )
    assert replaced is not None
    assert (replaced.name, replaced.type) == ("b.nameplate-demo.net", "CNAME")
    caa = await records.create(
        zone_id=zone,
        name="@",
        type="CAA",
        ttl=1,
        data={"flags": 0, "tag": "issue", "value": "pki.goog"},
    )
    assert caa is not None
    there(await records.create(zone_id=zone, name="t", type="TXT", content="hello", ttl=1))
    assert "hello" in (await sandbox.ask("t.nameplate-demo.net", "TXT")).to_text()
    names = {row.name async for row in records.list(zone_id=zone)}
    assert len(names) == 5
    found = records.list(zone_id=zone, name={"exact": "b.nameplate-demo.net"}, type="CNAME")
    assert [row.id async for row in found] == [made.id]
    assert [row.id async for row in records.list(zone_id=zone, content={"contains": "goog"})] == [
        caa.id
    ]
    gone = there(await records.delete(made.id, zone_id=zone))
    assert gone.id == made.id
    with pytest.raises(NotFoundError):
        await records.get(made.id, zone_id=zone)


async def test_a_record_that_clashes_with_another_is_refused(sandbox: Driver) -> None:
    path = f"{sandbox.zone}/dns_records"
    fallback = "proxy-fallback"
    cases = [
        ({"type": "A", "name": fallback, "content": "192.0.2.10"}, 81058),
        ({"type": "CNAME", "name": fallback, "content": "a.acme.com"}, 81053),
        ({"type": "A", "name": "customers", "content": "192.0.2.10"}, 81054),
        ({"type": "A", "name": "x", "content": "not an address"}, 1004),
        ({"type": "A", "name": "x", "content": "192.0.2.1", "ttl": 5}, 9021),
        ({"type": "A", "name": "x", "content": "192.0.2.1", "comment": 5}, 9300),
        ({"type": "A", "name": "x", "content": "192.0.2.1", "tags": "a"}, 9301),
        ({"type": "MX", "name": "x", "content": "mx.acme.com", "priority": "a"}, 9101),
        ({"type": "CAA", "name": "x", "data": {"flags": "a", "tag": "issue"}}, 1004),
        ({"type": "LOC", "name": "x", "content": "here"}, 9004),
    ]
    for body, expected in cases:
        answer = await sandbox.api.post(path, json=body)
        assert answer.json()["errors"][0]["code"] == expected


async def test_zones_tokens_addresses_and_the_delegation_parse(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    seen = there(await sdk.zones.get(zone_id=zone))
    assert (seen.name, seen.status) == ("nameplate-demo.net", "active")
    assert seen.account.id == sandbox.running.cloudflare_account_id
    assert [row.id async for row in sdk.zones.list(name="nameplate-demo.net")] == [zone]
    assert [row.id async for row in sdk.zones.list(name="other.net")] == []
    user = there(await sdk.user.tokens.verify())
    account = there(
        await sdk.accounts.tokens.verify(account_id=sandbox.running.cloudflare_account_id)
    )
    assert (user.status, account.status) == ("active", "active")
    ips = await sdk.ips.list()
    assert ips is not None
    assert ips.ipv4_cidrs == ["127.0.0.80/28"]
    delegation = there(await sdk.dcv_delegation.get(zone_id=zone))
    assert delegation.uuid
    (listed,) = [row async for row in sdk.accounts.list()]
    assert listed.id == sandbox.running.cloudflare_account_id


async def test_a_wrong_token_is_refused(sandbox: Driver) -> None:
    async with AsyncCloudflare(
        api_token="wrong", base_url=sandbox.running.cloudflare_base_url, max_retries=0
    ) as client:
        with pytest.raises(AuthenticationError) as refused:
            await client.user.tokens.verify()
    assert code(refused.value) == 1000
    answer = await sandbox.api.get("/zones", headers={"authorization": ""})
    assert answer.status_code == 400
