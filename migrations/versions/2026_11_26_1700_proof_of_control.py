"""Keep proofs of control, and since when removed hostnames still point here."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "5b8e2f90c1a6"
down_revision = "a2f5c81e07d9"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 27

TABLE = "custom_hostnames"
INSTANT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("dangling_since", INSTANT))
    op.add_column(TABLE, sa.Column("proof_token", sa.Text()))
    op.add_column(TABLE, sa.Column("proof_found_at", INSTANT))
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    # The code before it knows none of these reasons, and would create what still awaits its proof.
    op.execute(
        f"UPDATE {TABLE} SET state = 'deleted', desired = 'absent', reason = 'removed', "
        "waiting_on = 'nobody', deleted_at = nameplate_now() "
        "WHERE proof_token IS NOT NULL AND proof_found_at IS NULL AND state <> 'deleted'"
    )
    op.execute(
        f"UPDATE {TABLE} SET reason = 'removed', waiting_on = 'nobody' WHERE reason = 'dangling'"
    )
    op.execute(
        f"UPDATE {TABLE} SET reason = 'cname_check_pending', waiting_on = 'nobody' "
        "WHERE reason IN ('proxied_unproven', 'proxied_unconfirmed')"
    )
    op.execute(
        f"UPDATE {TABLE} SET dns = jsonb_set(dns, '{{routing}}', 'null') "
        "WHERE dns #>> '{routing,kind}' = 'proxied'"
    )
    op.execute("UPDATE zones SET rerender_cursor = '', updated_at = nameplate_now()")
    for column in ("proof_found_at", "proof_token", "dangling_since"):
        op.drop_column(TABLE, column)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
