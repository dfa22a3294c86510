"""A swarm whose peers say what their processor time went into: `python sampled.py FOLDER swarm CONTRACT ...`.

In each peer a thread looks a hundred times a second at what every other thread has used since, by its own clock, and
where it stands; what native threads used (ZeroMQ's, torch's) is the rest of the process's time. Each peer leaves
FOLDER/PEER.json: seconds by what they went into, and of its whole life.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from p2pfl_me.peer.settings import PeerSettings

EVERY_S = 0.01
PLACES = (
    # The innermost of a stack's frames that one of these names decides: (file ends with, function or "", what).
    ("learning/trainer.py", "evaluate", "evaluation"),
    ("learning/trainer.py", "clip_logits", "evaluation"),
    ("learning/", "", "training"),
    ("wire/traffic.py", "", "hashing"),
    ("wire/records.py", "", "sealing"),
    ("wire/noise.py", "", "sealing"),
    ("wire/session.py", "", "sealing"),
    ("wire/handshake", "", "handshake"),
    ("wire/meeting.py", "", "handshake"),
    ("wire/codec.py", "", "frames"),
    ("wire/framing.py", "", "frames"),
    ("wire/", "", "TCP"),
    ("aggregation/", "", "averaging"),
    ("gossip/sketch.py", "", "log, sketch"),
    ("gossip/", "", "averaging"),
    ("peer/checkpoint.py", "", "checkpoint"),
    ("peer/tensorfile.py", "", "checkpoint"),
    ("run/", "", "log, sketch"),
)
ORDER = (
    "training", "evaluation", "averaging", "sealing", "hashing", "frames", "TCP", "ZeroMQ's threads", "checkpoint",
    "log, sketch", "handshake", "start", "else",
)  # fmt: skip


def place_of(frame: FrameType | None, begun: bool) -> str:
    while frame is not None:
        path = frame.f_code.co_filename
        if "p2pfl_me/" in path:
            for ends, function, what in PLACES:
                if f"p2pfl_me/{ends}" in path and function in {"", frame.f_code.co_name}:
                    # A trainer's step is evaluation where evaluation called it.
                    return what if what != "training" or not _asks(frame) else "evaluation"
        frame = frame.f_back
    return "else" if begun else "start"


def _asks(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name in {"evaluate", "clip_logits"}:
            return True
        frame = frame.f_back
    return False


class Sampler(threading.Thread):
    """Seconds of processor time of this process's Python threads, by what they went into."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="sampler")
        self.spent: Counter[str] = Counter()
        self._used: dict[int, float] = {}
        self._begun = time.process_time()
        self._over = threading.Event()

    def run(self) -> None:
        trained = False
        while not self._over.wait(EVERY_S):
            for ident, frame in sys._current_frames().items():
                if ident == self.ident:
                    continue
                try:
                    used = time.clock_gettime(time.pthread_getcpuclockid(ident))
                except OSError:
                    continue
                what = place_of(frame, trained)
                trained = trained or what == "training"
                self.spent[what] += max(0.0, used - self._used.get(ident, 0.0))
                self._used[ident] = used

    def stop(self) -> dict[str, float]:
        """What it found; the sampler's own time is left out."""
        mine = time.clock_gettime(time.pthread_getcpuclockid(self.ident or 0))
        self._over.set()
        whole = time.process_time() - self._begun - mine
        self.spent["ZeroMQ's threads"] = max(0.0, whole - sum(self.spent.values()))
        return {**{name: self.spent[name] for name in ORDER}, "whole": whole}


def peer(settings: PeerSettings, folder: str) -> None:
    """One peer, as `swarm.children.peer_child` runs it, and what it used."""
    from p2pfl_me.output import end_process
    from p2pfl_me.peer.process import run_peer

    sampler = Sampler()
    sampler.start()
    code = run_peer(settings)
    (Path(folder) / f"{settings.peer}.json").write_text(json.dumps(sampler.stop()))
    end_process(code)


class Sampled:
    """Stands for the launcher's own function; a child finds it by its module's name."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, settings: PeerSettings) -> None:
        peer(settings, self.folder)


def main() -> None:
    import sampled  # by this name in children, not as __main__

    from p2pfl_me.cli.main import main as command
    from p2pfl_me.swarm import launcher

    folder = sys.argv[1]
    launcher._peer = sampled.Sampled(folder)
    sys.argv = ["p2pme", *sys.argv[2:]]
    command()


if __name__ == "__main__":
    main()
