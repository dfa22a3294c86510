"""The founding paper's protocol and the honest one, on the same model and a drawn twin of its data set: two pages.

    python scripts/founding_paper.py --out runs/founding-paper

Ten clients, five local epochs, block 5, all frames from onset to offset, a fifth of the frames as test
(docs/founding-paper.md). Then the same contract with whole subjects held out, whose frames are averaged clip by clip.
Given again with the same --out, it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from p2pfl_me.cli.data import twin as draw_twin
from p2pfl_me.cli.evaluate import evaluate

CONTRACT = """\
version: 1
name: founding-paper
# The paper's server averages all ten clients; peers who are all neighbours do the same without it.
topology: {kind: mesh}
peers: {loopback: {count: 10}}
model: {input: frame, trainable: block5, label_map: paper7}
training: {local_epochs: 5, learning_rate: 0.0003, dropout: 0.2}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--subjects", type=int, default=10, help="Of the twin; CASME II has 26.")
    parser.add_argument("--clips", type=int, default=4, help="Of each subject.")
    parser.add_argument("--height", type=int, default=80, help="Of the frames; the network sees 64.")
    parser.add_argument("--folds", type=int, default=3, help="Of subjects.")
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--trainable", choices=["block5", "head"], default="block5", help="head is 30 times quicker.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    twin, contract = arguments.out / "twin", arguments.out / "contract.yaml"
    if not twin.exists():
        size = ["--subjects", arguments.subjects, "--clips", arguments.clips, "--height", arguments.height]
        draw_twin.main(["casme2", "-o", str(twin), *map(str, size)], standalone_mode=False)
    contract.write_text(CONTRACT, encoding="utf-8")
    common = ["--data", str(twin), "--topology", str(contract), "--peers", "10", "--seeds", "1"]
    common += ["--jobs", str(arguments.jobs), "--set", f"training.rounds={arguments.rounds}"]
    common += ["--set", f"training.batch_size={arguments.batch}", "--set", f"model.trainable={arguments.trainable}"]
    by_frames = ["--protocol", "frames", "--subjects-leak", "--out", str(arguments.out / "frames")]
    by_subjects = ["--protocol", "kfold", "--folds", str(arguments.folds), "--out", str(arguments.out / "subjects")]
    for own in (by_frames, by_subjects):
        print("p2pme evaluate", *common, *own, flush=True)
        try:
            evaluate.main([*common, *own], standalone_mode=False)
        except SystemExit as end:
            if end.code:
                sys.exit(end.code)


if __name__ == "__main__":
    main()
