"""`p2pme report`: the convergence report on one or more run folders."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.shared import examples

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import CardAt, Exported, ReportedEvaluations, ReportedRuns


@click.command(
    epilog=examples(
        "p2pme report runs/latest",
        "p2pme report lab-a/run lab-b/run -o report",
        "p2pme report runs/latest --export tensorboard",
    )
)
@click.argument("runs", metavar="RUN [RUN...]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to (default: RUN/report of the first RUN).",
)
@click.option(
    "--export",
    "tool",
    type=click.Choice(["tensorboard", "mlflow"]),
    help="Instead of a page, hand the numbers to TensorBoard (RUN/tensorboard) or MLflow (RUN/mlflow.db, or "
    "$MLFLOW_TRACKING_URI).",
)
@json_option
def report(runs: tuple[Path, ...], out: Path | None, tool: str | None, as_json: bool) -> None:
    """Write the convergence report on RUN folders: a page, its figures, and their numbers.

    One RUN is shown in full; several are compared as well. Runs that differ only in their seed are taken together;
    folders that several laboratories kept of one run (lab-a/ lab-b/) are read as that run. The page needs no network
    and no script. Folders of finished `p2pme evaluate`s instead of runs: one table of them, side by side.

    It prints the page's path; on a terminal the scores, too.
    """
    with set_aside(as_json) as tell:
        told: Mapping[str, object] = _export(runs, out, tool) if tool else _write(runs, out)
        tell(told)


def _export(runs: tuple[Path, ...], out: Path | None, tool: str) -> Exported:
    from p2pfl_me.report.run import find_runs, read_runs
    from p2pfl_me.report.tracking import Tool, export_runs

    folder = out or (runs[0] / "tensorboard" if tool == Tool.TENSORBOARD else runs[0])
    where = export_runs(read_runs(find_runs(runs)), Tool(tool), folder)
    click.echo(where)
    return {"exported": where}


def _write(runs: tuple[Path, ...], out: Path | None) -> ReportedRuns | ReportedEvaluations:
    from p2pfl_me.evaluate.folder import CARD, is_evaluation
    from p2pfl_me.files import read_json
    from p2pfl_me.report import write_report
    from p2pfl_me.report.run import find_runs, read_runs
    from p2pfl_me.report.summary import as_lines, as_object

    if all(is_evaluation(each) for each in runs):
        from p2pfl_me.evaluate.beside import write_beside

        page = write_beside(runs, out or runs[0] / "beside")
        click.echo(page)
        cards: list[CardAt] = [{"folder": str(each), "card": read_json(each / CARD)} for each in runs]
        return {"page": str(page), "evaluations": cards}
    page = write_report(runs, out or runs[0] / "report")
    read = read_runs(find_runs(runs))
    for line in as_lines(read) if sys.stdout.isatty() and len({run.contract.name for run in read}) == 1 else ():
        click.echo(line)
    click.echo(page)
    return {"page": str(page), **as_object(read)}
