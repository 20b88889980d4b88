"""Posts to three nodes of a cluster while nodes and NATS servers are killed and frozen, and then compares every count.

What is compared is described in clients.py.
"""

import signal
import sys
import time

from clients import Load
from nodes import arguments, request, started


def node_killed(nodes, nats, rng):
    index = rng.randrange(3)
    nodes.processes[index].kill()
    time.sleep(1)
    nodes.launch(index)


def node_stopped(nodes, nats, rng):
    index = rng.randrange(3)
    code = nodes.processes[index].stop()
    code == 0 or sys.exit(f"exit code {code} after SIGTERM")
    nodes.launch(index)


def node_frozen(nodes, nats, rng):
    process = nodes.processes[rng.randrange(3)].process
    process.send_signal(signal.SIGSTOP)
    time.sleep(rng.choice([3, 40]))
    process.send_signal(signal.SIGCONT)


def server_killed(nodes, nats, rng):
    index = rng.randrange(3)
    nats.kill(index)
    time.sleep(3)
    nats.launch(index)


def quorum_lost(nodes, nats, rng):
    lost = rng.sample(range(3), 2)
    for index in lost:
        nats.kill(index)
    time.sleep(4)
    for address in nodes.addresses:
        status, answer = request(address, "GET", "/metrics")
        status == 503 or sys.exit(f"an answer without a quorum: {status} {answer}")
    for index in lost:
        nats.launch(index)


def all_killed(nodes, nats, rng):
    for process in nodes.processes:
        process.kill()
    for index in range(3):
        nats.kill(index)
    for index in range(3):
        nats.launch(index)
    for index in range(3):
        nodes.launch(index)


FAULTS = [node_killed, server_killed, node_stopped, quorum_lost, node_frozen, all_killed]


def main():
    options, rng = arguments(faults=12)
    with started(*options.cluster, rng) as (nats, nodes):
        load = Load(nodes.addresses, rng)
        load.start()
        time.sleep(2)
        for number in range(options.faults):
            fault = FAULTS[number % len(FAULTS)]
            begun = time.monotonic()
            fault(nodes, nats, rng)
            nodes.wait_until_ready()
            load.settle(fault.__name__)
            told = len(load.model.accepted)
            print(f"{number + 1} {fault.__name__}: {told} events acknowledged, {time.monotonic() - begun:.0f} s", flush=True)
        time.sleep(2)
        print(f"{options.faults} faults: {load.finish(nodes.addresses)}")


if __name__ == "__main__":
    main()
