"""Models at rest under a passphrase: what lies in the run folder, who reads it, and what wrong words or a bit do."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me import passphrase
from p2pfl_me.errors import IdentityError, PeerError, WeightsError
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.learning.run_models import final_params, run_contract
from p2pfl_me.peer.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, read_model, save_checkpoint
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.slots import versions
from p2pfl_me.peer.start import checkpoint_seal, seal_what_is_open
from p2pfl_me.sealing import CHUNK, Seal, is_sealed
from tests.learning.runs import contract, random_model, write_run
from tests.small import Command, events, p2pme, wait_for, write_contract, write_vectors

WORDS = "four unrelated words here"
QUICK = 10
"""Of scrypt, for tests that make many keys."""
PARAMS = np.random.default_rng(1).standard_normal(300).astype(np.float32)
STATE = Checkpoint(
    3, 7, PARAMS, Progress(0.25, 2), "c" * 64, "l" * 64, {"seen": np.arange(6, dtype="<i8").reshape(2, 3)}, payments=4
)


def load(run: Path, words: str = WORDS) -> Checkpoint:
    return load_checkpoint(run, 3, contract_digest="c" * 64, layout_digest="l" * 64, passphrase=lambda what: words)


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private file with the passphrase, as an operator names it."""
    path = tmp_path / "words"
    path.write_text(WORDS + "\n")
    path.chmod(0o600)
    monkeypatch.setenv(passphrase.FILE, str(path))
    return path


def test_a_sealed_checkpoint_comes_back_whole_and_shows_nothing_before(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, STATE, Seal(WORDS))
    data = path.read_bytes()
    assert is_sealed(path) and path.stat().st_mode & 0o777 == 0o600
    for secret in (PARAMS.tobytes()[:16], PARAMS.tobytes()[-16:], b"params", b"c" * 16, b"best_loss"):
        assert secret not in data
    back = load(tmp_path)
    assert replace(back, params=PARAMS, memory=STATE.memory) == STATE
    np.testing.assert_array_equal(back.params, PARAMS)
    np.testing.assert_array_equal(back.memory["seen"], STATE.memory["seen"])
    plain = tmp_path / "open"
    plain.mkdir()
    assert not is_sealed(save_checkpoint(plain, STATE))
    assert load(plain).completed == 7, "an open one asks for nothing"


def test_another_passphrase_and_a_changed_byte_anywhere_are_words(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, STATE, Seal(WORDS, QUICK))
    with pytest.raises(WeightsError, match="does not open with this passphrase"):
        load(tmp_path, WORDS + ".")
    data = path.read_bytes()
    for place in [*range(4, 53, 3), 53, 60, len(data) // 2, len(data) - 1]:
        if place == 4:
            continue  # scrypt's cost: whoever raises it makes the next line take long, within a bound
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(WeightsError) as refused:
            load(tmp_path)
        assert refused.value.fix and ("was changed" in str(refused.value) or "passphrase" in str(refused.value))
    for shorter in (data[:-1], data[:60], data[:53], data[:20]):
        path.write_bytes(shorter)
        with pytest.raises(WeightsError):
            load(tmp_path)


@given(sizes=st.lists(st.sampled_from([0, 1, 7, CHUNK - 1, CHUNK, CHUNK + 1]), max_size=3), cut=st.integers(0, 3))
def test_what_was_sealed_comes_back_and_chunks_cannot_be_cut_doubled_or_exchanged(sizes: list[int], cut: int) -> None:
    parts = [bytes([number]) * size for number, size in enumerate(sizes)]
    seal = Seal(WORDS, QUICK)
    made = b"".join(seal.parts(parts))
    assert seal.opened(made, "x") == b"".join(parts)
    head, size = 53, CHUNK + 16
    chunks = [made[at : at + size] for at in range(head, len(made), size)]
    if len(chunks) < 2:
        return
    at = cut % (len(chunks) - 1)
    swapped = [*chunks[:at], chunks[at + 1], chunks[at], *chunks[at + 2 :]]
    for other in (chunks[:-1], [*chunks, chunks[at]], swapped):
        with pytest.raises(WeightsError, match="was changed"):
            seal.opened(made[:head] + b"".join(other), "x")


def test_no_two_files_share_a_key_stream() -> None:
    seal, same = Seal(WORDS, QUICK), bytes(64)
    assert len({b"".join(seal.parts([same]))[53:69] for _ in range(50)}) == 50


def test_a_torn_version_gives_way_to_the_one_before_as_it_does_open(tmp_path: Path) -> None:
    seal = Seal(WORDS, QUICK)
    for completed in (6, 7):
        save_checkpoint(tmp_path, replace(STATE, completed=completed), seal)
    newest = checkpoint_path(tmp_path, 3)
    newest.write_bytes(newest.read_bytes()[:100])
    assert load(tmp_path).completed == 6


def settings(run: Path, **more: bool) -> PeerSettings:
    return PeerSettings(0, contract(), run, run, **more)


def test_a_run_that_was_begun_open_is_sealed_when_it_goes_on_and_stays_so(tmp_path: Path, words: Path) -> None:
    assert checkpoint_seal(settings(tmp_path)) is None
    state = replace(STATE, peer=0)
    for _ in range(2):
        path = save_checkpoint(tmp_path, state)
    found = checkpoint_seal(settings(tmp_path, seal=True))
    assert found is not None
    seal_what_is_open(tmp_path, state, found[0])
    assert [each for each in versions(path) if each.exists()] == [path] and is_sealed(path)
    assert checkpoint_seal(settings(tmp_path)) is not None, "nobody need say it again"
    words.write_text("short\n")
    with pytest.raises(IdentityError, match="a passphrase of 5 characters"):
        checkpoint_seal(settings(tmp_path / "new", seal=True))


def test_a_record_would_keep_open_what_is_sealed(tmp_path: Path, words: Path) -> None:
    with pytest.raises(PeerError, match="a record keeps all models"):
        checkpoint_seal(settings(tmp_path, seal=True, record=True))


def test_whoever_uses_a_sealed_run_is_asked_once_or_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Path
) -> None:
    agreed, seal = contract(), Seal(WORDS, QUICK)
    models = {peer: random_model(agreed, peer) for peer in range(2)}
    run = write_run(tmp_path / "run", agreed, models)
    mean = final_params(run, run_contract(run))
    for peer in models:
        save_checkpoint(run, read_model(checkpoint_path(run, peer)), seal)
    np.testing.assert_array_equal(final_params(run, run_contract(run)), mean)
    monkeypatch.delenv(passphrase.FILE)
    asked: list[str] = []

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    monkeypatch.setattr(passphrase.sys, "stdin", Terminal)
    monkeypatch.setattr(passphrase, "getpass", lambda prompt: asked.append(prompt) or WORDS)
    np.testing.assert_array_equal(final_params(run, run_contract(run)), mean)
    assert asked == ["passphrase of checkpoint-0.safetensors: "]
    monkeypatch.setattr(Terminal, "isatty", staticmethod(lambda: False))
    with pytest.raises(IdentityError, match="nobody sits at a terminal"):
        final_params(run, run_contract(run))


def test_the_systems_keyring_may_have_the_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(passphrase.KEYRING, "lab-a")
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(IdentityError, match="reached by an extra"):
        passphrase.known_passphrase("x")
    kept = {("p2pme", "lab-a"): WORDS}
    there, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
    there.get_password = lambda service, name: kept.get((service, name))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", there)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert passphrase.known_passphrase("x") == WORDS
    kept.clear()
    with pytest.raises(IdentityError, match="has nothing of that name"):
        passphrase.known_passphrase("x")


@pytest.mark.thorough
@pytest.mark.processes
def test_a_sealed_peer_that_is_killed_goes_on_by_its_passphrase_and_by_no_other(tmp_path: Path, words: Path) -> None:
    agreed = write_contract(
        tmp_path / "one.yaml", 1, topology="{kind: mesh}", training="{rounds: 120, local_epochs: 1}"
    )
    data, run, home = write_vectors(tmp_path / "own.safetensors", [0, 1]), tmp_path / "run", tmp_path / "home"
    told = ["peer", "--id", "0", "--topology", str(agreed), "--data", str(data), "--out", str(run)]
    first = Command([*told, "--seal"], home)
    path = run / "checkpoint-0.safetensors"
    wait_for(lambda: len(events(run, 0, "round")) >= 2 and path.exists(), "a sealed checkpoint")
    first.kill()
    first.finish()
    kept = [each for each in versions(path) if each.exists() and each.stat().st_size]  # a kill may leave an empty one
    assert kept and all(is_sealed(each) for each in kept)
    words.write_text("other words that are long enough\n")
    code, said = p2pme(home, *told)
    assert code not in (0, 70) and "does not open with this passphrase" in said and "Traceback" not in said
    words.write_text(WORDS + "\n")
    code, said = p2pme(home, *told)
    assert code == 0, said
    assert events(run, 0, "start")[-1]["resumed_round"] >= 1 and is_sealed(path)
    assert [each for each in versions(path) if each.exists()] == [path]
