"""Measures a cluster of three nodes over three NATS servers, with the load on the same machine."""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "ci"), str(ROOT / "ci" / "cluster"), str(ROOT / "benches" / "compare")]

import machine
from nodes import started
from processes import FAILURES, Failed, Http, cpu_secs, exit_on_signals

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
OUT = TARGET / "cluster"
WEIR = os.environ.get("WEIR_BINARY", TARGET / "release" / "weir")
LATENCY_SECS, THROUGHPUT_SECS, WARM_UP_SECS = 10, 5, 2
EVENTS_PER_SEC, BATCH = 30_000, 100
READ_EVERY_SECS = 0.02
CONNECTIONS = 4
BATCHES = [1_000, 10_000]
# No measurement accepts as many events.
DEDUP_CAPACITY = 1 << 25
ROUNDS_MAX = 50
ARGS = ["--cluster-max", "8GiB", "--dedup-capacity", str(DEDUP_CAPACITY)]


def loaded(nodes, secs, load, work=lambda: None):
    """The reports of one `weir load` for each node, which run at once, while `work` runs."""
    with tempfile.TemporaryDirectory(dir=OUT) as reports:
        processes = []
        for number, address in enumerate(nodes.addresses):
            command = [WEIR, "load", "--url", f"http://{address}", "--duration", f"{secs}s", "--minimal"]
            command += ["--report", f"{reports}/{number}", *load]
            streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
            processes.append(subprocess.Popen(list(map(str, command)), text=True, **streams))
        try:
            work()
            for process in processes:
                _, errors = process.communicate(timeout=secs + 60)
                if process.returncode != 0:
                    raise Failed(f"weir load: {errors.strip().splitlines()[-1]}")
            return [json.loads(Path(reports, str(number), "report.json").read_text()) for number in range(3)]
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()


class Reads(threading.Thread):
    """Reads from one node after the other, and notes how long each answer took."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.connections = [Http(int(address.rpartition(":")[2])) for address in nodes.addresses]
        self.secs, self.failure, self.stopping = [], None, False

    def run(self):
        try:
            while not self.stopping:
                for connection in self.connections:
                    begun = time.perf_counter()
                    connection.request("GET", "/metrics")
                    self.secs.append(time.perf_counter() - begun)
                    time.sleep(READ_EVERY_SECS)
        except FAILURES as failure:
            self.failure = failure

    def result(self):
        self.stopping = True
        self.join()
        if self.failure:
            raise self.failure
        ordered = sorted(self.secs)
        return [ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99)]


def latency(nodes):
    """The slowest node's p50 and p99 of a POST, and the p50 and p99 of a read of all nodes, in milliseconds."""
    load = ["--rate", EVENTS_PER_SEC // 3, "--batch", BATCH]
    loaded(nodes, WARM_UP_SECS, load)
    reads = Reads(nodes)
    reads.start()
    reports = loaded(nodes, LATENCY_SECS, load)
    p50, p99 = (max(report["latency_ms"][share] for report in reports) for share in ("p50", "p99"))
    return p50, p99, *reads.result()


def throughput(nats, nodes, batch):
    """Accepted events per second of all nodes, and the CPU time of servers, nodes and all of the machine."""
    load = ["--rate", "max", "--batch", batch, "--connections", CONNECTIONS, "--format", "ndjson"]
    weirs = [node.process for node in nodes.processes]
    spent = lambda: (sum(map(cpu_secs, nats.processes)), sum(map(cpu_secs, weirs)), busy_secs())
    before = spent()
    reports = loaded(nodes, THROUGHPUT_SECS, load)
    after = spent()
    events = sum(report["events_per_sec"] for report in reports)
    cores = [(late - early) / THROUGHPUT_SECS for early, late in zip(before, after)]
    return events, *cores


def busy_secs():
    """The CPU time of all programs on the machine."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def rounds(count, measure):
    """The medians of each value that `measure` returns."""
    measured = []
    for number in range(count):
        measured.append(measure())
        print(f"round {number + 1}: {', '.join(f'{value:,.2f}' for value in measured[-1])}", file=sys.stderr, flush=True)
    return [statistics.median(values) for values in zip(*measured)]


def report(options):
    scratch = tempfile.TemporaryDirectory(dir=options.dir or OUT)
    with scratch as directory, started(WEIR, options.nats_server, Path(directory), random, ARGS) as (nats, nodes):
        post_p50, post_p99, get_p50, get_p99 = rounds(options.rounds, lambda: latency(nodes))
        yield "# A cluster of three nodes\n"
        yield f"| {EVENTS_PER_SEC:,} events/s in batches of {BATCH} | p50 ms | p99 ms |\n|---|---:|---:|"
        yield f"| POST /events | {post_p50:.1f} | {post_p99:.1f} |\n| GET /metrics | {get_p50:.1f} | {get_p99:.1f} |\n"
        yield "| events in a batch | accepted events/s | cores of NATS | cores of weir | cores of all programs |"
        yield "|---:|---:|---:|---:|---:|"
        for batch in BATCHES:
            loaded(nodes, WARM_UP_SECS, ["--rate", "max", "--batch", batch, "--connections", CONNECTIONS])
            events, *cores = rounds(options.rounds, lambda: throughput(nats, nodes, batch))
            yield f"| {batch:,} | {events:,.0f} | {' | '.join(f'{value:.2f}' for value in cores)} |"
        version = subprocess.run([options.nats_server, "--version"], capture_output=True, text=True).stdout.strip()
        setup = f"{version}; rounds of {LATENCY_SECS} and {THROUGHPUT_SECS} s, median of {options.rounds}"
        yield "\n" + "\n".join(machine.lines(setup))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("nats_server")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each figure")
    parser.add_argument("--dir", default=None, help="a directory on the disk to measure")
    options = parser.parse_args()
    if not 0 < options.rounds <= ROUNDS_MAX:
        parser.error(f"--rounds is 1 to {ROUNDS_MAX}")
    exit_on_signals()
    OUT.mkdir(parents=True, exist_ok=True)
    try:
        text = "\n".join(report(options)) + "\n"
    except (*FAILURES, AssertionError) as failure:
        sys.exit(f"the measurement is invalid: {failure}")
    (OUT / "report.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
