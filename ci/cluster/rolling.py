"""Restarts the three nodes of a cluster one after the other, under load through HAProxy.

The clients know the address of the proxy only. A request without an answer, or with a 502, 503 or 504, is sent again; a
request that gets no other answer has failed. HAProxy runs with the file of deploy/cluster, with other addresses in it.
"""

import contextlib
import pathlib
import subprocess
import sys
import time

from clients import Client, Load, post
from nats_process import free_ports
from nodes import arguments, request, started, wait_for

RETRIES = 10
PAUSE_SECS = 0.5
CONFIG = pathlib.Path("deploy/cluster/haproxy.cfg")


class Retrying(Client):
    """Sends each batch again until it has an answer."""

    requests, retried, failed = 0, 0, 0

    def step(self, address):
        events = self.model.batch(self.rng, self.rng.choice([1, 10, 100]))
        self.requests += 1
        for attempt in range(RETRIES + 1):
            if post(address, events, self.model, or_lose=attempt == RETRIES):
                break
            self.retried += 1
            time.sleep(PAUSE_SECS)
        else:
            self.failed += 1
        time.sleep(0.01)


@contextlib.contextmanager
def haproxy(addresses, directory):
    """Yields the address of a proxy before the nodes."""
    [port] = free_ports(1)
    # The limit of connections needs more open files than some machines allow.
    replacements = {"bind :3000": f"bind 127.0.0.1:{port}", "maxconn 10000": "maxconn 1000"}
    replacements |= {f" n{number}:3000": f" {address}" for number, address in enumerate(addresses, 1)}
    text = CONFIG.read_text()
    for old, new in replacements.items():
        text.count(old) == 1 or sys.exit(f"{CONFIG} has not one {old!r}, which this check replaces")
        text = text.replace(old, new)
    config = directory / "haproxy.cfg"
    config.write_text(text)
    with open(directory / "haproxy.log", "wb") as log:
        process = subprocess.Popen(["haproxy", "-db", "-f", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        address = f"127.0.0.1:{port}"
        answers = lambda: request(address, "GET", "/metrics")[0] == 200
        wait_for("an answer of the proxy", lambda: process.poll() is not None or answers())
        process.poll() is None or sys.exit(f"haproxy ended: {(directory / 'haproxy.log').read_text()}")
        yield address
    finally:
        process.terminate()
        process.wait()


def main():
    options, rng = arguments(rounds=2)
    with started(*options.cluster, rng) as (_, nodes), haproxy(nodes.addresses, options.directory) as proxy:
        load = Load([proxy], rng, client=Retrying)
        load.start()
        time.sleep(2)
        for number in range(options.rounds):
            for index in range(3):
                begun = time.monotonic()
                code = nodes.processes[index].stop()
                code == 0 or sys.exit(f"exit code {code} after SIGTERM")
                stopped_secs = time.monotonic() - begun
                nodes.launch(index)
                nodes.wait_until_ready()
                # The proxy asks each node once a second.
                time.sleep(2)
                print(f"round {number + 1}: n{index} ended in {stopped_secs:.1f} s, and is ready again", flush=True)
            load.settle("a round of restarts")
        line = load.finish(nodes.addresses)
    count = lambda name: sum(getattr(client, name) for client in load.clients)
    print(f"{count('requests')} requests, {count('retried')} sent again, {count('failed')} failed; {line}")
    count("failed") == 0 or sys.exit("requests failed beyond their retries")


if __name__ == "__main__":
    main()
