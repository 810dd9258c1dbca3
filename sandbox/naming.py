"""Which names Cloudflare takes as custom hostnames and as custom origins.

Checks text alone; whether a name is taken or has records is asked elsewhere.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import cache

from publicsuffixlist import PublicSuffixList

from sandbox.envelope import ApiError

MAX_LENGTH = 255
_RESERVED_TOPS = frozenset({"test", "example", "invalid", "localhost"})
_PROHIBITED = ("example.com", "example.net", "example.org")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")


@dataclass(frozen=True, slots=True)
class _Codes:
    kind: str
    invalid: int
    non_ascii: int
    reserved: int
    unparsable: int
    prohibited: int


_HOSTNAME = _Codes("custom hostname", 1407, 1408, 1409, 1410, 1411)
_ORIGIN = _Codes("custom origin hostname", 1415, 1416, 1417, 1418, 1419)


def custom_hostname(text: object) -> tuple[str, bool]:
    """Return the name and whether it was written as a wildcard; `*.x.com` is `x.com`."""
    if not isinstance(text, str):
        raise ApiError(400, 1407, "Invalid custom hostname. A hostname is required.")
    lowered = text.lower()
    wildcard = lowered.startswith("*.")
    return _checked(lowered.removeprefix("*."), _HOSTNAME), wildcard


def custom_origin(text: object) -> str:
    """Return the name of a custom origin."""
    if not isinstance(text, str):
        raise ApiError(400, 1415, "Invalid custom origin hostname.")
    if text.startswith("*."):
        raise ApiError(400, 1420, "Wildcard custom origin hostnames are not supported.")
    return _checked(text.lower(), _ORIGIN)


def _checked(name: str, codes: _Codes) -> str:
    kind = codes.kind
    if not name.isascii():
        raise ApiError(400, codes.non_ascii, f"Non-ASCII characters in {kind} not supported.")
    labels = name.split(".")
    if len(name) > MAX_LENGTH or _is_address(name) or not all(map(_LABEL.match, labels)):
        raise ApiError(400, codes.invalid, f"Invalid {kind}: too long, an IP or special character.")
    if labels[-1] in _RESERVED_TOPS:
        raise ApiError(400, codes.reserved, f"Reserved top domain {kind} is not supported.")
    if _suffixes().privatesuffix(name) is None:
        reason = f"publicsuffix: cannot derive eTLD+1 for domain {name}"
        raise ApiError(400, codes.unparsable, f"Unable to parse {kind} - {reason}.")
    if name.endswith(tuple(f".{end}" for end in _PROHIBITED)) or name in _PROHIBITED:
        raise ApiError(400, codes.prohibited, f"{kind}: ending is prohibited.".capitalize())
    return name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)
