"""How the kept state is shown in answers: Cloudflare's field names and shapes."""

from typing import Any, Literal

from sandbox import constants
from sandbox.clock import rfc3339
from sandbox.dns_zone import zone_of
from sandbox.model import Certificate, CustomHostname, FallbackOrigin, Issued, ZoneRecord

_VALIDATING = frozenset({"pending_validation", "validation_timed_out"})
_ISSUERS = {
    "google": "GoogleTrustServices",
    "lets_encrypt": "LetsEncrypt",
    "ssl_com": "SSLCorporation",
}
_ACCOUNT_NAME = "Nameplate Sandbox"
_POSTMASTERS = ("admin", "administrator", "hostmaster", "postmaster", "webmaster")
_PROXIABLE = frozenset({"A", "AAAA", "CNAME"})
_LIVE = frozenset({"active", "active_redeploying"})
_ACCOUNT_KEY = "nP3vXWkQ0yqX8sJr5kLw2cT7bD4hZ9mEoGfAuVi1RtY"
"""The thumbprint that ends every HTTP token, after RFC 8555, section 8.1."""


def custom_hostname(
    hostname: CustomHostname, *, ownership_when_live: Literal["absent", "emptied"] = "absent"
) -> dict[str, Any]:
    """Show a custom hostname."""
    shown: dict[str, Any] = {"id": hostname.id, "hostname": hostname.hostname}
    if hostname.ssl:
        shown["ssl"] = certificate(hostname.hostname, hostname.ssl)
    shown["status"] = hostname.status
    shown["created_at"] = rfc3339(hostname.created_at)
    if hostname.status not in _LIVE:
        shown |= _ownership(hostname)
    elif ownership_when_live == "emptied":
        shown["ownership_verification"] = {"type": "txt", "name": "", "value": ""}
    if hostname.verification_errors:
        shown["verification_errors"] = hostname.verification_errors
    for key in ("custom_metadata", "custom_origin_server", "custom_origin_sni"):
        if (value := getattr(hostname, key)) is not None:
            shown[key] = value
    return shown


def _ownership(hostname: CustomHostname) -> dict[str, Any]:
    name = hostname.hostname
    return {
        "ownership_verification": {
            "type": "txt",
            "name": f"_cf-custom-hostname.{name}",
            "value": hostname.ownership_token,
        },
        "ownership_verification_http": {
            "http_url": f"http://{name}/.well-known/cf-custom-hostname-challenge/{hostname.id}",
            "http_body": hostname.ownership_token,
        },
    }


def certificate(name: str, ssl: Certificate) -> dict[str, Any]:
    """Show the `ssl` of a custom hostname."""
    shown: dict[str, Any] = {
        "id": ssl.id,
        "type": "dv",
        "method": ssl.method,
        "status": ssl.status,
        "wildcard": ssl.wildcard,
        "certificate_authority": ssl.certificate_authority,
        "bundle_method": ssl.bundle_method,
    }
    if ssl.settings:
        shown["settings"] = ssl.settings
    if ssl.cloudflare_branding:
        shown["cloudflare_branding"] = True
    if ssl.method == "txt":
        shown["dcv_delegation_records"] = [
            {
                "cname": f"_acme-challenge.{name}",
                "cname_target": f"{name}.{constants.DCV_SUFFIX}",
            }
        ]
    if ssl.tokens and ssl.status in _VALIDATING:
        shown["validation_records"] = records = _records(name, ssl)
        shown |= {key: records[0][key] for key in ("txt_name", "txt_value") if key in records[0]}
    if ssl.validation_errors:
        shown["validation_errors"] = [{"message": text} for text in ssl.validation_errors]
    if ssl.issued:
        shown |= _issued(name, ssl, ssl.issued)
    return shown


def _records(name: str, ssl: Certificate) -> list[dict[str, Any]]:
    if ssl.method == "email":
        domain = zone_of(name)
        return [{"status": "pending", "emails": [f"{user}@{domain}" for user in _POSTMASTERS]}]
    return [_record(name, ssl, token) for token in ssl.tokens]


def _record(name: str, ssl: Certificate, token: str) -> dict[str, str]:
    if ssl.method == "http":
        return {
            "status": "pending",
            "http_url": f"http://{name}/.well-known/acme-challenge/{token}",
            "http_body": f"{token}.{_ACCOUNT_KEY}",
        }
    return {"status": "pending", "txt_name": f"_acme-challenge.{name}", "txt_value": token}


def _issued(name: str, ssl: Certificate, issued: Issued) -> dict[str, Any]:
    return {
        "hosts": [name, f"*.{name}"] if ssl.wildcard else [name],
        "certificates": [
            {
                "issuer": _ISSUERS[ssl.certificate_authority],
                "serial_number": str(int(issued.serial_number) + number),
                "signature": signature,
                "issued_on": rfc3339(issued.uploaded_on),
                "expires_on": rfc3339(issued.expires_on),
            }
            for number, signature in enumerate(("ECDSAWithSHA256", "SHA256WithRSA"))
        ],
    }


def fallback_origin(origin: FallbackOrigin) -> dict[str, Any]:
    """Show the fallback origin."""
    shown: dict[str, Any] = {"origin": origin.origin, "status": origin.status}
    if origin.errors:
        shown["errors"] = origin.errors
    return shown | {
        "created_at": rfc3339(origin.created_at),
        "updated_at": rfc3339(origin.updated_at),
    }


def dns_record(record: ZoneRecord) -> dict[str, Any]:
    """Show a record of the zone."""
    shown: dict[str, Any] = {
        "id": record.id,
        "name": record.name,
        "type": record.type,
        "content": record.content,
        "proxiable": record.type in _PROXIABLE,
        "proxied": record.proxied,
        "ttl": 1 if record.proxied else record.ttl,
        "settings": {},
        "meta": {},
        "comment": record.comment,
        "tags": record.tags,
        "created_on": rfc3339(record.created_on),
        "modified_on": rfc3339(record.modified_on),
    }
    if record.type == "MX":
        shown["priority"] = record.priority or 0
    if record.type == "CAA":
        flags, tag, value = record.content.split(maxsplit=2)
        shown["data"] = {"flags": int(flags), "tag": tag, "value": value.strip('"')}
    return shown


def account(created_at: float) -> dict[str, Any]:
    """Show the provider's account."""
    return {
        "id": constants.ACCOUNT_ID,
        "name": _ACCOUNT_NAME,
        "type": "standard",
        "settings": {"enforce_twofactor": False},
        "created_on": rfc3339(created_at),
    }


def zone(created_at: float) -> dict[str, Any]:
    """Show the provider's zone."""
    stamp = rfc3339(created_at)
    return {
        "id": constants.ZONE_ID,
        "name": constants.ZONE_NAME,
        "status": "active",
        "paused": False,
        "type": "full",
        "development_mode": 0,
        "name_servers": list(constants.CLOUDFLARE_NAME_SERVERS),
        "original_name_servers": list(constants.OTHER_NAME_SERVERS),
        "original_registrar": None,
        "original_dnshost": None,
        "created_on": stamp,
        "modified_on": stamp,
        "activated_on": stamp,
        "meta": {"step": 2, "custom_certificate_quota": 0, "page_rule_quota": 3},
        "owner": {"id": None, "type": "user", "name": None},
        "account": {"id": constants.ACCOUNT_ID, "name": _ACCOUNT_NAME},
        "permissions": ["#dns_records:edit", "#ssl:edit", "#zone:read"],
        "plan": {
            "id": "94f3b7b768b0458b56d2cac4fe5ec0f9",
            "name": "Free Website",
            "price": 0,
            "currency": "USD",
            "frequency": "monthly",
            "is_subscribed": False,
            "can_subscribe": False,
            "legacy_id": "free",
            "legacy_discount": False,
            "externally_managed": False,
        },
    }
