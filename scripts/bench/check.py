"""`p2pme data check` on manifests of 100,000 rows, rows alone and with every picture opened: time and peak memory.

    python scripts/bench/check.py [--rows 100000] [--each 100] [--more 1000000]

The reference, in the same run: reading the same file with the csv module, and asking for each path whether it exists.
`--each` clips are of one subject: with 1 there are as many people as rows, each to be told from all others. `--more`
rows of one long film show that memory hardly grows with the number of clips.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

CLASSES = ("negative", "positive", "surprise")
COLUMNS = ("path", "dataset", "subject", "clip", "label", "onset", "apex", "offset")
SIDE = 28
CHILD = "--child"


def pictures(folder: Path, count: int, each: int) -> Path:
    """A manifest of so many pictures of noise, all different, of `each` to a subject."""
    random = np.random.default_rng(1)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS[:5])
        for number in range(count):
            if number % 1000 == 0:
                (folder / f"d{number // 1000}").mkdir()
            path = f"d{number // 1000}/{number}.png"
            image = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            (folder / path).write_bytes(cv2.imencode(".png", image)[1].tobytes())
            writer.writerow([path, "bench", f"s{number // each}", f"c{number}", CLASSES[number % 3]])
    return folder / "manifest.csv"


def film(folder: Path, count: int) -> Path:
    """A manifest of so many clips of one film."""
    (folder / "film").mkdir()
    with (folder / "film.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(count):
            frames = (20 * number, 20 * number + 7, 20 * number + 14)
            writer.writerow(["film", "bench", f"s{number // 100}", f"c{number}", CLASSES[number % 3], *frames])
    return folder / "film.csv"


def child(path: str, images: str) -> None:
    """One check in a process of its own, so that its peak memory is its own."""
    from p2pfl_me.data.check import check_manifest
    from p2pfl_me.data.look import Images

    begun = time.perf_counter()
    report = check_manifest(Path(path), CLASSES, Images(images))
    taken = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    cores = used.ru_utime + used.ru_stime  # of the whole process, its imports too; it does not grow with other work
    said = f"{len(report.problems)} problems, {taken:7.2f} s, {cores:6.2f} s of cores"
    print(f"{report.clips} clips, {said}, peak {used.ru_maxrss / 2**20:.2f} GiB")


def check(path: Path, images: str) -> str:
    command = [sys.executable, __file__, CHILD, str(path), images]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def reference(path: Path) -> float:
    begun = time.perf_counter()
    with path.open(newline="") as file:
        assert all((path.parent / row["path"]).exists() for row in csv.DictReader(file))
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--more", type=int, default=1_000_000)
    options = parser.parse_args()
    print(f"machine         {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as place:
        path = pictures(Path(place), options.rows, options.each)
        print(f"csv and exists  {options.rows} rows, {reference(path):7.2f} s")
        print(f"rows alone      {check(path, 'none')}")
        print(f"every picture   {check(path, 'all')}  ({SIDE}x{SIDE} PNG)")
        print(f"rows alone      {check(film(Path(place), options.more), 'none')}")


if __name__ == "__main__":
    child(*sys.argv[2:]) if sys.argv[1:2] == [CHILD] else main()
