"""What came first under each key, however many keys there are: beyond the first KEPT, SQLite has them in a file."""

from __future__ import annotations

import json
import sqlite3

from p2pfl_me.parsed import json_of

KEPT = 100_000
"""Keys held in memory: about 30 MB, and ten times as quick."""
CACHE_KIB = 32_768

Said = tuple[str | None, ...]


class FirstSeen:
    """A table that memory does not grow with, for lists of any length; it goes with the object."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept, self._near = kept, dict[bytes, Said]()
        self._far: sqlite3.Connection | None = None

    def before(self, key: bytes, *said: str | None) -> Said | None:
        """What was `said` of this key the first time; None if this is it, and is kept."""
        if (found := self._near.get(key)) is not None:
            return found
        if len(self._near) < self._kept:
            self._near[key] = said
            return None
        if self._far is None:
            self._far = _table()
        if self._far.execute("INSERT OR IGNORE INTO first VALUES (?, ?)", (key, json.dumps(said))).rowcount:
            return None
        (text,) = self._far.execute("SELECT said FROM first WHERE key = ?", (key,)).fetchone()
        return tuple(json_of(text))


def _table() -> sqlite3.Connection:
    """A database without a name lies in a temporary file of the system, from when its cache is full."""
    base = sqlite3.connect("", isolation_level=None)
    for setting in (f"cache_size = -{CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
        base.execute(f"PRAGMA {setting}")
    base.execute("CREATE TABLE first (key BLOB PRIMARY KEY, said TEXT) WITHOUT ROWID")
    base.execute("BEGIN")
    return base
