"""`p2pme relay`: where two laboratories meet that nobody can call."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.numbers import Number
from p2pfl_me.cli.shared import examples


@click.command(epilog=examples("p2pme relay --topology ring.yaml --key relay.key --listen *:27200"))
@click.option("--topology", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The contract.")
@click.option(
    "--key",
    metavar="FILE",
    type=click.Path(path_type=Path),
    required=True,
    help="Its private key (`keys new`).",
)
@click.option("--listen", metavar="HOST:PORT", help="Where, if not at the port that the contract names.")
@click.option(
    "--mbit",
    metavar="R",
    type=Number(0.1, 1e6),
    default=100.0,
    show_default=True,
    help="Mbit/s that one laboratory may send to another; more waits.",
)
def relay(topology: Path, key: Path, listen: str | None, mbit: float) -> None:
    """Pass on what two laboratories of the contract seal that are neighbours and can both only dial.

    Any machine that both can call will do, a laboratory's or nobody's: it has no key to what it passes on. It sees who
    meets whom, when, and how many bytes go by. Whoever holds none of these laboratories' private keys gets nothing
    passed on. If it ends, links come back as soon as it, or another relay of the contract, is there.
    """
    import sys

    from p2pfl_me.contract.ready import read_contract
    from p2pfl_me.home import home
    from p2pfl_me.machine import allow_many_files
    from p2pfl_me.peer.relaying import relay as serve

    allow_many_files()
    sys.exit(serve(read_contract(topology, ()), home(), key, listen, mbit * 1e6 / 8))
