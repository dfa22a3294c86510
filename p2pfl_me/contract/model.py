"""The contract: what all peers must agree on, as frozen pydantic models of one YAML file.

Private settings (data path, key, device, run folder) are options of the commands and never stand here.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

PositiveInt = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]

CASME2_CLASSES = ("disgust", "fear", "happiness", "others", "repression", "sadness", "surprise")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Ring(_Part):
    kind: Literal["ring"]


class Mesh(_Part):
    """Every peer is every other's neighbour."""

    kind: Literal["mesh"]


class Line(_Part):
    kind: Literal["line"]


class Star(_Part):
    kind: Literal["star"]
    center: Annotated[int, Field(ge=0)] = 0


class Random(_Part):
    """Erdos-Renyi, drawn again from the next seed until it is connected.

    `probability` defaults to 2 ln n / n, above the connectivity threshold ln n / n.
    """

    kind: Literal["random"]
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int = 0


class Torus(_Part):
    kind: Literal["torus"]
    rows: PositiveInt
    columns: PositiveInt


class SmallWorld(_Part):
    """Watts-Strogatz, connected."""

    kind: Literal["small_world"]
    neighbours: PositiveInt = 4
    rewire: Annotated[float, Field(ge=0, le=1)] = 0.3
    seed: int = 0


class Regular(_Part):
    """A random regular graph, connected."""

    kind: Literal["regular"]
    degree: PositiveInt = 4
    seed: int = 0


class Hypercube(_Part):
    kind: Literal["hypercube"]


class Exponential(_Part):
    """Peer i is linked with i + 2^j (mod n): the symmetric static exponential graph."""

    kind: Literal["exponential"]


class Edges(_Part):
    kind: Literal["edges"]
    edges: tuple[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], ...]


class Base(_Part):
    """The base-(k+1) graph: pairs change every round, and after one period all hold the exact mean. k = `meets`."""

    kind: Literal["base"]
    meets: PositiveInt = 2


class Epidemic(_Part):
    """EL-Oracle without an oracle: each round a new random regular graph, drawn by everyone from the same hash."""

    kind: Literal["epidemic"]
    meets: PositiveInt = 2
    seed: int = 0


class EpidemicLocal(_Part):
    """EL-Local: each round every peer draws, by itself, the others to whom it `sends`. Directed."""

    kind: Literal["epidemic_local"]
    sends: PositiveInt = 2
    seed: int = 0


class OnePeerExponential(_Part):
    """In round t peer i sends half of itself to i + 2^(t mod ceil(log2 n)) (mod n). Directed."""

    kind: Literal["one_peer_exponential"]


class EquiStatic(_Part):
    """EquiTopo that stands: peer i is linked with i + u (mod n) for `shifts` random u (default: ceil(log2 n))."""

    kind: Literal["equi_static"]
    shifts: PositiveInt | None = None
    directed: bool = False
    seed: int = 0


class EquiDynamic(_Part):
    """EquiTopo of one peer: each round one random u, and peer i meets, or sends to, i + u (mod n).

    u is one of `shifts` that are drawn once, which bounds the links to hold; by default any of 1..n-1.
    """

    kind: Literal["equi_dynamic"]
    shifts: PositiveInt | None = None
    directed: bool = False
    seed: int = 0


Topology = Annotated[
    Ring
    | Mesh
    | Line
    | Star
    | Random
    | Torus
    | SmallWorld
    | Regular
    | Hypercube
    | Exponential
    | Base
    | Epidemic
    | EpidemicLocal
    | OnePeerExponential
    | EquiStatic
    | EquiDynamic
    | Edges,
    Field(discriminator="kind"),
]


class Loopback(_Part):
    """All peers on this machine: peer k listens on 127.0.0.1:(base_port + k); keys are made on first use."""

    count: Annotated[int, Field(ge=1, le=10_000)]
    base_port: Annotated[int, Field(ge=1024, le=65_535)] = 47100

    @model_validator(mode="after")
    def _ports_exist(self) -> Loopback:
        if self.base_port + self.count - 1 > 65_535:
            raise ValueError(f"ports {self.base_port}..{self.base_port + self.count - 1} pass 65535")
        return self


class Member(_Part):
    """One peer at an address. Any address but loopback must carry the peer's public key."""

    id: Annotated[int, Field(ge=0)]
    address: Annotated[str, Field(pattern=r"^tcp://[^\s/:]+(:\d{1,5})$|^tcp://\[[0-9a-fA-F:]+\]:\d{1,5}$")]
    public_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")] | None = None

    @property
    def is_loopback(self) -> bool:
        host = self.address.removeprefix("tcp://").rpartition(":")[0]
        return host in {"localhost", "[::1]"} or host.startswith("127.")

    @model_validator(mode="after")
    def _key_unless_loopback(self) -> Member:
        if self.public_key is None and not self.is_loopback:
            raise ValueError(
                f"peer {self.id} at {self.address} has no public_key; only loopback addresses may omit it "
                "(make one with `p2pme keys new` and copy the public key here)"
            )
        return self


class Peers(_Part):
    """Either `loopback` or `members`."""

    loopback: Loopback | None = None
    members: tuple[Member, ...] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Peers:
        if (self.loopback is None) == (self.members is None):
            raise ValueError("give either `loopback` or `members`, one of the two")
        if self.members is not None:
            ids = [member.id for member in self.members]
            if sorted(ids) != list(range(len(ids))):
                raise ValueError(f"ids must be 0..{len(ids) - 1}, each once; found {sorted(ids)}")
            addresses = [member.address for member in self.members]
            if len(set(addresses)) != len(addresses):
                raise ValueError("two members share one address")
        return self

    @property
    def count(self) -> int:
        return self.loopback.count if self.loopback else len(self.members or ())

    def member(self, peer: int) -> Member:
        """The address and key of one peer."""
        if self.loopback:
            return Member(id=peer, address=f"tcp://127.0.0.1:{self.loopback.base_port + peer}")
        return next(member for member in self.members or () if member.id == peer)


class Weights(_Part):
    """Where the frozen backbone comes from.

    `seed`: drawn from the contract's seed, so that everything runs offline (a random backbone learns less).
    `imagenet`: torchvision's set, downloaded by torchvision or found in its cache.
    `file`: a user's file, whose SHA-256 stands here, so that all peers have the same one; each names its own
    copy with `--weights`.
    """

    source: Literal["seed", "imagenet", "file"] = "seed"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _digest_of_file(self) -> Weights:
        if (self.source == "file") != (self.sha256 is not None):
            raise ValueError("`sha256` goes with `source: file`, and only with it (sha256sum FILE prints it)")
        return self


class Model(_Part):
    """The founding paper's network: VGG16 convolutions, Flatten, Dropout, Dense 128, Dropout, Dense K."""

    backbone: Literal["vgg16"] = "vgg16"
    weights: Weights = Weights()
    input: Literal["image", "flow"] = "image"
    input_size: Literal[64] = 64
    trainable: Literal["head", "block5"] = "head"
    classes: Annotated[tuple[str, ...], Field(min_length=2)] = CASME2_CLASSES

    @model_validator(mode="after")
    def _classes_differ(self) -> Model:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"a class stands twice in {list(self.classes)}")
        return self


class Training(_Part):
    """Local training between two exchanges: Adam (moments start anew each round) and cross-entropy."""

    rounds: PositiveInt = 20
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    local_epochs: PositiveInt = 5
    batch_size: PositiveInt = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    class_weights: Literal["none", "balanced"] = "none"


class Patience(_Part):
    """Stop when the validation loss has not fallen for `rounds` rounds and the peers agree.

    `consensus`: the largest relative distance that counts as agreement. Of `neighbours`: ||x_i - x_j|| / ||x_i|| of
    each of them. Of `everyone`: Xi / ||x_i|| with Xi^2 the mean of ||x_i - mean||^2 over all peers, by gossiped
    sketches.
    """

    rounds: PositiveInt
    consensus: Annotated[float, Field(gt=0)] = 0.1
    of: Literal["neighbours", "everyone"] = "neighbours"


class Deadline(_Part):
    """How long a peer waits for its neighbours: median + mads * MAD of past arrivals, within [min_s, max_s]."""

    min_s: Seconds = 15.0
    max_s: Seconds = 120.0
    mads: Annotated[float, Field(gt=0)] = 6.0

    @model_validator(mode="after")
    def _ordered(self) -> Deadline:
        if self.min_s > self.max_s:
            raise ValueError(f"min_s ({self.min_s:g}) is above max_s ({self.max_s:g})")
        return self


class Tokens(_Part):
    """Token account of push gossip: a peer saves up to `capacity` messages and begins to spend at `reserve`."""

    reserve: PositiveInt = 2
    capacity: PositiveInt = 4

    @model_validator(mode="after")
    def _ordered(self) -> Tokens:
        if self.reserve > self.capacity:
            raise ValueError(f"reserve ({self.reserve}) is above capacity ({self.capacity})")
        return self


class Push(_Part):
    """Options of `protocol: push`.

    `limit`: with `merge: limited`, models whose ages differ by more than this don't mix; the older one is kept.
    """

    merge: Literal["age", "limited"] = "age"
    limit: PositiveInt = 3
    tokens: Tokens | None = None


class Float16(_Part):
    """Half precision: 2 times smaller."""

    kind: Literal["float16"]


class Int8(_Part):
    """8 bits a value: 4 times smaller."""

    kind: Literal["int8"]


class Int4(_Part):
    """4 bits a value: 7.5 times smaller."""

    kind: Literal["int4"]


class Fragments(_Part):
    """One of `parts` parts of the model a round, in turn."""

    kind: Literal["fragments"]
    parts: Annotated[int, Field(ge=2, le=1000)] = 4


class TopK(_Part):
    """CHOCO: the `fraction` of the entries that changed most, averaged with step `gamma` (2 x fraction if left out)."""

    kind: Literal["topk"]
    fraction: Annotated[float, Field(gt=0, le=1)] = 0.1
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None


class Power(_Part):
    """PowerGossip: differences of rank `rank`."""

    kind: Literal["power"]
    rank: Annotated[int, Field(ge=1, le=64)] = 1


class Jwins(_Part):
    """The wavelet coefficients that changed most; each round draws one of `fractions`."""

    kind: Literal["jwins"]
    fractions: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1, max_length=64)] = (
        0.1,
        0.2,
        0.3,
        0.4,
        1.0,
    )


def _by_name(value: object) -> object:
    """`compression: int8` is short for `compression: {kind: int8}`."""
    if value in ("none", None):
        return None
    return {"kind": value} if isinstance(value, str) else value


Compression = Annotated[
    Annotated[Float16 | Int8 | Int4 | Fragments | TopK | Power | Jwins, Field(discriminator="kind")] | None,
    BeforeValidator(_by_name),
]

PROTOCOLS = Literal["dpsgd", "qg_dsgdm", "gradient_tracking", "push_sum", "adpsgd", "swift", "push"]


class Gossip(_Part):
    """The exchange (docs/protocols.md).

    `momentum` belongs to qg_dsgdm (default 0.9), `push` to push. `personal`: the last layer stays home.
    `compression`: a name, or a mapping with its options (docs/compression.md).
    """

    protocol: PROTOCOLS = "dpsgd"
    momentum: Annotated[float, Field(gt=0, lt=1)] | None = None
    push: Push | None = None
    personal: bool = False
    compression: Compression = None
    patience: Patience | None = None
    deadline: Deadline = Deadline()
    join_timeout_s: Seconds = 600.0

    @model_validator(mode="after")
    def _options_fit_the_protocol(self) -> Gossip:
        if self.momentum is not None and self.protocol != "qg_dsgdm":
            raise ValueError(f"`momentum` belongs to protocol qg_dsgdm, and this is {self.protocol}")
        if self.push is not None and self.protocol != "push":
            raise ValueError(f"`push` belongs to protocol push, and this is {self.protocol}")
        if self.personal and self.protocol != "dpsgd":
            raise ValueError(f"`personal` is made for protocol dpsgd, and this is {self.protocol}")
        if self.compression and self.protocol not in ("dpsgd", "qg_dsgdm"):
            raise ValueError(
                f"compression needs an exchange whose two ends correct themselves alike (dpsgd, qg_dsgdm); "
                f"{self.protocol} sends its models whole"
            )
        if self.patience and self.patience.of == "everyone":
            if self.protocol not in ("dpsgd", "qg_dsgdm", "gradient_tracking"):
                raise ValueError(f"patience of everyone needs rounds that all share, and {self.protocol} has none")
            if self.compression:
                raise ValueError(
                    "patience of everyone sends sketches with the models, and compression would spoil them"
                )
        if self.personal and isinstance(self.compression, Power):
            raise ValueError("compression power needs the whole model's matrices, and personal keeps one at home")
        return self


class Synthetic(_Part):
    """The built-in drawn faces, used where no `--data` is given."""

    subjects: Annotated[int, Field(ge=2)] = 48
    clips_per_subject: PositiveInt = 14
    amplitude: Annotated[float, Field(gt=0, le=4)] = 1.0


class Partition(_Part):
    """How a local swarm deals the training subjects to the peers. Deployed peers bring their own data."""

    by: Literal["subject", "dataset", "dirichlet"] = "subject"
    alpha: Annotated[float, Field(gt=0)] = 0.5


class Data(_Part):
    """Hints for preparing data; the fractions are of subjects."""

    test_fraction: Fraction = 0.25
    validation_fraction: Fraction = 0.0
    partition: Partition = Partition()
    synthetic: Synthetic = Synthetic()

    @model_validator(mode="after")
    def _leave_some(self) -> Data:
        if self.test_fraction + self.validation_fraction >= 1 or math.isclose(
            self.test_fraction + self.validation_fraction, 1
        ):
            raise ValueError("test_fraction + validation_fraction leave nothing to train on")
        return self


class Contract(_Part):
    """What all peers of one run agree on."""

    version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    topology: Topology
    peers: Peers
    model: Model = Model()
    training: Training = Training()
    gossip: Gossip = Gossip()
    data: Data = Data()

    @model_validator(mode="after")
    def _memories_need_edges_that_stand(self) -> Contract:
        compression = self.gossip.compression
        changing = isinstance(self.topology, Base | Epidemic | EquiDynamic)
        if isinstance(compression, TopK | Power) and changing:
            raise ValueError(
                f"compression {compression.kind} remembers every edge, and on {self.topology.kind} the edges change "
                "every round; take int8 or fragments, or a graph that stands"
            )
        return self

    @model_validator(mode="after")
    def _patience_needs_validation(self) -> Contract:
        if self.gossip.patience and self.data.validation_fraction == 0:
            raise ValueError("gossip.patience needs data.validation_fraction above 0: it watches the validation loss")
        return self
