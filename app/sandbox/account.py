"""What the account may do: its plan's entitlements, its quota, its token and its zone.

All of it is allowed until the control API takes something away. Numbers of calls are
`rate_limit`.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.sandbox import errors
from app.sandbox.store import Store

_KIND = "account"
_DEFAULT_HARD_CAP = 50_000


Token = Literal["active", "revoked", "no_custom_hostnames"]


class AccountSettings(BaseModel):
    """Entitlements, the quota (a hard cap of None is the default one), the token, the zone."""

    custom_metadata: bool = True
    custom_origin: bool = True
    certificate_authority: bool = True
    wildcard: bool = True
    quota_allocated: int = Field(default=100, ge=0)
    hard_cap: int | None = Field(default=None, ge=0)
    token: Token = "active"  # noqa: S105 - a state, no secret
    zone: Literal["present", "gone"] = "present"


class Account:
    """Refuses what the settings do not allow."""

    def __init__(self, store: Store) -> None:
        self._store = store
        stored = store.get(_KIND, "")
        self.settings = AccountSettings.model_validate_json(stored) if stored else AccountSettings()

    def set(self, settings: AccountSettings) -> None:
        """Allow more or less from now on."""
        self.settings = settings
        self._store.put(_KIND, "", settings.model_dump_json().encode())

    def refuse_revoked(self) -> None:
        """Raise if the token is good no longer."""
        if self.settings.token == "revoked":  # noqa: S105 - a state, no secret
            raise errors.invalid_token()

    def refuse_unreachable(self, route: str, parts: Mapping[str, str]) -> None:
        """Raise for what the token may not touch, and for all of a zone that is gone."""
        if self.settings.zone == "gone" and "zone_id" in parts:
            raise errors.no_such_zone(route.format(**parts))
        barred = self.settings.token == "no_custom_hostnames"  # noqa: S105 - a state, no secret
        if barred and "/custom_hostnames" in route:
            raise errors.unauthorized()

    def hard_cap(self, seeded: int) -> int:
        """Return how many custom hostnames there may be.

        Unless one was set, a zone seeded past the default has room for as many again: whoever
        has a million names has a contract for them.
        """
        if self.settings.hard_cap is not None:
            return self.settings.hard_cap
        return _DEFAULT_HARD_CAP + (seeded if seeded >= _DEFAULT_HARD_CAP else 0)

    def refuse_past_quota(self, used: int, seeded: int) -> None:
        """Raise if no further custom hostname may be created."""
        cap = self.hard_cap(seeded)
        if cap == 0 and self.settings.quota_allocated == 0:
            raise errors.no_quota()
        if used >= cap:
            raise errors.quota_exceeded()

    def refuse_unentitled(self, body: Mapping[str, Any]) -> None:
        """Raise if a POST or PATCH asks for what the plan does not have."""
        ssl = body.get("ssl")
        asked = ssl if isinstance(ssl, dict) else {}
        starred = str(body.get("hostname", "")).startswith("*.")
        if not self.settings.custom_metadata and body.get("custom_metadata") is not None:
            raise errors.no_custom_metadata()
        if not self.settings.custom_origin and _has_origin(body):
            raise errors.no_custom_origin()
        if not self.settings.certificate_authority and _chooses_authority(asked):
            raise errors.no_choice_of_authority()
        if not self.settings.wildcard and (starred or asked.get("wildcard") is True):
            raise errors.wildcard_not_allowed()


def _has_origin(body: Mapping[str, Any]) -> bool:
    return any(body.get(f"custom_origin_{part}") is not None for part in ("server", "sni"))


def _chooses_authority(ssl: Mapping[str, Any]) -> bool:
    return ssl.get("certificate_authority") not in (None, "", "default")
