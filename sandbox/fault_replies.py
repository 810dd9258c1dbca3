"""What a call that meets a fault is answered, in its handler's place or out of its answer.

Which call meets which fault is `faults`; cut and silent connections are the gateway's.
"""

from collections.abc import Mapping
from dataclasses import replace

from sandbox import errors
from sandbox.call import Call
from sandbox.envelope import ApiError, Page, Reply, failure, success, throttled
from sandbox.faults import Fault, Kind

_LIST = "/zones/{zone_id}/custom_hostnames"
_BY_ID = f"{_LIST}/{{custom_hostname_id}}"
_HTML: Mapping[str, str] = {"content-type": "text/html; charset=UTF-8"}
_BAD_GATEWAY = (
    b"<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<center><h1>502 Bad Gateway"
    b"</h1></center>\n<hr><center>cloudflare-lb</center>\n</body>\n</html>\n"
)
_CALLS_USED_UP = (
    "More than 1200 requests per 300 seconds reached. Please wait and consider throttling your "
    "request speed"
)
_RATE_LIMITED = "Rate limited. Please wait and consider throttling your request speed"
_NEVER_SENT = Reply(0, b"")


def instead(fault: Fault, method: str, path: str, call: Call) -> Reply | None:
    """Return the answer of a call that has no effect; None if its handler is to answer."""
    match fault.kind:
        case 429:
            return throttled(fault.retry_after)
        case 500 | 503 as status if not fault.variant:
            return failure(ApiError(status, 1500, "Internal Server Error"))
        case 500 | 503 as status:
            return _page(status)
        case "reset":
            return _NEVER_SENT if fault.variant else None
        case "not_found":
            return _nothing(method, path, call)
        case "not_routed":
            routed = path.format(**call.path)
            return failure(errors.not_routed(routed, 400 if fault.variant else 404))
        case _:
            return _always_alike(fault.kind)


def _always_alike(kind: Kind) -> Reply | None:
    """Return the answer of a kind that is the same for every call."""
    match kind:
        case "429_10100":
            return failure(ApiError(429, 10100, _CALLS_USED_UP))
        case "429_10429":
            return failure(ApiError(429, 10429, _RATE_LIMITED))
        case "429_html":
            return _page(429)
        case 502:
            return Reply(502, _BAD_GATEWAY, dict(_HTML))
        case "unauthorized":
            return failure(errors.invalid_token())
        case "forbidden":
            return _page(403)
        case "unsuccessful":
            return failure(ApiError(200, 10001, "Unable to process the request."))
        case _:
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
