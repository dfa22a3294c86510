"""The page's server: a few files and one socket, on the loopback address only."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from p2pfl_me.data.drawn import WORDS
from p2pfl_me.live.film import Film
from p2pfl_me.live.guard import Gate, Guard
from p2pfl_me.live.loopback import serve_app
from p2pfl_me.live.messages import MOST_BYTES
from p2pfl_me.live.naming import Namer
from p2pfl_me.live.rates import LEAST_FPS, WANTED_FPS
from p2pfl_me.live.sessions import TOO_MANY, camera_session, film_session
from p2pfl_me.live.watcher import Watcher
from p2pfl_me.spotting.settings import SpotterSettings

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MOST_PAGES = 4
"""Pages watched at once."""


@dataclass(frozen=True)
class Show:
    """What the page shows: a film, or its own camera where there is none; named by a model, or spotted only."""

    film: Film | None
    namer: Namer | None
    model: str
    settings: SpotterSettings

    def facts(self) -> str:
        """What the page says of itself, as JSON."""
        recogniser = self.namer.recogniser if self.namer else None
        said = self.film.said if self.film else ()
        return json.dumps(
            {
                "source": "film" if self.film else "camera",
                "film": self.film.name if self.film else "",
                "said": [*said, *(f"the model: {words}" for words in (self.namer.warnings if self.namer else ()))],
                "drawn": WORDS in said,
                "model": self.model,
                "network": self.namer.network if self.namer else "",
                "classes": list(recogniser.classes) if recogniser else [],
                "abstainBelow": self.namer.abstain_below if self.namer else None,
                "baseline": self.settings.baseline_s,
                "wantedFps": WANTED_FPS,
                "leastFps": LEAST_FPS,
            }
        )


def make_app(show: Show, gate: Gate) -> Starlette:
    """The page's files, its facts and its socket, behind the guard."""
    page = {name.name: name for name in files("p2pfl_me.live").joinpath("page").iterdir()}
    open_pages: set[WebSocket] = set()

    async def file(request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        if name == "facts.json":
            return Response(show.facts(), media_type="application/json")
        if name not in page or Path(name).suffix not in TYPES:
            return Response("No such page.\n", 404)
        return Response(page[name].read_bytes(), media_type=TYPES[Path(name).suffix])

    async def watch(socket: WebSocket) -> None:
        if len(open_pages) >= MOST_PAGES:
            await socket.accept()  # a browser tells its page no reason of a socket that was never open
            await socket.close(TOO_MANY)
            return
        open_pages.add(socket)
        try:
            if show.film:
                await film_session(socket, make, show.film)
            else:
                await camera_session(socket, make)
        finally:
            open_pages.discard(socket)

    def make() -> Watcher:
        return Watcher(show.settings, show.namer)

    base = f"/{gate.token}"
    routes = [Route(f"{base}/", file), Route(f"{base}/{{name}}", file), WebSocketRoute(f"{base}/watch", watch)]
    return Starlette(routes=routes, middleware=[Middleware(Guard, gate=gate)])


def serve(show: Show, port: int, opened: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C; `opened` is told its address once it listens.

    Raises
    ------
    PeerError
        The port is taken.
    """
    serve_app(lambda gate: make_app(show, gate), port, opened, ws_max_size=MOST_BYTES)
