"""What a call that meets a fault is answered, in its handler's place or out of its answer.

Which call meets which fault is `faults`; cut and silent connections are the gateway's.
"""

from collections.abc import Mapping
from dataclasses import replace

from app.sandbox import errors
from app.sandbox.call import Call
from app.sandbox.envelope import ApiError, Page, Reply, failure, success, throttled
from app.sandbox.faults import Fault

_LIST = "/zones/{zone_id}/custom_hostnames"
_BY_ID = f"{_LIST}/{{custom_hostname_id}}"
_HTML: Mapping[str, str] = {"content-type": "text/html; charset=UTF-8"}
_NEVER_SENT = Reply(0, b"")


def instead(fault: Fault, method: str, path: str, call: Call) -> Reply | None:
    """Return the answer of a call that has no effect; None if its handler is to answer."""
    match fault.kind:
        case 429:
            return throttled(fault.retry_after)
        case 500 | 503 as status if fault.variant:
            return _page(status)
        case 500 | 503 as status:
            return failure(ApiError(status, 1500, "Internal Server Error"))
        case "reset":
            return _NEVER_SENT if fault.variant else None
        case "unauthorized":
            return failure(errors.invalid_token())
        case "forbidden":
            return _page(403)
        case "unsuccessful":
            return failure(ApiError(200, 10001, "Unable to process the request."))
        case "not_found":
            return _nothing(method, path, call)
        case "timeout" | "truncated" | "html":
            return None


def afterwards(fault: Fault, reply: Reply) -> Reply:
    """Return what becomes of a handler's answer."""
    if fault.kind == "truncated":
        return replace(reply, body=reply.body[: len(reply.body) // 2])
    return _page(200) if fault.kind == "html" else reply


def _nothing(method: str, path: str, call: Call) -> Reply | None:
    """Return that there is no custom hostname; other calls do not ask for one."""
    if path == _BY_ID:
        return failure(errors.not_found())
    if (method, path) == ("GET", _LIST):
        size = call.query.get("per_page", "")
        page = Page(1, max(1, int(size)) if size.isdecimal() else 20)
        return success([], info=page.info(0, 0))
    return None


def _page(status: int) -> Reply:
    page = f"<html><head><title>{status}</title></head><body>cloudflare</body></html>"
    return Reply(status, page.encode(), dict(_HTML))
