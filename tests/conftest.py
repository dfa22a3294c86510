"""What all tests share: one thread a library, no windows, Ctrl-C as in a terminal; hypothesis measures no time."""

import os
import signal

# Before numpy and torch are imported, which read them once. The tests start many processes on few cores, and sums
# over several threads have other bits than those of a peer, which computes with one.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MPLBACKEND="Agg")

from hypothesis import settings

# A shell's background job ignores Ctrl-C, and so would every command that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("house", deadline=None)
settings.load_profile("house")
