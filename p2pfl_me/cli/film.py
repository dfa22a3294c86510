"""`p2pme data film`: a drawn film with planted micro-expressions, and its truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.numbers import Number, Whole
from p2pfl_me.cli.shared import examples

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import DrawnFilm


@click.command(
    epilog=examples(
        "p2pme data film -o film.avi --micro 10",
        "p2pme spot film.avi --truth film.csv",
    )
)
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), required=True, help="A new .avi or .mp4.")
@click.option("--micro", type=Whole(0), default=10, show_default=True, help="Micro-expressions.")
@click.option("--macro", type=Whole(0), default=0, show_default=True, help="Longer expressions.")
@click.option("--blinks", type=Whole(0), default=5, show_default=True)
@click.option("--turns", type=Whole(0), default=5, show_default=True, help="Turns of the head.")
@click.option("--fps", type=Number(5, 240), default=30.0, show_default=True, help="Pictures a second.")
@click.option("--amplitude", type=Number(0.05, 4), default=1.0, show_default=True)
@click.option("--seed", type=Whole(0), default=1, show_default=True)
@json_option
def film(
    out: Path,
    micro: int,
    macro: int,
    blinks: int,
    turns: int,
    fps: float,
    amplitude: float,
    seed: int,
    as_json: bool,
) -> None:
    """Draw a film of one person, 640x480, with expressions planted in it; FILE.csv says what and when.

    The person is drawn and is nobody. Blinks, head turns, a swaying head, drifting light and noise are there to be
    told from expressions. Try `p2pme spot FILE --truth FILE.csv` on it.
    """
    from p2pfl_me.data.synthetic.film import FilmPlan, film_seconds
    from p2pfl_me.data.synthetic.film_file import truth_path, write_film
    from p2pfl_me.errors import DataError
    from p2pfl_me.progress import showing

    for path in (out, truth_path(out)):
        if path.exists():
            raise DataError("is there already", where=str(path), fix="name a new file with -o")
    plan = FilmPlan(micro, macro, blinks, turns, fps, amplitude, seed)
    with set_aside(as_json) as tell:
        with showing("pictures of the film") as (progress,):
            truth = write_film(plan, out, progress)
        seconds = film_seconds(plan)
        click.echo(f"{seconds:.1f} s at {fps:g} pictures a second: {out}\nwhat it shows: {truth}")
        told: DrawnFilm = {"film": str(out), "truth": str(truth), "seconds": seconds, "fps": fps}
        tell(told)
