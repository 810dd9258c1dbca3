"""What the account may do: its plan's entitlements, its quota and its zone.

At first it is what most users have: wildcards, but no choice of authority, no custom metadata and
no custom origins. Numbers of calls are `rate_limit`, the token is `token`.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox import errors
from sandbox.envelope import ApiError
from sandbox.store import Store

_KIND = "account"
_DEFAULT_HARD_CAP = 50_000

Token = Literal["active", "revoked", "no_custom_hostnames"]
Authority = Literal["google", "lets_encrypt", "ssl_com"]


class AccountSettings(BaseModel):
    """Entitlements, quota, token and zone.

    `authorities` are those that Cloudflare draws from where none is named. A hard cap of None is
    the default one; an Enterprise account may pass it.
    """

    model_config = ConfigDict(extra="forbid")

    certificate_authority: bool = False
    custom_metadata: bool = False
    custom_origin: bool = False
    custom_origin_sni: bool = False
    wildcard: bool = True
    authorities: list[Authority] = Field(
        default=["google", "lets_encrypt", "ssl_com"], min_length=1
    )
    saas_enabled: bool = True
    saas_disabled_status: Literal[400, 403] = 403
    quota_allocated: int = Field(default=100, ge=0)
    hard_cap: int | None = Field(default=None, ge=0)
    may_pass_hard_cap: bool = False
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
        """Raise for what the token may not touch, a zone that is gone, a product not enabled."""
        if self.settings.zone == "gone" and "zone_id" in parts:
            raise errors.no_such_zone(route.format(**parts))
        if "/custom_hostnames" not in route:
            return
        if self.settings.token == "no_custom_hostnames":  # noqa: S105 - a state, no secret
            raise errors.no_permission()
        if not self.settings.saas_enabled:
            raise self._not_enabled(route)

    def hard_cap(self, seeded: int) -> int:
        """Return how many custom hostnames there may be.

        Unless one was set, a zone seeded past the default has room for as many again: whoever
        has a million names has a contract for them.
        """
        if self.settings.hard_cap is not None:
            return self.settings.hard_cap
        return _DEFAULT_HARD_CAP + (seeded if seeded >= _DEFAULT_HARD_CAP else 0)

    def refuse_past_quota(self, used: int, seeded: int) -> None:
        """Raise if no further custom hostname may be created. The quota below the cap is soft."""
        cap = self.hard_cap(seeded)
        if cap == 0 and self.settings.quota_allocated == 0:
            raise errors.no_quota()
        if used >= cap and not self.settings.may_pass_hard_cap:
            raise errors.quota_exceeded()

    def refuse_unentitled(self, body: Mapping[str, Any], *, edits: bool) -> None:
        """Raise if a POST or PATCH names what the plan does not have.

        A PATCH is refused for a field that is there at all, a POST for one that is not null.
        """
        ssl = body.get("ssl")
        asked = ssl if isinstance(ssl, dict) else {}

        def names(field: str) -> bool:
            return field in body if edits else body.get(field) is not None

        if names("custom_metadata") and not self.settings.custom_metadata:
            raise errors.no_custom_metadata()
        if names("custom_origin_server") and not self.settings.custom_origin:
            raise errors.no_custom_origin()
        if names("custom_origin_sni") and not self.settings.custom_origin_sni:
            raise errors.no_custom_origin_sni()
        if _chooses_authority(asked) and not self.settings.certificate_authority:
            raise errors.no_choice_of_authority()
        starred = str(body.get("hostname", "")).startswith("*.")
        if not self.settings.wildcard and (starred or asked.get("wildcard") is True):
            raise errors.wildcard_not_allowed()

    def _not_enabled(self, route: str) -> ApiError:
        if route.endswith("/fallback_origin"):
            return errors.no_fallback_origin_access()
        error = errors.no_quota()
        error.status = self.settings.saas_disabled_status
        return error


def _chooses_authority(ssl: Mapping[str, Any]) -> bool:
    return ssl.get("certificate_authority") not in (None, "", "default")
