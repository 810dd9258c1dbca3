"""How a part of a hostname is written to be found among the stored names."""

from __future__ import annotations

from app.domain.errors import InvalidHostname
from app.domain.hostname import spell_hostname, trim

LEAST_TRIGRAM = 3
"""Characters from which a text is found anywhere in a name; a shorter one begins the name."""


def spell_search(text: str) -> str:
    """Return the text as stored names would have it: lower-case, U-labels as A-labels.

    A text with other characters than ASCII that is no hostname is found in no name. It is only put
    into lower case.
    """
    typed = trim(text)
    if not typed.isascii():
        try:
            return spell_hostname(typed)
        except InvalidHostname:
            pass
    return typed.lower()
