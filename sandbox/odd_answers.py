"""Answers about single custom hostnames that are odd: merge patches over what is shown.

A JSON merge patch (RFC 7396) removes a member by null, so members to be shown as null are named
apart, by JSON pointers (RFC 6901).
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from sandbox.store import Store

_KIND = "odd_answer"


class OddAnswer(BaseModel):
    """A merge patch, which may be any JSON, and what is null after it."""

    patch: Any
    nulls: list[str] = []


_ROW = TypeAdapter(OddAnswer)


class OddAnswers:
    """One odd answer for each id."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_id = {key: _ROW.validate_json(value) for key, value in store.rows(_KIND)}

    def set(self, hostname_id: str, patch: object, nulls: Sequence[str]) -> None:
        """Show a custom hostname otherwise; an empty patch without nulls ends that."""
        if patch == {} and not nulls:
            self._by_id.pop(hostname_id, None)
            self._store.delete(_KIND, hostname_id)
            return
        odd = self._by_id[hostname_id] = OddAnswer(patch=patch, nulls=list(nulls))
        self._store.put(_KIND, hostname_id, _ROW.dump_json(odd))

    def applied(self, hostname_id: str, shown: dict[str, Any]) -> Any:
        """Return what is shown of a custom hostname."""
        odd = self._by_id.get(hostname_id)
        if odd is None:
            return shown
        merged = _merged(shown, odd.patch)
        for pointer in odd.nulls:
            _set_null(merged, pointer)
        return merged


def _merged(target: object, patch: object) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _set_null(target: Any, pointer: str) -> None:
    """Set a member to null; its parents become objects."""
    *parents, last = [
        part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("/").split("/")
    ]
    for part in parents:
        inner = target.get(part) if isinstance(target, dict) else None
        if not isinstance(inner, dict):
            return
        target[part] = inner = dict(inner)
        target = inner
    if isinstance(target, dict):
        target[last] = None
