"""`p2pme spot`: expressions in films, to a CSV of intervals, and the challenge's scores on annotated ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from p2pfl_me.cli.apart import require_apart
from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.numbers import Number, Whole
from p2pfl_me.cli.shared import examples

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Film, Spotted


@click.command(
    epilog=examples(
        "p2pme spot FILM",
        "p2pme spot FILM --truth TRUTH.csv -o intervals.csv",
        "p2pme spot FILM --truth TRUTH.csv --json",
    )
)
@click.argument("films", metavar="FILM...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--truth", metavar="CSV", type=click.Path(path_type=Path), help="Score against these intervals.")
@click.option(
    "-o", "--out", metavar="CSV", type=click.Path(path_type=Path), help="Write intervals here, not to stdout."
)
@click.option(
    "--model", metavar="MODEL", type=click.Path(path_type=Path), help="Name micro-expressions; needs --online."
)
@click.option("--runtime", type=click.Choice(["torch", "onnx"]), help="By default torch for a run, onnx for a file.")
@click.option("--peer", metavar="K", type=Whole(0), help="One peer's model of a run, not the average.")
@click.option("--online", is_flag=True, help="Decide as the live page does, from what was seen so far.")
@click.option("--fps", metavar="N", type=Number(1, 1000), help="Pictures a second, for folders of frames.")
@click.option("-p", "p", metavar="P", type=Number(0, 1), help="Where between mean and maximum the threshold is.")
@json_option
def spot(
    films: tuple[Path, ...],
    truth: Path | None,
    out: Path | None,
    model: Path | None,
    runtime: Literal["torch", "onnx"] | None,
    peer: int | None,
    online: bool,
    fps: float | None,
    p: float | None,
    as_json: bool,
) -> None:
    """Spot micro- and macro-expressions in films, or in folders of numbered frames (with --fps).

    Prints one row an expression: film, person, kind, times in seconds. With --truth, a CSV with `film, kind, onset_s,
    offset_s` (or `onset, offset` in frames), also the score of the Micro-Expression Grand Challenge: F1 at an overlap
    of half, micro and macro, over all films; and STRS where a model names what is spotted.

    Stretches of a second or more in which nothing could be spotted are rows, too: `no face`, `no picture`, `too slow`,
    `no motion`, `no one face`. Exit code 1 if that is most of a film.
    """
    import sys
    from dataclasses import replace

    from p2pfl_me.live.film import open_film
    from p2pfl_me.live.intervals import create, read_truth, spotted_rows, write_spotted
    from p2pfl_me.live.load import load_namer
    from p2pfl_me.live.scoring import in_classes, score_films, score_object, score_text
    from p2pfl_me.live.whole import spot_film, watch_film
    from p2pfl_me.progress import showing
    from p2pfl_me.spotting.settings import SpotterSettings

    if model and not online:
        raise click.UsageError("a model names what the live page spots: add --online")
    require_apart(out, *films, truth, model)
    settings = SpotterSettings() if p is None else replace(SpotterSettings(), p=p)
    with set_aside(as_json) as tell:
        opened = [open_film(path, fps) for path in films]
        true = read_truth(truth, opened) if truth else None
        namer = load_namer(model, runtime, peer, 0.0) if model else None
        if true and namer:
            true = in_classes(true, namer.recogniser.contract.model)
        for words in namer.recogniser.warnings if namer and model else ():
            click.echo(f"{model}, the model: {words}", err=True)
        found = []
        for film in opened:
            for words in film.said:
                click.echo(f"{film.name} {words}", err=True)
            with showing(film.name, stream=sys.stderr) as (progress,):
                step = lambda count, film=film, show=progress: show(count, max(count, film.frames))  # noqa: E731
                result = watch_film(film, settings, namer, step) if online else spot_film(film, settings, step)
            found.append((film, result))
        if out:
            with create(out) as file:
                write_spotted(file, found)
        elif not as_json:
            write_spotted(sys.stdout, found)
        scores = score_films(true, found) if true is not None else None
        if scores:
            click.echo(score_text(scores), err=out is None)
        for film, result in found:
            if result.words:
                click.echo(f"{film.name}: {result.words}", err=True)
        films_found: list[Film] = [
            {"film": film.name, "said": list(film.said), "unseen": result.unseen, "rows": list(spotted_rows(result))}
            for film, result in found
        ]
        told: Spotted = {"films": films_found, "score": score_object(scores) if scores else None}
        tell(told)
    if unseen := [film.name for film, result in found if result.unseen]:
        which = "this film says" if len(found) == 1 else f"{len(unseen)} of {len(found)} films say"
        click.echo(f"Too little was seen: {which} nothing of the person ({', '.join(unseen)})", err=True)
        raise SystemExit(1)
