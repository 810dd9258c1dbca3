"""Which of Cloudflare's documented forms an answer has, where documents and life know several.

The defaults are those of Cloudflare's API reference.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.envelope import Reply, bare, empty, encode, success
from sandbox.store import Store

_KIND = "answer_forms"
_JSON = "application/json"
_NOTE = {"code": 10000, "message": "This is a note, no error", "type": None}

WriteStatus = Literal[200, 201, 202]


class AnswerSettings(BaseModel):
    """The form of each answer. `readable_seconds` run on the schedule clock."""

    model_config = ConfigDict(extra="forbid")

    delete: Literal["bare", "envelope", "empty", "no_content"] = "bare"
    patch_status: WriteStatus = 202
    put_status: WriteStatus = 200
    write: Literal["full", "without_status"] = "full"
    ownership_after_activation: Literal["absent", "emptied"] = "absent"
    result_info: Literal["full", "without_total_pages", "absent"] = "full"
    envelope: Literal["full", "extras", "short"] = "full"
    readable_after_delete: Literal["deleted", "pending_deletion"] | None = None
    readable_seconds: float = Field(default=60.0, ge=0)
    plain_name_tokens: Literal[1, 2] = 1
    http_tokens_on_retry: Literal["replaced", "kept"] = "replaced"
    unproxied_fallback_origin: Literal["accepted", "refused"] = "accepted"


class AnswerForms:
    """Keeps the settings and gives answers their form."""

    def __init__(self, store: Store) -> None:
        self._store = store
        stored = store.get(_KIND, "")
        self.settings = AnswerSettings.model_validate_json(stored) if stored else AnswerSettings()

    def set(self, settings: AnswerSettings) -> None:
        """Answer in other forms from now on."""
        self.settings = settings
        self._store.put(_KIND, "", settings.model_dump_json().encode())

    def deleted(self, object_id: str, result: object = None) -> Reply:
        """Answer a DELETE; `result` is what the envelope holds instead of the id."""
        match self.settings.delete:
            case "bare":
                return bare({"id": object_id})
            case "envelope":
                return success(result or {"id": object_id})
            case "empty":
                return empty(HTTPStatus.OK)
            case "no_content":
                return empty(HTTPStatus.NO_CONTENT)

    def info(self, info: dict[str, int]) -> dict[str, int] | None:
        """Return the `result_info` of a list of custom hostnames."""
        if self.settings.result_info == "absent":
            return None
        if self.settings.result_info == "without_total_pages":
            return {key: value for key, value in info.items() if key != "total_pages"}
        return info

    def written(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a POST or PATCH shows of a custom hostname."""
        if self.settings.write == "full":
            return dict(shown)
        left_out = ("status", "ownership_verification", "ownership_verification_http")
        return {key: value for key, value in shown.items() if key not in left_out}

    def enveloped(self, reply: Reply) -> Reply:
        """Return an answer with more or fewer fields beside its result."""
        form = self.settings.envelope
        if form == "full" or not reply.headers.get("content-type", "").startswith(_JSON):
            return reply
        content = json.loads(reply.body)
        if "success" not in content:
            return reply
        changed = _short(content) if form == "short" else _extended(content)
        return replace(reply, body=encode(changed))


def _short(content: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing."""
    empty_keys = [key for key in ("errors", "messages", "result") if content.get(key) in ([], None)]
    if content["success"]:
        empty_keys = [key for key in empty_keys if key != "result"]
    return {key: value for key, value in content.items() if key not in empty_keys}


def _extended(content: dict[str, Any]) -> dict[str, Any]:
    """Add the fields that the reference's schema has: notes, links and pointers."""
    more = {"documentation_url": "https://developers.cloudflare.com/", "source": {"pointer": "/"}}
    errors = [{**error, **more} for error in content.get("errors", [])]
    messages = [*content.get("messages", []), _NOTE, "a note in plain text"]
    return {**content, "errors": errors, "messages": messages}
