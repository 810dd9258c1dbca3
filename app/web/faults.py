"""What is wrong with a request that is not as described: where, and in our own sentences.

Pydantic's texts are for programmers; each of its error types that a caller can meet has its
sentence here, with the way out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SENTENCES = {
    "missing": "It is missing; add it.",
    "extra_forbidden": "There is no such field; leave it out, or see /openapi.json for its name.",
    "string_type": "It is no string; put it in quotes.",
    "string_too_short": "It is too short; give {min_length} characters or more.",
    "string_too_long": "It is too long; give {max_length} characters or fewer.",
    "too_short": "It is too short; give {min_length} or more.",
    "too_long": "It is too long; give {max_length} or fewer.",
    "literal_error": "It is none of the values there are; choose {expected}.",
    "enum": "It is none of the values there are; choose {expected}.",
    "int_type": "It is no whole number; give one, without quotes.",
    "int_parsing": "It is no whole number; give one, such as 50.",
    "int_parsing_size": "It is no number of a size that can be; give one, such as 50.",
    "string_unicode": "It holds lone surrogates; take them out.",
    "int_from_float": "It is no whole number; give one, such as 50.",
    "greater_than_equal": "It is too small; give {ge} or more.",
    "less_than_equal": "It is too large; give {le} or less.",
    "bool_type": "It is neither true nor false; give one of them, without quotes.",
    "bool_parsing": "It is neither true nor false; give one of them, without quotes.",
    "dict_type": "It is no JSON object; give one, such as {{}}.",
    "model_type": "It is no JSON object; give one, such as {{}}.",
    "model_attributes_type": "It is no JSON object; give one, such as {{}}.",
    "list_type": "It is no JSON array; give one, such as [].",
}
"""By pydantic's error type; filled in with what its context says."""


def fault_of(found: Mapping[str, Any]) -> dict[str, str]:
    """Give one fault: a JSON pointer into the body, or the parameter's name, and the sentence."""
    where, *path = found["loc"] or ("body",)
    said = sentence(found)
    if where in {"query", "header", "path"} and path:
        return {"parameter": _short(path[0]), "detail": said}
    # RFC 6901, section 3.
    parts = (_short(part).replace("~", "~0").replace("/", "~1") for part in path)
    return {"pointer": "".join(f"/{part}" for part in parts), "detail": said}


def sentence(found: Mapping[str, Any]) -> str:
    """Say what is wrong, and the way out."""
    kind, context = found["type"], dict(found.get("ctx") or {})
    if "expected" in context:
        context["expected"] = context["expected"].replace("'", "`")
    if kind in {"too_short", "too_long"}:
        kind = f"string_{kind}" if isinstance(found.get("input"), str) else kind
    if kind not in SENTENCES:
        return str(found["msg"]).removeprefix("Value error, ")
    return SENTENCES[kind].format(**context)


def _short(part: object) -> str:
    # A name of the caller's own choosing may be as long as the body; where it stands need not be.
    return str(part)[:100]
