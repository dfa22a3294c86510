"""The page's server: its few files and the run's state, on the loopback address only."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from p2pfl_me.live.guard import Gate, Guard
from p2pfl_me.live.loopback import serve_app
from p2pfl_me.watch.view import RunView

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def make_app(view: RunView, gate: Gate) -> Starlette:
    """The page's files and state.json, behind the guard."""
    page = {name.name: name for name in files("p2pfl_me.watch").joinpath("page").iterdir()}

    async def file(request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        if name == "state.json":
            view.update()
            return Response(json.dumps(view.state(), allow_nan=False), media_type="application/json")
        if name not in page or Path(name).suffix not in TYPES:
            return Response("No such page.\n", 404)
        return Response(page[name].read_bytes(), media_type=TYPES[Path(name).suffix])

    base = f"/{gate.token}"
    return Starlette(
        routes=[Route(f"{base}/", file), Route(f"{base}/{{name}}", file)], middleware=[Middleware(Guard, gate=gate)]
    )


def serve(view: RunView, port: int, opened: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C.

    Raises
    ------
    PeerError
        The port is taken.
    """
    serve_app(lambda gate: make_app(view, gate), port, opened)
