"""The options that say which peer this is and what it has, for every command that stands for one peer."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import set_aside
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import data_option, out_option, overriding
from p2pfl_me.output import end_process, put

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Lived
    from p2pfl_me.contract import Contract
    from p2pfl_me.peer.settings import PeerSettings

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--id", "peer_id", metavar="K", type=Whole(0), required=True, help="This peer's id in the contract."),
    click.option("--topology", metavar="FILE", type=_FILE, required=True, help="The contract."),
    data_option("This peer's clips: a manifest or its folder."),
    click.option("--test", metavar="PATH", type=_FILE, help="A common test manifest, if there is one."),
    click.option("--key", metavar="FILE", type=_FILE, help="This peer's private key."),
    click.option("--weights", metavar="FILE", type=_FILE, help="The backbone file of the contract."),
    out_option("Run folder (default: runs/NAME)."),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
    click.option("--listen", metavar="HOST:PORT", help="Where to listen, if not at the contract's port (HOST *: all)."),
    click.option("--record", is_flag=True, help="Keep what this peer is fed, for `p2pme replay` (a model a message)."),
    overriding("Override the contract; all peers must.", "Of training (default: the contract's); all peers must."),
)


def peer_options(command: Command) -> Command:
    """What `p2pme peer` is told of the peer, `identity_options` with it."""
    command = identity_options(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def say_whose(peer: int, contract: Contract, data: Path | None) -> None:
    """Whose clips it will train on, before seconds of imports: a lab that forgot --data sees it at once."""
    whose = f"the clips of {data}" if data else "built-in drawn faces; --data names your own clips"
    put(f"peer {peer} of {contract.name}: {whose}")


def live(settings: PeerSettings, *, as_json: bool) -> NoReturn:
    """Run the peer to its end, and this process with it; then say where to see it, or its numbers."""
    from p2pfl_me.peer.process import run_peer
    from p2pfl_me.run.folder import RunFolder

    with set_aside(as_json) as tell:
        code = run_peer(settings)
        if not code:
            put(f"to see it: p2pme report {shlex.quote(str(settings.run))}")
        if as_json and RunFolder(settings.run).log(settings.peer).exists():
            from p2pfl_me.report.run import read_runs
            from p2pfl_me.report.summary import as_object

            told: Lived = {"exit_code": code, **as_object(read_runs([settings.run]))}
            tell(told)
    end_process(code)
