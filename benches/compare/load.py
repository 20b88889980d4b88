"""Runs of `weir load` that must succeed."""

import json
from contextlib import contextmanager

from processes import CLIENT_CORE, Failed, started
from systems import OUT, WEIR

CONNECTIONS = 16
REPORT = OUT / "load"
LOG = OUT / "load.log"


@contextmanager
def sending(port, batch, seconds, users, minimal=True, prefix="", rate="max"):
    """Runs `weir load` while the block runs. Yields a function that waits for the end and returns the report."""
    command = [WEIR, "load", "--url", f"http://127.0.0.1:{port}{prefix}", "--rate", rate, "--batch", batch]
    command += ["--connections", CONNECTIONS, "--duration", f"{seconds * 1000:.0f}ms", "--users", users]
    command += ["--seed", 1, "--report", REPORT] + ["--minimal"] * minimal

    with open(LOG, "w") as log, started(CLIENT_CORE, command, stderr=log) as process:

        def report():
            if process.wait(seconds + 60) != 0:
                raise Failed(LOG.read_text().strip())
            results = json.loads((REPORT / "report.json").read_text())
            if rejected := results["requests"]["overloaded"]:
                raise Failed(f"{rejected} requests were rejected with 503")
            return results

        yield report


def send(port, batch, seconds, users, **options):
    """Runs `weir load` to its end and returns its report."""
    with sending(port, batch, seconds, users, **options) as report:
        return report()
