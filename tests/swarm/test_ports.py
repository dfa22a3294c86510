"""A swarm whose ports somebody holds is refused at once, with who and with ports that are free."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import RunError
from p2pfl_me.options import RunOptions
from p2pfl_me.swarm.launcher import launch
from p2pfl_me.swarm.ports import require_ports
from tests.small import write_contract


def test_a_taken_port_is_told_before_anything_is_read_or_left_behind(tmp_path: Path) -> None:
    path = write_contract(tmp_path / "ring.yaml", 4)
    contract = load_contract(path)
    require_ports(contract)
    assert contract.peers.loopback is not None
    port = contract.peers.loopback.base_port + 2
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(RunError, match=rf"port {port} of peer 2 is taken by process \d+") as caught:
            launch(contract, RunOptions(home=tmp_path / "home", run=tmp_path / "run"), Console(quiet=True))
        assert not (tmp_path / "run").exists()
        named = re.search(r"--set (peers\.loopback\.base_port=\d+)$", caught.value.fix)
        assert named
        require_ports(load_contract(path, [named[1]]))


def test_a_port_of_a_connection_that_has_ended_is_free(tmp_path: Path) -> None:
    contract = load_contract(write_contract(tmp_path / "ring.yaml", 3))
    assert contract.peers.loopback is not None
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", contract.peers.loopback.base_port))
        listener.listen()
        caller = socket.create_connection(listener.getsockname())
        called, _ = listener.accept()
        called.close()  # first, so that this end waits in TIME_WAIT
        caller.close()
    require_ports(contract)
