"""Measures what each fault costs the clients of a cluster: how long no event was acknowledged, and when a node is ready.

Besides the load of clients.py, a probe for each node posts one event after the other. Prints a line for each fault, and
compares every count at the end. Nothing here fails because the machine is slow.
"""

import itertools
import json
import os
import pathlib
import signal
import sys
import time

from clients import Load, Worker, post
from nodes import arguments, started, wait_for

FAKETIME = "/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1".format(os.uname().machine)
PREFILL_BATCH = 2_000


class Probe(Worker):
    """Posts single events to one node, and notes each answer: when it was asked for, when it came, and what it was."""

    def __init__(self, address, model, seed):
        super().__init__([address], model, seed)
        self.answers = []

    def step(self, address):
        begun = time.monotonic()
        taken = post(address, self.model.batch(self.rng, 1), self.model)
        self.answers.append((begun, time.monotonic(), bool(taken)))
        time.sleep(0.005)

    def gap_secs(self, since):
        """The longest time without an acknowledgement."""
        times = [since, *(ended for _, ended, taken in self.answers if taken and ended > since)]
        return max(after - before for before, after in itertools.pairwise([*times, time.monotonic()]))

    def acknowledged(self, since, until):
        return sum(taken for begun, ended, taken in self.answers if since <= begun and ended <= until)

    def refusal_secs(self, since):
        return max((ended - begun for begun, ended, taken in self.answers if not taken and ended >= since), default=0)

    def is_acknowledged(self, since):
        return any(taken and begun >= since for begun, _, taken in self.answers)


class Check:
    def __init__(self, nats, nodes, rng, scratch):
        self.nats, self.nodes, self.rng, self.scratch = nats, nodes, rng, scratch
        self.load = Load(nodes.addresses, rng, clients=1)
        self.probes = [Probe(address, self.load.model, rng.random()) for address in nodes.addresses]
        self.load.workers += self.probes

    def fill(self, rows):
        """Puts rows into the log, which a new node replays."""
        for number in range(-(-rows // PREFILL_BATCH)):
            post(self.nodes.addresses[number % 3], self.load.model.batch(self.rng, PREFILL_BATCH), self.load.model)

    def recovered_secs(self, since):
        """The time until every node has acknowledged an event that was sent after `since`."""
        wait_for("an acknowledgement of every node", lambda: all(probe.is_acknowledged(since) for probe in self.probes))
        return time.monotonic() - since

    def copies_are_current(self):
        wait_for("copies that are current", lambda: self.nats.replicas()[1])

    def node_killed(self):
        index = self.rng.randrange(3)
        others = [probe for number, probe in enumerate(self.probes) if number != index]
        since = time.monotonic()
        self.nodes.processes[index].kill()
        time.sleep(1)
        launched = time.monotonic()
        self.nodes.launch(index)
        self.nodes.wait_until_ready()
        ready_secs = time.monotonic() - launched
        gap_secs = max(probe.gap_secs(since) for probe in others)
        self.recovered_secs(launched)
        return f"longest gap of the others {gap_secs:.2f} s; ready after {ready_secs:.2f} s", gap_secs

    def leader_killed(self):
        self.copies_are_current()
        leader, _ = self.nats.replicas()
        since = time.monotonic()
        self.nats.kill(leader)
        self.recovered_secs(since + 0.5)
        gap_secs = max(probe.gap_secs(since) for probe in self.probes)
        self.nats.launch(leader)
        self.copies_are_current()
        self.recovered_secs(time.monotonic())
        return f"longest gap {gap_secs:.2f} s", gap_secs

    def quorum_lost(self):
        self.copies_are_current()
        lost = self.rng.sample(range(3), 2)
        for index in lost:
            self.nats.kill(index)
        since = time.monotonic()
        time.sleep(10)
        until = time.monotonic()
        acknowledged = sum(probe.acknowledged(since, until) for probe in self.probes)
        acknowledged == 0 or sys.exit(f"{acknowledged} events were acknowledged without a quorum")
        for index in lost:
            self.nats.launch(index)
        launched = time.monotonic()
        back_secs = self.recovered_secs(launched)
        refusal_secs = max(probe.refusal_secs(since) for probe in self.probes)
        return f"0 acknowledged in 10 s; 503 after at most {refusal_secs:.2f} s; back after {back_secs:.2f} s", back_secs

    def all_killed(self):
        for process in self.nodes.processes:
            process.kill()
        for index in range(3):
            self.nats.kill(index)
        since = time.monotonic()
        for index in range(3):
            self.nats.launch(index)
        for index in range(3):
            self.nodes.launch(index)
        self.nodes.wait_until_ready()
        ready_secs = time.monotonic() - since
        return f"ready after {ready_secs:.2f} s, acknowledged after {self.recovered_secs(since):.2f} s", ready_secs

    def node_frozen(self):
        index = self.rng.randrange(3)
        process = self.nodes.processes[index].process
        since = time.monotonic()
        process.send_signal(signal.SIGSTOP)
        time.sleep(40)
        process.send_signal(signal.SIGCONT)
        thawed = time.monotonic()
        others = [probe for number, probe in enumerate(self.probes) if number != index]
        gap_secs = max(probe.gap_secs(since) for probe in others)
        self.nodes.wait_until_ready()
        back_secs = self.recovered_secs(thawed)
        void = sum(self.nodes.metric(number, "weir_log_void_total") for number in range(3))
        return f"longest gap of the others {gap_secs:.2f} s; back {back_secs:.2f} s after SIGCONT; void {void:.0f}", gap_secs

    def clock_off(self, offset_secs):
        """The clock of a node steps away and comes back."""
        offset, index = self.scratch / "offset", 2
        offset.write_text("+0\n")
        self.nodes.environments[index] = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.nodes.processes[index].stop()
        self.nodes.launch(index)
        self.nodes.wait_until_ready()
        since = time.monotonic()
        offset.write_text(f"{offset_secs:+}\n")
        noticed_secs = wait_for("the reason clock_off", lambda: self.reason(index) == "clock_off")
        time.sleep(2)
        refused_from = time.monotonic()
        time.sleep(5)
        acknowledged = self.probes[index].acknowledged(refused_from, time.monotonic())
        acknowledged == 0 or sys.exit(f"{acknowledged} events were taken with a clock that is {offset_secs} s off")
        gap_secs = max(probe.gap_secs(since) for probe in self.probes[:index])
        offset.write_text("+0\n")
        restored = time.monotonic()
        self.nodes.wait_until_ready()
        back_secs = self.recovered_secs(restored)
        self.nodes.environments[index] = None
        return (
            f"{offset_secs:+} s: not ready after {noticed_secs:.2f} s; 0 taken; longest gap of the others {gap_secs:.2f} s; "
            f"back after {back_secs:.2f} s"
        ), gap_secs

    def reason(self, index):
        status, _, body = self.nodes.processes[index].request("GET", "/readyz")
        return "" if status == 200 else json.loads(body)["detail"].partition(":")[0]


def faults(check):
    """Each fault, and how often it happens."""
    yield from [("a node is killed", check.node_killed)] * 10
    yield from [("the leader of the log is killed", check.leader_killed)] * 5
    yield "two NATS servers are gone for 10 s", check.quorum_lost
    yield "all nodes and all NATS servers are killed", check.all_killed
    yield "a node is frozen for 40 s", check.node_frozen
    if not pathlib.Path(FAKETIME).exists():
        return print(f"not measured: a wrong clock, because {FAKETIME} is missing")
    for offset_secs in (3, 40, -3, -40):
        yield "a clock is wrong", lambda: check.clock_off(offset_secs)


def main():
    options, rng = arguments(rows=1_000_000)
    worst = {}
    with started(*options.cluster, rng) as (nats, nodes):
        check = Check(nats, nodes, rng, options.directory)
        check.fill(options.rows)
        check.load.start()
        time.sleep(2)
        for name, fault in faults(check):
            text, secs = fault()
            check.load.settle(name)
            worst.setdefault(name, []).append(secs)
            print(f"{name}: {text}", flush=True)
        print(f"{sum(map(len, worst.values()))} faults: {check.load.finish(nodes.addresses)}")
    for name, secs in worst.items():
        print(f"{name}: {len(secs)} times, {min(secs):.2f} to {max(secs):.2f} s")


if __name__ == "__main__":
    main()
