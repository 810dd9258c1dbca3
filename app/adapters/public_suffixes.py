"""The public suffix list, from the copy in the `publicsuffixlist` package, without a download."""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


@cache
def _icann_suffixes() -> PublicSuffixList:
    # The owners of names under private suffixes (github.io, ...) may well serve them here.
    return PublicSuffixList(accept_unknown=False, only_icann=True)


def public_suffix(name: str) -> str | None:
    """Return the ICANN suffix of a name in A-labels. None if no known suffix ends it."""
    suffix = _icann_suffixes().publicsuffix(name)
    return None if suffix is None else str(suffix)


@cache
def _all_suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


def any_suffix(name: str) -> str | None:
    """Return the suffix, including private ones (`uk.com`, `github.io`). None if none fits."""
    suffix = _all_suffixes().publicsuffix(name)
    return None if suffix is None else str(suffix)
