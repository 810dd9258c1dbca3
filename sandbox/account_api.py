"""The endpoints about the account: zones, tokens, addresses and the delegation's uuid."""

from sandbox import constants, errors, identifiers, views
from sandbox.account import Account
from sandbox.call import Call
from sandbox.envelope import Reply, success
from sandbox.token import ApiToken

_VERIFIED = {"id": constants.TOKEN_ID, "status": "active"}
_VALID = {"code": 10000, "message": "This API Token is valid and active", "type": None}


class AccountApi:
    """One account with one zone and one token."""

    def __init__(self, zone_created_at: float, account: Account, token: ApiToken) -> None:
        self._zone_created_at = zone_created_at
        self._account = account
        self._token = token

    def list_accounts(self, call: Call) -> Reply:
        """GET the accounts of the token: the one."""
        self._token.refuse_list_of_accounts()
        page = call.page(default=20, smallest=5, largest=50)
        shown = page.cut([views.account(self._zone_created_at)])
        return success(shown, info=page.info(len(shown), 1))

    def get_zone(self, _: Call) -> Reply:
        """GET the zone."""
        return success(views.zone(self._zone_created_at))

    def list_zones(self, call: Call) -> Reply:
        """GET the zones, by name, account and status."""
        page = call.page(default=20, smallest=5, largest=50)
        expected = {
            "name": constants.ZONE_NAME,
            "account.id": constants.ACCOUNT_ID,
            "status": "active",
        }
        is_there = self._account.settings.zone == "present"
        fits = is_there and all(
            call.query.get(key, value) == value for key, value in expected.items()
        )
        shown = page.cut([views.zone(self._zone_created_at)] if fits else [])
        return success(shown, info=page.info(len(shown), int(fits)))

    def verify_user_token(self, _: Call) -> Reply:
        """GET whether the user's token is good; it was checked before this."""
        self._token.refuse_owned_by_account()
        return success(_VERIFIED, messages=[_VALID])

    def verify_account_token(self, call: Call) -> Reply:
        """GET whether the account's token is good."""
        if call.path["account_id"] != constants.ACCOUNT_ID:
            raise errors.unauthorized()
        return success(_VERIFIED, messages=[_VALID])

    def ips(self, _: Call) -> Reply:
        """GET Cloudflare's address ranges."""
        return success(
            {
                "ipv4_cidrs": [constants.CLOUDFLARE_RANGE],
                "ipv6_cidrs": [],
                "etag": identifiers.etag(constants.CLOUDFLARE_RANGE),
            }
        )

    def dcv_delegation_uuid(self, _: Call) -> Reply:
        """GET the uuid in the targets of delegated DCV."""
        return success({"uuid": constants.DCV_DELEGATION_UUID})
