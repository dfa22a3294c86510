"""`p2pme report`: the convergence report on one or more run folders."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.shared import examples


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
def report(runs: tuple[Path, ...], out: Path | None, tool: str | None) -> None:
    """Write the convergence report on RUN folders: a page, its figures, and their numbers.

    One RUN is shown in full; several are compared as well. Runs that differ only in their seed are taken together;
    folders that several laboratories kept of one run (lab-a/ lab-b/) are read as that run. The page needs no network
    and no script. Folders of finished `p2pme evaluate`s instead of runs: one table of them, side by side.
    """
    if tool:
        from p2pfl_me.report.run import find_runs, read_runs
        from p2pfl_me.report.tracking import Tool, export_runs

        folder = out or (runs[0] / "tensorboard" if tool == Tool.TENSORBOARD else runs[0])
        click.echo(export_runs(read_runs(find_runs(runs)), Tool(tool), folder))
        return
    from p2pfl_me.evaluate.folder import is_evaluation
    from p2pfl_me.report import write_report

    if all(is_evaluation(each) for each in runs):
        from p2pfl_me.evaluate.beside import write_beside

        click.echo(write_beside(runs, out or runs[0] / "beside"))
        return
    click.echo(write_report(runs, out or runs[0] / "report"))
