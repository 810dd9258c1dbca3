"""What the emulated Cloudflare keeps: custom hostnames, their certificates, zone records.

State only; how it changes is `lifecycle`, how it is shown is `views`.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.backoff import IMMEDIATE

Method = Literal["http", "txt", "email"]


@dataclass(slots=True)
class Track:
    """One course of checks: when the next step is due, and which try it is.

    `epoch` rises when the course is begun anew or stopped, so that a look that was under
    way by then is not believed. A `forced` course stands still until it is begun anew.
    """

    due: float | None = None
    attempt: int = IMMEDIATE
    epoch: int = 0
    forced: bool = False

    def restart(self, due: float) -> None:
        """Begin the course anew at `due`."""
        self.due, self.attempt, self.epoch, self.forced = due, IMMEDIATE, self.epoch + 1, False

    def stop(self, *, forced: bool = False) -> None:
        """Do nothing until the course is begun anew."""
        self.due, self.epoch, self.forced = None, self.epoch + 1, forced


@dataclass(slots=True)
class Issued:
    """A certificate that a certificate authority signed.

    `ends_at` is its end on the schedule clock, which all waits run on.
    """

    uploaded_on: float
    expires_on: float
    serial_number: str
    ends_at: float | None = None


@dataclass(slots=True)
class Certificate:
    """The `ssl` of a custom hostname. `status` is text: the control API may force any.

    `approved` says that somebody followed the link in the authority's e-mail; while it is
    `renewing`, the certificate `issued` before still serves.
    """

    id: str
    method: Method
    certificate_authority: str = "google"
    wildcard: bool = False
    bundle_method: str = "ubiquitous"
    cloudflare_branding: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    status: str = "initializing"
    tokens: tuple[str, ...] = ()
    tokens_expire_at: float = 0.0
    approved: bool = False
    renewing: bool = False
    validation_errors: list[str] = field(default_factory=list)
    orders: int = 0
    issued: Issued | None = None
    track: Track = field(default_factory=Track)


@dataclass(slots=True)
class CustomHostname:
    """One custom hostname. `status` is text: the control API may force any."""

    sequence: int
    id: str
    hostname: str
    created_at: float
    ownership_token: str
    ssl: Certificate | None = None
    status: str = "pending"
    verification_errors: list[str] = field(default_factory=list)
    has_pointed_here: bool = False
    custom_metadata: dict[str, Any] | None = None
    custom_origin_server: str | None = None
    custom_origin_sni: str | None = None
    track: Track = field(default_factory=Track)

    @property
    def ssl_status(self) -> str | None:
        """The certificate's status, None where there is no certificate."""
        return self.ssl.status if self.ssl else None


@dataclass(slots=True)
class FallbackOrigin:
    """Where the zone sends the traffic of all custom hostnames."""

    origin: str
    created_at: float
    updated_at: float
    status: str = "initializing"
    errors: list[str] = field(default_factory=list)
    track: Track = field(default_factory=Track)


@dataclass(slots=True)
class ZoneRecord:
    """A DNS record of the provider's zone, as its API keeps it."""

    sequence: int
    id: str
    type: str
    name: str
    content: str
    ttl: int
    proxied: bool
    created_on: float
    modified_on: float
    comment: str | None = None
    tags: list[str] = field(default_factory=list)
    priority: int | None = None

    @property
    def value(self) -> str:
        """The record's data in zone-file form."""
        if self.type == "MX":
            return f"{self.priority or 0} {self.content}."
        if self.type in {"CNAME", "NS"}:
            return f"{self.content}."
        if self.type == "TXT" and not self.content.startswith('"'):
            escaped = self.content.replace("\\", "\\\\").replace('"', '\\"')
            return " ".join(f'"{escaped[i : i + 255]}"' for i in range(0, len(escaped) or 1, 255))
        return self.content
