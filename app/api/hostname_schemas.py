"""Custom hostnames over the wire, for reading requests strictly and for OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas import (
    NOT_FOR_TENANTS,
    Json,
    Labels,
    NameText,
    PlainText,
    Strict,
    Tenant,
)
from app.domain.custom_hostname import State
from app.domain.reason import Reason, WaitingOn
from app.domain.wanted_names import MOST_ALSO


class TlsIn(Strict):
    """TLS settings of the edge certificate; null or left out: Cloudflare's default."""

    min_tls_version: Literal["1.0", "1.1", "1.2", "1.3"] | None = None
    tls_1_3: Literal["on", "off"] | None = None
    http2: Literal["on", "off"] | None = None
    early_hints: Literal["on", "off"] | None = None
    ciphers: list[Annotated[PlainText, Field(min_length=1, max_length=64)]] | None = Field(
        None,
        max_length=50,
        description="Cloudflare's names of the ciphers, in order of preference.",
    )


class _Choices(Strict):
    """What a caller may choose; null is the default."""

    plan: Annotated[PlainText, Field(max_length=64)] | None = Field(
        None,
        description="`simple`, `zero_downtime`, `delegated` or `custom`. By default, the plan that "
        "works for the name and asks least of the tenant.",
    )
    dcv_method: Literal["http", "txt", "email"] | None = Field(
        None, description="How the certificate is validated; set it with plan `custom` only."
    )
    ownership_method: Literal["realtime", "txt", "http"] | None = Field(
        None, description="How ownership is validated; set it with plan `custom` only."
    )
    certificate_authority: Literal["google", "lets_encrypt", "ssl_com"] | None = None
    custom_origin_server: NameText | None = Field(
        None, description="A proxied name of the zone, used instead of the fallback origin."
    )
    custom_origin_sni: NameText | None = Field(
        None, description="The SNI sent to the origin: `:request_host_header:` or a name."
    )
    tls: TlsIn | None = None
    custom_metadata: Json | None = Field(
        None, description="Metadata for Cloudflare's Workers and rules, up to 4,096 bytes."
    )
    redirect_to: NameText | None = Field(
        None,
        description="Another hostname of the tenant that your backend redirects visitors to. "
        "Nameplate stores and shows it. With `also`, the names redirect that are not this one.",
    )


class CustomHostnameCreate(_Choices):
    """A custom hostname to add for a tenant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"hostname": "shop.customer.com", "tenant": "customer-42"},
                {
                    "hostname": "customer.com",
                    "also": ["www.customer.com"],
                    "redirect_to": "customer.com",
                    "tenant": "customer-42",
                },
            ]
        }
    )

    hostname: str = Field(
        description="The name, with an optional leading `*.`; surrounding white space is removed."
    )
    also: list[str] = Field(
        default=[],
        max_length=MOST_ALSO,
        description="More names of the same registrable domain, such as the `www` of an apex: all "
        "are added, or none is. Options and metadata are those of `hostname`, and so is the plan, "
        "unless a name cannot have it.",
    )
    tenant: Tenant | None = Field(
        None,
        description="Your own id of the tenant. Leave it out only with a key that is bound to one.",
    )
    zone: PlainText = Field("default", max_length=64, description="The id of a zone, or `default`.")
    metadata: Json = Field(
        default_factory=dict, description="Your own data, up to 8,192 characters."
    )
    labels: Labels = Field(
        default_factory=dict,
        description="Your own marks, by which lists can be filtered: up to 20, with keys of up to "
        "63 characters and values of up to 255.",
    )


class CustomHostnameUpdate(_Choices):
    """What to change. A field left out stays as it is; null resets it to the default."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"plan": "delegated", "tls": {"min_tls_version": "1.2"}}]}
    )

    metadata: Json | None = Field(None, description="Replaces the stored metadata.")
    labels: Labels | None = Field(None, description="Replaces all labels.")
    hostname: SkipJsonSchema[Any] = None
    tenant: SkipJsonSchema[Any] = None
    zone: SkipJsonSchema[Any] = None


class DnsRecordOut(Strict):
    """A record that the tenant has to add."""

    type: Literal["CNAME", "A", "AAAA", "TXT", "HTTP", "EMAIL"] = Field(
        description="HTTP: serve `value` at the URL `name`. EMAIL: answer the email to `value`."
    )
    name: str
    value: str
    purpose: Literal["routing", "ownership", "certificate", "delegation", "claim"]
    when: Literal["before", "with", "after"] = Field(
        description="`before`: before the switch. `with`: the switch itself. `after`: unused today."
    )
    status: Literal["missing", "misplaced", "wrong", "found", "unknown"] = Field(
        description="`misplaced`: absent here, and present at `found_at`."
    )
    note: str | None = Field(description="How long to keep the record, or what prevents it.")
    found: list[str] = Field(
        description="What stands in its place, at most five values. Empty once it is found."
    )
    found_at: str | None = Field(
        description="Where a misplaced record stands: the domain was appended once more."
    )


class CloudflareOut(Strict):
    """What Cloudflare last reported; the statuses are Cloudflare's own."""

    id: str | None = Field(None, description=NOT_FOR_TENANTS)
    hostname_status: str | None
    ssl_status: str | None
    errors: list[str] = Field(default_factory=list, description=NOT_FOR_TENANTS)
    custom_metadata: Literal["none", "sent", "withheld"] = Field(
        "none",
        description="`withheld`: the Cloudflare plan does not include custom metadata. "
        + NOT_FOR_TENANTS,
    )


class EvidenceOut(Strict):
    """The DNS answers that show whether the name points at the CNAME target."""

    kind: Literal["cname", "apex", "proxied", "flattened", "points_elsewhere", "absent"] = Field(
        description="`proxied`: the domain's own zone at Cloudflare hides the record."
    )
    chain: list[str]
    addresses: list[str]


class DnsOut(Strict):
    """The last DNS check; null: DNS could not be checked yet."""

    points_at_target: bool | None = Field(
        description="null: DNS could not be checked yet, or the name is proxied and Cloudflare has "
        "not confirmed yet that its traffic arrives here."
    )
    evidence: EvidenceOut | None
    error: str | None = Field(
        description="What came instead of an answer, where the domain's own name servers fail: "
        "`servfail`, `timeout`, `refused`, `lame`, `servers_disagree` and others."
    )


EXAMPLE_HOSTNAME: dict[str, Any] = {
    "id": "ch_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "hostname": "shop.customer.com",
    "tenant": "customer-42",
    "zone": "zone_01kb2r7k0000000000000000aa",
    "plan": "simple",
    "dcv_method": "http",
    "ownership_method": "realtime",
    "certificate_authority": None,
    "custom_origin_server": None,
    "custom_origin_sni": None,
    "tls": {
        "min_tls_version": None,
        "tls_1_3": None,
        "http2": None,
        "early_hints": None,
        "ciphers": None,
    },
    "custom_metadata": {},
    "state": "validating",
    "reason": "awaiting_cname",
    "message": Reason.AWAITING_CNAME.message,
    "waiting_on": "tenant",
    "switch_safe": True,
    "serving": False,
    "records": [
        {
            "type": "CNAME",
            "name": "shop.customer.com",
            "value": "customers.provider.com",
            "purpose": "routing",
            "when": "with",
            "status": "missing",
            "note": None,
            "found": [],
            "found_at": None,
        }
    ],
    "records_complete": True,
    "next": 0,
    "warning": None,
    "cloudflare": {
        "id": "0d89c70d-ad9f-4843-b99f-6cc0252067e9",
        "hostname_status": "pending",
        "ssl_status": "pending_validation",
        "errors": [],
        "custom_metadata": "none",
    },
    "dns": {
        "points_at_target": False,
        "evidence": {"kind": "absent", "chain": [], "addresses": []},
        "error": None,
    },
    "redirect_to": None,
    "metadata": {},
    "labels": {"environment": "production"},
    "name_released_at": None,
    "revision": 1,
    "created_at": "2026-11-23T10:00:00+00:00",
    "updated_at": "2026-11-23T10:00:01+00:00",
    "activated_at": None,
    "verified_at": None,
    "queue": None,
    "next_check_at": "2026-11-23T10:00:11+00:00",
}


class QueueOut(Strict):
    """A position in the queue of creations."""

    position: int = Field(ge=1)
    estimated_at: datetime = Field(description="When the creation may be expected to begin.")


class HostnameDocument(Strict):
    """A custom hostname, as webhooks carry it: without what changes by the moment."""

    id: str
    hostname: str
    tenant: str
    zone: str
    plan: str
    dcv_method: str = Field(description="The method of the plan, or the chosen one.")
    ownership_method: str
    certificate_authority: str | None
    custom_origin_server: str | None
    custom_origin_sni: str | None
    tls: TlsIn
    custom_metadata: dict[str, Any] = Field(default_factory=dict, description=NOT_FOR_TENANTS)
    state: State
    reason: str = Field(json_schema_extra={"enum": [str(reason) for reason in Reason]})
    message: str
    waiting_on: WaitingOn
    switch_safe: bool = Field(description="Whether the tenant may point the CNAME here now.")
    serving: bool = Field(description="Whether traffic flows: the hostname is live.")
    records: list[DnsRecordOut]
    records_complete: bool = Field(description="False while Cloudflare is still preparing tokens.")
    next: int | None = Field(
        description="The index in `records` of the record to add now; null: nothing to add now."
    )
    warning: str | None
    cloudflare: CloudflareOut
    dns: DnsOut
    redirect_to: str | None = Field(description="Where your backend redirects visitors to.")
    metadata: dict[str, Any] = Field(default_factory=dict, description=NOT_FOR_TENANTS)
    labels: dict[str, str] = Field(default_factory=dict, description=NOT_FOR_TENANTS)
    name_released_at: datetime | None = Field(
        description="Since when other tenants may add the name: it was never set up in time, was "
        "released, or awaits its proof."
    )
    revision: int = Field(description="Rises with each change made through the API.")
    created_at: datetime
    updated_at: datetime
    activated_at: datetime | None = Field(description="When the hostname first became `active`.")
    verified_at: datetime | None = Field(
        description="When the hostname first became `cname_verified`."
    )


class CustomHostnameOut(HostnameDocument):
    """A custom hostname."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_HOSTNAME]})

    queue: QueueOut | None = Field(
        description="Its position while its creation is queued; always null in lists."
    )
    next_check_at: datetime | None


class RecordsOut(Strict):
    """The records to add at the tenant's DNS provider."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "records": EXAMPLE_HOSTNAME["records"],
                    "records_complete": True,
                    "next": 0,
                    "switch_safe": True,
                    "warning": None,
                }
            ]
        },
    )

    records: list[DnsRecordOut]
    records_complete: bool
    next: int | None
    switch_safe: bool
    warning: str | None


class RemovedOut(BaseModel):
    """What a removal of a tenant's hostnames began."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"removing": 100, "has_more": True}]})

    removing: int = Field(description="How many hostnames are being removed by this request.")
    has_more: bool = Field(description="Whether the tenant has more; repeat the request.")


class CustomHostnameCreated(CustomHostnameOut):
    """A custom hostname, with the others of its request."""

    also: list[CustomHostnameOut] = Field(
        default=[], description="The names in `also`, in their order; left out if there are none."
    )


EXAMPLE_RESOLVED: dict[str, Any] = {
    "id": "ch_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "hostname": "*.shop.customer.com",
    "asked": "tea.shop.customer.com",
    "tenant": "customer-42",
    "state": "cname_verified",
    "serving": True,
    "redirect_to": None,
    "metadata": {"shard": 3},
}


class ResolvedOut(Strict):
    """Whose hostname it is. `tenant` is your own key to route by; `metadata` is your own data."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_RESOLVED]})

    id: str
    hostname: str = Field(description="The hostname that was found: the name, or its wildcard.")
    asked: str = Field(description="The name that was asked for, in lower-case A-labels.")
    tenant: str
    state: State
    serving: bool = Field(description="Whether traffic flows: the hostname is live.")
    redirect_to: str | None = Field(description="The name to redirect the visitor to, if any.")
    metadata: dict[str, Any] = Field(default_factory=dict, description=NOT_FOR_TENANTS)
