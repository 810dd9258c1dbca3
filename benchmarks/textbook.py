"""The baseline that most would write: FastAPI, `Depends`, an ORM session, a `response_model`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, ClassVar

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

from app.api.hostname_schemas import CustomHostnameOut
from app.persistence.database import DRIVER

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", DRIVER), pool_size=4
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """The models' base."""

    type_annotation_map: ClassVar = {dict[str, Any]: JSON}


class ScheduleRow(Base):
    """When to check next."""

    __tablename__ = "schedules"
    custom_hostname_id: Mapped[str] = mapped_column(
        ForeignKey("custom_hostnames.id"), primary_key=True
    )
    due_at: Mapped[datetime | None]


class HostnameRow(Base):
    """A custom hostname."""

    __tablename__ = "custom_hostnames"
    id: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]]
    schedule: Mapped[ScheduleRow] = relationship()


async def session() -> AsyncIterator[AsyncSession]:
    """Give each request a session."""
    async with sessions() as opened:
        yield opened


app = FastAPI()


class Out(CustomHostnameOut, BaseModel):
    """The answer."""


@app.get("/v1/custom-hostnames/{id}", response_model=Out)
async def get_one(id: str, db: Annotated[AsyncSession, Depends(session)]) -> Any:  # noqa: A002
    """Load, and let the response model check and render it."""
    row = await db.get(HostnameRow, id, options=[joinedload(HostnameRow.schedule)])
    if row is None:
        raise HTTPException(404)
    return {**row.document, "next_check_at": row.schedule.due_at}
