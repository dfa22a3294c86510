"""One open page: pictures of its camera, or of the film, through a watcher in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from starlette.websockets import WebSocket, WebSocketDisconnect

from p2pfl_me.errors import P2pmeError, WireError
from p2pfl_me.live.film import Film, Picture
from p2pfl_me.live.messages import (
    CONSENT,
    CameraPicture,
    decode,
    encode,
    end_json,
    read_picture,
    report_json,
)
from p2pfl_me.live.watcher import Watcher

AHEAD = 4
"""Pictures of a film that may be on the way to the page before it says that it has shown one."""
REFUSED, TOO_MANY = 1008, 1013

MakeWatcher = Callable[[], Watcher]


async def camera_session(socket: WebSocket, make: MakeWatcher) -> None:
    """Watch the page's camera until it leaves. Nothing is looked at before the page has said that its user agrees."""
    await socket.accept()
    with ThreadPoolExecutor(1, "watcher") as thread:
        try:
            if json.loads(await socket.receive_text()) != {"say": CONSENT}:
                raise WireError("no consent was given", fix="agree on the page, or close it")
            watcher = make()
            while True:
                picture = read_picture(await socket.receive_bytes())
                reply = await asyncio.get_running_loop().run_in_executor(thread, _watch, watcher, picture)
                await socket.send_text(reply)
        except (WireError, ValueError, KeyError) as error:
            await _refuse(socket, error)
        except WebSocketDisconnect:
            return


async def film_session(socket: WebSocket, make: MakeWatcher, film: Film) -> None:
    """Show the film from its beginning, at its own pace or slower, every picture watched."""
    await socket.accept()
    loop = asyncio.get_running_loop()
    shown = asyncio.Semaphore(AHEAD)
    with ThreadPoolExecutor(1, "watcher") as thread:
        try:
            if json.loads(await socket.receive_text()) != {"say": CONSENT}:
                raise WireError("the film was not started", fix="start it on the page")
            listener = asyncio.create_task(_listen(socket, shown))
            try:
                watcher, pictures = make(), enumerate(film.pictures())
                begun = time.monotonic()
                while (step := await loop.run_in_executor(thread, _film_step, watcher, pictures)) is not None:
                    time_s, message = step
                    await asyncio.sleep(max(0.0, begun + time_s - time.monotonic()))
                    await shown.acquire()
                    if listener.done():
                        return
                    await socket.send_bytes(message)
                await socket.send_text(end_json(watcher))
                await listener
            finally:
                listener.cancel()
        except P2pmeError as error:
            await _refuse(socket, error)
        except WebSocketDisconnect:
            return


async def _listen(socket: WebSocket, shown: asyncio.Semaphore) -> None:
    """Every word of the page after the first says that a picture was shown."""
    try:
        while True:
            await socket.receive_text()
            shown.release()
    except WebSocketDisconnect:
        shown.release()


async def _refuse(socket: WebSocket, error: Exception) -> None:
    what = str(error) if isinstance(error, P2pmeError) else "the page sent something that is no message"
    await socket.send_text(json.dumps({"say": "error", "what": what}))
    await socket.close(REFUSED)


def _watch(watcher: Watcher, picture: CameraPicture) -> str:
    begun = time.perf_counter()
    report = watcher.push(picture.time_s, decode(picture.jpeg), picture.taken)
    return report_json(picture.number, report, 1000 * (time.perf_counter() - begun))


def _film_step(watcher: Watcher, pictures: Iterator[tuple[int, Picture]]) -> tuple[float, bytes] | None:
    """The next picture's time and message: length of the JSON (4 bytes), the JSON, the JPEG to show."""
    step = next(pictures, None)
    if step is None:
        return None
    number, picture = step
    begun = time.perf_counter()
    report = watcher.push(picture.time_s, picture.image, number)
    text = report_json(number, report, 1000 * (time.perf_counter() - begun)).encode()
    return picture.time_s, len(text).to_bytes(4, "little") + text + encode(picture.image)
