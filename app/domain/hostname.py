"""A hostname that may be a custom hostname: parsed once, refused early, always in A-labels.

The rules are the lengths of RFC 1035, RFC 5891 (IDNA 2008) for names that are not ASCII, one
leading ``*.``, and what Cloudflare refuses anyway (its error codes 1407 to 1411).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import idna
from idna.idnadata import codepoint_classes
from idna.intranges import intranges_contain

from app.domain.errors import ErrorCode, InvalidHostname

MAX_LENGTH = 253
MAX_LABEL = 63

# RFC 6761, RFC 6762, RFC 7686, RFC 8375 and ICANN's `internal`; the first four are Cloudflare's
# error 1409.
RESERVED_TOP_LEVEL = frozenset(
    {"test", "example", "invalid", "localhost", "local", "onion", "arpa", "internal", "alt"}
)
# Cloudflare's error 1411.
RESERVED_DOMAINS = ("example.com", "example.net", "example.org")

PublicSuffix = Callable[[str], str | None]
"""Returns the public suffix of a name in A-labels, or None if the name ends in no known suffix."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
# Most hosts of requests are spelled like this already, and need no further rule.
_SPELLED = re.compile(
    r"(?=.{1,253}\Z)(?!.*--)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{1,63}"
)
_PORT = re.compile(r":[0-9]{0,5}$")
_IPV4_PART = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
# All of Unicode's white space, and invisible characters that come with a paste: the byte order
# mark, zero-width spaces and joiners, direction marks.
_OUTER = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u180e\u200b\u200c\u200d\u200e\u200f\u2060"
)
_FULL_STOPS = re.compile("[\u3002\uff0e\uff61]")
# Scripts that are written together (UTS 39, "highly restrictive"). Any other mixture within one
# label can make look-alike names.
_WRITTEN_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO", "IDEOGRAPHIC"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)


@dataclass(frozen=True, slots=True)
class Hostname:
    """A name in lower-case A-labels without a trailing dot, for example ``*.xn--bcher-kva.de``."""

    name: str

    @property
    def is_wildcard(self) -> bool:
        """Whether the name starts with ``*.``."""
        return self.name.startswith("*.")

    @property
    def base(self) -> str:
        """The name that Cloudflare's object has: the name without ``*.``."""
        return self.name.removeprefix("*.")

    @property
    def covering_wildcards(self) -> tuple[Hostname, ...]:
        """The wildcards above the name, the nearest first.

        In DNS each of them may answer for the name: a wildcard stands for any number of labels
        (RFC 4592, section 2.2). A certificate's stands for one.
        """
        labels = self.base.split(".")
        parents = (".".join(labels[at:]) for at in range(1, len(labels) - 1))
        return tuple(Hostname(f"*.{parent}") for parent in parents)


def parse_hostname(text: str, public_suffix: PublicSuffix) -> Hostname:
    """Parse what a caller typed.

    Raises:
        InvalidHostname: with a stable code and how to correct the name.
    """
    name = spell_hostname(text)
    base = name.removeprefix("*.")
    _refuse_reserved(base)
    _refuse_suffix(base, public_suffix)
    return Hostname(name)


def spell_hostname(text: str) -> str:
    """Normalize the spelling of a name in any domain. It may start with `*.`.

    Outer white space and one final dot are removed, letters become lower-case, and U-labels become
    A-labels.

    Raises:
        InvalidHostname: with a stable code, and the character at fault with its place.
    """
    typed = _trimmed(text)
    name = _ascii(typed)
    base = name.removeprefix("*.")
    _refuse_addresses(base)
    if typed.isascii():
        _refuse_characters(typed)
    for label in base.split("."):
        _check_label(label)
    if len(name) > MAX_LENGTH:
        raise InvalidHostname(
            ErrorCode.HOSTNAME_TOO_LONG, f"A hostname must have at most {MAX_LENGTH} characters."
        )
    return name


def parse_request_host(text: str) -> Hostname:
    """Parse the host of a visitor's request: a name in any spelling, perhaps with a port.

    Source: RFC 9110, section 7.2 (Host).

    Raises:
        InvalidHostname: with a stable code and how to correct the name.
    """
    if _SPELLED.fullmatch(text):
        return Hostname(text)
    typed = trim(text)
    # With more colons it is an IPv6 address.
    if typed.count(":") == 1:
        typed = _PORT.sub("", typed)
    if typed.startswith("*"):
        raise InvalidHostname(
            ErrorCode.WILDCARD_MISPLACED, "Give the name of a request, which has no wildcard."
        )
    return Hostname(spell_hostname(typed))


def wildcard_for(name: str) -> str:
    """Return the one wildcard whose certificate covers the name: it stands for one label."""
    return f"*.{name.partition('.')[2]}"


def trim(text: str) -> str:
    """Remove what a paste adds at both ends: white space and zero-width characters."""
    return text.strip(_OUTER)


def registrable_domain(name: str, public_suffix: PublicSuffix) -> str | None:
    """Return the public suffix with the label before it; None for a suffix or an unknown one."""
    suffix = public_suffix(name)
    if suffix is None or suffix == name:
        return None
    return f"{name.removesuffix('.' + suffix).rsplit('.', 1)[-1]}.{suffix}"


def refuse_own_names(hostname: Hostname, *, zone_name: str | None, own: tuple[str, ...]) -> None:
    """Refuse the names that the provider itself uses. Names below its zone are allowed.

    Raises:
        InvalidHostname: `hostname_is_ours`.
    """
    if hostname.base in {zone_name, *own}:
        raise InvalidHostname(
            ErrorCode.HOSTNAME_IS_OURS,
            "The provider uses this name itself: it is the apex of the zone, the CNAME target or "
            "the fallback origin. Choose another name.",
        )


def _trimmed(text: str) -> str:
    # An A-label is never shorter than its U-label, so a longer text cannot become valid.
    if len(text) > 4 * MAX_LENGTH:
        raise InvalidHostname(
            ErrorCode.HOSTNAME_TOO_LONG, f"A hostname must have at most {MAX_LENGTH} characters."
        )
    typed = trim(text)
    if "://" in typed or "/" in typed:
        raise InvalidHostname(
            ErrorCode.HOSTNAME_IS_URL, "Give the hostname alone, without a scheme or a path."
        )
    typed = _FULL_STOPS.sub(".", typed).removesuffix(".")
    if not typed:
        raise InvalidHostname(ErrorCode.HOSTNAME_EMPTY, "A hostname must not be empty.")
    return typed


def _refuse_characters(typed: str) -> None:
    """Report the first character that no ASCII hostname has. `*.` was checked before."""
    for place, character in enumerate(typed, 1):
        is_star = character == "*" and place == 1
        if not (is_star or (character.isascii() and character.isalnum()) or character in "-."):
            raise InvalidHostname(
                ErrorCode.HOSTNAME_INVALID_CHARACTER,
                f"Character {place}, {_called(character)}, is not allowed in a hostname. Use only "
                "letters, digits and hyphens between the dots.",
            )
    place = 1
    for label in typed.split("."):
        for at in (0, len(label) - 1):
            if label and label[at] == "-":
                raise InvalidHostname(
                    ErrorCode.HOSTNAME_INVALID_CHARACTER,
                    f"Character {place + at}, '-', is not allowed there: the parts between the "
                    "dots must not begin or end with a hyphen.",
                )
        place += len(label) + 1


def _called(character: str) -> str:
    """Describe a character for an error message: as it is if it is visible, else by its number."""
    if character.isprintable() and not character.isspace():
        return f"'{character}'"
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")


def _first_not_idna(typed: str) -> tuple[int, str] | None:
    """Find the first character that IDNA 2008 never allows, else one allowed only in a context."""
    for allowed in (("PVALID", "CONTEXTJ", "CONTEXTO"), ("PVALID",)):
        for place, character in enumerate(typed, 1):
            if character not in "*." and not _is_allowed(character, allowed):
                return place, character
    return None


def _is_allowed(character: str, classes: tuple[str, ...]) -> bool:
    try:
        # Apply Unicode's own mapping first, as for capitals and full-width letters.
        mapped = idna.uts46_remap(character, std3_rules=True)
    except (idna.IDNAError, UnicodeError):
        return False
    return all(
        any(intranges_contain(ord(each), codepoint_classes[name]) for name in classes)
        for each in mapped
    )


def _ascii(text: str) -> str:
    prefix, rest = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if "*" in rest or not rest:
        raise InvalidHostname(
            ErrorCode.WILDCARD_MISPLACED,
            "A wildcard must be one `*.` at the very beginning, such as `*.shop.com`.",
        )
    if rest.isascii():
        return prefix + rest.lower()
    try:
        return prefix + idna.encode(rest, uts46=True, std3_rules=True).decode().lower()
    except (idna.IDNAError, UnicodeError) as error:
        found = _first_not_idna(text)
        if found is None:
            detail = f"This is not a valid internationalised hostname (IDNA 2008): {error}."
        else:
            place, character = found
            detail = f"Character {place}, {_called(character)}, is not allowed there (IDNA 2008)."
        raise InvalidHostname(ErrorCode.HOSTNAME_NOT_IDNA, detail) from error


def _refuse_addresses(base: str) -> None:
    if "[" in base or "]" in base or base.count(":") > 1:
        raise InvalidHostname(ErrorCode.HOSTNAME_IS_IP, "Give a hostname, not an IP address.")
    if ":" in base:
        raise InvalidHostname(ErrorCode.HOSTNAME_HAS_PORT, "Give the hostname without a port.")
    # Every notation that inet_aton accepts ends in a number (WHATWG URL, "ends in a number").
    if _IPV4_PART.fullmatch(base.rsplit(".", 1)[-1]):
        raise InvalidHostname(ErrorCode.HOSTNAME_IS_IP, "Give a hostname, not an IP address.")


def _check_label(label: str) -> None:
    if not label:
        raise InvalidHostname(ErrorCode.LABEL_EMPTY, "The hostname has a dot too many; remove it.")
    if len(label) > MAX_LABEL:
        raise InvalidHostname(
            ErrorCode.LABEL_TOO_LONG,
            f"Each part between two dots must have at most {MAX_LABEL} characters.",
        )
    if not _LABEL.fullmatch(label):
        raise InvalidHostname(
            ErrorCode.HOSTNAME_INVALID_CHARACTER,
            "A hostname must have only letters, digits and hyphens between its dots, and its parts "
            "must not begin or end with a hyphen.",
        )
    if label[2:4] == "--":
        _check_a_label(label)


def _check_a_label(label: str) -> None:
    try:
        unicode_label = idna.decode(label.encode())
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidHostname(
            ErrorCode.HOSTNAME_NOT_IDNA,
            f"{label!r} has hyphens in third and fourth place but is not an A-label: {error}.",
        ) from error
    # Modifier letters (Lm) belong to every script.
    letters = (c for c in unicode_label if c.isalpha() and unicodedata.category(c) != "Lm")
    scripts = {unicodedata.name(c, "?").split(" ", 1)[0] for c in letters}
    if len(scripts) > 1 and not any(scripts <= together for together in _WRITTEN_TOGETHER):
        raise InvalidHostname(
            ErrorCode.HOSTNAME_MIXES_SCRIPTS,
            f"{label!r} mixes scripts that do not belong together: {', '.join(sorted(scripts))}. "
            "Choose a name in one script.",
        )


def _refuse_reserved(base: str) -> None:
    top = base.rsplit(".", 1)[-1]
    if top in RESERVED_TOP_LEVEL:
        raise InvalidHostname(
            ErrorCode.HOSTNAME_RESERVED, f"Names under `{top}` are never public; choose another."
        )
    if any(base == name or base.endswith("." + name) for name in RESERVED_DOMAINS):
        raise InvalidHostname(
            ErrorCode.HOSTNAME_RESERVED,
            "example.com, example.net and example.org are reserved for documentation; choose "
            "another name.",
        )


def _refuse_suffix(base: str, public_suffix: PublicSuffix) -> None:
    suffix = public_suffix(base)
    if suffix is None:
        raise InvalidHostname(
            ErrorCode.TOP_LEVEL_DOMAIN_UNKNOWN,
            "The name must end in a known public top-level domain; check its spelling.",
        )
    if suffix == base:
        raise InvalidHostname(
            ErrorCode.HOSTNAME_IS_PUBLIC_SUFFIX,
            "This is a public suffix: others register names below it. Give a name below it.",
        )
