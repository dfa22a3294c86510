"""The page's server from outside: who is let in, what is refused, and that Ctrl-C ends it."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from p2pfl_me.live.messages import HEADER
from tests.small import Command, p2pme


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    command = Command(["live", "--port", "0", "--no-open"], tmp_path_factory.mktemp("home"))
    yield command
    command.interrupt()
    code, output = command.finish()
    assert code in (0, 130) and "Traceback" not in output


@pytest.fixture(scope="module")
def url(command: Command) -> str:
    assert command.process.stdout is not None
    return command.process.stdout.readline().strip()


def status(url: str, **headers: str) -> tuple[int, dict[str, str]]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, {}


def open_socket(url: str, origin: str | None = None) -> ClientConnection:
    home = url.split("/", 3)
    return connect(
        url.replace("http", "ws") + "watch", origin=origin or "/".join(home[:3]), open_timeout=20, close_timeout=5
    )


def test_only_the_page_that_was_opened_is_served(url: str) -> None:
    code, headers = status(url)
    assert code == 200
    assert (
        "default-src 'none'" in headers["content-security-policy"]
        and "unsafe" not in headers["content-security-policy"]
    )
    assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "no-referrer"
    root = "/".join(url.split("/", 3)[:3])
    port = root.rsplit(":", 1)[1]
    assert status(root + "/")[0] == status(root + "/guess/")[0] == status(url + "server.py")[0] == 404
    assert status(url + "../server.py")[0] == status(url + "%2e%2e/server.py")[0] == 404
    assert status(url, Host="evil.example")[0] == status(url, Host=f"evil.example:{port}")[0] == 404
    assert status(url, Origin="http://evil.example")[0] == 404
    assert status(url, Host=f"localhost:{port}")[0] == 200


def test_no_file_of_the_page_names_another_place(url: str) -> None:
    for name in ("", "start.js", "page.js", "page.css", "capture.js", "drawing.js", "replay.js"):
        with urllib.request.urlopen(url + name, timeout=20) as answer:
            text = answer.read().decode()
        assert (
            text
            and "https://" not in text
            and 'src="//' not in text
            and "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        )


def test_a_socket_of_another_page_is_turned_away(url: str) -> None:
    with pytest.raises(InvalidStatus):
        open_socket(url, origin="http://evil.example")
    with pytest.raises(InvalidStatus):
        connect(url.replace("http", "ws") + "watch", open_timeout=20)


def test_it_listens_on_this_machine_only(url: str) -> None:
    port = int(url.split("/")[2].rsplit(":", 1)[1])
    with socket.socket() as other, pytest.raises(OSError):
        other.settimeout(2)
        other.connect(("127.0.0.2", port))


def picture(number: int, stamp_ms: float, image: np.ndarray) -> bytes:
    return HEADER.pack(number, number, stamp_ms) + cv2.imencode(".jpg", image)[1].tobytes()


def test_pictures_are_answered_after_consent_and_not_before(url: str) -> None:
    grey = np.full((48, 64, 3), 128, np.uint8)
    with open_socket(url) as page:
        page.send(json.dumps({"say": "consent"}))
        for number in range(3):
            page.send(picture(number, 40.0 * number, grey))
            answer = json.loads(page.recv(timeout=30))
            assert answer["number"] == number and answer["persons"] == answer["events"] == []
    with open_socket(url) as page:
        page.send(json.dumps({"say": "hello"}))
        assert "consent" in json.loads(page.recv(timeout=30))["what"]
        with pytest.raises(ConnectionClosed):
            page.recv(timeout=30)


SOF = b"\xff\xd8\xff\xc0\x00\x11\x08" + (30_000).to_bytes(2, "big") * 2 + b"\x03\1\x11\0\2\x11\0\3\x11\0\xff\xd9"
"""A JPEG's head that speaks of 900 million pixels."""


@pytest.mark.parametrize(
    "message",
    [
        b"short",
        "text",
        HEADER.pack(0, 0, 1.0) + b"no jpeg",
        HEADER.pack(0, 0, float("nan")) + b"x",
        HEADER.pack(0, 0, 1.0) + SOF,
        HEADER.pack(0, 0, 1.0) + cv2.imencode(".jpg", np.zeros((2160, 3840, 3), np.uint8))[1].tobytes(),
    ],
)
def test_what_is_no_picture_is_refused_in_words(url: str, message: bytes | str) -> None:
    with open_socket(url) as page:
        page.send(json.dumps({"say": "consent"}))
        page.send(message)
        assert "reload the page" in json.loads(page.recv(timeout=30))["what"]


NO_WORDS = ("[" * 200_000, "1" * 5_000, "null", "", '{"say": "hello"}', b"\0", b"[" * 200_000)


def refuse(url: str, *messages: str | bytes) -> str:
    """What the page is told before it is shut out."""
    with open_socket(url) as page:
        for message in messages:
            page.send(message)
        while isinstance(answer := page.recv(timeout=30), bytes):
            pass
        with pytest.raises(ConnectionClosed):
            page.recv(timeout=30)
        return str(json.loads(answer)["what"])


def vanish(url: str, *messages: str | bytes) -> None:
    """Say something and be gone before the answer."""
    with open_socket(url) as page:
        for message in messages:
            page.send(message)
        page.socket.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("word", NO_WORDS)
def test_whatever_is_said_first_is_consent_or_an_answer_in_words(url: str, word: str | bytes) -> None:
    assert any(words in refuse(url, word) for words in ("no consent was given", "is no message"))


@pytest.mark.parametrize("messages", [("junk",), ("[" * 200_000,), (json.dumps({"say": "consent"}), b"short"), ()])
def test_who_has_gone_is_told_nothing(url: str, messages: tuple[str | bytes, ...]) -> None:
    for _ in range(3):
        vanish(url, *messages)
    test_pictures_are_answered_after_consent_and_not_before(url)


@pytest.mark.thorough
def test_a_taken_port_and_a_film_that_is_none_and_an_unknown_model(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, output = p2pme(tmp_path, "live", "--no-open", "--port", port)
    assert code == 3 and f"port {port}" in output and "--port" in output
    code, output = p2pme(tmp_path, "live", "--no-open", "--source", tmp_path / "none.avi")
    assert code == 2 and "no such film" in output
    code, output = p2pme(tmp_path, "live", tmp_path / "no-model", "--no-open")
    assert code == 2 and "no-model" in output and "Traceback" not in output


@pytest.mark.thorough
def test_ctrl_c_ends_it_with_a_page_open(tmp_path: Path, film: Path) -> None:
    command = Command(["live", "--source", str(film), "--port", "0", "--no-open"], tmp_path)
    assert command.process.stdout is not None
    drawn, url = (command.process.stdout.readline().strip() for _ in range(2))
    assert drawn == "short.avi shows drawn faces, which were never alive."
    for word in NO_WORDS:
        assert any(words in refuse(url, word) for words in ("the film was not started", "is no message"))
    assert "is no message" in refuse(url, json.dumps({"say": "consent"}), b"shown")
    vanish(url, json.dumps({"say": "consent"}), b"shown")
    vanish(url, "junk")
    with open_socket(url) as page:
        page.send(json.dumps({"say": "consent"}))
        message = page.recv(timeout=30)
        assert isinstance(message, bytes)
        length = int.from_bytes(message[:4], "little")
        assert json.loads(message[4 : 4 + length])["number"] == 0 and message[4 + length :].startswith(b"\xff\xd8")
        command.process.send_signal(signal.SIGINT)
        code, output = command.finish()
    assert code in (0, 130) and "Traceback" not in output


@pytest.mark.thorough
def test_the_page_is_told_that_a_film_breaks_off(tmp_path: Path, half: Path) -> None:
    command = Command(["live", "--source", str(half), "--port", "0", "--no-open"], tmp_path)
    assert command.process.stdout is not None
    with open_socket(command.process.stdout.readline().strip()) as page:
        page.send(json.dumps({"say": "consent"}))
        while isinstance(message := page.recv(timeout=30), bytes):
            page.send("shown")
        last = json.loads(message)
        assert last["say"] == "error" and "pictures" in last["what"] and "half.avi" in last["what"]
    command.interrupt()
    assert command.finish()[0] in (0, 130)
