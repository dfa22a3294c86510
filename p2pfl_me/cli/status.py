"""`p2pme status`: how a run stands, from its folder, while it goes on or afterwards."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import examples


@click.command(
    epilog=examples(
        "p2pme status runs/latest",
        "p2pme status runs/latest --openmetrics",
        "p2pme status runs/latest --port 9400",
    )
)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "form", flag_value="json", help="Print one JSON object (docs/json.md).")
@click.option("--openmetrics", "form", flag_value="openmetrics", help="As OpenMetrics text, for a textfile collector.")
@click.option(
    "--port",
    type=Whole(0, 65535),
    help="Serve /metrics (OpenMetrics) and /status.json at this port of 127.0.0.1, until Ctrl-C; 0: any.",
)
def status(run: Path, form: str | None, port: int | None) -> None:
    """Say how the peers of RUN stand: their last round, what each says of its neighbours, and the scores at the end.

    It reads the logs in the folder and nothing else, so it works while peers run. Where laboratories keep folders of
    their own, each shows its own peer. The exit code is 0, whatever the peers' state.
    """
    import time

    from p2pfl_me.console.status import GOING, as_json, as_lines, as_openmetrics, status_of
    from p2pfl_me.contract import load_contract
    from p2pfl_me.errors import RunError
    from p2pfl_me.run.folder import RunFolder

    folder = RunFolder(run)
    if not folder.is_run():
        raise RunError("not a run folder: it holds no contract.yaml", where=str(run), fix="name the DIR of --out")
    if port is not None:
        from p2pfl_me.console.scraped import serve

        if form:
            raise click.UsageError(f"--port serves both forms; leave --{form} out")
        serve(folder, port, lambda url: click.echo(f"{url}\nCtrl-C ends it, not the run."))
        return
    peers = status_of(folder, load_contract(folder.contract))
    if form == "json":
        click.echo(as_json(peers))
    elif form == "openmetrics":
        click.echo(as_openmetrics(peers), nl=False)
    else:
        for line in as_lines(peers, time.time()):
            click.echo(line)
        if not any(each.state in GOING for each in peers) and any(each.round for each in peers):
            from p2pfl_me.report.run import read_run
            from p2pfl_me.report.summary import as_lines as scores

            for line in scores([read_run(run)]):
                click.echo(line)
