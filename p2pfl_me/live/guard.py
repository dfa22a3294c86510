"""Who may speak to the page's server: this machine's browser, on the page that the command opened, and nobody else.

A page of another site could reach a loopback port through the user's browser; so every request must name this server
as its host (against DNS rebinding) and know the token in the address, and a socket must come from this server's page.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True)
class Gate:
    """The address that is let in."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def admits(self, headers: Headers, path: str, *, socket: bool) -> bool:
        """Host and, for a socket, origin are ours, and the path starts with the token."""
        hosts = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        host, origin = headers.get("host", ""), headers.get("origin")
        same = origin == f"http://{host}" if socket else origin in (None, f"http://{host}")
        given = path.split("/")[1] if "/" in path else ""
        return host in hosts and same and secrets.compare_digest(given.encode(), self.token.encode())


class Guard:
    """ASGI middleware: turns away what the gate does not admit, and sets the headers of what it does."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        socket = scope["type"] == "websocket"
        if not self._gate.admits(Headers(scope=scope), scope["path"], socket=socket):
            if socket:
                await send({"type": "websocket.close", "code": 1008})
            else:
                await PlainTextResponse("No such page.\n", 404)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self._app(scope, receive, with_headers)
