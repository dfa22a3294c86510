"""The options that say which peer this is and what it has, for every command that stands for one peer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.shared import out_option

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--id", "peer_id", metavar="K", type=int, required=True, help="This peer's id in the contract."),
    click.option("--topology", metavar="FILE", type=_FILE, required=True, help="The contract."),
    click.option("--data", metavar="PATH", type=_FILE, help="This peer's clips: a manifest or its folder."),
    click.option("--test", metavar="PATH", type=_FILE, help="A common test manifest, if there is one."),
    click.option("--key", metavar="FILE", type=_FILE, help="This peer's private key."),
    click.option("--weights", metavar="FILE", type=_FILE, help="The backbone file of the contract."),
    out_option("Run folder (default: runs/NAME)."),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
    click.option("--listen", metavar="HOST:PORT", help="Where to listen, if not at the contract's port (HOST *: all)."),
    click.option("--record", is_flag=True, help="Keep what this peer is fed, for `p2pme replay` (a model a message)."),
    click.option("--set", "overrides", metavar="K=V", multiple=True, help="Override the contract; all peers must."),
)


def peer_options(command: Command) -> Command:
    """What `p2pme peer` is told of the peer, `identity_options` with it."""
    command = identity_options(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
