"""What a change of the OpenAPI document takes from callers: `breaking_changes`. Pure.

What a caller may send must not shrink; what a caller may rely on in an answer must not shrink. Of a
webhook the caller is the receiver, who relies on the request and chooses the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from typing_extensions import override

Document = Mapping[str, Any]

_METHODS = ("get", "put", "post", "delete", "patch")
_UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
_LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")


class Side(Enum):
    """Who reads what the schema describes."""

    REQUEST = "request"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class Change:
    """One change that may break a caller, and the operation it concerns."""

    operation: str
    what: str

    @override
    def __str__(self) -> str:
        """Give one line."""
        return f"{self.operation}: {self.what}"


def breaking_changes(old: Document, new: Document) -> list[Change]:
    """Find what callers of `old` may miss in `new`."""
    return list(_Comparison(old, new).changes())


class _Comparison:
    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new

    def changes(self) -> Iterator[Change]:
        for path, operations in self._old["paths"].items():
            for method in _METHODS:
                if method not in operations:
                    continue
                name = f"{method.upper()} {path}"
                operation = self._new["paths"].get(path, {}).get(method)
                if operation is None:
                    yield Change(name, "was dropped")
                    continue
                for what in self._operation(operations[method], operation):
                    yield Change(name, what)
        for name, item in self._old.get("webhooks", {}).items():
            webhook = self._new.get("webhooks", {}).get(name)
            if webhook is None:
                yield Change(f"webhook {name}", "was dropped")
                continue
            for what in self._webhook(item["post"], webhook["post"]):
                yield Change(f"webhook {name}", what)

    def _webhook(self, old: Document, new: Document) -> Iterator[str]:
        after = {each["name"]: each for each in new["parameters"]}
        for header in old["parameters"]:
            where = f"header {header['name']}"
            if header["name"] not in after:
                yield f"{where} was dropped"
                continue
            sent = after[header["name"]]
            if header.get("required") and not sent.get("required"):
                yield f"{where} may be missing now"
            yield from self._schema(header["schema"], sent["schema"], where, Side.RESPONSE)
        yield from self._content(old["requestBody"], new["requestBody"], "body", Side.RESPONSE)
        yield from (
            f"the answer {status} means nothing now"
            for status in old["responses"]
            if status not in new["responses"]
        )

    def _operation(self, old: Document, new: Document) -> Iterator[str]:
        if old.get("operationId") != new.get("operationId"):
            yield f"operationId {old.get('operationId')} became {new.get('operationId')}"
        yield from self._parameters(old, new)
        yield from self._request(old, new)
        for status, answer in old.get("responses", {}).items():
            if status not in new.get("responses", {}):
                yield f"answers {status} no longer"
                continue
            yield from self._content(
                answer, new["responses"][status], f"answer {status}", Side.RESPONSE
            )

    def _parameters(self, old: Document, new: Document) -> Iterator[str]:
        before = {(each["in"], each["name"]): each for each in old.get("parameters", [])}
        after = {(each["in"], each["name"]): each for each in new.get("parameters", [])}
        for key, parameter in before.items():
            where = f"{key[0]} parameter {key[1]}"
            if key not in after:
                yield f"{where} was dropped"
                continue
            if after[key].get("required") and not parameter.get("required"):
                yield f"{where} became required"
            yield from self._schema(
                parameter.get("schema", {}), after[key].get("schema", {}), where, Side.REQUEST
            )
        for key in after.keys() - before.keys():
            if after[key].get("required"):
                yield f"{key[0]} parameter {key[1]} is new and required"

    def _request(self, old: Document, new: Document) -> Iterator[str]:
        before, after = old.get("requestBody"), new.get("requestBody")
        if after is not None and after.get("required") and not (before or {}).get("required"):
            yield "the body became required"
        if before is not None and after is None:
            yield "the body was dropped"
        elif before is not None and after is not None:
            yield from self._content(before, after, "body", Side.REQUEST)

    def _content(self, old: Document, new: Document, where: str, side: Side) -> Iterator[str]:
        for media, described in old.get("content", {}).items():
            if media not in new.get("content", {}):
                yield f"{where} is no longer {media}"
                continue
            yield from self._schema(
                described.get("schema", {}), new["content"][media].get("schema", {}), where, side
            )

    def _schema(
        self,
        old: Document,
        new: Document,
        where: str,
        side: Side,
        seen: frozenset[str] = frozenset(),
    ) -> Iterator[str]:
        if "$ref" in old:
            if old["$ref"] in seen:
                return
            seen |= {old["$ref"]}
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        yield from self._types(old, new, where, side)
        if "enum" in old:
            yield from (
                f"{where} lost the value {value}"
                for value in old["enum"]
                if "enum" in new and value not in new["enum"]
            )
        elif "enum" in new and side is Side.REQUEST:
            yield f"{where} became an enum"
        if side is Side.REQUEST:
            yield from _tightened(old, new, where)
        yield from self._properties(old, new, where, side, seen)
        if "items" in old and "items" in new:
            yield from self._schema(old["items"], new["items"], f"{where}[]", side, seen)

    def _types(self, old: Document, new: Document, where: str, side: Side) -> Iterator[str]:
        before, after = self._kinds(self._old, old), self._kinds(self._new, new)
        if not before or not after:
            return
        lost = before - after if side is Side.REQUEST else after - before
        if lost:
            yield f"{where} was {_listed(before)} and is {_listed(after)}"

    def _kinds(self, document: Document, schema: Document) -> frozenset[str]:
        kinds: set[str] = set()
        for part in schema.get("anyOf", schema.get("oneOf", [])):
            kinds |= self._kinds(document, _resolved(document, part))
        kind = schema.get("type", [])
        return frozenset(kinds | ({kind} if isinstance(kind, str) else set(kind)))

    def _properties(
        self, old: Document, new: Document, where: str, side: Side, seen: frozenset[str]
    ) -> Iterator[str]:
        # A field that may be null is `anyOf` of its schema and null.
        parts = self._object(self._old, old), self._object(self._new, new)
        if parts != (old, new):
            yield from self._schema(*parts, where, side, seen)
            return
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            field = f"{where}/{name}"
            if name not in after:
                yield f"{field} was dropped"
                continue
            yield from self._schema(schema, after[name], field, side, seen)
        required, now = set(old.get("required", [])), set(new.get("required", []))
        if side is Side.REQUEST:
            yield from (f"{where}/{name} became required" for name in sorted(now - required))
        else:
            yield from (
                f"{where}/{name} may be missing now"
                for name in sorted(required - now)
                if name in after
            )

    def _object(self, document: Document, schema: Document) -> Any:
        for part in schema.get("anyOf", []):
            if "properties" in _resolved(document, part):
                return part
        return schema


def _resolved(document: Document, schema: Document) -> Document:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _tightened(old: Document, new: Document, where: str) -> Iterator[str]:
    for keyword in _UPPER:
        if keyword in new and new[keyword] < old.get(keyword, float("inf")):
            yield f"{where}: {keyword} fell to {new[keyword]}"
    for keyword in _LOWER:
        if keyword in new and new[keyword] > old.get(keyword, float("-inf")):
            yield f"{where}: {keyword} rose to {new[keyword]}"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{where}: pattern changed"


def _listed(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds))
