"""`p2pme compare`: several contracts on the same clips and seeds, to one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.numbers import Number, Whole, wholes
from p2pfl_me.cli.shared import data_option, examples, out_option, place_options
from p2pfl_me.engines import DEFAULT, ENGINES

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies
    from p2pfl_me.cli.objects import Compared
    from p2pfl_me.cluster.place import Place
    from p2pfl_me.data.identity_rules import IdentityRules


def _numbers(_: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...]:
    """`8` or `8,16`: each of two peers or more, once."""
    from p2pfl_me.contract.members import MOST_PEERS

    return wholes(text, 2, MOST_PEERS)


def _liars(_: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...]:
    """`2` or `1,2`: each once."""
    return wholes(text, 1)


def _lies(attacks: tuple[str, ...], liars: tuple[int, ...]) -> tuple[Lies, ...]:
    if liars and not attacks:
        raise click.UsageError("--liars needs --attack NAME: what do they do?")
    if len(set(attacks)) < len(attacks):
        raise click.UsageError("--attack names one twice")
    if not attacks:
        return ()
    from p2pfl_me.adversary import parse_lies

    return tuple(parse_lies(attack, count) for attack in attacks for count in liars or (1,))


GRAPHS = (Path("ring"), Path("regular"), Path("mesh"))
"""What liars are tried on where no contract is named."""


@click.command(
    epilog=examples(
        "p2pme compare ring base3 --seeds 3",
        "p2pme compare ring mesh --engine simulate --stress",
        "p2pme compare small --vary training.local_epochs=1,2 --data FOLDER",
        "p2pme compare masks --protect plain,masks,zip,dp:8 --set training.class_weights=none --engine simulate",
    )
)
@click.argument("contracts", metavar="[CONTRACT...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--seeds", metavar="N", type=Whole(1), default=3, show_default=True, help="Repeat each cell.")
@data_option("Your clips: a manifest or its folder.")
@click.option("--peers", metavar="N[,N]", callback=_numbers, help="For all (default: the first contract's).")
@click.option("--rounds", metavar="N", type=Whole(1), help="For all (default: the first contract's).")
@click.option("--set", "overrides", metavar="K=V", multiple=True, help="Override all contracts.")
@click.option("--vary", "varied", metavar="K=V1,V2", multiple=True, help="Run every value: training.local_epochs=1,2.")
@click.option("--skew", "skews", metavar="WORD", multiple=True, help="Deal by iid, lab, dirichlet:A, labels:A.")
@click.option("--stress", is_flag=True, help="Also under loss, a straggler, churn and Dirichlet 0.1.")
@click.option("--attack", "attacks", metavar="NAME", multiple=True, help="Also with liars (docs/robust.md).")
@click.option("--liars", metavar="N[,N]", callback=_liars, help="How many (default: 1, with --attack).")
@click.option("--protect", metavar="WORDS", help="Also vary what protects: plain,masks,submodels:2,dp:8,decor:8,zip.")
@click.option("--games", metavar="N", type=Whole(4), help="Games of membership a cell (default: 8).")
@click.option("--baselines/--no-baselines", default=True, show_default=True, help="Isolated, pooled and star FedAvg.")
@click.option("--engine", type=click.Choice(list(ENGINES)), default=DEFAULT, show_default=True)
@out_option("Folder (default: comparisons/TIME).")
@json_option
@click.option("--target", metavar="SCORE", type=Number(0, 1), help="UF1 to count rounds, seconds and MB to.")
@click.option("--jobs", metavar="N", type=Whole(1), help="Cells at once, in-process engines only.")
@place_options()
@click.option("--weights", metavar="FILE", type=click.Path(path_type=Path), help="The backbone file of the contracts.")
@identity_options
def compare(
    contracts: tuple[Path, ...],
    seeds: int,
    data: Path | None,
    peers: tuple[int, ...],
    rounds: int | None,
    overrides: tuple[str, ...],
    varied: tuple[str, ...],
    skews: tuple[str, ...],
    stress: bool,
    attacks: tuple[str, ...],
    liars: tuple[int, ...],
    protect: str | None,
    games: int | None,
    baselines: bool,
    engine: str,
    out: Path | None,
    as_json: bool,
    target: float | None,
    jobs: int | None,
    place: Place,
    weights: Path | None,
    rules: IdentityRules,
) -> None:
    """Compare contracts: same clips, same model, same seeds, one page.

    Every cell is a run folder in DIR/cells. Given again with the same --out, the command runs only what is not
    finished. Ctrl-C stops; DIR/report.html is written when all cells are done.

    With --attack some peers lie, too, and a table says what that costs; without
    a CONTRACT it is of a ring, a regular graph and a mesh.
    """
    from p2pfl_me.cluster.place import require_no_jobs
    from p2pfl_me.compare.protections import parse_protections
    from p2pfl_me.compare.request import Request
    from p2pfl_me.compare.run import compare as run
    from p2pfl_me.compare.skew import parse_skew
    from p2pfl_me.console.lines import Console
    from p2pfl_me.run.latest import dated

    if not contracts and not attacks:
        raise click.UsageError("Missing argument 'CONTRACT...'.")
    require_no_jobs(place, jobs)
    if games and protect is None:
        raise click.UsageError("--games needs --protect WORDS: what shall be played under?")
    request = Request(
        contracts=contracts or GRAPHS,
        out=out or dated(Path("comparisons")),
        seeds=seeds,
        peers=peers,
        rounds=rounds,
        overrides=overrides,
        varied=varied,
        skews=tuple(parse_skew(word) for word in skews),
        stress=stress,
        lies=_lies(attacks, liars),
        protections=parse_protections(protect) if protect is not None else (),
        games=games or 8,
        baselines=baselines,
        engine=engine,
        data=data,
        rules=rules,
        weights=weights,
        target=target,
        jobs=jobs or 1,
        place=place,
    )
    with set_aside(as_json) as tell:
        found = run(request, Console())
        cells = sorted(contract.parent for contract in found.out.glob("cells/*/*/contract.yaml"))
        if as_json and cells:
            from p2pfl_me.report.comparison_protection import as_objects
            from p2pfl_me.report.run import read_runs
            from p2pfl_me.report.summary import as_object

            runs = as_object(read_runs(cells))["runs"]
            told: Compared = {"exit_code": found.code, "folder": str(found.out), "runs": runs}
            if protect is not None:
                told["protections"] = as_objects(found.protections)
            tell(told)
    raise SystemExit(found.code)
