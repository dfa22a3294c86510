"""`p2pme topology`: the kinds of graphs, what a contract's graph predicts, and new contracts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.json_output import say_object, short_json_option
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import Commands, examples, overriding
from p2pfl_me.counting import many

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Kinds


@click.group(cls=Commands)
def topology() -> None:
    """List the kinds of graphs, show a contract's graph, write a new contract."""


@topology.command(
    "list",
    epilog=examples(
        "p2pme topology list",
        "p2pme topology list --json",
    ),
)
@short_json_option
def list_kinds(as_json: bool) -> None:
    """Name every kind of graph and what it needs."""
    from p2pfl_me.topology.kind import TOPOLOGIES

    if as_json:
        known: Kinds = {
            "kinds": [
                {"kind": name, "summary": kind.summary, "needs": kind.needs, "peers": kind.ready_count}
                for name, kind in TOPOLOGIES.items()
            ]
        }
        say_object(known)
        return
    width = max(map(len, TOPOLOGIES))
    for name, kind in TOPOLOGIES.items():
        click.echo(f"{name:<{width}} {kind.summary}\n{'':<{width}} needs: {kind.needs}")
    click.echo("\nWrite a contract with `p2pme topology new KIND`, look at one with `p2pme topology show FILE`.")


@topology.command(
    epilog=examples(
        "p2pme topology show torus",
        "p2pme topology show ring --json",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    metavar="PNG",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Picture to write, .png, .svg or .pdf (default: NAME.png here; none with --json or very many links).",
)
@short_json_option
def show(file: Path, out: Path | None, as_json: bool) -> None:
    """Show the graph of the contract FILE: edges, degrees, diameter, spectral gap, rounds to consensus, a picture."""
    from p2pfl_me.contract.ready import read_contract
    from p2pfl_me.errors import RunError
    from p2pfl_me.topology import graph_of
    from p2pfl_me.topology.layout import DRAWN_LINKS
    from p2pfl_me.topology.summary import SHOWN_EDGES, as_object, as_text, summarise

    contract = read_contract(file)
    summary = summarise(contract, None if as_json else SHOWN_EDGES)
    if out is not None and summary.links > DRAWN_LINKS:
        raise RunError(
            f"{summary.links} links are too many to draw: at most {DRAWN_LINKS} can be told apart",
            where=str(out),
            fix="leave -o out, or take fewer peers or a sparser kind",
        )
    if out is None and not as_json and summary.links <= DRAWN_LINKS:
        out = Path(f"{contract.name}.png")
    if out is not None:
        from p2pfl_me.report.graph_picture import draw_graph

        peers = many(len(contract.peers.present), "peer")
        draw_graph(graph_of(contract), out, title=f"{contract.name}: {peers}, {contract.topology.kind}")
    if as_json:
        say_object(as_object(summary, out))
        return
    click.echo(as_text(summary))
    none = f"none: {summary.links} links are too many to draw (at most {DRAWN_LINKS})"
    click.echo(f"picture    {out or none}")


@topology.command(
    epilog=examples(
        "p2pme topology new torus --peers 16 --set topology.rows=4 --set topology.columns=4 -o mine.yaml",
    )
)
@click.argument("kind")
@click.option("--peers", metavar="N", type=Whole(1), help="Number of peers (10; hypercube 8).")
@overriding("Another value, as topology.degree=3.", "Of training.")
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write (default: KIND.yaml); - prints it.",
)
@click.option("--force", is_flag=True, help="Write over a file that exists.")
def new(kind: str, peers: int | None, overrides: tuple[str, ...], out: Path | None, force: bool) -> None:
    """Write a ready, commented contract with a graph of KIND, all peers on this machine.

    Its name is that of the file, unless --set name=... says otherwise.
    """
    from p2pfl_me.contract.template import contract_text

    if str(out) == "-":
        click.echo(contract_text(kind, peers, overrides=overrides), nl=False)
        return
    out = out or Path(f"{kind}.yaml")
    text = contract_text(kind, peers, name=out.stem, overrides=overrides)
    _write(out, text, force=force)
    click.echo(f"wrote {out}; look at it with `p2pme topology show {out}`, run it with `p2pme swarm {out}`")


def _write(path: Path, text: str, *, force: bool) -> None:
    from p2pfl_me.atomic import create_whole, write_whole
    from p2pfl_me.errors import ContractError
    from p2pfl_me.files import refusing

    with refusing(ContractError, path, "name another file with -o"):
        if force:
            write_whole(path, text, public=True)
            return
        try:
            create_whole(path, text, public=True)
        except FileExistsError as error:
            fix = "add --force, or name another with -o"
            raise ContractError("the file exists", where=str(path), fix=fix) from error
