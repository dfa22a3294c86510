"""`p2pme evaluate`: isolated, gossip and pooled models on subjects that no peer trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.numbers import Number, Whole
from p2pfl_me.cli.shared import (
    data_option,
    examples,
    out_option,
    overriding,
    own_network,
    place_options,
    require_network,
)
from p2pfl_me.evaluate.holdout import FOLDS, HoldOut
from p2pfl_me.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pfl_me.api.evaluating import Evaluation
    from p2pfl_me.cli.objects import Evaluated
    from p2pfl_me.cluster.place import Place
    from p2pfl_me.contract import Contract
    from p2pfl_me.data.identity_rules import IdentityRules


@click.command(
    epilog=examples(
        "p2pme evaluate --topology small",
        "p2pme evaluate --data FOLDER --protocol loso --peers dataset",
        "p2pme evaluate --vary model.backbone=ststnet,mlp --target 0.7 --data FOLDER",
        "p2pme evaluate --data FOLDER --protocol kfold --peers 10 --seeds 1",
    )
)
@data_option("Your clips (default: drawn ones).")
@click.option("--protocol", type=click.Choice([each.value for each in HoldOut]), default="loso", show_default=True)
@click.option(
    "--peers",
    metavar="N",
    default="auto",
    help="`dataset` (one each), or a number (default: one a data set if there are several, else 10 or fewer).",
)
@click.option(
    "--topology", metavar="FILE", type=click.Path(path_type=Path), help="The contract (default: a ready one)."
)
@click.option("--seeds", metavar="N", type=Whole(1), default=3, show_default=True)
@overriding("Override the contract: training.local_epochs=2.")
@click.option("--folds", metavar="K", type=Whole(2), default=FOLDS, show_default=True, help="Of kfold, frames.")
@click.option(
    "--vary", "varied", metavar="K=V1,V2", multiple=True, help="Evaluate every value: model.backbone=ststnet,mlp."
)
@click.option("--target", metavar="SCORE", type=Number(0, 1), help="Also what a UF1 of SCORE costs.")
@out_option("Folder (default: evaluations/TIME).")
@json_option
@click.option("--jobs", metavar="N", type=Whole(1), help="Worker processes (default: one a core).")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@place_options("Send features, not clips, to a cluster's nodes.")
@click.option("--weights", metavar="FILE", type=click.Path(path_type=Path), help="The backbone file of the contract.")
@own_network
@click.option("--subjects-leak", is_flag=True, help="Needed for `frames`, whose every page it is then stamped on.")
@identity_options
def evaluate(
    data: Path | None,
    protocol: str,
    peers: str,
    topology: Path | None,
    seeds: int,
    overrides: tuple[str, ...],
    folds: int,
    varied: tuple[str, ...],
    target: float | None,
    out: Path | None,
    as_json: bool,
    jobs: int | None,
    device: str,
    place: Place,
    weights: Path | None,
    network: str | None,
    trained: tuple[str, ...],
    subjects_leak: bool,
    rules: IdentityRules,
) -> None:
    """Measure what sharing is worth: every fold trains isolated peers, gossip and one pooled model from scratch.

    Folds are by subject; a held-out subject is removed from its peer before training. Answers of all folds are pooled
    once, then scored over all classes, with intervals over subjects and paired tests. With --vary every value is
    evaluated in a folder of its own, and one table sets them side by side. Ctrl-C stops; the same command with the
    same --out goes on.
    """

    from p2pfl_me.api.evaluating import evaluation
    from p2pfl_me.atomic import undrafted
    from p2pfl_me.console.lines import Console
    from p2pfl_me.contract.ready import read_contract
    from p2pfl_me.data.classes import names_classes
    from p2pfl_me.evaluate.folder import CARD, new_folder
    from p2pfl_me.evaluate.ready import ready_contract
    from p2pfl_me.evaluate.variants import evaluate_all, variants_of
    from p2pfl_me.files import read_json

    require_network(network, trained)
    if any(each.startswith("peers.loopback") for each in (*overrides, *varied)):
        raise click.UsageError("an evaluation deals each fold's clips to --peers N; the contract's peers take no part")
    another = network is not None
    variants, folder = variants_of(varied, overrides) if varied else (), out or new_folder()

    def read(overrides: Sequence[str]) -> Contract:
        if topology:
            return read_contract(topology, overrides, another_network=another)
        return ready_contract(overrides, another_network=another)

    def one(contract: Contract, folder: Path) -> Evaluation | None:
        return evaluation(
            contract,
            console,
            data=data,
            protocol=HoldOut(protocol),
            peers=peers,
            seeds=seeds,
            folds=folds,
            network=network,
            trained=trained,
            rules=rules,
            folder=folder,
            jobs=jobs,
            place=place,
            device=device,
            weights=weights,
            chosen=names_classes([*overrides, *varied]),
            subjects_leak=subjects_leak,
            target=target,
        )

    contract = None if variants else read(overrides)
    with set_aside(as_json) as tell:
        console = Console()
        done = one(contract, folder) if contract else evaluate_all(variants, overrides, read, one, folder, console)
        code = Exit.STOPPED if done is None else Exit.DONE
        said: Evaluated = {"exit_code": code, "folder": str(folder)}
        cards = {path.parent: read_json(path) for path in undrafted(folder.glob(f"**/{CARD}"), folder)}
        if variants:
            tell({**said, "evaluations": [{"folder": str(at), "card": card} for at, card in cards.items()]})
        elif folder in cards:
            tell({**said, "card": cards[folder]})
    raise SystemExit(code)
