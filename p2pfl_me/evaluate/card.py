"""The run card: everything that someone else needs to get the same numbers, and the numbers."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np

from p2pfl_me import __version__
from p2pfl_me.contract import digest, dump_contract
from p2pfl_me.counting import many
from p2pfl_me.evaluate.holdout import LEAK
from p2pfl_me.evaluate.results import SCORES, Results
from p2pfl_me.learning.statistics import known
from p2pfl_me.machine import cores
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.warning import warning_words
from p2pfl_me.simulation.carriage import model_bytes
from p2pfl_me.simulation.lockstep_edges import goes_over_edges

PACKAGES = ("torch", "torchvision", "numpy", "networkx", "opencv-python-headless")


def run_card(results: Results) -> dict[str, Any]:
    """Plain values, for JSON."""
    design, request = results.design, results.design.request
    return {
        "subjects_leak": design.split.protocol.leaks,
        "leak_warning": LEAK if design.split.protocol.leaks else None,
        "warnings": list(design.warnings),
        "command": results.command,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "p2pme": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
        "machine": {"platform": platform.platform(), "cores": cores(), "jobs": request.jobs},
        "digests": {
            "evaluation": design.digest,
            "contract": digest(design.contract).hex(),
            "clips": design.clips,
            "features": design.features,
            "split": design.split.digest(),
            "layout": design.contract.model.layout.digest().hex(),
        },
        "network": design.network,
        "images": design.images,
        "data": {
            "source": request.data.name if request.data else "built-in drawn clips",
            "items": len(design.items),
            "subjects": len({clip.subject for clip in design.items.clips}),
            "drawn": sum(clip.drawn for clip in design.items.clips),
            "support": {
                name: dict(zip(results.classes, results.support(name), strict=True)) for name in results.datasets
            },
        },
        "protocol": design.split.protocol,
        "folds": len(design.split.folds),
        "seeds": list(request.all_seeds),
        "engine": design.engine,
        "device": design.device.type,
        "peers": design.contract.peers.count,
        "dealt_by": request.peers if request.peers == "dataset" else design.contract.data.partition.by,
        "rounds": design.contract.training.rounds,
        "epoch_taken": "last",
        "steps": {arm: results.steps(arm) for arm in (Arm.ISOLATED, Arm.GOSSIP, Arm.POOLED)},
        "consensus_distance": results.distance(),
        "cost": _cost(results),
        "shared_arm": results.shared,
        "own_peers": {str(seed): _peers(results, seed) for seed in request.all_seeds} if results.by_own_peer else {},
        "seconds": round(results.seconds, 1),
        "seconds_of_work": round(sum(each.seconds for each in results.took), 1),
        "scores": {arm: _scores(results, arm, "") for arm in results.arms},
        "scores_by_dataset": {
            name: {arm: _scores(results, arm, name) for arm in results.arms} for name in results.datasets
        },
        "chance_uf1": results.chance(),
        "differences": [
            {"first": first, "second": second, **asdict(found)} for first, second, found in results.differences()
        ],
        "contract": dump_contract(design.contract),
    }


def card_markdown(card: dict[str, Any]) -> str:
    """The same for a repository or a paper's appendix."""
    lines = ["# Run card", ""]
    warnings = warning_words(card["warnings"])
    if warnings:
        lines += [f"**{warnings}: this is no measure of recognition.**", ""]
    for name in ("command", "written", "protocol", "folds", "seeds", "engine", "device", "peers", "dealt_by", "rounds"):
        lines.append(f"- {name}: `{card[name]}`")
    lines.append(f"- epoch taken: {card['epoch_taken']}; no test clip enters any choice")
    for group in ("versions", "machine", "digests", "steps"):
        lines.append(f"- {group}: " + ", ".join(f"{name} `{value}`" for name, value in card[group].items()))
    lines += [f"- network: {card['network']}", f"- images: {card['images']}"]
    data = card["data"]
    lines += [f"- data: {data['source']}, {many(data['items'], 'item')} of {many(data['subjects'], 'subject')}", ""]
    lines += ["| | UF1 | 95 % interval | UAR | " + ("samples right" if card["leak_warning"] else "accuracy") + " |"]
    lines += ["|---|---:|---:|---:|---:|"]
    for arm, scores in card["scores"].items():
        uf1, low, high = scores["uf1"]["mean"], scores["uf1"]["low"], scores["uf1"]["high"]
        interval = "" if low is None else f"{low:.3f} to {high:.3f}"
        others = " | ".join(f"{scores[metric]['mean']:.3f}" for metric in ("uar", "accuracy"))
        warning = f" ({warnings})" if warnings else ""
        lines.append(f"| {Arm(arm).words}{warning} | {uf1:.3f} | {interval} | {others} |")
    lines += ["", "```yaml", card["contract"].rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _peers(results: Results, seed: int) -> dict[str, int]:
    """The peer of every subject, under its name in predictions.csv: `dataset`, a unit separator, `subject`."""
    peer_of = np.max(np.stack(list(results.design.dealt[seed].values())), axis=0)
    clips = results.design.items.clips
    return {f"{clip.dataset}\x1f{clip.subject}": int(peer) for clip, peer in zip(clips, peer_of, strict=True)}


def _cost(results: Results) -> dict[str, Any]:
    """What travels, and what a peer has sent and worked until the target; `reached` None where it was not."""
    contract, target = results.design.contract, results.design.request.target
    found: dict[str, Any] = {
        "values": contract.model.layout.size,
        "message_bytes": None if goes_over_edges(contract) else model_bytes(contract),
    }
    if target is not None:
        step, end = results.to_target(), results.course[-1] if results.course else None
        found |= {"target": target, "reached": asdict(step) if step else None, "end": asdict(end) if end else None}
    return found


def _scores(results: Results, arm: Arm, dataset: str) -> dict[str, Any]:
    """By metric; None where no model of the arm was asked about the data set."""
    found: dict[str, Any] = {
        metric: {
            "mean": score.mean,
            "std_over_seeds": score.std,
            "low": score.interval.low if score.interval else None,
            "high": score.interval.high if score.interval else None,
            "worst_peer": score.worst,
            "seeds": list(score.seeds),
        }
        if (score := results.score(arm, metric, dataset))
        else None
        for metric in SCORES
    }
    found["class_f1"] = dict(zip(results.classes, map(known, results.class_f1(arm, dataset)), strict=True))
    return found
