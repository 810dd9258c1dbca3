"""The API token: whose it is, what is wrong with it, and which permissions it lacks.

What a call may do once its token is good is `account`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox import constants, errors
from sandbox.clock import Clock
from sandbox.store import Store

_KIND = "token"
_VERIFY = "/tokens/verify"

Permission = Literal["ssl", "dns", "zone"]
Trouble = Literal["malformed", "missing", "disabled", "expired", "location"]


class TokenSettings(BaseModel):
    """Whose the token is and how calls with it are refused.

    `next` counts calls that are still answered 401 before it is good again. `fresh_seconds` is
    how much longer, by wall time, a new token is answered 403.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["user", "account"] = "user"
    trouble: Trouble | None = None
    lacks: list[Permission] = []
    next: int = Field(default=0, ge=0)
    fresh_seconds: float = Field(default=0.0, ge=0)
    lists_accounts: bool = True


class ApiToken:
    """Refuses calls for their token."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        stored = store.get(_KIND, "settings")
        self._settings = TokenSettings.model_validate_json(stored) if stored else TokenSettings()
        self._fresh_until = float(store.get(_KIND, "fresh_until") or 0)

    @property
    def settings(self) -> TokenSettings:
        """The settings, with the seconds that the token is fresh for from now."""
        fresh = max(0.0, self._fresh_until - self._clock.wall())
        return self._settings.model_copy(update={"fresh_seconds": fresh})

    def set(self, settings: TokenSettings) -> None:
        """Change the token from now on."""
        self._fresh_until = self._clock.wall() + settings.fresh_seconds
        self._keep(settings)
        self._store.put(_KIND, "fresh_until", str(self._fresh_until).encode())

    def refuse(self, authorization: str, route: str, address: str) -> None:
        """Raise if a call is not let in with its Authorization header."""
        token = _token(authorization, verifies=route.endswith(_VERIFY))
        trouble = self._settings.trouble
        if trouble == "missing":
            raise errors.missing_token(verifies=route.endswith(_VERIFY))
        if trouble == "malformed":
            raise errors.malformed_token()
        if trouble == "disabled" or token != constants.TOKEN:
            raise errors.invalid_token()
        if trouble == "expired":
            raise errors.expired_token()
        if trouble == "location":
            raise errors.wrong_location(address)
        if self._settings.next:
            self._keep(self._settings.model_copy(update={"next": self._settings.next - 1}))
            raise errors.invalid_token()
        if self._clock.wall() < self._fresh_until:
            raise errors.no_permission()

    def refuse_unpermitted(self, route: str) -> None:
        """Raise if the token lacks the permission for a route."""
        if _permission(route) in self._settings.lacks:
            raise errors.no_permission()

    def refuse_owned_by_account(self) -> None:
        """Raise where only users' tokens are known."""
        if self._settings.kind == "account":
            raise errors.invalid_token()

    def refuse_list_of_accounts(self) -> None:
        """Raise if the token may not list accounts."""
        if self._settings.kind == "account" and not self._settings.lists_accounts:
            raise errors.no_list_of_accounts()

    def _keep(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._store.put(_KIND, "settings", settings.model_dump_json().encode())


def _token(authorization: str, *, verifies: bool) -> str:
    if not authorization:
        raise errors.missing_token(verifies=verifies)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token or " " in token:
        raise errors.malformed_token()
    return token


def _permission(route: str) -> Permission | None:
    if "/custom_hostnames" in route or "/dcv_delegation" in route:
        return "ssl"
    if "/dns_records" in route:
        return "dns"
    return "zone" if route.startswith("/zones") else None
