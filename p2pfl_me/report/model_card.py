"""The card that goes with a model: its use, what it learned from (counts, no names), scores, protections, limits.

The order of sections is that of Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

from p2pfl_me import __version__
from p2pfl_me.counting import many
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.origin import network_of
from p2pfl_me.report.results import METRICS, average_interval, over_seeds, why_unscored
from p2pfl_me.report.run import Run
from p2pfl_me.report.traffic import no_model_left

USE = (
    "For research on the recognition of micro-expressions, and for looking at one's own films. Not for decisions about"
    " people; not for work places, schools, interrogation, lie detection or hiring: in the European Union inferring"
    " emotions at work and in education is prohibited (AI Act, article 5(1)(f))."
)


def model_card(run: Run, file: str, checked: Sequence[str]) -> str:
    """Markdown. `file` is the model's name; `checked`, in sentences, how it was compared with what was trained."""
    contract, clips, liars = run.contract, run.manifest.clips, run.manifest.liars
    lines = [f"# {file}", ""]
    lines += [f"**{words.capitalize()}: its scores are no measure of recognition.**" for words in run.warnings]
    lines += ["", "## Model", ""]
    lines += _list(
        f"{contract.model.backbone}, input {contract.model.input.value}, classes: {', '.join(contract.model.classes)}",
        network_of(run),
        f"trained by {many(contract.peers.count, 'peer')} on a graph of kind {contract.topology.kind} with"
        f" {contract.gossip.protocol.kind}, {many(contract.training.rounds, 'round')}, seed {run.seed};"
        f" p2pme {run.manifest.p2pme or __version__}",
        f"contract {run.manifest.contract_digest}" if run.manifest.contract_digest else "",
    )
    lines += ["", "## Use", "", USE, "", "## Clips", ""]
    counted = (("to train on", clips.train), ("to stop by", clips.validation), ("that nobody trained on", clips.test))
    lines += _list(
        *(f"{many(count, 'clip')} {words}" for words, count in counted if count),
        f"{many(clips.subjects, 'subject')} in all" if clips.subjects else "",
        f"digest of the clips {clips.digest}" if clips.digest else "",
        clips.images,
        "" if clips.train else "this folder does not say how many: each laboratory holds its own",
    )
    lines += ["", "## Scores", ""]
    lines += _scores(run)
    lines += [*(f"- {each}" for each in checked), "", "## Protections", ""]
    lines += _list(*protections(run))
    lines += ["", "## Limits", ""]
    lines += _list(
        "Clips of laboratories are provoked under lamps; films from elsewhere look otherwise, and scores fall.",
        "A class that few people show is known from few people. Ages and skins are those of the clips, uncounted.",
        "Weights can tell something of the clips that they were trained on (docs/security.md).",
        f"{many(len(liars), 'peer')} lied in this run, to see how the others stand it." if liars else "",
    )
    return "\n".join(lines) + "\n"


def protections(run: Run) -> tuple[str, ...]:
    """What was in force while it was trained, in sentences."""
    privacy = run.contract.privacy
    return (
        f"Faces stayed where they were; {_travelled(run)}.",
        ""
        if run.contract.peers.count == 1
        else "Neighbours learned weighted sums of models only (secure aggregation)."
        if privacy.exchange.sums_only
        else "Neighbours saw each other's models, each under noise of its own."
        if privacy.exchange.own_noise
        else f"Neighbours saw one part in {privacy.exchange.part_count} of each other's models."
        if privacy.exchange.parts_only
        else "Neighbours saw each other's models.",
        f"Differentially private training, counted by {privacy.training.unit}." if privacy.training else "",
        "Noise was laid over models before they were sent." if privacy.noise else "",
        f"Budget: epsilon {privacy.budget.epsilon:g} at delta {privacy.budget.delta:g}." if privacy.budget else "",
        "" if privacy.spends else "No differential privacy.",
    )


def _travelled(run: Run) -> str:
    if run.contract.peers.count == 1:
        return "nothing travelled, for its only peer has no neighbour"
    if run.manifest.rehearsed:
        return f"a rehearsal in one process (engine {run.manifest.engine}): nothing travelled or was encrypted"
    if no_model_left(run):
        return "no model left any peer"
    return "weights travelled encrypted (Noise IK) along the edges of the graph"


def _scores(run: Run) -> list[str]:
    scores = []
    for arm in (Arm.AVERAGE, Arm.GOSSIP, Arm.ISOLATED, Arm.POOLED):
        values = {name: over_seeds([run], arm, name) for name in METRICS}
        told = [f"{METRICS[name]} {found.mean:.3f}" for name, found in values.items() if found]
        if told:
            interval = average_interval(run) if arm is Arm.AVERAGE else None
            within = (
                f" (95 % interval of UF1 over subjects: {interval.low:.3f} to {interval.high:.3f})" if interval else ""
            )
            scores.append(f"- {arm.words}: {', '.join(told)}{within}")
    return scores or [f"- {why_unscored([run]).capitalize()}: nothing is known of how well it recognises."]


def _list(*sentences: str) -> list[str]:
    return [f"- {each}" for each in sentences if each]
