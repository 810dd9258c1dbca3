"""How the kept state is shown in answers: Cloudflare's field names and shapes."""

from typing import Any

from app.sandbox import constants
from app.sandbox.clock import rfc3339
from app.sandbox.dns_zone import zone_of
from app.sandbox.model import Certificate, CustomHostname, FallbackOrigin, Issued, ZoneRecord

_VALIDATING = frozenset({"pending_validation", "validation_timed_out"})
_ISSUERS = {
    "google": "GoogleTrustServices",
    "lets_encrypt": "LetsEncrypt",
    "ssl_com": "SSLCorporation",
}
_POSTMASTERS = ("admin", "administrator", "hostmaster", "postmaster", "webmaster")
_PROXIABLE = frozenset({"A", "AAAA", "CNAME"})


def custom_hostname(hostname: CustomHostname) -> dict[str, Any]:
    """Show a custom hostname."""
    name = hostname.hostname
    shown: dict[str, Any] = {
        "id": hostname.id,
        "hostname": name,
        "ssl": certificate(name, hostname.ssl) if hostname.ssl else None,
        "status": hostname.status,
        "created_at": rfc3339(hostname.created_at),
        "ownership_verification": {
            "type": "txt",
            "name": f"_cf-custom-hostname.{name}",
            "value": hostname.ownership_token,
        },
        "ownership_verification_http": {
            "http_url": (
                f"http://{name}/.well-known/cf-custom-hostname-challenge/{hostname.http_token}"
            ),
            "http_body": hostname.ownership_token,
        },
    }
    if hostname.verification_errors:
        shown["verification_errors"] = hostname.verification_errors
    for key in ("custom_metadata", "custom_origin_server", "custom_origin_sni"):
        if (value := getattr(hostname, key)) is not None:
            shown[key] = value
    return shown


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
        "settings": ssl.settings,
    }
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
        shown["validation_records"] = _records(name, ssl)
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
            "http_url": f"http://{name}/.well-known/pki-validation/ca3-{token}.txt",
            "http_body": token,
        }
    return {"status": "pending", "txt_name": f"_acme-challenge.{name}", "txt_value": token}


def _issued(name: str, ssl: Certificate, issued: Issued) -> dict[str, Any]:
    common = {
        "issuer": _ISSUERS[ssl.certificate_authority],
        "serial_number": issued.serial_number,
        "expires_on": rfc3339(issued.expires_on),
    }
    return {
        **common,
        "signature": "ECDSAWithSHA256",
        "uploaded_on": rfc3339(issued.uploaded_on),
        "hosts": [name, f"*.{name}"] if ssl.wildcard else [name],
        "certificates": [
            {**common, "signature": signature, "issued_on": rfc3339(issued.uploaded_on)}
            for signature in ("ECDSAWithSHA256", "SHA256WithRSA")
        ],
    }


def fallback_origin(origin: FallbackOrigin) -> dict[str, Any]:
    """Show the fallback origin."""
    return {
        "origin": origin.origin,
        "status": origin.status,
        "errors": origin.errors,
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
        "account": {"id": constants.ACCOUNT_ID, "name": "Nameplate Sandbox"},
        "permissions": ["#dns_records:edit", "#ssl:edit", "#zone:read"],
        "plan": {
            "id": "94f3b7b768b0458b56d2cac4fe5ec0f9",
            "name": "Enterprise Website",
            "price": 0,
            "currency": "USD",
            "frequency": "monthly",
            "is_subscribed": True,
            "can_subscribe": False,
            "legacy_id": "enterprise",
            "legacy_discount": False,
            "externally_managed": False,
        },
    }
