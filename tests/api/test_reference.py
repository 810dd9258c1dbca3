"""`/docs`: the reference shows every operation, from assets of our own, without inline scripts."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from app.api.reference import PAGE
from app.main import new_app
from tests.support import Service
from tests.support.chromium import visit

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_browser_shows_every_operation_and_webhook(
    shared_service: Service, tmp_path: Path
) -> None:
    page = await visit(f"{shared_service.stack.api}/docs", tmp_path)
    assert page.console == []
    document, shown = new_app().openapi(), page.dom.replace("\u200b", "")
    for path, operations in (document["paths"] | document["webhooks"]).items():
        assert path in shown
        for operation in operations.values():
            assert html.escape(operation["summary"], quote=False) in shown


async def test_the_page_loads_nothing_from_elsewhere(shared_service: Service) -> None:
    response = await shared_service.http.get("/docs", headers={"Authorization": ""})
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", response.text, re.DOTALL)
    assert scripts
    assert all("src=" in attributes and not body for attributes, body in scripts)
    for address in re.findall(r'(?:src|href)="([^"]+)"', response.text):
        assert "//" not in address
        if not address.startswith("data:"):
            found = await shared_service.http.get(f"/{address}", headers={"Authorization": ""})
            assert found.status_code == 200, address
            assert found.headers["x-content-type-options"] == "nosniff"


async def test_an_asset_is_revalidated(shared_service: Service) -> None:
    path = "/docs/assets/reference.css"
    first = await shared_service.http.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = await shared_service.http.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/docs/assets/none.js", "/docs/assets/..%2f__init__.py"])
async def test_nothing_else_is_served(shared_service: Service, path: str) -> None:
    response = await shared_service.http.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_the_vendored_files_name_their_version_and_license() -> None:
    folder = PAGE.parent
    assert "Apache License" in (folder / "swagger-ui.LICENSE").read_text()
    assert "5.35.0" in (folder.parent / "__init__.py").read_text()
    assert '"5.35.0"' in (folder / "swagger-ui-bundle.js").read_text()
