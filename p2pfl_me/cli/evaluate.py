"""`p2pme evaluate`: isolated, gossip and pooled models on subjects that no peer trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.own_network import own_network, require_network
from p2pfl_me.cli.shared import examples, out_option, with_rounds
from p2pfl_me.evaluate.holdout import FOLDS, HoldOut
from p2pfl_me.machine import cores

if TYPE_CHECKING:
    from p2pfl_me.data.identity_rules import IdentityRules


@click.command(
    epilog=examples(
        "p2pme evaluate --topology small",
        "p2pme evaluate --data FOLDER --protocol loso --peers dataset",
        "p2pme evaluate --data FOLDER --protocol kfold --peers 10 --seeds 1",
    )
)
@click.option("--data", metavar="PATH", type=click.Path(path_type=Path), help="Your clips (default: drawn ones).")
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
@click.option("--seeds", metavar="N", type=click.IntRange(1), default=3, show_default=True)
@click.option("--set", "overrides", metavar="K=V", multiple=True, help="Override the contract: training.rounds=5.")
@click.option(
    "--folds", metavar="K", type=click.IntRange(2), default=FOLDS, show_default=True, help="Of kfold, frames."
)
@out_option("Folder (default: evaluations/TIME).")
@click.option("--rounds", metavar="N", type=click.IntRange(1), help="Of training (default: the contract's).")
@json_option
@click.option("--jobs", metavar="N", type=click.IntRange(1), help="Worker processes (default: one a core).")
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
    out: Path | None,
    rounds: int | None,
    as_json: bool,
    jobs: int | None,
    weights: Path | None,
    network: str | None,
    trained: tuple[str, ...],
    subjects_leak: bool,
    rules: IdentityRules,
) -> None:
    """Measure what sharing is worth: every fold trains isolated peers, gossip and one pooled model from scratch.

    Folds are by subject; a held-out subject is removed from its peer before training. Answers of all folds are pooled
    once, then scored over all classes, with intervals over subjects and paired tests. Ctrl-C stops; the same command
    with the same --out goes on.
    """
    import json
    from datetime import datetime

    from p2pfl_me.console.lines import Console
    from p2pfl_me.contract.ready import read_contract
    from p2pfl_me.data.classes import names_classes, read_with_classes
    from p2pfl_me.evaluate.design import Request
    from p2pfl_me.evaluate.ready import ready_contract
    from p2pfl_me.evaluate.run import evaluate as run
    from p2pfl_me.evaluate.write import CARD
    from p2pfl_me.home import home

    require_network(network, trained)
    overrides = with_rounds(overrides, rounds)
    another = network is not None
    if topology:
        contract = read_contract(topology, overrides, another_network=another)
    else:
        contract = ready_contract(overrides, another_network=another)
    with set_aside(as_json) as tell:
        console = Console()
        contract, read = read_with_classes(contract, data, console.say, chosen=names_classes(overrides), rules=rules)
        if network:
            from p2pfl_me.learning.own import with_network

            contract = with_network(contract, network, trained=trained)
        contract.model.backbone.require()
        request = Request(
            contract=contract,
            protocol=HoldOut(protocol),
            peers=peers,
            out=out or Path("evaluations") / f"{datetime.now():%Y%m%d-%H%M%S}",
            home=home(),
            data=data,
            weights=weights,
            seeds=seeds,
            folds=folds,
            jobs=jobs or cores(),
            subjects_leak=subjects_leak,
            rules=rules,
            read=read,
        )
        code = run(request, console)
        card = request.out / CARD
        if card.is_file():
            tell(
                {
                    "format": 1,
                    "exit_code": code,
                    "folder": str(request.out),
                    "card": json.loads(card.read_text("utf-8")),
                }
            )
    raise SystemExit(code)
