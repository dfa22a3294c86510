"""The contract: what all peers must agree on, as frozen pydantic models of one YAML file. Each section has its own.

Private settings (data path, key, device, run folder) are options of the commands and never stand here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationInfo, model_validator

from p2pfl_me.choice import Conflict, Part
from p2pfl_me.contract.clips import Data, Partition, Synthetic
from p2pfl_me.contract.gossip import PERSONAL, Deadline, Gossip, Patience
from p2pfl_me.contract.members import Loopback, Member, Peers
from p2pfl_me.contract.network import ANOTHER_NETWORK, CASME2_CLASSES, LabelMapping, Model, Weights
from p2pfl_me.contract.preprocess import Input, Preprocess
from p2pfl_me.contract.privacy import Privacy, batch_conflict, conflict
from p2pfl_me.contract.training import Training
from p2pfl_me.errors import ContractError
from p2pfl_me.networks.layout import Ranges
from p2pfl_me.topology.kind import TOPOLOGIES
from p2pfl_me.topology.kind import Topology as AnyTopology

__all__ = [
    "CASME2_CLASSES",
    "Contract",
    "Data",
    "Deadline",
    "Gossip",
    "Input",
    "LabelMapping",
    "Loopback",
    "Member",
    "Model",
    "Partition",
    "Patience",
    "Peers",
    "Preprocess",
    "Privacy",
    "Synthetic",
    "Topology",
    "Training",
    "Weights",
]


UNSTATED_STAY_S = 120.0
"""`gossip.hand_out` between members where it is not stated: a machine that slept for a minute, and a new link to it."""

Topology = Annotated[SerializeAsAny[AnyTopology], BeforeValidator(TOPOLOGIES.parse_mapping)]
"""The section `topology`: a kind of graph with its options (docs/topologies.md)."""


class Contract(Part):
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
    # What came later is left out of every dump while it is the default.
    privacy: Privacy = Field(default=Privacy(), exclude_if=lambda value: value == Privacy())

    @property
    def unprotected(self) -> Contract:
        """The contract as it trains where nothing is sent to anybody."""
        return self.model_copy(update={"privacy": Privacy()})

    @property
    def stays_s(self) -> float:
        """Seconds that a peer which is done stays for neighbours that are missing (`gossip.hand_out`).

        Where nothing is said, members stay long enough for one whose machine slept for a minute, and peers of one
        machine, which wakes and sleeps as a whole, do not; nor does who sends nobody a whole model.
        """
        gossip, exchange = self.gossip, self.privacy.exchange
        if gossip.hand_out is not None:
            return gossip.hand_out
        whole = not (exchange.sums_only or exchange.own_noise or exchange.parts_only)
        whole = whole and not gossip.compression and not self.peers.widths
        return UNSTATED_STAY_S if self.peers.members and whole else 0.0

    @property
    def personal_ranges(self) -> Ranges:
        """Where in a model's vector that lies which never leaves its peer.

        Raises
        ------
        ContractError
            `gossip.personal` names a part that the network does not have.
        """
        if fault := self._lacking():
            raise ContractError(str(fault), where=self.name, fix=fault.fix)
        return self.model.layout.ranges_of(self.gossip.personal)

    def _lacking(self) -> Conflict | None:
        if not self.gossip.personal:
            return None
        network, there = self.model.backbone, self.model.layout.groups
        lacking = [part for part in self.gossip.personal if part not in there]
        known = ", ".join(part for part in PERSONAL if part in there) or "false"
        if not lacking and set(there) <= set(self.gossip.personal):
            return Conflict(
                f"gossip.personal keeps all that is trained of {network} home: nothing is left to exchange",
                "leave a part out of gossip.personal",
            )
        what = f"gossip.personal names {lacking[0]}, and what is trained of {network} has none" if lacking else ""
        return Conflict(what, f"write gossip.personal: {known}") if lacking else None

    @model_validator(mode="after")
    def _personal_parts_exist(self, info: ValidationInfo) -> Contract:
        another_follows = bool(info.context and info.context.get(ANOTHER_NETWORK))
        if not another_follows and (fault := self._lacking()):
            raise fault
        return self

    @model_validator(mode="after")
    def _memories_need_edges_that_stand(self) -> Contract:
        compression = self.gossip.compression
        if compression and compression.remembers_edges and self.topology.changes:
            raise ValueError(
                f"compression {compression.kind} remembers every edge, and on {self.topology.kind} the edges change "
                "every round; take int8 or fragments, or a graph that stands"
            )
        return self

    @model_validator(mode="after")
    def _weights_are_the_graphs_own(self) -> Contract:
        if self.topology.own_weights and self.gossip.asks_for_weights:
            raise ValueError(
                f"topology {self.topology.kind} brings its own mixing weights, so gossip.weights: "
                f"{self.gossip.weights.kind} has no say; leave it out, or take a graph that stands"
            )
        return self

    @model_validator(mode="after")
    def _widths_fit(self) -> Contract:
        if not self.peers.widths:
            return self
        gossip = self.gossip
        if not gossip.protocol.may_slice or gossip.personal or gossip.compression:
            chosen = gossip.compression or gossip.protocol
            found = "personal" if gossip.personal and not gossip.compression else chosen.kind
            raise ValueError(
                f"peers.widths needs an exchange that averages each value among those that hold it: protocol dpsgd, "
                f"neither personal nor compressed (this is {found})"
            )
        if not gossip.aggregation.follows_w:
            raise ValueError(
                f"with peers.widths each value is averaged among those that hold it, and aggregation "
                f"{gossip.aggregation} compares whole models; leave one of the two out"
            )
        if gossip.hand_out:
            raise ValueError("gossip.hand_out gives away whole models; with peers.widths leave it out")
        if gossip.patience and gossip.patience.of == "everyone":
            raise ValueError("patience of everyone compares whole models; with peers.widths take `of: neighbours`")
        if not self.model.backbone.slices(self.model.use):
            raise ValueError("peers.widths slices the head's hidden units; it needs model.trainable: head, or mlp")
        return self

    @model_validator(mode="after")
    def _hours_are_for_those_who_wait_for_nobody(self) -> Contract:
        if self.training.until and self.gossip.protocol.common_rounds:
            raise Conflict(
                "training.until.hours (or work) lets each peer end in a round of its own, and peers of "
                f"{self.gossip.protocol.kind} count the same rounds",
                "name training.rounds, or take a protocol that waits for nobody (docs/protocols.md)",
            )
        return self

    @model_validator(mode="after")
    def _patience_needs_validation(self) -> Contract:
        if self.gossip.patience and self.data.validation_fraction == 0:
            raise ValueError("gossip.patience needs data.validation_fraction above 0: it watches the validation loss")
        return self

    @model_validator(mode="after")
    def _privacy_is_what_it_says(self, info: ValidationInfo) -> Contract:
        another_follows = bool(info.context and info.context.get(ANOTHER_NETWORK))
        if fault := conflict(self) or (None if another_follows else batch_conflict(self)):
            raise fault
        return self
