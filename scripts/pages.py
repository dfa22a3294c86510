"""Every page in every light, to be looked at: python scripts/pages.py OUT [WORDS...]

Pages are made of run folders like those of the tests, ordinary ones and the worst cases of each figure (of a swarm, a
comparison, an evaluation, a privacy audit, a watched run and a film in `p2pme live`), and shown by a headless Chromium
1280 and 390 wide, light, dark, in grey and printed. The pictures in OUT hold a page's parts side by
side. WORDS choose the pages whose names contain one of them; `--lights 1280-light,print` the lights.
Needs Chromium, playwright, and pypdfium2 for what is printed.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from p2pfl_me.contract import load_contract
from p2pfl_me.data.synthetic.film import FilmPlan
from p2pfl_me.data.synthetic.film_file import write_film
from p2pfl_me.evaluate.beside import write_beside
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.write import write_results
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.privacy.membership import Attack
from p2pfl_me.privacy_audit.audit import OWN, Audit, Finding
from p2pfl_me.privacy_audit.inversion import Inversion
from p2pfl_me.privacy_audit.page import write_page
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.methods import Comparison, Method, Protected, Setting, Told, UnderFaults
from p2pfl_me.report.run import read_run
from p2pfl_me.report.write import write_comparison, write_report
from p2pfl_me.run.events import Finish, Link, LinkState, Reason
from p2pfl_me.run.manifest import ToldLies
from tests.evaluate.test_pages import SAME, USUAL, evaluation, frames
from tests.live.browser import chromium, serving
from tests.live.browser import start as start_live
from tests.report.fixture import write_run
from tests.run.making import a_round, log, start, trained

ROOT = Path(__file__).parents[1]
LIGHTS = ("1280-light", "1280-dark", "390-light", "390-dark", "1280-grey", "print")
PART = 1500
FILM_MS = 900_000
"""How long a busy machine may take for a film of half a minute."""
LONG = "exponential graph, quasi-global momentum, top-k of 1 percent with error feedback, second attempt"
THREE = {"classes": ("negative", "positive", "surprise"), "support": (30, 20, 14)}
SPOKEN = ("disgust or contempt, as coded", "fear and helplessness", "happiness (non-Duchenne)", "others, unclear")
NINE = ("ring", "ring, top-k 1 %", "mesh", "mesh, int8", "ring, push-sum", "ring, SWIFT", LONG, "ring again", "ring 2")

Page = Callable[[Path], Path]


def one(**recipe: Any) -> Page:
    return lambda folder: write_report([write_run(folder / "run", **recipe)], folder / "report")


def several(seeds: int, **recipe: Any) -> Page:
    return lambda folder: write_report(
        [write_run(folder / f"run-{seed}", **recipe, seed=seed) for seed in range(1, seeds + 1)], folder / "report"
    )


def kept_by_a_lab(folder: Path) -> Path:
    """What one of two laboratories has of a run: its own peer's files, and no manifest."""
    run = write_run(folder / "run", count=2, rounds=6, kind="mesh", average=False, baselines=False)
    for other in ("manifest.json", "peer-1.jsonl", "egress-1.jsonl"):
        (run / other).unlink()
    return write_report([run], folder / "report")


def lied(method: Method) -> Method:
    """The same with a liar among its peers."""
    lies = ToldLies((0,), {"kind": "sign_flip"})
    return replace(method, runs=tuple(replace(run, manifest=replace(run.manifest, lies=lies)) for run in method.runs))


def compared(
    names: Sequence[str], seeds: int, equal: bool = False, faults: bool = False, liars: bool = False, **recipe: Any
) -> Page:
    def made(folder: Path) -> Path:
        methods = []
        for number, name in enumerate(names):
            kind = "mesh" if "mesh" in name else "ring"
            runs = [
                read_run(
                    write_run(
                        folder / f"cells/{number}/seed-{seed}",
                        **{"count": 6, "rounds": 8, **recipe},
                        name=f"contract-{number}",
                        kind=kind,
                        seed=seed,
                        offset=0.0 if equal else 0.02 * number,
                    )
                )
                for seed in range(1, seeds + 1)
            ]
            methods.append(Method(name, tuple(runs)))
        under = (
            UnderFaults("one liar of six: sign_flip", tuple(methods)),
            UnderFaults("churn", (), "--engine lockstep has no clock, so nobody leaves"),
        )
        told = tuple(
            Protected(each, {run.seed: Told(0.3 - 0.02 * index, 0.7 - 0.01 * index) for run in each.runs}, 16)
            for index, each in enumerate(methods)
        )
        setting = Setting("", tuple(methods))
        if liars:
            under = (UnderFaults("1 liar: sign_flip", tuple(map(lied, methods))),)
            return write_comparison(Comparison((setting,), under_faults=under), folder / "out")
        comparison = Comparison((setting,), under_faults=under, protections=told) if faults else Comparison((setting,))
        return write_comparison(comparison, folder / "out")

    return made


def evaluated(labs: tuple[str, ...], errors: dict[Arm, float], **changes: Any) -> Page:
    return lambda folder: write_results(evaluation(folder, labs, HoldOut.LOSO, errors, **changes), folder / "out")


def beside(names: Sequence[str]) -> Page:
    def made(folder: Path) -> Path:
        folders = []
        for number in range(len(names)):
            errors = {**USUAL, Arm.GOSSIP: 0.3 + 0.02 * number}
            folders.append(folder / f"{number}")
            write_results(evaluation(folder, ("A", "B"), HoldOut.LOSO, errors, target=0.3), folders[-1])
        return write_beside(folders, folder / "page", names)

    return made


def audited(
    names: Sequence[str], auc: float, step: float = 0.0, put_together: bool = True, warnings: tuple[str, ...] = ()
) -> Page:
    """A privacy audit of one contract or several, each unit told apart `step` worse than the one before."""

    def made(folder: Path) -> Path:
        findings = tuple(
            Finding(
                name,
                unit,
                504 if unit is Unit.CLIP else 36,
                attack,
                attack,
                0.4 * far,
                promised,
                (3, found + 0.02),
                within,
            )
            for number, name in enumerate(names)
            for place, unit in enumerate((Unit.CLIP, Unit.SUBJECT))
            for found in [max(auc - step * (2 * number + place), 0.48)]
            for far in [max(found - 0.5, 0.0)]
            for attack in [Attack(found, 1.6 * far, 0.1 + far)]
            for within in [(found - 0.03, min(found + 0.03, 1.0))]
            for promised in [2.0 if "epsilon" in name else None]
        )
        inversions = tuple(
            Inversion(name, Unit.CLIP, 50, "ratio", 0.31, (0.2, 0.44), 0.52, 0.08) for name in names if put_together
        )
        audit = Audit(load_contract(ROOT / "topologies" / "ring.yaml"), 16, 504, findings, inversions, warnings)
        return write_page(audit, folder / "privacy")

    return made


PROTECTED = (
    OWN,
    "privacy.exchange=masks",
    "privacy={training: {kind: dp_sgd, noise: 6}, budget: {epsilon: 2}}",
    "privacy.exchange=masks; topology={kind: mesh}",
    "gossip.compression={kind: fragments, parts: 16}",
    "privacy.exchange={kind: zero_sum, deviation: 5}",
    "privacy.exchange={kind: submodels, parts: 4}",
    "gossip.personal=last_layer",
    "training.local_epochs=1",
)
REPORTS: dict[str, Page] = {
    "run": one(),
    "run-one-peer": one(count=1, rounds=6),
    "run-three-classes": one(count=4, rounds=5, **THREE),
    "run-24-peers-two-left": one(count=24, rounds=6, killed={3: 2, 17: 4}),
    "run-long-names": one(
        count=5,
        rounds=5,
        name="exponential-graph.quasi-global-momentum.top-k-1.second-try-64",
        classes=SPOKEN,
        support=(9, 9, 9, 30),
    ),
    "run-without-scores": one(count=4, rounds=3, part=None),
    "run-nobody-ended-a-round": one(
        count=4, rounds=3, killed=dict.fromkeys(range(4), 0), average=False, baselines=False
    ),
    "run-kept-by-a-lab": kept_by_a_lab,
    "run-three-seeds": several(3, count=5, rounds=6),
    "compare-two": compared(("ring", "mesh"), 3),
    "compare-nine": compared(NINE, 2),
    "compare-equal": compared(("ring", "mesh", "ring 2"), 3, equal=True, **THREE),
    "compare-one-peer": compared(("ring", "ring 2"), 2, count=1, rounds=4),
    "compare-24-peers": compared(("ring", "mesh"), 1, count=24, rounds=4),
    "compare-faults-protections": compared(("mesh, plain", "mesh, masks", "mesh, dp-subject:3"), 2, faults=True),
    "compare-liars": compared(("ring", "mesh"), 2, liars=True),
    "evaluation": evaluated(("CASME2", "SAMM"), USUAL, target=0.3, seeds=3),
    "evaluation-equal": evaluated(("SAMM",), SAME),
    "evaluation-frames": lambda folder: write_results(frames(folder), folder / "out"),
    "evaluations-beside-two": beside(("small", "head")),
    "evaluations-beside-nine": beside(NINE),
    "privacy-one": audited((OWN,), 0.93, warnings=("drawn faces",)),
    "privacy-chance": audited((OWN,), 0.5, put_together=False),
    "privacy-nine": audited(PROTECTED, 0.97, 0.03),
}


def sheets(picture: Image.Image, columns: int) -> Iterator[Image.Image]:
    """A long picture's parts side by side."""
    width, height = picture.size
    parts = [picture.crop((0, top, width, min(top + PART, height))) for top in range(0, height, PART)]
    for first in range(0, len(parts), columns):
        row = parts[first : first + columns]
        sheet = Image.new("RGB", (len(row) * (width + 8), max(part.height for part in row)), "#888")
        for place, part in enumerate(row):
            sheet.paste(part, (place * (width + 8), 0))
        yield sheet


def printed(pdf: bytes) -> Image.Image:
    """The pages of a PDF under each other."""
    import pypdfium2

    pages = [page.render(scale=1.25).to_pil() for page in pypdfium2.PdfDocument(pdf)]
    whole = Image.new("RGB", (max(page.width for page in pages), sum(page.height + 6 for page in pages)), "#888")
    top = 0
    for page in pages:
        whole.paste(page, (0, top))
        top += page.height + 6
    return whole


def show(browser: Any, url: str, light: str, ready: str = "") -> Image.Image:
    """The whole page in one light; its middle alone where it is wide and keeps to its middle."""
    width = 390 if light.startswith("390") else 1280
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if light.endswith("dark") else "light"
    )
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    if ready:
        page.wait_for_selector(ready)
    try:
        return taken(page, light, errors)
    finally:
        page.close()


def taken(page: Any, light: str, errors: Sequence[str] = ()) -> Image.Image:
    """What stands on the page now, from its head to its foot."""
    width = page.viewport_size["width"]
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        print(f"  {light}: {wide} wide on a screen of {width}")
    for error in errors:
        print(f"  {light}: {error}")
    if light == "print":
        return printed(page.pdf(format="A4"))
    whole = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    if light.endswith("grey"):
        whole = whole.convert("L").convert("RGB")
    body = page.evaluate("(() => { const b = document.body.getBoundingClientRect(); return [b.left, b.right]; })()")
    return whole.crop((int(max(body[0], 0)), 0, int(min(body[1], whole.width)), whole.height))


def live(browser: Any, folder: Path, lights: Sequence[str]) -> Iterator[tuple[str, str, Image.Image]]:
    """`p2pme live` of a film, which is played once: what it asks, while the film goes on, and when it is over."""
    film = folder / "film.avi"
    write_film(FilmPlan(micro=3, macro=1), film)
    with serving(folder / "home", "--source", str(film)) as url:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(FILM_MS)

        def in_all(part: str) -> Iterator[tuple[str, str, Image.Image]]:
            for light in lights:
                page.set_viewport_size({"width": 390 if light.startswith("390") else 1280, "height": 800})
                page.emulate_media(color_scheme="dark" if light.endswith("dark") else "light")
                yield part, light, taken(page, light)

        page.goto(url)
        page.wait_for_selector("#agree")
        yield from in_all("asks")
        start_live(page, url, "film")
        page.wait_for_selector("#events tr")
        yield from in_all("goes-on")
        page.wait_for_selector("#replay:not([hidden])")
        yield from in_all("over")
        page.close()


@contextmanager
def watched(folder: Path, *, going: bool) -> Iterator[str]:
    """`p2pme watch` of 24 peers, one in trouble, one that left, one that waits; its address."""
    import uvicorn

    from p2pfl_me.live.guard import Gate
    from p2pfl_me.live.loopback import listen
    from p2pfl_me.watch.server import make_app
    from p2pfl_me.watch.view import RunView

    count = 24 if going else 3
    contract = f"version: 1\nname: wards\ntopology: {{kind: ring}}\npeers:\n  loopback: {{count: {count}}}\n"
    (folder / "contract.yaml").write_text(contract + "training: {rounds: 12}\n")
    for peer in range(count - going):
        links = [Link(other % count, LinkState.UP) for other in (peer - 1, peer + 1)]
        rounds = [a_round(each, 0.05 * each + 0.004 * peer) for each in range(7 if going else 12)]
        log(folder, peer, start(peer), *links, *rounds)
        if not going:
            log(folder, peer, Finish(Reason.ROUNDS, 12))
    if going:
        log(folder, 5, Finish(Reason.DIVERGED, None, "the loss is no number"))
        log(folder, 4, Link(5, LinkState.DOWN), trained(1.0, 7))
        log(folder, 9, trained(1.0, 7))
    listening = listen(0)
    gate = Gate(listening.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(make_app(RunView(folder), gate), log_level="error", lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    listening.listen()
    thread.start()
    yield gate.url
    server.should_exit = True
    thread.join(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--lights", default=",".join(LIGHTS))
    parser.add_argument("--page", type=Path, action="append", default=[], help="a page that a command wrote, as well")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    lights = asked.lights.split(",")

    def save(name: str, light: str, picture: Image.Image) -> None:
        for number, sheet in enumerate(sheets(picture, max(1, 1600 // picture.width))):
            sheet.save(asked.out / f"{name}-{light}-{number}.png")

    def keep(browser: Any, name: str, url: str, ready: str = "") -> None:
        print(name, flush=True)
        for light in lights:
            save(name, light, show(browser, url, light, ready))

    def chosen(name: str) -> bool:
        return not asked.words or any(word in name for word in asked.words)

    with sync_playwright() as playwright, chromium(playwright, camera=False) as browser:
        for path in asked.page:
            keep(browser, f"{path.parent.parent.name}-{path.parent.name}-{path.stem}", path.resolve().as_uri())
        for name, page in REPORTS.items():
            if chosen(name) and not asked.page:
                folder = Path(tempfile.mkdtemp(prefix="p2pme-pages-"))
                keep(browser, name, page(folder).as_uri())
                shutil.rmtree(folder)
        for going in (True, False):
            name = "watch-24-going" if going else "watch-ended"
            if chosen(name) and not asked.page:
                folder = Path(tempfile.mkdtemp(prefix="p2pme-pages-"))
                with watched(folder, going=going) as url:
                    keep(browser, name, url, "#rows tr")
        if chosen("live") and not asked.page:
            with tempfile.TemporaryDirectory(prefix="p2pme-pages-") as kept:
                for part, light, picture in live(browser, Path(kept), lights):
                    save(f"live-{part}", light, picture)


if __name__ == "__main__":
    main()
