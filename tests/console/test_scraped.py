"""A run's state at a port: what the command prints, as it is by now, for this machine and under its own name only."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli.status import status
from p2pfl_me.console.scraped import Followed, serve
from p2pfl_me.console.status import as_json, as_openmetrics, status_of
from p2pfl_me.contract import contract_from_yaml, dump_contract
from p2pfl_me.errors import PeerError
from p2pfl_me.exits import Exit
from p2pfl_me.run.events import Finish, Link, LinkState, Reason
from p2pfl_me.run.folder import RunFolder
from tests.run.making import a_round, log, start, trained
from tests.small import Command, wait_for
from tests.wire.peers import free_ports

CONTRACT = contract_from_yaml(
    "version: 1\nname: pair\ntopology: {kind: line}\npeers: {loopback: {count: 2}}\ntraining: {rounds: 4}\n"
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path)
    folder.contract.write_text(dump_contract(CONTRACT))
    log(tmp_path, 0, start(), Link(1, LinkState.UP), t=100)
    return folder


@pytest.fixture
def port(run: RunFolder) -> Iterator[int]:
    """Served from a thread, as the command serves it."""
    told, opened = [], threading.Event()

    def tell(url: str) -> None:
        told.append(int(url.split(":")[2].split("/")[0]))
        opened.set()

    threading.Thread(target=serve, args=(run, 0, tell), daemon=True).start()
    assert opened.wait(30)
    yield told[0]


def asked(port: int, path: str, host: str = "") -> tuple[int, str, str]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        line.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
        answer = line.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()
    finally:
        line.close()


def test_both_forms_say_what_the_command_says_and_follow_the_run(run: RunFolder, port: int) -> None:
    for number in range(3):
        peers = status_of(run, CONTRACT)
        code, kind, text = asked(port, "/metrics")
        assert (code, text) == (200, as_openmetrics(peers)) and kind.startswith("application/openmetrics-text")
        code, kind, text = asked(port, "/status.json", f"localhost:{port}")
        assert (code, kind, json.loads(text)) == (200, "application/json", json.loads(as_json(peers)))
        log(run.path, 0, trained(number), a_round(number, 0.5, {}), t=150 + number)
        run.log(1).write_text('{"t": 1, "event": "of a later version"}\n' * number)


def test_parts_of_a_log_that_were_put_aside_count(run: RunFolder) -> None:
    log(run.path, 0, trained(), a_round(0, 0.5, {}), t=150)
    run.log(0).rename(run.path / f"{run.log(0).stem}.1.jsonl")
    followed = Followed(run)
    log(run.path, 0, Finish(Reason.STOPPED, None, ""), t=160)
    assert followed.status() == status_of(run, CONTRACT)
    assert followed.status()[0].round == 1, "and once only"


@pytest.mark.parametrize(
    ("path", "host"), [("/metrics", "lab.example"), ("/metrics", "127.0.0.1:1"), ("/", ""), ("/../contract.yaml", "")]
)
def test_nothing_else_and_nobody_elses_name_is_answered(port: int, path: str, host: str) -> None:
    assert asked(port, path, host)[0] == 404


def test_a_contract_that_cannot_be_read_is_said_and_the_next_look_is_answered(run: RunFolder, port: int) -> None:
    text = run.contract.read_text()
    run.contract.write_text("no contract")
    code, _, said = asked(port, "/metrics")
    assert code == 503 and "contract.yaml" in said and "Traceback" not in said
    run.contract.write_text(text)
    assert asked(port, "/metrics")[0] == 200


def test_who_hangs_up_ends_nothing(port: int) -> None:
    for _ in range(3):
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        line.request("GET", "/metrics", headers={"Host": f"127.0.0.1:{port}"})
        line.close()
    assert asked(port, "/metrics")[0] == 200


def test_a_taken_port_and_two_ways_at_once_are_refused(run: RunFolder, port: int) -> None:
    with pytest.raises(PeerError, match="cannot be listened on"):
        serve(run, port, lambda url: None)
    assert CliRunner().invoke(status, [str(run.path), "--json", "--port", "0"]).exit_code == 2


@pytest.mark.processes
def test_the_command_serves_until_ctrl_c(run: RunFolder, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = Command(["status", str(run.path), "--port", str(port)], tmp_path / "home")

    def serves() -> bool:
        with suppress(OSError):
            return asked(port, "/metrics")[0] == 200
        return False

    wait_for(serves, "it serves")
    command.interrupt()
    code, said = command.finish()
    assert code == Exit.STOPPED and f"http://127.0.0.1:{port}/metrics" in said and "Traceback" not in said, said
