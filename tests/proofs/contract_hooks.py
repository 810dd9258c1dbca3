"""What schemathesis needs to know of this API beyond its OpenAPI document.

Schemathesis loads this module by `SCHEMATHESIS_HOOKS`; `test_contract.py` runs it. Requests that
should be accepted get names, URLs, cursors and ids that can be. What may still refuse them is
listed in `REFUSED`, and any other refusal fails.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import JsonSchemaError, RejectedPositiveData

from app.api import api_keys, webhook_endpoints
from app.api.delivery_schemas import DeliveryQuery
from app.api.hostname_list_schemas import HostnameQuery
from app.api.hostname_lists import cursor_after
from app.api.long_poll import MOST_SECONDS
from app.api.tenancy import PROVIDERS
from app.domain.custom_hostname import Plan
from app.domain.errors import ErrorCode
from app.domain.events import EVENT_TYPES
from app.domain.webhook_endpoint import SELECTORS
from app.persistence.hostname_lists import Keyset, Sort
from app.web.cursor import Cursors

VARIABLE = "NAMEPLATE_TEST_CONTRACT"

TENANT = "tenant-1"
"""The one that the resources of a run belong to, and that a bound key is bound to."""

REFUSED = {
    "create_custom_hostname": {
        ErrorCode.OPTION_NOT_AVAILABLE,
        ErrorCode.PLAN_NOT_AVAILABLE,
        ErrorCode.REDIRECT_INVALID,
    },
    "update_custom_hostname": {
        ErrorCode.OPTION_NOT_AVAILABLE,
        ErrorCode.PLAN_NOT_AVAILABLE,
        ErrorCode.PRECONDITION_FAILED,
        ErrorCode.REDIRECT_INVALID,
    },
    "preflight_hostname": {ErrorCode.PLAN_NOT_AVAILABLE},
    "delete_custom_hostname": {ErrorCode.PRECONDITION_FAILED},
    "refresh_custom_hostname": {ErrorCode.PRECONDITION_FAILED},
}
"""By operation, the codes with which a request may be refused although it matches the schema."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: who calls, and what is there to be asked for."""

    tenant: str | None
    """The one that the key is bound to."""
    key_id: str
    """The key that calls. It must not be revoked."""
    ids: Mapping[str, Sequence[str]]
    """By the tag of their operations, the ids of resources that exist."""
    deliveries: Mapping[str, str]
    """By the id of its endpoint, a delivery that exists."""
    redirect_to: str
    """A hostname of the tenant that the ids are of."""
    resolvable: str
    """A hostname of another tenant, which no request of the run removes."""
    receiver: str
    log: str
    """The file to which one line is written about each answer, and each refusal of `REFUSED`."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def this_run() -> Run:
    """Read what `test_contract.py` says of this run."""
    return Run(**json.loads(os.environ[VARIABLE]))


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Keep the key of this run."""
    is_revoked = case.operation.definition.raw["operationId"] == "revoke_api_key"
    return not (is_revoked and (case.path_parameters or {}).get("id") == this_run().key_id)


@schemathesis.hook
def map_case(_context: Any, case: Any) -> Any:
    """Make a request that matches the schema one that can be accepted, as far as it goes."""
    if not case.meta.generation.mode.is_positive:
        if (case.query or {}).get("wait") in range(1, MOST_SECONDS + 1):
            case.query["wait"] = 1
        return case
    operation = case.operation.definition.raw
    name = operation["operationId"]
    choice = _Choice(f"{name} {case.path_parameters} {case.query} {case.body!r}")
    if case.path_parameters and case.meta.phase.name != "stateful":
        case.path_parameters["id"] = choice.of(this_run().ids[operation["tags"][0]])
        if "delivery_id" in case.path_parameters:
            case.path_parameters["delivery_id"] = this_run().deliveries[case.path_parameters["id"]]
    if name == "stream_events":
        # Where it has nothing to send, each request would last until its time-out.
        case.query = {"after": "0"}
    elif case.query:
        query = {key: _printable(case.query[key]) for key in case.query}
        case.query = _query(name, query, choice, (case.path_parameters or {}).get("id", ""))
    for header in case.headers or {}:
        if header in HEADERS:
            case.headers[header] = HEADERS[header](choice)
    if isinstance(case.body, dict) and name in BODIES:
        case.body = BODIES[name](_printable(case.body), choice)
    return case


@schemathesis.hook
def filter_failure(_context: Any, failure: Failure, case: Any, response: Response) -> bool:
    """Drop the refusals that are listed, and count them."""
    if isinstance(failure, JsonSchemaError):
        # OpenAPI 3.1 describes a stream as one text; schemathesis compares each event with that.
        return not response.headers["content-type"][0].startswith("text/event-stream")
    if not isinstance(failure, RejectedPositiveData):
        return True
    name = case.operation.definition.raw["operationId"]
    code = response.json()["code"]
    if code not in REFUSED.get(name, set()):
        return True
    _log(f"refused {name} {code}")
    return False


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Response) -> None:
    """Note the answer."""
    _log(f"answered {case.operation.definition.raw['operationId']} {response.status_code}")


@schemathesis.check
def allow_names_every_method(_context: Any, response: Response, case: Any) -> None:
    """A 405 lists in `Allow` what the document lists for the path, and HEAD beside GET."""
    if response.status_code != 405:
        return
    declared = {method.upper() for method in case.operation.schema[case.operation.path]}
    if "GET" in declared:
        declared.add("HEAD")
    allowed = {each.strip() for each in ", ".join(response.headers["allow"]).split(",")}
    assert allowed == declared, f"Allow has {sorted(allowed)}, the document {sorted(declared)}"


def _log(line: str) -> None:
    with Path(this_run().log).open("a") as file:
        file.write(f"{line}\n")


class _Choice:
    """Choices that depend on the generated request alone, so that it can be repeated."""

    def __init__(self, text: str) -> None:
        self.number = crc32(text.encode(errors="replace"))

    def of(self, values: Sequence[Any]) -> Any:
        return values[self.number % len(values)]


def _printable(value: Any) -> Any:
    """Take out of all texts what no text of ours may hold."""
    match value:
        case str():
            return "".join(filter(str.isprintable, value)) or "text"
        case list():
            return [_printable(each) for each in value]
        case dict():
            return {_printable(key): _printable(each) for key, each in value.items()}
        case _:
            return value


def _domain(choice: _Choice) -> str:
    return f"{choice.of(('green', 'blue', 'bücher'))}-{choice.number % 100}.com"


def _hostname(choice: _Choice) -> str:
    return str(choice.of(("", "*.", "shop.", "*.eu."))) + _domain(choice)


def _request_host(choice: _Choice) -> str:
    """Choose the known name so often that each run gets its answer."""
    known = this_run().resolvable
    name = choice.of((known, known.upper(), f"a.{known}", known, f"SHOP.{_domain(choice)}", known))
    return f"{name}{choice.of(('', '.', ':443'))}"


def _changed(body: dict[str, Any], choice: _Choice) -> dict[str, Any]:
    """Choose a plan, and options that it has; a bound key chooses no option of the provider's."""
    if body.get("plan") is not None:
        body["plan"] = str(choice.of(tuple(Plan)))
    if body.get("plan") != Plan.CUSTOM:
        body = {key: body[key] for key in body if key not in {"dcv_method", "ownership_method"}}
    if body.get("custom_origin_server") is not None:
        body["custom_origin_server"] = "origin.nameplate-demo.net"
    if body.get("custom_origin_sni") is not None:
        body["custom_origin_sni"] = ":request_host_header:"
    if body.get("redirect_to") is not None:
        body["redirect_to"] = this_run().redirect_to
    if body.get("labels"):
        body["labels"] = {f"key-{number}": "value" for number in range(len(body["labels"]))}
    if this_run().tenant:
        body = {key: body[key] for key in body if key not in PROVIDERS}
    return body


def _created(body: dict[str, Any], choice: _Choice) -> dict[str, Any]:
    body = _changed(body, choice)
    body["hostname"] = _hostname(choice)
    if body.get("also"):
        body["also"] = [f"also-{number}.{_domain(choice)}" for number in range(len(body["also"]))]
        if body.get("redirect_to") is not None:
            body["redirect_to"] = body["also"][0]
    if body.get("tenant") is None or body.get("redirect_to") or this_run().tenant:
        body["tenant"] = TENANT
    if "zone" in body:
        body["zone"] = choice.of(this_run().ids["zones"])
    return body


def _changed_endpoint(
    body: dict[str, Any], choice: _Choice, *, of_tenant: bool = True
) -> dict[str, Any]:
    if "url" in body:
        body["url"] = f"{this_run().receiver}/hook-{choice.number}"
    if body.get("event_types"):
        # A tenant's endpoint gets no events of zones. Those that exist are a tenant's.
        listed = sorted(each for each in SELECTORS if not (of_tenant and each.startswith("zone.")))
        body["event_types"] = listed[: 1 + choice.number % len(listed)]
    return body


def _endpoint(body: dict[str, Any], choice: _Choice) -> dict[str, Any]:
    if this_run().tenant:
        body.pop("tenant", None)
    of_tenant = bool(this_run().tenant or body.get("tenant"))
    return _changed_endpoint(body, choice, of_tenant=of_tenant)


def _replay(body: dict[str, Any], _: _Choice) -> dict[str, Any]:
    body = {key: body[key] for key in body if key != "cursor"} | {"since": "2026-11-20T00:00:00Z"}
    if body.get("until") is not None:
        body["until"] = "2099-12-31T23:59:59Z"
    return body


def _test_event(body: dict[str, Any], choice: _Choice) -> dict[str, Any]:
    if "type" in body:
        body["type"] = str(choice.of(EVENT_TYPES))
    return body


def _key(body: dict[str, Any], _: _Choice) -> dict[str, Any]:
    if body.get("expires_at") is not None:
        body["expires_at"] = "2099-12-31T23:59:59Z"
    if body.get("scope") == "admin":
        body.pop("tenant", None)
    return body


def _setup(body: dict[str, Any], choice: _Choice) -> dict[str, Any]:
    if body.get("origin") is not None:
        body["origin"] = choice.of(("192.0.2.10", "2001:db8::10", "origin.provider.com"))
    return body


BODIES: dict[str, Callable[[dict[str, Any], _Choice], dict[str, Any]]] = {
    "create_custom_hostname": _created,
    "update_custom_hostname": _changed,
    "create_webhook_endpoint": _endpoint,
    "update_webhook_endpoint": _changed_endpoint,
    "test_webhook_endpoint": _test_event,
    "replay_webhooks": _replay,
    "create_api_key": _key,
    "set_up_zone": _setup,
    "pause_zone": lambda body, _: body,
}
HEADERS: dict[str, Callable[[_Choice], str]] = {
    "If-Match": lambda choice: str(choice.of(("*", "*", '"1.1.1"'))),
    "Idempotency-Key": lambda choice: f"key-{choice.number}",
    "Last-Event-ID": lambda _: "0",
}


def _query(name: str, query: dict[str, Any], choice: _Choice, id_: str) -> dict[str, Any]:
    if "wait" in query:
        query["wait"] = int(choice.number % 4 == 0)
    if "hostname" in query:
        made = _request_host if name == "resolve_hostname" else _hostname
        query["hostname"] = made(choice)
    if "tenant" in query and this_run().tenant:
        query["tenant"] = this_run().tenant
    if "zone" in query:
        query["zone"] = choice.of(this_run().ids["zones"])
        if this_run().tenant and name == "preflight_hostname":
            del query["zone"]
    if "plan" in query:
        query["plan"] = str(choice.of(tuple(Plan)))
    if "label" in query:
        query["label"] = [f"key-{number}:value" for number in range(len(query["label"]))]
        if this_run().tenant:
            del query["label"]
    if "cursor" in query:
        others = {key: query[key] for key in query if key != "cursor"}
        query["cursor"] = CURSORS[name](others, id_)
    return query


def _hostnames_cursor(query: dict[str, Any], _: str) -> str:
    wanted = HostnameQuery.model_validate(query)
    changed_at = datetime.now(UTC) if wanted.sort is Sort.CHANGED else None
    return cursor_after(wanted, Keyset("ch_z", changed_at))


def _deliveries_cursor(query: dict[str, Any], endpoint_id: str) -> str:
    wanted = DeliveryQuery.model_validate(query)
    cursors = Cursors.of(f"deliveries of {endpoint_id}", wanted.list_conditions())
    return cursors.encode("dlv_z", "1795428126000000")


CURSORS: dict[str, Callable[[dict[str, Any], str], str]] = {
    "list_custom_hostnames": _hostnames_cursor,
    "list_custom_hostname_events": lambda _, __: "1",
    "list_dangling_hostnames": lambda query, _: Cursors.of(
        "dangling", {"tenant": query.get("tenant")}
    ).encode("ch_01kb2r7m3v4x5y6z7a8b9c0d1e", "0"),
    "list_events": lambda _, __: "1",
    "list_webhook_endpoints": lambda _, __: webhook_endpoints.CURSORS.encode("we_z"),
    "list_webhook_deliveries": _deliveries_cursor,
    "list_api_keys": lambda _, __: api_keys.CURSORS.encode("key_z"),
}
"""By operation: takes the other parameters of the query and the id of the path."""
