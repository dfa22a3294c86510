"""The command `p2pme`. Each subcommand's module is imported only when it is used, so that `--help` is quick."""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import sys
from collections.abc import Callable

import click

from p2pfl_me import __version__
from p2pfl_me.cli.terminal import open_what_is_closed, tolerate_any_name
from p2pfl_me.errors import P2pmeError
from p2pfl_me.exits import Exit, stopped_as_by_ctrl_c
from p2pfl_me.output import to_nowhere

COMMANDS = {
    "swarm": "Run all peers of a contract on this machine, to a report.",
    "peer": "Run one peer; each laboratory runs its own.",
    "compare": "Run several contracts on the same clips and seeds, to one page.",
    "evaluate": "Isolated, gossip and pooled on subjects that nobody trained on.",
    "pretrain": "Make a backbone from any folder of images.",
    "export": "Write a run's model to an ONNX file for small devices.",
    "predict": "Say which expression an image, a clip or a film shows.",
    "report": "Write the convergence report on one or more runs.",
    "audit-privacy": "Say what a neighbour would learn of clips and subjects, before it does.",
    "doctor": "Say what would keep a peer from its run, before it.",
    "propose": "Propose that a run goes on under a changed contract.",
    "approve": "Approve such a change, as one of the members.",
    "adopt": "Hand an approved change to a running peer, which tells the others.",
    "leave": "Propose that the others go on without this lab.",
    "ticket": "Write what a new lab needs to join a run on its way.",
    "join": "Come into a run on its way, with a ticket.",
    "serve": "Hand out the final model of a peer that is done.",
    "relay": "Pass on what two laboratories seal that nobody can call.",
    "status": "Say how a run stands: its peers, and what they say of their neighbours.",
    "watch": "Show a run in the browser, while it goes on or afterwards.",
    "replay": "Live a recorded peer's run again, and see where it differs.",
    "network": "List networks; see whether one of your own can be trained by gossip.",
    "topology": "List, show and write topologies.",
    "data": "Draw, check and split clips.",
    "spot": "Spot expressions in films, to a CSV of intervals and scores.",
    "live": "Open a page that marks micro-expressions of a camera or a film.",
    "init": "Make a laboratory's folder: its key, its card, the commands to type.",
    "members": "Bring in the other laboratories' cards, to one contract.",
    "keys": "Make keys, show them, compare fingerprints.",
}


class LazyGroup(click.Group):
    """Lists the commands without importing them."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        own = name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"p2pfl_me.cli.{own}"), own)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="p2pme")
def cli() -> None:
    """Peer-to-peer gossip learning of facial micro-expressions, with no central server.

    Start with `p2pme swarm ring`: ten peers on this machine learn from built-in drawn faces. Weights
    travel encrypted along the edges of the graph; images never leave a peer.
    """


def main() -> None:
    """Run a command: errors in the user's words on stderr, no traceback, an exit code that says what happened."""
    # At its end Python would look through all that was imported for garbage, for longer than most commands take: all of
    # it goes back to the system anyhow. What a library wants to be done at the end is done before.
    atexit.register(gc.freeze)
    open_what_is_closed()
    tolerate_any_name()
    with stopped_as_by_ctrl_c() as is_stopped:
        _in_the_users_words(is_stopped)


def _in_the_users_words(is_stopped: Callable[[], bool]) -> None:
    try:
        code = _carried_out(is_stopped)
        sys.stdout.flush()
        sys.exit(code)
    except P2pmeError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(Exit.STOPPED)
    except BrokenPipeError:
        # Whoever read our output has gone; without this Python complains once more while it shuts down.
        to_nowhere(sys.stdout)
        sys.exit(0)
    except UnicodeEncodeError as error:
        name = ascii(error.object[max(0, error.start - 40) : error.end + 40])
        click.echo(f"Error: a name holds what cannot be written as {error.encoding}: {name}\n  -> rename it", err=True)
        sys.exit(Exit.REFUSED)
    except OSError as error:
        # No bug of ours: the disk, or who may read and write there.
        if error.filename is not None:
            click.echo(
                f"Error: {error.filename}: {error.strerror}\n  -> see that it is there and yours to use", err=True
            )
        elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            to_nowhere(sys.stdout)
            click.echo(f"Error: the output cannot be written: {error.strerror}\n  -> give it another place", err=True)
        else:
            sys.exit(_report_bug(error))
        sys.exit(Exit.REFUSED)
    except Exception as error:
        sys.exit(_report_bug(error))


def _carried_out(is_stopped: Callable[[], bool]) -> int | None:
    try:
        code: int | None = cli.main(standalone_mode=False)
        return code
    except Exception as error:
        if is_stopped():
            raise KeyboardInterrupt from error
        raise


def _report_bug(error: Exception) -> int:
    """A bug of ours, unless memory ran out: the user gets a sentence, a file keeps what we need to mend it."""
    import tempfile
    import traceback

    from p2pfl_me.machine import lack_of

    if lack := lack_of(error):
        click.echo(f"Error: {lack}", err=True)
        return lack.exit_code

    with tempfile.NamedTemporaryFile("w", prefix="p2pme-error-", suffix=".txt", delete=False) as file:
        file.write("".join(traceback.format_exception(error)))
    click.echo(f"Internal error, {type(error).__name__}: {error}\n  -> please report it with {file.name}", err=True)
    return Exit.BUG
