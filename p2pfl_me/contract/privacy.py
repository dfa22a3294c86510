"""The section `privacy`: what protects a peer from its neighbours (docs/privacy.md). Nothing of it is on by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, SerializeAsAny

from p2pfl_me.choice import Conflict, Part
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.kind import PROTOCOLS
from p2pfl_me.privacy.budget import Budget, Unit
from p2pfl_me.privacy.dp_sgd import DpSgd
from p2pfl_me.privacy.exchanges.plain import Plain
from p2pfl_me.privacy.exchanging import EXCHANGES, ExchangeForm
from p2pfl_me.privacy.noising import NOISES, SharedNoise

if TYPE_CHECKING:
    from p2pfl_me.contract.model import Contract

STATISTICS = "running_var"
"""What a layer that normalises by the batch leaves in the model's vector."""


def _noise(given: object) -> object:
    return None if given in ("none", None) else NOISES.parse(given)


def _training(given: object) -> object:
    """`training: dp_sgd` is short for `training: {kind: dp_sgd}`."""
    if given in ("none", None):
        return None
    return {"kind": given} if isinstance(given, str) else given


class Privacy(Part):
    """`training`: how gradients are kept from telling of one unit. `noise`: what is laid over a model before it is
    sent. `budget`: what either may spend in a run; a peer that has spent it sends no more. `exchange`: the form in
    which models travel: plain, or one by which a neighbour sees sums only, models under noise, or parts of them."""

    exchange: Annotated[SerializeAsAny[ExchangeForm], BeforeValidator(EXCHANGES.parse)] = Field(
        default=Plain(), exclude_if=lambda value: value == Plain()
    )

    training: Annotated[DpSgd | None, BeforeValidator(_training)] = Field(
        default=None, exclude_if=lambda value: value is None
    )
    noise: Annotated[SerializeAsAny[SharedNoise] | None, BeforeValidator(_noise)] = Field(
        default=None, exclude_if=lambda value: value is None
    )
    budget: Budget | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def unit(self) -> Unit:
        """What is hidden by whatever spends; the whole data of a lab where that is noise before sharing."""
        return Unit(self.training.unit) if self.training else Unit.LAB

    @property
    def protects(self) -> bool:
        """Whether training is not the plain one."""
        return self.training is not None or self.noise is not None

    @property
    def spends(self) -> bool:
        """Whether what is sent is differentially private, and counted against a budget."""
        return self.training is not None or (self.noise is not None and self.noise.is_private)

    @property
    def pairs_keys(self) -> bool:
        """Whether masks or noise are made of pairs of the keys that the contract names, so that no other will do."""
        return self.exchange.sums_only or (self.noise is not None and self.noise.needs_graph)


def conflict(contract: Contract) -> Conflict | None:
    """What of the other sections would make the section's promises untrue."""
    privacy, training = contract.privacy, contract.training
    if privacy.exchange.sums_only and (fault := _sums_conflict(contract)):
        return fault
    if privacy.exchange.own_noise and (fault := _own_noise_conflict(contract)):
        return fault
    if privacy.exchange.parts_only and (fault := _parts_conflict(contract)):
        return fault
    if privacy.training and privacy.noise:
        return Conflict(
            "privacy.training and privacy.noise protect the same models twice, and would spend twice",
            "leave one of the two out",
        )
    if privacy.spends and not privacy.budget:
        return Conflict(
            "privacy has no budget to keep", "write privacy.budget: {epsilon: 8}, or what you can answer for"
        )
    if privacy.budget and not privacy.spends:
        return Conflict(
            "privacy.budget bounds nothing: no mechanism that spends is chosen",
            "write privacy.training: dp_sgd, or leave the budget out",
        )
    if fault := _noise_conflict(contract):
        return fault
    if privacy.spends and contract.gossip.patience:
        return Conflict(
            "with a privacy budget nobody may stop by patience: when a peer stops would tell of its validation clips",
            "leave gossip.patience out",
        )
    if privacy.training and training.class_weights != "none":
        return Conflict(
            "class_weights: balanced makes each clip's gradient depend on all the others' labels, and DP-SGD could not "
            "say what one clip adds",
            "write training.class_weights: none",
        )
    return None


def _noise_conflict(contract: Contract) -> Conflict | None:
    """What a noise needs of graph and protocol."""
    noise, topology = contract.privacy.noise, contract.topology
    if noise is None:
        return None
    if noise.needs_graph and (topology.changes or topology.one_way):
        return Conflict(
            f"noise {noise} cancels along edges that stand, and those of {topology.kind} change or go one way",
            "take a graph that stands, or privacy.noise: before_sharing",
        )
    if contract.gossip.protocol.overlaps:
        return Conflict(
            f"noise {noise} is laid out for the exchange of what a round has trained, and {contract.gossip.protocol} "
            "sends that a round later",
            "take protocol: dpsgd, or privacy.training: dp_sgd",
        )
    if (noise.needs_graph or noise.draws) and not contract.gossip.protocol.common_rounds:
        return Conflict(
            f"noise {noise} needs rounds that all peers count alike, and those of {contract.gossip.protocol} are each "
            "peer's own",
            "take a protocol of common rounds, such as dpsgd",
        )
    return None


def _sums_conflict(contract: Contract) -> Conflict | None:
    """What needs single models, or edges by themselves, where a receiver learns sums only."""
    gossip, form = contract.gossip, contract.privacy.exchange
    if not gossip.protocol.may_sum:
        return Conflict(
            f"protocol {gossip.protocol} needs more of a neighbour than a sum that may be lost for a round",
            "take protocol: " + " or ".join(name for name, kind in PROTOCOLS.items() if kind.may_sum),
        )
    if not gossip.aggregation.follows_w:
        return Conflict(
            f"aggregation {gossip.aggregation} compares the neighbours' models, and under {form} nobody sees one: "
            "a sum cannot be searched for a liar's part",
            "leave one of the two out; whom you fear more decides (docs/security.md)",
        )
    if gossip.compression:
        return Conflict(
            f"compression {gossip.compression} corrects both ends of an edge by what each has seen of the other, and "
            f"under {form} neither sees anything",
            "leave gossip.compression out; privacy.exchange: {kind: masks, bits: 16} makes messages smaller",
        )
    if "alone" in gossip.model_fields_set and gossip.alone == "train":
        return Conflict(
            f"under {form} a peer with too few neighbours for a sum waits for more, which gossip.alone: train forbids",
            "leave gossip.alone out",
        )
    if gossip.hand_out:
        return Conflict(f"hand_out sends a final model as it is, which {form} would hide", "leave gossip.hand_out out")
    if gossip.patience:
        return Conflict(
            f"patience watches how far the neighbours' models are, which {form} hides", "leave gossip.patience out"
        )
    if contract.topology.changes:
        return Conflict(
            f"on {contract.topology} a receiver's neighbours change every round, and under {form} they must know "
            "each other's keys",
            "take a graph that stands: regular, torus, mesh, exponential",
        )
    if contract.peers.widths:
        return Conflict(f"peers.widths sends slices, which {form} cannot sum", "leave peers.widths out")
    return None


def _own_noise_conflict(contract: Contract) -> Conflict | None:
    """What noise of its own for each neighbour needs: edges whose averages keep what the noise takes back."""
    gossip, form = contract.gossip, contract.privacy.exchange
    if not gossip.protocol.may_sum:
        return Conflict(
            f"protocol {gossip.protocol} exchanges more than a model that is averaged, and {form} is laid over such",
            "take protocol: " + " or ".join(name for name, kind in PROTOCOLS.items() if kind.may_sum),
        )
    if not gossip.aggregation.follows_w:
        return Conflict(
            f"aggregation {gossip.aggregation} does not weigh models as the noise of {form} was weighed: it would stay",
            "leave one of the two out",
        )
    if gossip.compression:
        return Conflict(
            f"compression {gossip.compression} sends what changed, and under {form} that is mostly noise",
            "leave gossip.compression out",
        )
    if gossip.hand_out:
        return Conflict(f"hand_out sends a final model as it is, without {form}", "leave gossip.hand_out out")
    if gossip.patience:
        return Conflict(
            f"patience watches how far the neighbours' models are, and under {form} they never come near",
            "leave gossip.patience out",
        )
    if contract.peers.widths:
        return Conflict(f"peers.widths sends slices, over which {form} cannot be laid", "leave peers.widths out")
    return None


def _parts_conflict(contract: Contract) -> Conflict | None:
    """What would show a neighbour more than its part of a model, or is no average by value."""
    gossip, form = contract.gossip, contract.privacy.exchange
    if not gossip.protocol.compressible:
        return Conflict(
            f"under {form} both ends of an edge average the values that it carries, and protocol {gossip.protocol} "
            "sends its models whole",
            "take protocol: " + " or ".join(name for name, kind in PROTOCOLS.items() if kind.compressible),
        )
    if not gossip.aggregation.follows_w:
        return Conflict(
            f"aggregation {gossip.aggregation} compares the neighbours' models, and under {form} nobody sees a whole "
            "one",
            "leave one of the two out",
        )
    if gossip.compression:
        return Conflict(
            f"compression {gossip.compression} chooses by itself what of a model travels, and {form} has dealt it",
            "leave gossip.compression out: a message is smaller by the number of parts",
        )
    if gossip.asks_for_weights:
        return Conflict(
            f"weights {gossip.weights} are of the whole graph, and under {form} each part has the Metropolis-Hastings "
            "weights of its own edges",
            "leave gossip.weights out",
        )
    if gossip.hand_out:
        return Conflict(f"hand_out sends a final model whole, against {form}", "leave gossip.hand_out out")
    if gossip.patience and gossip.patience.of == "everyone":
        return Conflict(
            f"patience of everyone sends every neighbour sketches of the whole model, against {form}",
            "write patience.of: neighbours, or leave gossip.patience out",
        )
    if contract.peers.widths:
        return Conflict(
            f"peers.widths leaves some peers without values that {form} has dealt them", "leave peers.widths out"
        )
    if contract.peers.approve is not None:
        return Conflict(
            f"under peers.approve the graph changes with its members and {form} would be dealt anew: a neighbour of "
            "before would see another part, and a newcomer a whole model",
            "leave peers.approve out",
        )
    if (noise := contract.privacy.noise) is not None and noise.needs_graph:
        return Conflict(
            f"noise {noise} cancels between two neighbours where they exchange whole models, and {form} keeps most of "
            "each from the other",
            "take privacy.noise: before_sharing, or leave one of the two out",
        )
    return None


def require_recordable(contract: Contract) -> None:
    """Refuse to write down what a core under masks is fed.

    Raises
    ------
    ContractError
        A replay would need the secrets of that life, which are never written down.
    """
    if contract.privacy.exchange.needs_keys:
        raise ContractError(
            f"a run under {contract.privacy.exchange} cannot be recorded: to live it again would take the secrets that "
            "hide the models, and those are never written down",
            where="--record",
            fix="leave --record out, or record a run with privacy.exchange: plain",
        )


def unrecorded_note(contract: Contract) -> str | None:
    """What a run that is not recorded gives away, before it begins; None where nothing could be recorded."""
    if contract.privacy.exchange.needs_keys:
        return None
    return "with --record `p2pme replay` can find out afterwards why a peer failed"


def batch_conflict(contract: Contract) -> Conflict | None:
    """A layer that normalises by the batch: its samples are in each other's gradients, its variances stand no noise."""
    privacy = contract.privacy
    covered = privacy.exchange.own_noise or privacy.noise
    if not privacy.training and not covered:
        return None  # and the layout, which a user's own code may lack, is asked where it is needed
    if not any(name.rpartition(".")[2] == STATISTICS for name, _ in contract.model.layout.shapes):
        return None
    network = contract.model.backbone
    groups = "normalisation" in type(network).model_fields
    why = (
        "a sample is in the gradients of all others, and DP-SGD cannot cut out what one adds"
        if privacy.training
        else "under noise the variances that it sends would fall below nothing"
    )
    return Conflict(
        f"{network} normalises by the batch: {why}",
        f"write model.backbone: {{kind: {network}, normalisation: group}}"
        if groups
        else "replace BatchNorm by GroupNorm (torch.nn.GroupNorm) in the network",
    )
