"""The public suffix list, from the list the `publicsuffixlist` package carries: no download."""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


@cache
def _icann_suffixes() -> PublicSuffixList:
    # Private suffixes (github.io, ...) are names whose owners may well serve them here.
    return PublicSuffixList(accept_unknown=False, only_icann=True)


def public_suffix(name: str) -> str | None:
    """Give the ICANN suffix of a name in A-labels; None when no known suffix ends it."""
    suffix = _icann_suffixes().publicsuffix(name)
    return None if suffix is None else str(suffix)


@cache
def _all_suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


def any_suffix(name: str) -> str | None:
    """Give the suffix with the private ones (`uk.com`, `github.io`); None when none ends it."""
    suffix = _all_suffixes().publicsuffix(name)
    return None if suffix is None else str(suffix)
