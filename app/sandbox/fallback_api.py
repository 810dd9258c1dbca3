"""The endpoints of the fallback origin."""

from app.sandbox import naming, views
from app.sandbox.agenda import Agenda
from app.sandbox.call import Call
from app.sandbox.envelope import ApiError, Reply, success
from app.sandbox.fallback import FallbackOriginKeeper
from app.sandbox.zone_records import ZoneRecords


class FallbackApi:
    """The one fallback origin of the zone."""

    def __init__(
        self, fallback: FallbackOriginKeeper, records: ZoneRecords, agenda: Agenda
    ) -> None:
        self._fallback = fallback
        self._records = records
        self._agenda = agenda

    def get(self, _: Call) -> Reply:
        """GET the fallback origin."""
        if self._fallback.current is None:
            raise _no_fallback_origin()
        return success(views.fallback_origin(self._fallback.current))

    def put(self, call: Call) -> Reply:
        """PUT the fallback origin, which must be a proxied record of the zone."""
        origin = naming.custom_origin(call.json().get("origin"))
        if not self._records.is_proxied(origin):
            raise ApiError(
                400,
                1421,
                "DNS records are not setup correctly. Origin should be a proxied A/AAAA/CNAME "
                "dns record.",
            )
        return success(views.fallback_origin(self._fallback.put(origin, self._agenda)))

    def delete(self, _: Call) -> Reply:
        """DELETE the fallback origin."""
        current = self._fallback.delete(self._agenda)
        if current is None:
            raise _no_fallback_origin()
        return success(views.fallback_origin(current))


def _no_fallback_origin() -> ApiError:
    return ApiError(404, 1551, "Resource not found: no fallback origin is set.")
