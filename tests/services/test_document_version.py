"""Stored documents are rendered again by a worker whose code shows more in them."""

from __future__ import annotations

import json

from app.domain.document import DOCUMENT_VERSION
from tests.support import Service


async def test_documents_of_an_older_version_are_rendered_again(service: Service) -> None:
    hostname = await service.put_still("old.blue-tea.com")

    async def is_current() -> bool:
        version = await service.sql.fetchval("SELECT document_version FROM zones")
        return bool(version == DOCUMENT_VERSION)

    await service.eventually(is_current)
    document = json.loads(
        await service.sql.fetchval(
            "SELECT document FROM custom_hostnames WHERE id = $1", hostname["id"]
        )
    )
    del document["labels"]
    await service.sql.execute(
        "UPDATE custom_hostnames SET document = $2 WHERE id = $1",
        hostname["id"],
        json.dumps(document),
    )
    # As a process of the former release leaves it that finished a re-render of its own.
    await service.sql.execute("UPDATE zones SET document_version = 0")
    assert "labels" not in await service.get(hostname["id"])
    await service.advance(minutes=2)
    await service.eventually(is_current)
    assert (await service.get(hostname["id"]))["labels"] == {}
