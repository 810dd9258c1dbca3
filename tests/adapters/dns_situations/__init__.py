"""A table of DNS situations: what zones say and how they are served, and what is made of it."""

from tests.adapters.dns_situations import (
    apex,
    delegation,
    proxying,
    routing,
    validation_records,
)

ALL = (
    *routing.SITUATIONS,
    *apex.SITUATIONS,
    *validation_records.SITUATIONS,
    *delegation.SITUATIONS,
    *proxying.SITUATIONS,
)
