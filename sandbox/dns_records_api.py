"""The endpoints under /zones/{zone_id}/dns_records: the provider's own two records and more."""

from dataclasses import replace
from typing import Any

from sandbox import constants, views
from sandbox.call import Call
from sandbox.clock import Clock
from sandbox.dns_zone import BadRecordError, normal
from sandbox.envelope import ApiError, Reply, success
from sandbox.identifiers import Identifiers
from sandbox.model import ZoneRecord
from sandbox.zone_records import ZoneRecords

_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "TXT")
_PROXIABLE = frozenset({"A", "AAAA", "CNAME"})
_HOSTS = frozenset({"CNAME", "MX", "NS"})
_AUTOMATIC_TTL = 1
_TTLS = range(30, 86_401)
_MATCHERS = ("exact", "contains", "startswith", "endswith")


class DnsRecordsApi:
    """DNS records of the one zone."""

    def __init__(self, clock: Clock, records: ZoneRecords, identifiers: Identifiers) -> None:
        self._clock = clock
        self._records = records
        self._identifiers = identifiers

    def create(self, call: Call) -> Reply:
        """POST a record."""
        wall = self._clock.wall()
        blank = ZoneRecord(
            sequence=self._records.next_sequence(),
            id=self._identifiers.hex(),
            type="",
            name="",
            content="",
            ttl=_AUTOMATIC_TTL,
            proxied=False,
            created_on=wall,
            modified_on=wall,
        )
        return self._save(_filled(blank, call.json()), None)

    def list(self, call: Call) -> Reply:
        """GET records, by type, name, content and proxied."""
        page = call.page(default=100, smallest=1, largest=5000)
        chosen = [record for record in self._records.all() if _matches(record, call)]
        if order := call.choice("order", ("type", "name", "content", "ttl", "proxied")):
            descending = call.choice("direction", ("asc", "desc")) == "desc"
            chosen.sort(key=lambda record: str(getattr(record, order)), reverse=descending)
        shown = [views.dns_record(record) for record in page.cut(chosen)]
        return success(shown, info=page.info(len(shown), len(chosen)))

    def get(self, call: Call) -> Reply:
        """GET one record."""
        return success(views.dns_record(self._found(call)))

    def edit(self, call: Call) -> Reply:
        """PATCH: change the fields given."""
        record = self._found(call)
        return self._save(_filled(record, call.json()), record)

    def update(self, call: Call) -> Reply:
        """PUT: all fields left out fall back to their defaults."""
        record = self._found(call)
        blank = replace(
            record, type="", name="", content="", ttl=_AUTOMATIC_TTL, proxied=False, comment=None
        )
        return self._save(_filled(replace(blank, tags=[]), call.json()), record)

    def delete(self, call: Call) -> Reply:
        """DELETE a record."""
        record = self._found(call)
        self._records.remove(record)
        return success({"id": record.id})

    def _found(self, call: Call) -> ZoneRecord:
        record = self._records.get(call.path["dns_record_id"])
        if record is None:
            raise ApiError(404, 81044, "Record does not exist.")
        return record

    def _save(self, record: ZoneRecord, replaced: ZoneRecord | None) -> Reply:
        self._refuse_clash(record)
        record = replace(record, modified_on=self._clock.wall())
        try:
            self._records.save(record, replaced)
        except BadRecordError as error:
            raise ApiError(400, 1004, f"DNS Validation Error: {error}") from None
        return success(views.dns_record(record))

    def _refuse_clash(self, record: ZoneRecord) -> None:
        others = [row for row in self._records.at(record.name) if row.id != record.id]
        if any(row.type == record.type and row.content == record.content for row in others):
            raise ApiError(400, 81058, "An identical record already exists.")
        taken = {row.type for row in others} & _PROXIABLE
        if record.type == "CNAME" and taken:
            raise ApiError(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
        if record.type in _PROXIABLE and "CNAME" in taken:
            raise ApiError(400, 81054, "A CNAME record with that host already exists.")


def _filled(record: ZoneRecord, body: dict[str, Any]) -> ZoneRecord:
    rrtype = str(body.get("type", record.type)).upper()
    if rrtype not in _TYPES:
        raise ApiError(400, 9004, f"DNS Validation Error: type must be one of {_TYPES}.")
    ttl = body.get("ttl", record.ttl)
    if not isinstance(ttl, int | float) or (ttl != _AUTOMATIC_TTL and int(ttl) not in _TTLS):
        raise ApiError(400, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1.")
    proxied = body.get("proxied", record.proxied)
    if proxied and rrtype not in _PROXIABLE:
        raise ApiError(400, 9004, f"This record type cannot be proxied: {rrtype}.")
    return replace(
        record,
        type=rrtype,
        name=_full_name(body.get("name", record.name)),
        content=_content(rrtype, body, record.content),
        ttl=int(ttl),
        proxied=bool(proxied),
        comment=_comment(body.get("comment", record.comment)),
        tags=_tags(body.get("tags", record.tags)),
        priority=_priority(body.get("priority", record.priority)),
    )


def _comment(value: object) -> str | None:
    if not isinstance(value, str | None):
        raise ApiError(400, 9300, "DNS record has an invalid comment.")
    return value


def _tags(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise ApiError(400, 9301, "DNS record has an invalid tag.")
    return value


def _priority(value: object) -> int | None:
    if not isinstance(value, int | float | None):
        raise ApiError(400, 9101, "DNS record has an invalid priority.")
    return None if value is None else int(value)


def _full_name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ApiError(400, 9000, "DNS name is invalid.")
    short = normal(name)
    if short == "@":
        return constants.ZONE_NAME
    if short == constants.ZONE_NAME or short.endswith(f".{constants.ZONE_NAME}"):
        return short
    return f"{short}.{constants.ZONE_NAME}"


def _content(rrtype: str, body: dict[str, Any], before: str) -> str:
    data = body.get("data")
    if rrtype == "CAA" and isinstance(data, dict):
        flags = str(data.get("flags", 0)).removesuffix(".0")
        return f'{flags} {data.get("tag")} "{data.get("value")}"'
    content = body.get("content", before)
    if not isinstance(content, str) or not content:
        raise ApiError(400, 9005, f"Content for {rrtype} record is invalid.")
    return normal(content) if rrtype in _HOSTS else content


def _matches(record: ZoneRecord, call: Call) -> bool:
    wanted = call.query
    if wanted.get("type", record.type).upper() != record.type:
        return False
    proxied = call.choice("proxied", ("true", "false"))
    if proxied is not None and (proxied == "true") != record.proxied:
        return False
    return _text_matches(record.name, "name", call) and _text_matches(
        record.content, "content", call
    )


def _text_matches(text: str, parameter: str, call: Call) -> bool:
    """Compare without regard to case: `name=`, `name.exact=`, `name.contains=` and so on."""
    lowered = text.lower()
    tests = {
        "exact": lowered.__eq__,
        "contains": lowered.__contains__,
        "startswith": lowered.startswith,
        "endswith": lowered.endswith,
    }
    asked = {how: call.query.get(f"{parameter}.{how}") for how in _MATCHERS}
    asked["exact"] = asked["exact"] or call.query.get(parameter)
    return all(tests[how](value.lower()) for how, value in asked.items() if value)
