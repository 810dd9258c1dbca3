"""Diagnoses over the wire, for OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.hostname_schemas import DnsRecordOut

EXAMPLE_FINDING: dict[str, Any] = {
    "code": "cname_elsewhere",
    "severity": "error",
    "message": "The CNAME of shop.customer.com points at shops.myshopify.com. Point it at "
    "customers.provider.net.",
    "params": {
        "name": "shop.customer.com",
        "found": "shops.myshopify.com",
        "target": "customers.provider.net",
    },
    "record": {"change": "replace", "type": "CNAME", "name": "shop.customer.com"},
    "host": "shop",
    "value": "customers.provider.net",
    "looked_at": "2026-11-26T09:30:00+00:00",
}
EXAMPLE_PROVIDER: dict[str, Any] = {
    "id": "godaddy",
    "name": "GoDaddy",
    "dns_page": "https://dcc.godaddy.com/control/dnsmanagement",
    "flattens_apex": False,
    "apex_record": None,
    "appends_domain": True,
    "steps": ["Choose the domain, then DNS.", "Add a {type} record: {host}, {value}."],
}


class RecordChangeOut(BaseModel):
    """One change in the tenant's DNS; the host and the value stand beside it."""

    change: Literal["add", "replace", "remove"]
    type: str
    name: str = Field(description="The full name.")


class FindingOut(BaseModel):
    """One thing that a diagnosis found."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_FINDING]})

    code: str = Field(description="A stable code; docs/diagnosis.md explains each.")
    severity: Literal["info", "warning", "error"]
    message: str = Field(description="A sentence for the tenant, in English.")
    params: dict[str, str] = Field(
        description="The facts in the sentence, for a sentence of your own."
    )
    record: RecordChangeOut | None = Field(description="The record to add, replace or remove.")
    host: str | None = Field(
        description="The host field of the provider's form, relative to the domain."
    )
    value: str | None = Field(description="The value to enter, or the value to remove.")
    looked_at: datetime = Field(description="When DNS was asked.")


class ProviderOut(BaseModel):
    """The DNS provider that the name servers of the domain belong to."""

    id: str
    name: str
    dns_page: str = Field(description="Where its customers edit DNS records, or its help page.")
    flattens_apex: bool = Field(description="Whether an apex can point at a name there.")
    apex_record: str | None = Field(description="What such a record is called there.")
    appends_domain: bool = Field(
        description="Whether its forms append the domain to the host field."
    )
    steps: list[str] = Field(
        description="How to add a record; `{type}`, `{host}` and `{value}` stand for its fields."
    )


class ApplyLinkOut(BaseModel):
    """A page of the DNS provider that adds the routing record (Domain Connect)."""

    provider: str = Field(description="The provider's name, as it gives it.")
    host: str = Field(
        description="Where the link leads to. Show it to the tenant: it comes from the domain's "
        "own DNS."
    )
    url: str


class DiagnosisOut(BaseModel):
    """What is wrong with a hostname's DNS: errors first, each with what to change."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "looked_at": EXAMPLE_FINDING["looked_at"],
                    "data": [EXAMPLE_FINDING],
                    "provider": EXAMPLE_PROVIDER,
                    "apply_link": None,
                }
            ]
        }
    )

    looked_at: datetime = Field(description="When DNS was asked.")
    data: list[FindingOut]
    provider: ProviderOut | None = Field(description="Null where it is not recognised.")
    apply_link: ApplyLinkOut | None = Field(
        description="Null unless the settings say that the provider lists your template."
    )


class CaaOut(BaseModel):
    """The CAA records that hold for the name."""

    name: str = Field(description="Where they stand.")
    records: list[str] = Field(description="In zone-file form.")


class DnsNowOut(BaseModel):
    """What stands in DNS now."""

    zone: str | None = Field(description="The DNS zone that holds the name.")
    name_servers: list[str]
    cname: str | None = Field(description="The target of the CNAME at the name.")
    addresses: list[str] = Field(description="The addresses at the name itself.")
    caa: list[CaaOut]
    dnssec: Literal["not_checked", "accepted", "bogus"]


class RefusalOut(BaseModel):
    """Why adding the hostname would be refused now."""

    code: str
    detail: str


EXAMPLE_PREFLIGHT: dict[str, Any] = {
    "hostname": "shop.customer.com",
    "is_apex": False,
    "id": None,
    "refusal": None,
    "proof_required": False,
    "plan": "simple",
    "records": [
        {
            "type": "CNAME",
            "name": "shop.customer.com",
            "value": "customers.provider.net",
            "purpose": "routing",
            "when": "with",
            "status": "unknown",
            "note": None,
            "found": [],
            "found_at": None,
        }
    ],
    "dns": {
        "zone": "customer.com",
        "name_servers": ["ns01.domaincontrol.com", "ns02.domaincontrol.com"],
        "cname": "shops.myshopify.com",
        "addresses": [],
        "caa": [],
        "dnssec": "accepted",
    },
    "looked_at": EXAMPLE_FINDING["looked_at"],
    "data": [EXAMPLE_FINDING],
    "provider": EXAMPLE_PROVIDER,
    "apply_link": None,
}


class PreflightOut(DiagnosisOut):
    """What is known of a hostname before it is added."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_PREFLIGHT]})

    hostname: str = Field(description="In lower-case A-labels.")
    is_apex: bool
    id: str | None = Field(description="Its id, if the tenant has the hostname already.")
    refusal: RefusalOut | None
    proof_required: bool = Field(
        description="Once added, the hostname is `proof_awaited`, with a TXT record to add first. "
        "Its DNS may point here, and another tenant had it or the key is bound to a tenant; or the "
        "service requires a proof of every name."
    )
    plan: Literal["simple", "zero_downtime", "delegated", "custom"] = Field(
        description="The plan that suits, or the one asked for."
    )
    records: list[DnsRecordOut] = Field(
        description="The records known by now. Cloudflare gives the tokens of TXT records once the "
        "hostname is added."
    )
    dns: DnsNowOut
