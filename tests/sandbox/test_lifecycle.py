from sandbox import backoff

from .driver import DV_HTTP, DV_TXT, TARGET, Driver

HOUR, DAY = 3600, 86_400
ISSUED = 2000  # seconds that are enough for issuance and deployment


async def test_a_name_that_points_here_becomes_active_through_all_statuses(sandbox: Driver) -> None:
    await sandbox.account(authorities=["google"])
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    created = await sandbox.create("shop.acme.com")
    assert (created["status"], created["ssl"]["status"]) == ("pending", "initializing")
    assert "validation_records" not in created["ssl"]
    await sandbox.advance(0)
    assert (await sandbox.get(created["id"]))["status"] == "active"
    await sandbox.advance(5)
    assert (await sandbox.get(created["id"]))["ssl"]["status"] == "pending_issuance"
    seen = set()
    for _ in range(200):
        await sandbox.advance(2)
        ssl = (await sandbox.get(created["id"]))["ssl"]
        seen.add(ssl["status"])
        if ssl["status"] == "active":
            break
    assert seen == {"pending_issuance", "pending_deployment", "active"}
    assert ssl["hosts"] == ["shop.acme.com"]
    issuers = [certificate["issuer"] for certificate in ssl["certificates"]]
    assert issuers == ["GoogleTrustServices", "GoogleTrustServices"]
    assert "validation_records" not in ssl


async def test_validation_records_appear_seconds_late_and_vanish_after_validation(
    sandbox: Driver,
) -> None:
    created = await sandbox.create("shop.acme.com", DV_TXT)
    await sandbox.advance(1)
    assert "validation_records" not in (await sandbox.get(created["id"]))["ssl"]
    await sandbox.advance(5)
    (record,) = (await sandbox.get(created["id"]))["ssl"]["validation_records"]
    assert record["txt_name"] == "_acme-challenge.shop.acme.com"
    await sandbox.put(record["txt_name"], "TXT", f'"{record["txt_value"]}"')
    after = await sandbox.patch(created["id"], ssl=DV_TXT)
    assert after["ssl"]["status"] == "pending_validation"
    ssl = (await sandbox.get(created["id"]))["ssl"]
    assert ssl["status"] == "pending_issuance"
    assert "validation_records" not in ssl


async def test_a_mistyped_token_validates_nothing(sandbox: Driver) -> None:
    created = await sandbox.create("shop.acme.com", DV_TXT)
    await sandbox.put("_cf-custom-hostname.shop.acme.com", "TXT", '"not-the-token"')
    await sandbox.put("_acme-challenge.shop.acme.com", "TXT", '"not-the-token"')
    await sandbox.advance(HOUR)
    seen = await sandbox.get(created["id"])
    assert (seen["status"], seen["ssl"]["status"]) == ("pending", "pending_validation")
    assert seen["verification_errors"] == ["custom hostname does not CNAME to this zone."]


async def test_the_ownership_token_validates_a_name_that_does_not_point_here_yet(
    sandbox: Driver,
) -> None:
    created = await sandbox.create("shop.acme.com", DV_TXT)
    token = created["ownership_verification"]
    await sandbox.put("shop.acme.com", "A", "198.51.100.7")
    await sandbox.put(token["name"], "TXT", f'"{token["value"]}"')
    await sandbox.patch(created["id"], ssl=DV_TXT)
    assert (await sandbox.get(created["id"]))["status"] == "active"
    await sandbox.drop(token["name"], "TXT")
    await sandbox.advance(2 * HOUR)
    assert (await sandbox.get(created["id"]))["status"] == "active"


async def test_http_is_tried_though_txt_was_chosen_but_never_for_a_wildcard(
    sandbox: Driver,
) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    await sandbox.put("acme.org", "CNAME", TARGET)
    plain = await sandbox.create("shop.acme.com", DV_TXT)
    wildcard = await sandbox.create("acme.org", {**DV_TXT, "wildcard": True})
    await sandbox.advance(ISSUED)
    assert (await sandbox.get(plain["id"]))["ssl"]["status"] == "active"
    assert (await sandbox.get(wildcard["id"]))["ssl"]["status"] == "pending_validation"


async def test_a_wildcard_needs_both_of_its_tokens(sandbox: Driver) -> None:
    created = await sandbox.create("acme.org", {**DV_TXT, "wildcard": True})
    await sandbox.advance(5)
    records = (await sandbox.get(created["id"]))["ssl"]["validation_records"]
    values = [f'"{record["txt_value"]}"' for record in records]
    assert len(values) == 2
    await sandbox.put("_acme-challenge.acme.org", "TXT", values[0])
    await sandbox.advance(HOUR)
    assert (await sandbox.get(created["id"]))["ssl"]["status"] == "pending_validation"
    await sandbox.put("_acme-challenge.acme.org", "TXT", *values)
    await sandbox.advance(HOUR)
    ssl = (await sandbox.get(created["id"]))["ssl"]
    assert ssl["status"] == "active"
    assert ssl["hosts"] == ["acme.org", "*.acme.org"]


async def test_delegated_dcv_validates_a_wildcard_without_tokens_of_the_tenant(
    sandbox: Driver,
) -> None:
    created = await sandbox.create("acme.org", {**DV_TXT, "wildcard": True})
    (delegation,) = created["ssl"]["dcv_delegation_records"]
    uuid = (await sandbox.api.get(f"{sandbox.zone}/dcv_delegation/uuid")).json()["result"]["uuid"]
    assert delegation["cname_target"] == f"acme.org.{uuid}.dcv.cloudflare.com"
    await sandbox.put(delegation["cname"], "CNAME", delegation["cname_target"])
    await sandbox.advance(ISSUED)
    assert (await sandbox.get(created["id"]))["ssl"]["status"] == "active"


async def test_caa_that_names_another_authority_is_refused_until_it_allows_ours(
    sandbox: Driver,
) -> None:
    await sandbox.account(authorities=["google"])
    await sandbox.put("acme.com", "CAA", '0 issue "letsencrypt.org"')
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    created = await sandbox.create("shop.acme.com")
    await sandbox.advance(ISSUED)
    ssl = (await sandbox.get(created["id"]))["ssl"]
    assert ssl["status"] == "pending_validation"
    assert ssl["validation_errors"] == [{"message": "caa_error: shop.acme.com"}]
    await sandbox.put("acme.com", "CAA", '0 issue "letsencrypt.org"', '0 issue "pki.goog"')
    await sandbox.patch(created["id"], ssl=DV_HTTP)
    ssl = (await sandbox.get(created["id"]))["ssl"]
    assert ssl["status"] == "pending_issuance"
    assert "validation_errors" not in ssl


async def test_caa_at_the_cname_target_counts(sandbox: Driver) -> None:
    await sandbox.put("edge.acme.net", "CAA", '0 issue ";"')
    await sandbox.put("edge.acme.net", "A", "127.0.0.81", "127.0.0.82")
    await sandbox.put("shop.acme.com", "CNAME", "edge.acme.net")
    created = await sandbox.create("shop.acme.com")
    await sandbox.advance(ISSUED)
    assert (await sandbox.get(created["id"]))["ssl"]["status"] == "pending_validation"


async def test_a_failing_dns_server_is_not_a_proof_and_not_a_loss(sandbox: Driver) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    live = await sandbox.create("shop.acme.com")
    await sandbox.advance(ISSUED)
    fault = {"name": "shop.acme.com", "fault": "servfail"}
    await sandbox.order("PUT", "/control/dns/faults", fault)
    await sandbox.advance(2 * HOUR)
    assert (await sandbox.get(live["id"]))["status"] == "active"
    await sandbox.order("PUT", "/control/dns/faults", {**fault, "fault": "none"})
    await sandbox.drop("shop.acme.com", "CNAME")
    await sandbox.advance(2 * HOUR)
    assert (await sandbox.get(live["id"]))["status"] == "moved"


async def test_a_name_proxied_by_its_own_zone_is_not_activated_by_its_token(
    sandbox: Driver,
) -> None:
    await sandbox.put("shop.acme.com", "A", "198.51.100.7", proxied=True)
    created = await sandbox.create("shop.acme.com")
    token = created["ownership_verification"]
    await sandbox.put(token["name"], "TXT", f'"{token["value"]}"')
    await sandbox.patch(created["id"], ssl=DV_HTTP)
    seen = await sandbox.get(created["id"])
    assert seen["status"] == "pending"
    assert "The hostname is using Cloudflare" in seen["verification_errors"][-1]


async def test_a_proxied_cname_to_the_target_validates_and_its_end_is_noticed(
    sandbox: Driver,
) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET, proxied=True)
    created = await sandbox.create("shop.acme.com")
    await sandbox.advance(ISSUED)
    seen = await sandbox.get(created["id"])
    assert (seen["status"], seen["ssl"]["status"]) == ("active", "active")
    await sandbox.put("shop.acme.com", "CNAME", "elsewhere.example.net", proxied=True)
    await sandbox.advance(2 * HOUR)
    assert (await sandbox.get(created["id"]))["status"] == "moved"


async def test_never_validated_becomes_moved_then_deleted_and_a_refresh_revives(
    sandbox: Driver,
) -> None:
    created = await sandbox.create("shop.acme.com")
    await sandbox.advance(6.9 * DAY)
    assert (await sandbox.get(created["id"]))["status"] == "pending"
    await sandbox.advance(0.3 * DAY)
    seen = await sandbox.get(created["id"])
    assert (seen["status"], seen["ssl"]["status"]) == ("moved", "validation_timed_out")
    await sandbox.advance(7 * DAY)
    assert (await sandbox.get(created["id"]))["status"] == "deleted"
    revived = await sandbox.patch(created["id"], ssl=DV_HTTP)
    assert (revived["status"], revived["ssl"]["status"]) == ("pending", "initializing")
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    await sandbox.patch(created["id"], ssl=DV_HTTP)
    assert (await sandbox.get(created["id"]))["status"] == "active"


async def test_one_great_advance_goes_through_moved_to_deleted(sandbox: Driver) -> None:
    created = await sandbox.create("shop.acme.com")
    await sandbox.advance(15 * DAY)
    assert (await sandbox.get(created["id"]))["status"] == "deleted"


async def test_a_record_added_late_waits_for_the_back_off_unless_refreshed(
    sandbox: Driver,
) -> None:
    late = await sandbox.create("late.acme.com")
    refreshed = await sandbox.create("refreshed.acme.com")
    await sandbox.advance(1.5 * DAY)
    await sandbox.put("*.acme.com", "CNAME", TARGET)
    await sandbox.advance(60)
    await sandbox.patch(refreshed["id"], ssl=DV_HTTP)
    assert (await sandbox.get(refreshed["id"]))["status"] == "active"
    assert (await sandbox.get(late["id"]))["status"] == "pending"
    await sandbox.advance(4 * HOUR)
    assert (await sandbox.get(late["id"]))["status"] == "active"


async def test_another_method_orders_anew_and_settings_left_out_are_reset(
    sandbox: Driver,
) -> None:
    created = await sandbox.create("shop.acme.com", {**DV_HTTP, "settings": {"http2": "on"}})
    await sandbox.advance(5)
    kept = await sandbox.patch(created["id"], ssl={**DV_HTTP, "settings": {"http2": "on"}})
    assert kept["ssl"]["settings"] == {"http2": "on"}
    assert kept["ssl"]["status"] == "pending_validation"
    changed = await sandbox.patch(created["id"], ssl=DV_TXT)
    assert "settings" not in changed["ssl"]
    assert changed["ssl"]["status"] == "initializing"


async def test_no_hostname_validates_before_the_fallback_origin_is_active(
    sandbox: Driver,
) -> None:
    await sandbox.api.delete(f"{sandbox.hostnames}/fallback_origin")
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    created = await sandbox.create("shop.acme.com")
    await sandbox.advance(0)
    (error,) = (await sandbox.get(created["id"]))["verification_errors"]
    assert error == "Fallback origin is in a status of pending_deletion."
    await sandbox.advance(4)
    await sandbox.patch(created["id"], ssl=DV_HTTP)
    (error,) = (await sandbox.get(created["id"]))["verification_errors"]
    assert error == "Zone does not have a fallback origin set."


async def test_a_look_begun_before_an_advance_stands_for_no_try_that_fell_due_in_it(
    sandbox: Driver,
) -> None:
    await sandbox.advance(0)  # opens the connection, so that the next calls are quick
    created = await sandbox.create("shop.acme.com")
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    await sandbox.advance(ISSUED)
    seen = await sandbox.get(created["id"])
    assert (seen["status"], seen["ssl"]["status"]) == ("active", "active")


def test_the_back_off_has_the_waits_of_cloudflares_table() -> None:
    table = {0: 60, 1: 63, 5: 76, 9: 93, 10: 242, 11: 279, 16: 561, 29: 3454, 40: 14_400}
    assert {attempt: backoff.wait_before(attempt) for attempt in table} == table
    total = sum(backoff.wait_before(attempt) for attempt in range(backoff.TRIES))
    assert 7 * DAY < total < 7.2 * DAY
    assert sum(backoff.wait_before(attempt) for attempt in range(10)) < 20 * 60


def test_one_look_stands_for_all_tries_it_is_late_for() -> None:
    assert backoff.next_try(backoff.IMMEDIATE, looked_at=0, now=1) == (0, 60)
    assert backoff.next_try(backoff.IMMEDIATE, looked_at=0, now=125) == (2, 189)
    attempt, last = backoff.next_try(backoff.IMMEDIATE, looked_at=0, now=30 * DAY)
    assert attempt == backoff.TRIES
    assert last < 8 * DAY
