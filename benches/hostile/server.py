"""The server under test, and its use of CPU time, memory and sockets."""

import os
from contextlib import contextmanager
from pathlib import Path

from client import Client
from processes import SERVER_CORE, cpu_secs, free_port, rss_bytes, started, wait_for_port

ROOT = Path(__file__).parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
OUT = TARGET / "hostile"
WEIR = TARGET / "release" / "weir"


class Server:
    """A running server. All measurements come from /proc."""

    def __init__(self, process, port):
        self.process, self.port = process, port
        self.proc = Path(f"/proc/{process.pid}")

    def cpu_secs(self):
        return cpu_secs(self.process)

    def rss_bytes(self):
        return rss_bytes(self.process)

    def reset_peak(self):
        """Resets the peak of the resident memory. Returns the current resident memory."""
        (self.proc / "clear_refs").write_text("5")
        return self.rss_bytes()

    def peak_bytes(self):
        for line in (self.proc / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def sockets(self):
        """Returns the number of open sockets, including the listener."""
        count = 0
        for descriptor in (self.proc / "fd").iterdir():
            try:
                count += os.readlink(descriptor).startswith("socket:")
            except FileNotFoundError:
                pass
        return count


@contextmanager
def serving(*flags):
    """Runs a fresh server on its core while the block runs."""
    OUT.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [WEIR, "serve", "--listen", f"127.0.0.1:{port}", *flags]
    with open(OUT / "server.log", "w") as log, started(SERVER_CORE, command, stdout=log, stderr=log) as process:
        wait_for_port(process, port)
        # The server listens before its tables are allocated.
        with Client(port) as client:
            client.request("GET", "/healthz")
        yield Server(process, port)
