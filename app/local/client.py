"""A caller of the running stack: the product's backend, and the tenant at its DNS provider."""

from __future__ import annotations

from typing import Any

import httpx

from app.local.stack import Stack


class CallFailed(Exception):
    """The stack refused a call; one line with what it said."""


class StackClient:
    """Speaks HTTP to the API and to the sandbox's control API."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient) -> None:
        self._stack = stack
        self._http = http

    async def api(self, method: str, path: str, **body: Any) -> Any:
        """Call the API as the product's backend does."""
        headers = {"Authorization": f"Bearer {self._stack.api_key}"}
        return await self._call(method, f"{self._stack.api}/v1{path}", headers, body)

    async def control(self, method: str, path: str, **body: Any) -> Any:
        """Play the outside world: the tenant's DNS, the receiver, Cloudflare's moods."""
        return await self._call(method, f"{self._stack.sandbox}/control{path}", {}, body)

    async def add_webhook(self) -> None:
        """Subscribe the sandbox's receiver to all events, once, and teach it the secret."""
        url = f"{self._stack.receiver}/hooks"
        known = (await self.api("GET", "/webhook-endpoints"))["data"]
        if any(endpoint["url"] == url for endpoint in known):
            return
        endpoint = await self.api("POST", "/webhook-endpoints", url=url)
        await self.control("PUT", "/receiver", secrets=[endpoint["secret"]])

    async def put_record(self, record: dict[str, Any], *, value: str | None = None) -> None:
        """Add a record as the tenant would at its DNS provider."""
        text = value or record["value"]
        quoted = f'"{text}"' if record["type"] == "TXT" else text
        await self.control(
            "PUT",
            "/dns/records",
            name=record["name"],
            type=record["type"],
            values=[quoted],
            ttl=60,
        )

    async def put_records(self, records: list[dict[str, Any]]) -> None:
        """Add records as the tenant would: values of one name and type stand together."""
        together: dict[tuple[str, str], list[str]] = {}
        for record in records:
            text = f'"{record["value"]}"' if record["type"] == "TXT" else record["value"]
            together.setdefault((record["type"], record["name"]), []).append(text)
        for (type_, name), values in together.items():
            # The others are no records of DNS: a page to serve, a mail to answer.
            if type_ not in {"HTTP", "EMAIL"}:
                await self.control(
                    "PUT", "/dns/records", name=name, type=type_, values=values, ttl=60
                )

    async def deliveries(self) -> list[dict[str, Any]]:
        """Give what the receiver received."""
        found: list[dict[str, Any]] = await self.control("GET", "/receiver/deliveries")
        return found

    async def _call(
        self, method: str, url: str, headers: dict[str, str], body: dict[str, Any]
    ) -> Any:
        response = await self._http.request(method, url, headers=headers, json=body or None)
        if response.is_error:
            answer = " ".join(response.text.split())[:500]
            raise CallFailed(f"{method} {url} answered {response.status_code}: {answer}")
        return response.json() if response.content else None
