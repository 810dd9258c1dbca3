"""Which call of Cloudflare's API is handled where. Matching paths is the gateway's."""

from collections.abc import Callable

from sandbox.account_api import AccountApi
from sandbox.call import Call
from sandbox.custom_hostnames_api import CustomHostnamesApi
from sandbox.dns_records_api import DnsRecordsApi
from sandbox.envelope import Reply
from sandbox.fallback_api import FallbackApi

Handler = Callable[[Call], Reply]
RouteTable = dict[tuple[str, str], Handler]


def routes(
    hostnames: CustomHostnamesApi,
    fallback_origin: FallbackApi,
    records: DnsRecordsApi,
    account: AccountApi,
) -> RouteTable:
    """Return all routes; of two that fit, the earlier one is taken."""
    zone = "/zones/{zone_id}"
    fallback = f"{zone}/custom_hostnames/fallback_origin"
    hostname = f"{zone}/custom_hostnames/{{custom_hostname_id}}"
    record = f"{zone}/dns_records/{{dns_record_id}}"
    return {
        ("GET", "/zones"): account.list_zones,
        ("GET", zone): account.get_zone,
        ("GET", "/accounts"): account.list_accounts,
        ("GET", "/user/tokens/verify"): account.verify_user_token,
        ("GET", "/accounts/{account_id}/tokens/verify"): account.verify_account_token,
        ("GET", "/ips"): account.ips,
        ("GET", f"{zone}/dcv_delegation/uuid"): account.dcv_delegation_uuid,
        ("GET", f"{zone}/custom_hostnames/quota"): hostnames.quota,
        ("GET", fallback): fallback_origin.get,
        ("PUT", fallback): fallback_origin.put,
        ("DELETE", fallback): fallback_origin.delete,
        ("POST", f"{zone}/custom_hostnames"): hostnames.create,
        ("GET", f"{zone}/custom_hostnames"): hostnames.list,
        ("GET", hostname): hostnames.get,
        ("PATCH", hostname): hostnames.edit,
        ("DELETE", hostname): hostnames.delete,
        ("POST", f"{zone}/dns_records"): records.create,
        ("GET", f"{zone}/dns_records"): records.list,
        ("GET", record): records.get,
        ("PATCH", record): records.edit,
        ("PUT", record): records.update,
        ("DELETE", record): records.delete,
    }
