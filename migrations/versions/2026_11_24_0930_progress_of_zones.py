"""Keep how far work on a whole zone has come; find what waits without reading what does not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2d94b7e06a5f"
down_revision = "c3a9d81f6e20"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 7

INDEXES = {
    "ix_watches_uncreated_due": "cloudflare_due_at IS NOT NULL AND hostname_status IS NULL",
    "ix_watches_followed": (
        "hostname_status = 'active' AND ssl_status IN ('pending_issuance', 'pending_deployment')"
    ),
}


def upgrade() -> None:
    op.add_column("zones", sa.Column("lifted_after", sa.Text(), nullable=True))
    op.add_column(
        "zones",
        sa.Column("lift_accepts", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("zones", sa.Column("redraw_after", sa.Text(), nullable=True))
    for name, where in INDEXES.items():
        op.create_index(
            name,
            "watches",
            ["zone_id", "cloudflare_due_at"],
            unique=False,
            postgresql_where=sa.text(where),
        )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    for name, where in INDEXES.items():
        op.drop_index(name, table_name="watches", postgresql_where=sa.text(where))
    op.drop_column("zones", "redraw_after")
    op.drop_column("zones", "lift_accepts")
    op.drop_column("zones", "lifted_after")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
