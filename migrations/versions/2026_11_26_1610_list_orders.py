"""List hostnames by their last change, by labels and by parts of their names."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "4be9d5f7302a"
down_revision = "c86f0a31d7e4"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 25

TABLE = "custom_hostnames"
PRESENT = {"postgresql_where": sa.text("state <> 'deleted'")}
INDEXES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "changed": (["updated_at", "id"], PRESENT),
    "tenant_changed": (["tenant", "updated_at", "id"], PRESENT),
    "state_changed": (["state", "updated_at", "id"], {}),
    "tenant_state_changed": (["tenant", "state", "updated_at", "id"], {}),
    "reason_present": (["reason", "id"], PRESENT),
    "reason_changed": (["reason", "updated_at", "id"], PRESENT),
    "waiting_on_present": (["waiting_on", "id"], PRESENT),
    "waiting_on_changed": (["waiting_on", "updated_at", "id"], PRESENT),
    "zone_present": (["zone_id", "id"], PRESENT),
    "zone_changed": (["zone_id", "updated_at", "id"], PRESENT),
    "name": (["hostname"], {"postgresql_ops": {"hostname": "text_pattern_ops"}}),
    "name_parts": (
        ["hostname"],
        {"postgresql_using": "gin", "postgresql_ops": {"hostname": "gin_trgm_ops"}},
    ),
    "labels": (
        ["labels"],
        {"postgresql_using": "gin", "postgresql_ops": {"labels": "jsonb_path_ops"}},
    ),
}
# The ones above take their places.
FORMER = {
    "hostname": ["hostname", "id"],
    "reason": ["reason", "id"],
    "waiting_on": ["waiting_on", "id"],
    "zone": ["zone_id", "id"],
}


def upgrade() -> None:
    for name, (columns, options) in INDEXES.items():
        build_index(f"ix_{TABLE}_{name}", TABLE, columns, **options)
    for name in FORMER:
        take_index_away(f"ix_{TABLE}_{name}")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    for name, columns in FORMER.items():
        build_index(f"ix_{TABLE}_{name}", TABLE, columns)
    for name in INDEXES:
        take_index_away(f"ix_{TABLE}_{name}")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
