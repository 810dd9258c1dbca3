"""Number all events in one feed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "7d0a5e2c91f8"
down_revision = "1f7c3d92b8e4"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 18

# A trigger, so that the events of processes that run older code are numbered as well.
FUNCTION = """
CREATE FUNCTION public.nameplate_feed_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
INSERT INTO public.feed (event_id, tenant, type) VALUES (NEW.id, NEW.tenant, NEW.type); RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "feed",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("tenant", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name="fk_feed_event_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", name="pk_feed"),
        sa.UniqueConstraint("number", name="uq_feed_number"),
    )
    op.create_index("ix_feed_tenant_number", "feed", ["tenant", "number"])
    op.create_index(
        "ix_feed_unnumbered", "feed", ["ordinal"], postgresql_where=sa.text("number IS NULL")
    )
    op.create_table(
        "feed_head",
        sa.Column("one_row", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("pruned", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("one_row", name="ck_feed_head_one_row"),
        sa.PrimaryKeyConstraint("one_row", name="pk_feed_head"),
    )
    op.execute("INSERT INTO feed_head (number, pruned) VALUES (0, 0)")
    op.execute(" ".join(FUNCTION.split("\n")).strip())
    op.execute(
        "CREATE TRIGGER feed_event AFTER INSERT ON events "
        "FOR EACH ROW EXECUTE FUNCTION public.nameplate_feed_event()"
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.execute("DROP TRIGGER feed_event ON events")
    op.execute("DROP FUNCTION public.nameplate_feed_event()")
    op.drop_table("feed_head")
    op.drop_table("feed")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
