"""Imported by a fork server after all else: from here on it sees for itself when its parent has gone (`unswept`)."""

from __future__ import annotations

import signal

signal.setitimer(signal.ITIMER_REAL, 0.0)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
