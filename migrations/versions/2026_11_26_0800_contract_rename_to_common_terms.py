"""Rename tables, columns and stored codes to the words that the code uses now.

Not beside the former release, which reads the old names: stop its processes first.
"""

from __future__ import annotations

from alembic import op

revision = "6c1e9a7d3f58"
down_revision = "4f9d26c8e1b7"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 14

TABLES = {"watches": "schedules", "turns": "queued_calls", "sweeps": "list_scans"}
COLUMNS = (
    ("schedules", "doubted_at", "suspected_at"),
    ("schedules", "contradicted_at", "mismatched_at"),
    ("schedules", "contradictions", "mismatches"),
    ("schedules", "told_reasons", "emitted_reasons"),
    ("schedules", "act_failures", "action_failures"),
    ("schedules", "act_waits_until", "action_waits_until"),
    ("schedules", "listed_in", "seen_in_scan"),
    ("queued_calls", "turn", "rank"),
    ("cloudflare_objects", "sending", "in_flight"),
    ("zones", "lifted_after", "resume_cursor"),
    ("zones", "lift_accepts", "resume_accepts"),
    ("zones", "redraw_after", "rerender_cursor"),
    ("zones", "target_standing", "target_dns_status"),
    ("zones", "watch_due_at", "check_due_at"),
    ("breaker_counts", "looked", "checked"),
    ("breaker_counts", "contradicted", "mismatched"),
)
INDEXES = {
    "watches": ("dns_due", "cloudflare_due", "uncreated_due", "followed", "woken", "exceptional"),
    "turns": ("order", "tenant"),
}
CONSTRAINTS = {
    "watches": ("pk_{}", "fk_{}_custom_hostname_id", "fk_{}_zone_id"),
    "turns": ("pk_{}", "fk_{}_custom_hostname_id", "fk_{}_zone_id"),
    "sweeps": ("pk_{}", "fk_{}_zone_id"),
}
REASONS = {"cname_contradicted": "cname_mismatch"}
PAUSES = {"dns_contradicts": "dns_mismatch", "cloudflare_contradicts": "cloudflare_mismatch"}
ROUTING = {"elsewhere": "points_elsewhere"}
BUDGET_KEYS = {"sweeps": "resync", "turns": "ranks_served"}


def upgrade() -> None:
    for old, new in TABLES.items():
        _rename_table(old, new)
    for table, old, new in COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    _replace_codes(forward=True)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    _replace_codes(forward=False)
    for table, old, new in COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}")
    for old, new in TABLES.items():
        _rename_table(new, old, names_of=old)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")


def _rename_table(old: str, new: str, *, names_of: str | None = None) -> None:
    op.execute(f"ALTER TABLE {old} RENAME TO {new}")
    for name in CONSTRAINTS[names_of or old]:
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT {name.format(old)} TO {name.format(new)}")
    for name in INDEXES.get(names_of or old, ()):
        op.execute(f"ALTER INDEX ix_{old}_{name} RENAME TO ix_{new}_{name}")


def _replace_codes(*, forward: bool) -> None:
    """Change the codes that rows keep; the zone monitor then renders all documents anew."""
    for old, new in _pairs(REASONS, forward=forward):
        _replace("custom_hostnames", "reason", old, new)
        _replace("events", "reason", old, new)
        op.execute(
            "UPDATE schedules SET emitted_reasons = "
            f"replace(emitted_reasons::text, '\"{old}\"', '\"{new}\"')::jsonb "
            f"WHERE emitted_reasons ? '{old}'"
        )
    for old, new in _pairs(PAUSES, forward=forward):
        _replace("zones", "pause_reason", old, new)
        _replace("events", "reason", old, new)
    for old, new in _pairs(ROUTING, forward=forward):
        op.execute(
            "UPDATE custom_hostnames SET dns = "
            f"""replace(dns::text, '"kind": "{old}"', '"kind": "{new}"')::jsonb """
            f"""WHERE dns::text LIKE '%"kind": "{old}"%'"""
        )
    for old, new in _pairs(BUDGET_KEYS, forward=forward):
        op.execute(
            f"""UPDATE budgets SET state = replace(state::text, '"{old}"', '"{new}"')::jsonb"""
        )
    op.execute("UPDATE zones SET rerender_cursor = ''")


def _replace(table: str, column: str, old: str, new: str) -> None:
    op.execute(f"UPDATE {table} SET {column} = '{new}' WHERE {column} = '{old}'")


def _pairs(codes: dict[str, str], *, forward: bool) -> list[tuple[str, str]]:
    return list(codes.items()) if forward else [(new, old) for old, new in codes.items()]
