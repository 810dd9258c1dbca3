"""The HTTP front: Cloudflare's API under its path, the control API under the rest."""

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.control import Control
from sandbox.gateway import BASE_PATH
from sandbox.state import Sandbox


def front(sandbox: Sandbox) -> ASGIApp:
    """Return the application of a sandbox."""
    control = Control(sandbox).app()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(f"{BASE_PATH}/"):
            await sandbox.gateway(scope, receive, send)
        else:
            await control(scope, receive, send)

    return application
