"""The endpoints of the fallback origin."""

import uuid

from sandbox import constants, naming, views
from sandbox.agenda import Agenda
from sandbox.answer_forms import AnswerForms
from sandbox.call import Call
from sandbox.envelope import ApiError, Reply, success
from sandbox.fallback import NOT_PROXIED, FallbackOriginKeeper
from sandbox.zone_records import ZoneRecords

_OBJECT_ID = str(uuid.uuid5(uuid.NAMESPACE_DNS, constants.ZONE_NAME))


class FallbackApi:
    """The one fallback origin of the zone."""

    def __init__(
        self,
        fallback: FallbackOriginKeeper,
        records: ZoneRecords,
        agenda: Agenda,
        forms: AnswerForms,
    ) -> None:
        self._fallback = fallback
        self._records = records
        self._agenda = agenda
        self._forms = forms

    def get(self, _: Call) -> Reply:
        """GET the fallback origin."""
        if self._fallback.current is None:
            raise _no_fallback_origin()
        return success(views.fallback_origin(self._fallback.current))

    def put(self, call: Call) -> Reply:
        """PUT the fallback origin; it is deployed once it is a proxied record of the zone."""
        origin = naming.custom_origin(call.json().get("origin"))
        settings = self._forms.settings
        refuses = settings.unproxied_fallback_origin == "refused"
        if refuses and not self._records.is_proxied(origin):
            raise ApiError(400, 1421, NOT_PROXIED)
        current = self._fallback.put(origin, self._agenda)
        return success(views.fallback_origin(current), status=settings.put_status)

    def delete(self, _: Call) -> Reply:
        """DELETE the fallback origin."""
        current = self._fallback.delete(self._agenda)
        if current is None:
            raise _no_fallback_origin()
        return self._forms.deleted(_OBJECT_ID, views.fallback_origin(current))


def _no_fallback_origin() -> ApiError:
    return ApiError(404, 1551, "Resource not found: no fallback origin is set.")
