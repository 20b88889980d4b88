"""Measures events per second for every row and batch size, in interleaved rounds."""

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from load import send
from processes import SERVER_CORE, attempt, cpu_ns, output, rss_bytes
from redis_client import Client
from systems import CLICKHOUSE, PYTHON, ROWS, missing, serving

BATCHES = (1, 10, 100, 1_000, 10_000)
# Memory is reported for this batch size, and the ratios refer to it.
TYPICAL_BATCH = 1_000
USERS = 100_000
# The length of the warm-up, relative to the measurement. It is long enough for Node's compiler to optimise the code.
WARM_UP_RATIO = 0.5


@dataclass(frozen=True)
class Memory:
    """The resident memory of a server before and after it accepted `ids` ids."""

    before_bytes: int
    after_bytes: int
    ids: int

    def bytes_per_id(self):
        return (self.after_bytes - self.before_bytes) / self.ids


@dataclass
class Results:
    """The measurements: rates and CPU times by (row, batch) and then by round; memory by row, as a list with one per round."""

    seconds: float
    batches: tuple
    rounds: int = 0
    rates: dict = field(default_factory=dict)
    cpu_ns: dict = field(default_factory=dict)
    memory: dict = field(default_factory=dict)
    skipped: dict = field(default_factory=dict)
    failed: list = field(default_factory=list)

    def record(self, row, batch, round_index, rate, cpu_ns_per_event):
        self.rates.setdefault((row, batch), {})[round_index] = rate
        self.cpu_ns.setdefault((row, batch), {})[round_index] = cpu_ns_per_event
        print(f"round {round_index + 1}: {row.name}, batches of {batch}: {rate:,.0f} events/s", file=sys.stderr)

    def ratio(self, row, batch, reference_row, reference_batch):
        """Returns the median of the ratios within each round. A slow moment of the machine changes it least."""
        rates, references = self.rates.get((row, batch), {}), self.rates.get((reference_row, reference_batch), {})
        ratios = [rate / references[index] for index, rate in rates.items() if index in references]
        return median(ratios) if ratios else None


def run(rounds, seconds, batches, limit_secs):
    """Runs `rounds` rounds. After `limit_secs`, it starts no further round."""
    results = Results(seconds, batches)
    deadline = time.monotonic() + limit_secs
    for row in ROWS:
        if reason := missing(row.system):
            results.skipped[row] = reason
            print(f"skipped: {row.name}: {reason}", file=sys.stderr)
    rows = [row for row in ROWS if row not in results.skipped]
    for round_index in range(rounds):
        if time.monotonic() > deadline:
            print(f"reached the time limit after {round_index} of {rounds} rounds", file=sys.stderr)
            break
        results.rounds += 1
        # Every second round runs in reverse order, so that a drift of the machine favours no row.
        order = rows if round_index % 2 == 0 else rows[::-1]
        for batch in batches:
            for row in order:
                if row.system != "clickhouse":
                    with attempt(results.failed, f"{row.name}, batches of {batch}"):
                        measure(results, row, batch, round_index)
        for row in order:
            if row.system == "clickhouse":
                with attempt(results.failed, row.name):
                    measure_clickhouse(results, row, round_index)
    return results


def measure(results, row, batch, round_index):
    """Measures a fresh server after a warm-up."""
    warm_up_secs = results.seconds * WARM_UP_RATIO
    with serving(row.system) as (process, port):
        before_bytes = rss_bytes(process)
        with sender(row, port, batch, warm_up_secs + results.seconds) as send_for:
            warm_up_ids, _ = send_for(warm_up_secs)
            before_ns = cpu_ns(process)
            ids, rate = send_for(results.seconds)
            cpu_ns_per_event = (cpu_ns(process) - before_ns) / ids
        if batch == TYPICAL_BATCH:
            memory = Memory(before_bytes, rss_bytes(process), warm_up_ids + ids)
            results.memory.setdefault(row, []).append(memory)
    results.record(row, batch, round_index, rate, cpu_ns_per_event)


@contextmanager
def sender(row, port, batch, seconds):
    """Yields a function that sends for a part of `seconds`. It returns the accepted events, in total and per second."""
    if row.system == "redis":
        with Client(port) as client:
            yield partial(client.run, client.commands(batch, seconds, USERS), batch)
        return

    def send_for(part_secs):
        # The ceiling reads the number of events to acknowledge from the path.
        prefix = f"/{batch}" if row.system == "ceiling" else ""
        report = send(port, batch, part_secs, USERS, minimal=row.minimal, prefix=prefix)
        return report["told"]["accepted"], report["events_per_sec"]

    yield send_for


def measure_clickhouse(results, row, round_index):
    """Measures all batch sizes in one process, because the process is slow to start."""
    seconds, batches = results.seconds, results.batches
    command = [PYTHON, CLICKHOUSE, "ingest", seconds * WARM_UP_RATIO, seconds, USERS, *batches]
    measured = json.loads(output(SERVER_CORE, command, timeout_secs=60 + 20 * seconds * len(batches)))
    for batch, (rate, cpu_ns_per_event) in measured.items():
        results.record(row, int(batch), round_index, rate, cpu_ns_per_event)
