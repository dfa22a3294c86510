"""One swarm, or the same swarm under several seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import CASME2_CLASSES
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.reading import read_clips
from p2pfl_me.data.vectors import is_vectors
from p2pfl_me.home import home
from p2pfl_me.networks.code import Given
from p2pfl_me.swarm.console import Console
from p2pfl_me.swarm.launcher import STOPPED, SwarmOptions, launch

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies


def sweep(
    contract: Contract,
    folder: Path,
    *,
    seeds: int = 1,
    data: Path | None = None,
    weights: Path | None = None,
    device: str = "auto",
    baselines: bool = False,
    record: bool = False,
    lies: Lies | None = None,
    network: Given | None = None,
    trained: Sequence[str] = (),
    chosen: bool = False,
    rules: IdentityRules = ASK,
    console: Console,
) -> tuple[int, list[Path]]:
    """Run `seeds` swarms, seeds contract.seed, contract.seed + 1, ...: the worst exit code, and the runs to report on.

    One seed runs in `folder` itself, several in folder/seed-S each. A stopped swarm ends the sweep. `chosen` classes
    stay, as in `with_classes_of`. `network` and `trained` are the user's own, as in `learning.own.with_network`.
    """
    contract = with_classes_of(contract, data, console, chosen=chosen, rules=rules)
    if network is not None:  # after the classes, of which it needs the number
        from p2pfl_me.learning.own import with_network

        contract = with_network(contract, network, trained=trained)
    code, runs = 0, []
    for seed in range(contract.seed, contract.seed + seeds):
        run = folder / f"seed-{seed}" if seeds > 1 else folder
        if seeds > 1:
            console.say(f"seed {seed}")
        options = SwarmOptions(
            home=home(),
            run=run,
            data=data,
            weights=weights,
            device=device,
            baselines=baselines,
            record=record,
            rules=rules,
            lies=lies,
        )
        exit_code = launch(contract.model_copy(update={"seed": seed}), options, console)
        runs.append(run)
        code = max(code, exit_code)
        if exit_code == STOPPED:
            break
    return code, [run for run in runs if list(run.glob("peer-*.jsonl"))]


def with_classes_of(
    contract: Contract, data: Path | None, console: Console, *, chosen: bool = False, rules: IdentityRules = ASK
) -> Contract:
    """The contract, with the classes of the user's manifest where that has labels of its own.

    A ready contract names CASME II's seven classes; clips labelled in another way should run all the same. A label that
    looks like a slip of the pen for one of the contract's is refused when the manifest is read. Other classes than the
    seven, or `chosen` ones, stay as they are: the user named them, and `p2pme peer` will refuse any other label.
    """
    known = contract.model.classes
    if data is None or is_vectors(data) or contract.model.label_map or chosen or known != CASME2_CLASSES:
        return contract
    labels = sorted({clip.label for clip in read_clips(data, Labels(), rules).clips})
    unknown = [label for label in labels if label not in known]
    if not unknown or len(labels) < 2 or any(get_close_matches(label, known, cutoff=0.75) for label in unknown):
        return contract
    console.say(f"classes taken from {data}: {', '.join(labels)}")
    are = "are" if len(unknown) > 1 else "is"
    console.say(
        f"{', '.join(unknown)} {are} none of the contract's; to have a slip refused, name the classes that there are: "
        "--set model.classes=[A,B,...]"
    )
    return contract.model_copy(update={"model": contract.model.model_copy(update={"classes": tuple(labels)})})


def names_classes(overrides: Iterable[str]) -> bool:
    """Whether one of the `section.key=value` texts names the classes: then the user chose them."""
    return any(text.partition("=")[0].strip() == "model.classes" for text in overrides)
