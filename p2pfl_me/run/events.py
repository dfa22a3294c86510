"""Every event of a peer's log, `peer-K.jsonl`: real peers, the event simulator and lockstep write these, nothing else.

Rounds, like peers, count from 0 here; pages count rounds from 1. Byte counters hold seals, headers and framing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict

from p2pfl_me.run.declare import STRICT, Event, Says, Whole, event

Matrix = tuple[tuple[Whole, ...], ...]
Pairs = tuple[tuple[Whole, Whole], ...]
Sources = Mapping[str, Mapping[str, Whole]]


class LinkState(StrEnum):
    """What became of a link."""

    UP = "up"
    DOWN = "down"
    QUARANTINED = "quarantined"
    LEFT = "left"
    REFUSED = "refused"


class Reason(StrEnum):
    """Why a peer ended."""

    ROUNDS = "rounds"
    """All rounds of the contract are done."""
    TIME = "time"
    """The contract's hours are over (`training.until`)."""
    WORK = "work"
    """All peers together have trained the contract's rounds (`training.until.work`)."""
    PATIENCE = "patience"
    """Its validation loss no longer fell, and its neighbours agreed."""
    HANDED = "handed"
    """It came back when its neighbours were done, and took their final model."""
    LEFT = "left"
    """The members have agreed that it takes part no more."""
    UNMET = "unmet"
    """It was to join a run, and nobody gave it a model to begin with for as long as it waited (`p2pme join`)."""
    ALONE = "alone"
    """None of its neighbours was there any more, and the contract says that it waits (`gossip.alone`)."""
    STOPPED = "stopped"
    """Its user stopped it."""
    ERROR = "error"
    """It could not go on; `detail` says why."""
    BUDGET = "budget"
    """Its privacy budget is spent; `detail` says by what."""
    DIVERGED = "diverged"
    """Its training diverged; `detail` says how."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What one model scores on one set of clips."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    loss: Annotated[float | None, Says("mean cross-entropy; null where it is no number", "nat")] = None
    accuracy: Annotated[float | None, Says("share of clips that are named rightly")] = None
    uf1: Annotated[float | None, Says("mean over all classes of F1 = 2TP / (2TP + FP + FN)")] = None
    uar: Annotated[float | None, Says("mean over all classes of recall")] = None
    macro_f1: Annotated[float | None, Says("`uf1` under its other name")] = None
    weighted_f1: Annotated[float | None, Says("mean of F1 over classes by their clips")] = None
    confusion: Annotated[Matrix | None, Says("rows are the true classes, columns the named ones", "clips")] = None
    by_dataset: Annotated[
        Mapping[str, Matrix], Says("the same of each data set's clips alone, by its name", "clips")
    ] = field(default_factory=dict)
    by_subject: Annotated[
        Mapping[str, Matrix],
        Says("by data set, of each of its people in turn: a cell (row * classes + column), its clips, and so on"),
    ] = field(default_factory=dict)

    def get(self, metric: str) -> float | None:
        """One of the numbers by its name: "uf1", "uar", "accuracy", ..."""
        value = getattr(self, metric, None)
        return value if isinstance(value, float) else None


@dataclass(frozen=True, slots=True)
class Data:
    """What a peer's clips are, in counts: no name, no path."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    train: Annotated[Whole, Says("clips it trains on")]
    validation: Annotated[Whole, Says("clips it stops by")]
    test: Annotated[Whole, Says("clips of people that nobody trains on")]
    subjects: Annotated[Whole, Says("people among its own clips")]
    drawn: Annotated[Whole | None, Says("clips of drawn faces; null in runs from before they were marked")] = None
    classes: Annotated[Mapping[str, Whole], Says("training clips by class")] = field(default_factory=dict)
    sources: Annotated[Sources, Says("clips by where apex and face come from")] = field(default_factory=dict)
    seen: Annotated[str, Says("which scored clips its weights file was trained on; empty where none is known")] = ""
    other: Annotated[
        str, Says("how they differ from those of the life before (`--other-data`); empty: they do not")
    ] = ""
    network: Annotated[str, Says("where its frozen weights come from; empty where `manifest.json` says it")] = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must stand beside every score of a model that learned from them."""
        return tuple(filter(None, ("drawn faces" if self.drawn else "", self.seen)))


class ForReports(Event):
    """What stands in a log for who looks back at the run; who follows it passes it over."""

    __slots__ = ()


@event("start")
class Start(Event):
    """A life of a peer begins; the first line of each."""

    peer: Annotated[Whole, Says("its id in the contract")]
    pid: Annotated[Whole, Says("its process")]
    version: Annotated[str, Says("of p2pme")]
    contract_digest: Annotated[str, Says("SHA-256 of the contract", "hex")]
    layout_digest: Annotated[str, Says("SHA-256 of the model's names and shapes", "hex")]
    parameters: Annotated[Whole, Says("trainable values of the model")]
    device: Annotated[str, Says("where it trains: cpu, cuda, ...")]
    threads: Annotated[Whole, Says("of torch")]
    data: Annotated[Data, Says("its clips, see below")]
    resumed_round: Annotated[Whole | None, Says("rounds that were behind it; null when it begins anew")] = None


@event("changed")
class Changed(Event):
    """The run goes on under a contract that differs in what may change; the one before is kept beside it."""

    keys: Annotated[tuple[str, ...], Says("what differs, by dotted names")]
    contract_digest: Annotated[str, Says("SHA-256 of the new contract", "hex")]


@event("view")
class View(Event):
    """The members have agreed on a change of the contract, as far as this peer can tell."""

    number: Annotated[Whole, Says("of the run's changes, from 1")]
    at: Annotated[Whole, Says("the round from which on it holds, from 0")]
    keys: Annotated[tuple[str, ...], Says("what changes, by dotted names")]
    contract_digest: Annotated[str, Says("SHA-256 of the new contract", "hex")]
    neighbour: Annotated[Whole | None, Says("who told it; null where it lay in the run folder")] = None


@event("leaving")
class Leaving(ForReports):
    """A member has said that it leaves, and this peer has approved of it for its laboratory."""

    neighbour: Annotated[Whole, Says("who leaves; it may be this peer itself")]
    at: Annotated[Whole, Says("the round in which it takes part no more, from 0")]


@event("undecided")
class Undecided(Event):
    """Members have said that they leave, a round has passed, and none of it is agreed to."""

    number: Annotated[Whole, Says("of the change that it would be")]
    due: Annotated[Whole, Says("how many must approve of one of them")]
    approvals: Annotated[
        Mapping[Whole, tuple[Whole, ...]], Says("who approves, as far as this peer knows, by who leaves")
    ]
    unheard: Annotated[tuple[Whole, ...], Says("of whom no approval has come")]


@event("joined")
class Joined(Event):
    """A newcomer has taken the model of a neighbour to begin with."""

    round: Annotated[Whole, Says("the one it begins with, from 0")]
    giver: Annotated[Whole, Says("id of the neighbour")]
    digest: Annotated[str, Says("SHA-256 of the model's bytes", "hex")]


@event("begin")
class Begin(ForReports):
    """The wait at the start is over, and training begins."""

    missing: Annotated[tuple[Whole, ...], Says("ids of the peers of whom nothing was heard")]


@event("link")
class Link(Event):
    """A link to a neighbour changed."""

    neighbour: Annotated[Whole, Says("its id")]
    state: Annotated[LinkState, Says("up, down, left, refused or quarantined")]
    reason: Annotated[str, Says("why; empty where nothing is to be said")] = ""


@event("sighted")
class Sighted(Event):
    """What others see of a neighbour that is gone or silent: shown, and nothing follows from it."""

    neighbour: Annotated[Whole, Says("its id")]
    silent: Annotated[bool, Says("whether the link stands and nothing is heard")]
    by: Annotated[Mapping[Whole, str], Says("up, gone or left, by the ids of the neighbours that share it")]
    heard: Annotated[bool, Says("whether bytes of it come again over the link that had fallen silent")] = False


@event("unreachable")
class Unreachable(Event):
    """Calls of a neighbour come to nothing; they go on."""

    neighbour: Annotated[Whole, Says("its id")]
    reason: Annotated[str, Says("address and error")]


@event("starved")
class Starved(Event):
    """This peer's own links got no time: what it did not hear meanwhile is nobody's silence."""

    seconds: Annotated[float, Says("for so long", "s")]


@event("refused")
class Refused(Event):
    """A frame was refused."""

    neighbour: Annotated[Whole | None, Says("who sent it; null for a stranger")]
    reason: Annotated[str, Says("what was wrong with it")]


@event("trained")
class Trained(Event):
    """The local epochs of a round are done."""

    round: Annotated[Whole, Says("from 0")]
    loss: Annotated[float | None, Says("mean training loss; null where it is no number, or nobody was drawn", "nat")]
    steps: Annotated[Whole, Says("of the optimiser")]
    seconds: Annotated[float, Says("how long it took", "s")]


@event("spent")
class Spent(Event):
    """A round was paid for from the privacy budget; it stood in the privacy ledger before it was trained."""

    round: Annotated[Whole, Says("from 0")]
    unit: Annotated[str, Says("what is hidden: one clip, one subject, or all data of the lab")]
    epsilon: Annotated[float, Says("spent so far, in all lives")]
    budget: Annotated[float, Says("the most that may be spent")]
    delta: Annotated[float, Says("the chance for which epsilon does not hold")]
    payments: Annotated[Whole, Says("lines of the privacy ledger so far")]
    noise: Annotated[float, Says("deviation of the noise in multiples of what one unit can add")]
    rate: Annotated[float, Says("chance of a unit to be in a step's sample")]
    steps: Annotated[Whole, Says("noisy answers that this round gave")]


@event("catch_up")
class CatchUp(ForReports):
    """Rounds were left out, because the neighbours had gone on."""

    from_round: Annotated[Whole, Says("the first that was left out")]
    to_round: Annotated[Whole, Says("the one it goes on with")]


@event("round")
class Round(Event):
    """A round is done: mixed, scored, and kept."""

    round: Annotated[Whole, Says("from 0")]
    loss: Annotated[float | None, Says("mean training loss before mixing; null where nobody was drawn", "nat")]
    steps: Annotated[Whole, Says("of the optimiser")]
    train_seconds: Annotated[float, Says("training", "s")]
    wait_seconds: Annotated[float, Says("from the end of training to the mixing", "s")]
    weights: Annotated[Mapping[Whole, float], Says("weight of each neighbour that was mixed, by id")]
    missing: Annotated[Mapping[Whole, str], Says("why each other neighbour was not, by id")]
    norm: Annotated[float | None, Says("Euclidean norm of the mixed model")]
    test: Annotated[Scores | None, Says("of the mixed model on clips of people nobody trains on")]
    validation: Annotated[Scores | None, Says("of the mixed model on the peer's validation clips")]
    sketch_trained: Annotated[str | None, Says("count sketch before mixing: little-endian float32", "base64")]
    sketch_mixed: Annotated[str | None, Says("count sketch after mixing", "base64")]
    bytes_sent: Annotated[Whole, Says("up to the mixing, over all lives", "B")]
    bytes_received: Annotated[Whole, Says("up to the mixing, over all lives", "B")]
    seconds: Annotated[float, Says("since this life began", "s")]
    round_seconds: Annotated[float, Says("since this round's training began", "s")]
    distance: Annotated[Mapping[Whole, float], Says("relative distance to each neighbour's model, by id")] = field(
        default_factory=dict
    )
    refused: Annotated[Mapping[Whole, str], Says("whose model arrived and was not used, and why, by id")] = field(
        default_factory=dict
    )
    consensus: Annotated[float | None, Says("gossiped estimate of the consensus distance, if asked for")] = None
    late: Annotated[Pairs, Says("[neighbour, earlier round] of each exchange that was settled only now")] = ()
    alone: Annotated[bool, Says("whether it was shared with nobody, although it should have been")] = False

    def scores(self, part: str) -> Scores | None:
        """The scores on "test" or "validation"."""
        return self.test if part == "test" else self.validation


@event("handed")
class Handed(Event):
    """The final model of neighbours that are done has taken the place of one's own; no round was trained for it."""

    round: Annotated[Whole, Says("the last that is behind it, from 0")]
    givers: Annotated[tuple[Whole, ...], Says("ids of those whose final models it is the mean of")]
    test: Annotated[Scores | None, Says("of it on clips of people nobody trains on")]
    validation: Annotated[Scores | None, Says("of it on the peer's validation clips")]


@event("hands_out")
class HandsOut(Event):
    """All rounds are done, and the peer stays to hand its final model to neighbours that come back."""

    seconds: Annotated[float, Says("for so long at most", "s")]


@event("misbehaviour")
class Misbehaviour(Event):
    """How odd the neighbours looked in a round; nothing follows from it by itself."""

    round: Annotated[Whole, Says("from 0")]
    scores: Annotated[Mapping[Whole, float], Says("score of each neighbour, fading, by id")]
    signs: Annotated[Mapping[Whole, tuple[str, ...]], Says("what was odd in this round, by id")]
    suspects: Annotated[tuple[Whole, ...], Says("ids of those whose score is high")]
    new: Annotated[tuple[Whole, ...], Says("ids of those that have just become suspects")]


@event("traffic")
class Traffic(Event):
    """All that this life sent and received; written when its links are closed. A killed peer leaves none."""

    bytes_sent: Annotated[Whole, Says("in this life", "B")]
    bytes_received: Annotated[Whole, Says("in this life", "B")]


@event("finish")
class Finish(Event):
    """A life of a peer ends; its last line. A killed peer leaves none."""

    reason: Annotated[
        Reason, Says("rounds, time, work, patience, handed, left, alone, stopped, error, budget or diverged")
    ]
    rounds: Annotated[Whole | None, Says("rounds that were trained; null after an error")]
    detail: Annotated[str, Says("what went wrong, or what is missing of its rounds; empty where nothing is")] = ""
    digest: Annotated[str | None, Says("SHA-256 of the final model's bytes", "hex")] = None
    trained: Annotated[Whole | None, Says("rounds it trained, in all its lives; others it left out to catch up")] = None
    alone: Annotated[Whole | None, Says("rounds in which somebody was due and nobody came, in all its lives")] = None
    unsettled: Annotated[Pairs, Says("[neighbour, round] of each exchange that may count at the neighbour alone")] = ()


AnyEvent = (
    Start
    | Changed
    | View
    | Joined
    | Leaving
    | Undecided
    | Begin
    | Link
    | Sighted
    | Unreachable
    | Starved
    | Refused
    | Trained
    | Spent
    | CatchUp
    | Round
    | Handed
    | HandsOut
    | Misbehaviour
    | Traffic
    | Finish
)
"""What a log may say. Readers match all of it and end in `assert_never`: a new event is decided on by each."""
