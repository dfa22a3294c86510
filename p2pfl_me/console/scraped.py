"""How a run stands, at a port of this machine's loopback address: OpenMetrics for Prometheus, and JSON.

Logs are read as they grow, so that a look costs what was written since the last one. Whoever may use this machine can
look, as at a file that all may read: what is served names peers, their states, addresses, rounds and scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

from p2pfl_me.console.status import Account, PeerStatus, as_json, as_openmetrics
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import P2pmeError, PeerError
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.reading import Tail

METRICS, STATUS = "/metrics", "/status.json"
TYPES = {
    METRICS: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    STATUS: "application/json",
}
PATIENCE_S = 5.0
"""For whoever calls and says nothing, while others wait."""


class Followed:
    """The peers of a run folder. Not for two threads at once."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._peers: dict[int, tuple[Account, Tail]] = {}

    def status(self) -> tuple[PeerStatus, ...]:
        """By now.

        Raises
        ------
        ContractError
            The contract that lies there cannot be read.
        """
        contract = load_contract(self._folder.contract)  # another one, where the members have come to it
        found = []
        for peer in range(contract.peers.count):
            if peer not in self._peers:
                self._peers[peer] = Account(peer, contract.training.rounds), Tail(self._folder, peer)
            account, tail = self._peers[peer]
            for line in tail.lines():
                account.take(line)
            found.append(replace(account.status, rounds=contract.training.rounds, newer=tail.newer))
        return tuple(found)


def serve(folder: RunFolder, port: int, opened: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; `opened` is told the address of the metrics once they can be asked for. Port 0: any.

    Raises
    ------
    PeerError
        The port is taken, or not ours to take.
    """
    followed = Followed(folder)

    class Answer(BaseHTTPRequestHandler):
        timeout = PATIENCE_S

        def do_GET(self) -> None:
            # A page of another site that has its name resolve to this machine would give its own name here.
            if self.headers.get("Host", "") not in ours or self.path not in TYPES:
                self.send_error(404)
                return
            try:
                peers = followed.status()
            except (P2pmeError, OSError) as error:  # a contract that is being changed, a folder that was moved
                self.send_error(503, explain=str(error))
                return
            text = as_openmetrics(peers) if self.path == METRICS else as_json(peers) + "\n"
            data = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", TYPES[self.path])
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody wants a line for each look."""

    class Server(HTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Whoever called has gone, or said nothing in its time."""

    try:
        server = Server(("127.0.0.1", port), Answer)
    except OSError as error:
        raise PeerError(
            f"cannot be listened on: {error.strerror}", where=f"port {port}", fix="name another with --port, or 0"
        ) from error
    with server:
        ours = {f"{name}:{server.server_port}" for name in ("127.0.0.1", "localhost")}
        opened(f"http://127.0.0.1:{server.server_port}{METRICS}")
        server.serve_forever()
