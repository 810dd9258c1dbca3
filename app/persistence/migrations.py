"""Bring a database's schema to what this code needs, or back."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

ROOT = Path(__file__).resolve().parents[2]


def alembic_config(database_url: str) -> Config:
    """Give Alembic's configuration for one database, wherever the process was started."""
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = database_url
    return config


def migrate(database_url: str, revision: str = "head") -> None:
    """Upgrade. Blocking, with an event loop of its own: call it in a thread where one runs."""
    command.upgrade(alembic_config(database_url), revision)
