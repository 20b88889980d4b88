"""Runs of `weir load`."""

import json
import os
from contextlib import contextmanager

from processes import CLIENT_CORE, Failed, started
from server import OUT, WEIR

# Each connection is a thread with its own heap. With huge pages, hundreds of heaps take gigabytes, and seconds to clear.
ENVIRONMENT = {**os.environ, "MIMALLOC_ALLOW_THP": "0"}


@contextmanager
def sending(port, rate, batch, connections, seconds, users=100_000, full=False):
    """Runs `weir load` while the block runs. Yields a function that waits for the end and returns the report.

    The exit code of `weir load` is 0 only if all verdicts were as expected.
    """
    reports, log_path = OUT / "load", OUT / "load.log"
    command = [WEIR, "load", "--url", f"http://127.0.0.1:{port}", "--rate", rate, "--batch", batch]
    command += [] if full else ["--minimal"]
    command += ["--connections", connections, "--duration", f"{seconds * 1000:.0f}ms", "--users", users]
    command += ["--report", reports]
    with open(log_path, "w") as log, started(CLIENT_CORE, command, env=ENVIRONMENT, stderr=log) as process:

        def report():
            if process.wait(seconds + 60) != 0:
                raise Failed(f"weir load: {log_path.read_text().strip()}")
            return json.loads((reports / "report.json").read_text())

        yield report


def send(port, rate, batch, connections, seconds, **options):
    """Runs `weir load` to its end and returns its report."""
    with sending(port, rate, batch, connections, seconds, **options) as report:
        return report()
