"""One open page: pictures of its camera, or of the film, through a watcher in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

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
from p2pfl_me.parsed import json_of

AHEAD = 4
"""Pictures of a film that may be on the way to the page before it says that it has shown one."""
REFUSED, TOO_MANY = 1008, 1013
LONGEST = 100
"""Characters of the page's first word; one of brackets alone would exhaust whoever takes it apart."""

MakeWatcher = Callable[[], Watcher]
Kind = TypeVar("Kind", str, bytes)


async def camera_session(socket: WebSocket, make: MakeWatcher) -> None:
    """Watch the page's camera until it leaves. Nothing is looked at before the page has said that its user agrees."""
    await socket.accept()
    with ThreadPoolExecutor(1, "watcher") as thread:
        try:
            await _consent(socket, "no consent was given", "agree on the page, or close it")
            watcher = make()
            while True:
                picture = read_picture(await _of_kind(socket.receive_bytes))
                reply = await asyncio.get_running_loop().run_in_executor(thread, _watch, watcher, picture)
                await socket.send_text(reply)
        except P2pmeError as error:
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
            await _consent(socket, "the film was not started", "start it on the page")
            listener = asyncio.create_task(_listen(socket, shown))
            try:
                watcher, pictures = make(), enumerate(film.pictures())
                begun = time.monotonic()
                while (step := await loop.run_in_executor(thread, _film_step, watcher, pictures)) is not None:
                    time_s, message = step
                    await asyncio.sleep(max(0.0, begun + time_s - time.monotonic()))
                    await shown.acquire()
                    if listener.done():
                        break
                    await socket.send_bytes(message)
                else:
                    await socket.send_text(end_json(watcher))
                if fault := await listener:
                    raise fault
            finally:
                listener.cancel()
        except P2pmeError as error:
            await _refuse(socket, error)
        except WebSocketDisconnect:
            return


async def _listen(socket: WebSocket, shown: asyncio.Semaphore) -> WireError | None:
    """Every word of the page after the first says that a picture was shown; what ended that, if it was no goodbye."""
    try:
        while True:
            await _of_kind(socket.receive_text)
            shown.release()
    except WireError as fault:
        return fault
    except WebSocketDisconnect:
        return None
    finally:
        shown.release()


async def _consent(socket: WebSocket, what: str, fix: str) -> None:
    word = await _of_kind(socket.receive_text)
    try:
        given = len(word) <= LONGEST and json_of(word) == {"say": CONSENT}
    except ValueError:
        given = False
    if not given:
        raise WireError(what, fix=fix)


async def _of_kind(receive: Callable[[], Awaitable[Kind]]) -> Kind:
    """A message of the kind that is expected: text, or bytes."""
    try:
        return await receive()
    except KeyError as error:  # the other kind
        raise WireError("the page sent something that is no message", fix="reload the page") from error


async def _refuse(socket: WebSocket, error: P2pmeError) -> None:
    with suppress(WebSocketDisconnect):  # who sent it may have gone
        await socket.send_text(json.dumps({"say": "error", "what": str(error)}))
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
