"""Two laboratories behind firewalls, and a relay between them: real processes, a capture, and a kill of the relay."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from p2pfl_me.contract import digest, load_contract
from p2pfl_me.wire.identity import Identity, new_identity, save_identity
from tests.peer.capturing import captured, first_models, shows
from tests.peer.test_commands import start
from tests.small import CLASSES, Command, events, p2pme, wait_for, write_contract
from tests.wire.peers import free_ports

pytestmark = pytest.mark.processes


def behind(folder: Path, rounds: int) -> tuple[Path, list[Identity], int]:
    """A contract of two labs that only dial, their keys and the relay's, and its port."""
    keys, port = [new_identity() for _ in range(3)], free_ports(1)[0]
    for name, key in zip(("0", "1", "relay"), keys, strict=True):
        save_identity(folder / f"{name}.key", key)
    members = ", ".join(f"{{id: {peer}, public_key: '{keys[peer].public_text}', dial_only: true}}" for peer in range(2))
    relays = f"{{address: 'tcp://127.0.0.1:{port}', public_key: '{keys[2].public_text}'}}"
    path = write_contract(
        folder / "behind.yaml",
        2,
        peers=f"{{members: [{members}], relays: [{relays}]}}",
        training=f"{{rounds: {rounds}, local_epochs: 1}}",
    )
    return path, keys, port


def relay(folder: Path, contract: Path) -> Command:
    return Command(["relay", "--topology", str(contract), "--key", str(folder / "relay.key")], folder / "home")


def listens(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.mark.thorough
def test_a_relay_is_killed_and_comes_again_and_has_read_nothing(tmp_path: Path) -> None:
    rounds = 20
    path, keys, port = behind(tmp_path, rounds)
    contract = load_contract(path)
    run = tmp_path / "run"
    with captured({port}) as seen:
        commands = [relay(tmp_path, path)]
        try:
            peers = [
                start(tmp_path / "home", path, tmp_path, peer, "--key", str(tmp_path / f"{peer}.key"))
                for peer in range(2)
            ]
            commands += peers
            wait_for(lambda: len(events(run, 0, "round")) >= 3, "peer 0 in round 3", 120)
            # However long the relay takes to begin here, the peers do not use up their rounds alone meanwhile.
            for peer in peers:
                os.kill(peer.process.pid, signal.SIGSTOP)
            commands[0].kill()
            commands[0].finish()
            commands.append(relay(tmp_path, path))
            wait_for(lambda: listens(port), "the relay again")
            for peer in peers:
                os.kill(peer.process.pid, signal.SIGCONT)
            results = [each.finish() for each in peers]
            commands[-1].interrupt()
            code, said = commands[-1].finish()
        finally:
            for each in commands:
                if each.process.poll() is None:
                    each.kill()
    for peer, (ended, output) in enumerate(results):
        end = events(run, peer, "finish")[-1]
        assert ended == (4 if end["detail"] else 0) and end["reason"] == "rounds", output
        # As with a line that is cut: the round under way when the link falls, and those before it is back.
        missed = [each["round"] for each in events(run, peer, "round") if each["missing"]]
        downs = [each for each in events(run, peer, "link") if each["state"] == "down"]
        assert (not missed or downs) and events(run, peer, "round")[-1]["missing"] == {}, missed
    assert code == 130 and "peer 0 and peer 1 have met" in said.replace("peer 1 and peer 0", "peer 0 and peer 1")
    assert not any(shows(seen, model, 60) for model in first_models(contract, tmp_path, tmp_path / "home" / "cache"))
    words = [digest(contract), contract.name.encode(), b"local_epochs", *(label.encode() for label in CLASSES)]
    assert not any(word in seen for word in (*words, *(each.public for each in keys)))
    assert len(seen) > 2 * rounds * 1_000_000


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("", ""), "is none of the relays that the contract names"),
        (("relays", "# relays"), "neither can be called"),
        (("dial_only: true", "address: 'tcp://10.0.0.1:1'"), "nobody would come"),
    ],
)
def test_what_could_relay_nothing_is_refused_in_words(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    path, _, _ = behind(tmp_path, 1)
    text = path.read_text()
    if "relays" in change[0]:
        text = text[: text.index(", relays: [")] + "}" + text[text.index("}]}") + 3 :]
    path.write_text(text.replace(*change, 1))
    key = tmp_path / ("0.key" if change == ("", "") else "relay.key")
    code, output = p2pme(tmp_path, "relay", "--topology", path, "--key", key)
    assert code == 2 and says in output and "Traceback" not in output, output
