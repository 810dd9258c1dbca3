"""A table of DNS situations: what zones say and how they are served, and what is made of it."""

from tests.adapters.dns_situations import (
    apex,
    caa,
    chains,
    delegation,
    proxying,
    routing,
    servers,
    validation_records,
    wildcards,
)

ALL = (
    *routing.SITUATIONS,
    *apex.SITUATIONS,
    *validation_records.SITUATIONS,
    *delegation.SITUATIONS,
    *caa.SITUATIONS,
    *proxying.SITUATIONS,
    *servers.SITUATIONS,
    *wildcards.SITUATIONS,
    *chains.SITUATIONS,
)
