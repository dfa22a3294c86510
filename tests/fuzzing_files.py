"""Every decoder of a file that may have been handed over, with samples of what lies in it; see `fuzzing`.

What is slow and no decoder is left out, as scrypt (`_quick`), and nothing waits for a disk where `folder` lies in
memory.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import warnings
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import cv2
import numpy as np
import torch
from safetensors.numpy import save

from p2pfl_me import sealing
from p2pfl_me.compare.cells import json_object
from p2pfl_me.contract import contract_from_yaml, dump_contract
from p2pfl_me.data.choose import read_list
from p2pfl_me.data.extent import extent_of
from p2pfl_me.data.forget import read_rows, runs_with
from p2pfl_me.data.identity_rules import read_persons
from p2pfl_me.data.images import file_bytes
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.manifest import manifest_rows
from p2pfl_me.data.trained_on import TrainedOn, read_trained_on
from p2pfl_me.data.vectors import vectors_bank, vectors_manifest
from p2pfl_me.errors import ContractError, DataError, IdentityError, P2pmeError, RunError, WeightsError
from p2pfl_me.evaluate.course import Course, Turn
from p2pfl_me.evaluate.outcome import Guesses, Outcome
from p2pfl_me.evaluate.store import Store
from p2pfl_me.evaluate.units import FoldUnit
from p2pfl_me.federation.folder import DRAFT, open_folder
from p2pfl_me.gossip.inputs import Heard, Linked, Started
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.learning.architectures import Architecture, Shapes, architecture_of
from p2pfl_me.learning.weight_files import read_weights
from p2pfl_me.message import Kind, Message
from p2pfl_me.peer.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint
from p2pfl_me.peer.inputs import input_of, line_of, recorded_answers
from p2pfl_me.peer.joining import Ticket, read_ticket
from p2pfl_me.privacy import ledger as ledger_room
from p2pfl_me.privacy.budget import Budget, Unit
from p2pfl_me.privacy.ledger import PrivacyLedger
from p2pfl_me.report.arms import Arm
from p2pfl_me.run.codec import encode as encode_event
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.ledger import Sent, read_ledger, sent_line
from p2pfl_me.run.manifest import read_manifest_file
from p2pfl_me.run.reading import read_log
from p2pfl_me.run.results import read_average, read_baselines
from p2pfl_me.wire import sealed_key
from p2pfl_me.wire.identity import load_identity, new_identity, public_from_text, save_identity
from tests.fuzzing_foreign import foreign_targets
from tests.membership.labs import Members
from tests.mutating import Target
from tests.run.making import a_round, start

PASSPHRASE = "correct horse"


def file_targets(folder: Path) -> dict[str, Target]:
    """Decoders of files by name; all read in `folder`."""
    folder.mkdir(exist_ok=True, mode=0o700)
    ours = {**_of_runs(folder), **_of_labs(folder), **_of_results(folder), **_of_data(folder)}
    return {**ours, **_of_networks(folder), **foreign_targets(partial(_written, folder))}


def _written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, data)
    finally:
        os.close(file)
    return path


class _Quick:
    """In scrypt's place: what a file may ask of it is checked before it is called."""

    def __init__(self, **cost: object) -> None:
        self._cost = repr(sorted(cost.items(), key=str)).encode()

    def derive(self, passphrase: bytes) -> bytes:
        return sha256(self._cost + passphrase).digest()


def _quick() -> contextlib.AbstractContextManager[object]:
    stack = contextlib.ExitStack()
    stack.enter_context(patch.object(sealing, "Scrypt", _Quick))
    stack.enter_context(patch.object(sealed_key, "Scrypt", _Quick))
    return stack


def _of_runs(folder: Path) -> dict[str, Target]:
    """What lies in a run folder."""
    rng = np.random.default_rng(0)
    run, written = RunFolder(folder), partial(_written, folder)
    checkpoint = Checkpoint(0, 3, rng.normal(size=50).astype(np.float32), Progress(0.5, 1), "c" * 64, "l" * 64)
    save_checkpoint(folder, checkpoint)
    sample = checkpoint_path(folder, 0).read_bytes()
    log = b"".join(encode_event(1.0, each).encode() + b"\n" for each in (start(), a_round(0, 0.5)))
    ledger = sent_line(1.0, Sent(1, "offer", 100, 200, 3, "ab" * 32)).encode() + b"\n"
    known = {
        "p2pme": "1",
        "cpu_count": 2,
        "peers": 3,
        "data": {"source": "x", "train": 5},
        "exit": {"0": 0},
        "warnings": ["a"],
    }
    payment = {
        "t": 1.0, "entry": 1, "round": 0, "unit": "clip", "noise": 1.5, "rate": 0.1, "steps": 3, "epsilon": 0.5,
        "delta": 1e-5, "after": "",
    }  # fmt: skip
    contract = b"version: 1\nname: x\nseed: 1\ntopology: {kind: ring}\npeers:\n  loopback: {count: 3}\n"
    heard = Message(Kind.OFFER, 3, 2, np.ones(2, np.float32))
    given = (Started(), Heard(1, heard), Linked(2, reachable=True))
    inputs = [json.dumps({"now": 1.0, **line_of(each, lambda _: "a" * 64), "answers": [{}]}) for each in given]
    with _quick():
        passphrase = sealing.Seal(PASSPHRASE)
        under = b"".join(passphrase.parts([sample]))

    def read_checkpoint(data: bytes) -> None:
        written(checkpoint_path(folder, 0).name, data)
        load_checkpoint(folder, 0, contract_digest="c" * 64, layout_digest="l" * 64)

    def read_sealed(data: bytes) -> None:
        with _quick():
            sealing.Seal(PASSPHRASE).opened(data, "a file")

    def read_contract(data: bytes) -> None:
        with contextlib.suppress(UnicodeDecodeError):
            contract_from_yaml(data.decode())

    def read_manifest(data: bytes) -> None:
        written(run.manifest.name, data)
        read_manifest_file(run)

    def read_payments(data: bytes) -> None:
        path = written("privacy-0.jsonl", data)
        # What was spent is reckoned from the entries once they are read, which takes long.
        with patch.object(ledger_room, "Account", lambda *_: SimpleNamespace(epsilon=payment["epsilon"])):
            PrivacyLedger(path, Budget(epsilon=8.0), Unit.CLIP).close()

    def read_input(data: bytes) -> None:
        """A line of a record; these are what its reader turns into words."""
        with contextlib.suppress(KeyError, ValueError, TypeError):
            line = json.loads(data)
            input_of(line, lambda name, dtype: np.zeros(2, dtype))
            recorded_answers(line)

    return {
        "checkpoint": Target((sample,), read_checkpoint, WeightsError),
        "sealed checkpoint": Target((under,), read_sealed, WeightsError),
        "log": Target((log,), lambda data: read_log(RunFolder(written("peer-0.jsonl", data).parent), 0), P2pmeError),
        "ledger": Target((ledger,), lambda data: list(read_ledger(written("egress-0.jsonl", data))), P2pmeError),
        "privacy ledger": Target((json.dumps(payment).encode() + b"\n",), read_payments, P2pmeError),
        "manifest": Target((json.dumps(known).encode(),), read_manifest, P2pmeError),
        "contract": Target((contract,), read_contract, ContractError),
        "recorded input": Target(tuple(each.encode() for each in inputs), read_input, RunError),
    }


def _of_labs(folder: Path) -> dict[str, Target]:
    """Keys, and what laboratories hand each other beside them."""
    labs, written = Members("{kind: line}", count=3), partial(_written, folder)
    for name in ("key", "lab"):
        (folder / name).mkdir(exist_ok=True, mode=0o700)
    longer = contract_from_yaml(dump_contract(labs.contract), overrides=["training.rounds=50"])
    ticket = Ticket(4, 0, labs.contract, labs.view(longer, [0, 1, 2]))
    save_identity(folder / "key" / "sample.key", new_identity())
    draft = json.dumps({"kind": "ring", "labs": 3, "name": "x", "settings": ["a=1"], "lab": 1}).encode()
    with _quick():
        under = sealed_key.sealed(bytes(range(32)), PASSPHRASE)

    def read_sealed_key(data: bytes) -> None:
        with _quick():
            sealed_key.unsealed(data, PASSPHRASE, "a key")

    def read_public_key(data: bytes) -> None:
        public_from_text(data.decode(errors="replace"))

    def read_draft(data: bytes) -> None:
        written(f"lab/{DRAFT}", data)
        open_folder(folder / "lab")

    return {
        "ticket": Target((str(ticket).encode(),), lambda data: read_ticket(written("ticket", data)), ContractError),
        "identity": Target(
            ((folder / "key" / "sample.key").read_bytes(),),
            lambda data: load_identity(written("key/one.key", data)),
            IdentityError,
        ),
        "sealed key": Target((under,), read_sealed_key, IdentityError),
        "public key": Target((new_identity().public_text.encode(),), read_public_key, IdentityError),
        "laboratory": Target((draft,), read_draft, P2pmeError),
    }


def _of_results(folder: Path) -> dict[str, Target]:
    """What evaluations and comparisons have left, of this user or of another."""
    written, run = partial(_written, folder), RunFolder(folder)
    guesses = (Guesses(Arm.GOSSIP, 0, (0, 1), (1, 0)), Guesses(Arm.POOLED, -1, (0,), (1,)))
    outcome = Outcome(guesses, {"gossip": 3}, 0.5, 1.0, Course((0, 1), (Turn({0: [1, 0]}, 10.0, 0.1),)))
    unit = FoldUnit(1, 0)
    store = Store(folder / "evaluation", "d" * 64)
    store.keep(unit, outcome)
    scores = {"accuracy": 0.5, "uf1": 0.5, "uar": 0.5, "loss": 1.0, "confusion": [[1, 0], [0, 1]]}
    rows = [{"round": 0, "test": scores}, {"round": 1, "test": None}]
    trained = {"pooled": {"rounds": rows}, "isolated": {"peers": {"0": rows}}, "steps": {}}

    def read_outcome(data: bytes) -> None:
        written(f"evaluation/units/{unit.name}.json", data)
        store.read([unit])

    def read_mark(data: bytes) -> None:
        written("evaluation/evaluation.json", data)
        Store(folder / "evaluation", "d" * 64)

    def read_scores(data: bytes) -> None:
        written(run.average.name, data)
        read_average(folder)
        written(run.baselines.name, data)
        read_baselines(folder)

    return {
        "outcome": Target((outcome.to_text().encode(),), read_outcome, RunError),
        "mark": Target((json.dumps({"digest": "d" * 64}).encode(),), read_mark, RunError),
        "cell": Target((b'{"version": 1}',), lambda data: json_object(written("comparison.json", data))),
        "scores": Target((json.dumps(trained).encode(), json.dumps({"test": scores}).encode()), read_scores),
    }


def _of_data(folder: Path) -> dict[str, Target]:
    """Clips and weights, and the lists of them."""
    written = partial(_written, folder)
    columns = {"labels": np.array([0, 1, 1]), "subjects": np.array([4, 5, 5]), "split": np.array([0, 1, 2])}
    vectors = save({"features": np.ones((3, 4), np.float32), **columns}, {"classes": json.dumps(["a", "b"])})
    seen = TrainedOn("six", ("smic",), *(np.ones((2, width), np.uint8) for width in (16, 16, 24)))
    weights = save({"x": np.zeros(1, np.float32), **seen.tensors()}, seen.metadata())
    rows = b"path,dataset,subject,clip,label,onset,apex,offset,person,split\na,smic,s1,c1,negative,1,2,3,,train\n"
    persons = b"dataset,subject,person\nsmic,s1,p1\nsmic,s2,p1\n"
    split = json.dumps({"folds": [{"name": "a", "pool": "all", "held_out": ["smic/s1"]}], "subjects": ["smic/s1"]})
    (folder / "split").mkdir(exist_ok=True)
    picture, endings = np.full((24, 24, 3), 90, np.uint8), (".png", ".jpg", ".bmp", ".tif", ".webp")
    pictures = tuple(cv2.imencode(ending, picture)[1].tobytes() for ending in endings)

    def read_vectors(data: bytes) -> None:
        path = written("vectors.safetensors", data)
        vectors_manifest(path, None)
        vectors_bank(path)

    def read_split(data: bytes) -> None:
        written("split/split.json", data)
        runs_with("smic/s1", [folder / "split"])

    return {
        "vectors": Target((vectors,), read_vectors, DataError),
        "weights' origin": Target(
            (weights,), lambda data: read_trained_on(written("w.safetensors", data)), WeightsError
        ),
        "list of clips": Target(
            (rows,), lambda data: list(manifest_rows(written("manifest.csv", data), Labels())), DataError
        ),
        "chosen clips": Target((rows,), lambda data: read_list(written("chosen.csv", data)), DataError),
        "rows to forget": Target((rows,), lambda data: read_rows(written("rows.csv", data)), DataError),
        "persons": Target((persons,), lambda data: read_persons(written("persons.csv", data)), DataError),
        "split": Target((split.encode(),), read_split, DataError),
        "picture file": Target((pictures[0],), lambda data: file_bytes(written("picture.png", data)), DataError),
        "picture's extent": Target(pictures, extent_of),
    }


class _Tiny(Architecture):
    """VGG16 cut down to its first two filters, so that a file of it is small."""

    @property
    def shapes(self) -> Shapes:
        return {"0.weight": (2, 3, 3, 3), "0.bias": (2,)}


def _of_networks(folder: Path) -> dict[str, Target]:
    """Published weights in each format that is read; what torch warns of in them is no matter."""
    written, tiny = partial(_written, folder), _Tiny(architecture_of("vgg16").network)
    arrays = {f"features.{name}": np.ones(shape, np.float32) for name, shape in tiny.shapes.items()}
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    zipped, legacy = io.BytesIO(), io.BytesIO()
    torch.save(state, zipped)
    torch.save(state, legacy, _use_new_zipfile_serialization=False)

    def read(name: str, data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read_weights(written(name, data), tiny)

    found = {
        "weights, pth": Target((zipped.getvalue(), legacy.getvalue()), partial(read, "n.pth"), WeightsError),
        "weights, safetensors": Target((save(arrays),), partial(read, "n.safetensors"), WeightsError),
    }
    with contextlib.suppress(ImportError):
        import h5py

        with h5py.File(folder / "sample.h5", "w") as file:
            group = file.create_group("block1_conv1/block1_conv1")
            group.create_dataset("kernel:0", data=np.ones((3, 3, 3, 2), np.float32))
            group.create_dataset("bias:0", data=np.zeros(2, np.float32))
        found["weights, h5"] = Target(((folder / "sample.h5").read_bytes(),), partial(read, "n.h5"), WeightsError)
    return found
