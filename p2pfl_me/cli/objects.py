"""What each command prints with `--json`, as types: docs/json.md names the same keys, and a test holds it to these.

`format` stands in every object and here in none. What a room below makes whole is declared there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

from p2pfl_me.console.status import StatusObject
from p2pfl_me.data.audit.words import AuditsObject
from p2pfl_me.data.check import CheckReport
from p2pfl_me.data.describe import CountsObject, PartObject
from p2pfl_me.deploy.export import Agreement
from p2pfl_me.doctor.say import FindingsObject
from p2pfl_me.learning.onnx_file import Precision
from p2pfl_me.live.scoring import ScoreObject
from p2pfl_me.networks.layout import Group
from p2pfl_me.peer.replay import Replayed
from p2pfl_me.privacy_audit.page import AuditObject
from p2pfl_me.report.comparison_protection import ProtectionObject
from p2pfl_me.report.summary import RunsObject, SwarmObject
from p2pfl_me.topology.summary import GraphObject


class Compared(RunsObject):
    """`compare`; `protections` with `--protect`."""

    exit_code: int
    folder: str
    protections: NotRequired[list[ProtectionObject]]


class CardAt(TypedDict):
    """An evaluation's folder and run card, whose keys docs/evaluation.md has."""

    folder: str
    card: Any


class Evaluated(TypedDict):
    """`evaluate`; `evaluations` of `--vary`, `card` of one."""

    exit_code: int
    folder: str
    card: NotRequired[Any]
    evaluations: NotRequired[list[CardAt]]


class Lived(RunsObject):
    """`peer` and `join`."""

    exit_code: int


class ReportedRuns(RunsObject):
    """`report`, of runs."""

    page: str


class ReportedEvaluations(TypedDict):
    """`report`, of evaluations."""

    page: str
    evaluations: list[CardAt]


class Exported(TypedDict):
    """`report --export`."""

    exported: str


class Epoch(TypedDict):
    epoch: int
    loss: float
    accuracy: float


class Pretrained(TypedDict):
    file: str
    sha256: str
    images: int
    classes: list[str]
    drawn: bool
    epochs: list[Epoch]
    accuracy: float
    chance: float
    held_out: Literal["subjects", "images"]


class Drawn(CountsObject):
    """`data synth`."""

    manifest: str


class Twin(TypedDict):
    folder: str
    clips: int
    planted: list[str]


class DrawnFilm(TypedDict):
    film: str
    truth: str
    seconds: float
    fps: float


class Listed(CountsObject):
    """`data manifest`."""

    file: str
    left_out: list[str]


class Prepared(TypedDict):
    clips: int
    samples: int
    counts: Mapping[str, Mapping[str, int]]
    faceless: list[str]
    manifest: str | None


class Split(TypedDict):
    folder: str
    parts: list[PartObject]
    untested: list[str]


class Rest(TypedDict):
    path: str
    clips: int
    written: str | None


class Saw(TypedDict):
    run: str
    trained: Mapping[int, int]
    validated: Mapping[int, int]
    tested: int


class Forgotten(TypedDict):
    subject: str
    manifest: Rest | None
    saw: list[Saw]
    evaluated: list[str]
    spared: list[str]
    silent: list[str]


class Kind(TypedDict):
    kind: str
    summary: str
    needs: str
    peers: int


class Kinds(TypedDict):
    kinds: list[Kind]


class Network(TypedDict):
    backbone: str
    about: str
    input_size: int
    trainable: str
    values: int
    bytes: int


class Networks(TypedDict):
    classes: int
    networks: list[Network]


class Layer(TypedDict):
    name: str
    shape: list[int]
    group: Group
    learns: bool


class Checked(TypedDict):
    """`network check`; `model` is a section of a contract."""

    layers: list[Layer]
    values: int
    bytes: int
    frozen: int
    remarks: list[str]
    model: Any


class Lab(TypedDict):
    id: int
    address: str | None
    dial_only: bool
    public_key: str
    fingerprint: str
    words: str
    this_lab: bool


class Labs(TypedDict):
    labs: int
    members: list[Lab]
    missing: list[int]
    contract: str | None


class Replays(TypedDict):
    exit_code: int
    peers: list[Replayed]


class Model(TypedDict):
    """`export`."""

    file: str
    bytes: int
    card: str
    model: str
    precision: Precision
    classes: list[str]
    checked: Agreement
    warnings: list[str]


class Film(TypedDict):
    """`rows` have the columns of the CSV."""

    film: str
    said: list[str]
    unseen: bool
    rows: list[Any]


class Spotted(TypedDict):
    films: list[Film]
    score: ScoreObject | None


Prediction = TypedDict(
    "Prediction",
    {
        "input": str,
        "kind": str,
        "samples": int,
        "said": list[str],
        "model_warnings": list[str],
        "class": str,
        "probabilities": Mapping[str, float],
    },
)
"""`predict`."""


OBJECTS: Mapping[str, tuple[type, ...]] = {
    "swarm": (SwarmObject,),
    "compare": (Compared,),
    "evaluate": (Evaluated,),
    "peer": (Lived,),
    "join": (Lived,),
    "report": (ReportedRuns, ReportedEvaluations, Exported),
    "pretrain": (Pretrained,),
    "data synth": (Drawn,),
    "data twin": (Twin,),
    "data film": (DrawnFilm,),
    "data manifest": (Listed,),
    "data prepare": (Prepared,),
    "data audit": (AuditsObject,),
    "data split": (Split,),
    "data forget": (Forgotten,),
    "data check": (CheckReport,),
    "topology list": (Kinds,),
    "topology show": (GraphObject,),
    "network list": (Networks,),
    "network check": (Checked,),
    "members list": (Labs,),
    "status": (StatusObject,),
    "replay": (Replays,),
    "export": (Model,),
    "spot": (Spotted,),
    "predict": (Prediction,),
    "doctor": (FindingsObject,),
    "audit-privacy": (AuditObject,),
}
