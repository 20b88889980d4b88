"""Events a second of every row for every size of batch, in interleaved rounds."""

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
# The batch at which memory is told, and which the ratios refer to.
TYPICAL_BATCH = 1_000
USERS = 100_000
# What comes before is long enough for Node's compiler to have seen the code.
WARM_UP_PART = 0.5


@dataclass(frozen=True)
class Memory:
    """Of a server before and after it took so many ids."""

    before_bytes: int
    after_bytes: int
    ids: int

    def bytes_per_id(self):
        return (self.after_bytes - self.before_bytes) / self.ids


@dataclass
class Results:
    """What was measured, by (row, batch) and then by round; memory by row, one a round."""

    seconds: float
    batches: tuple
    rounds: int = 0
    rates: dict = field(default_factory=dict)
    cpu_ns: dict = field(default_factory=dict)
    memory: dict = field(default_factory=dict)
    skipped: dict = field(default_factory=dict)
    failed: list = field(default_factory=list)

    def record(self, row, batch, turn, rate, cpu_ns_per_event):
        self.rates.setdefault((row, batch), {})[turn] = rate
        self.cpu_ns.setdefault((row, batch), {})[turn] = cpu_ns_per_event
        print(f"round {turn + 1}: {row.name}, batches of {batch}: {rate:,.0f} events/s", file=sys.stderr)

    def ratio(self, row, batch, reference_row, reference_batch):
        """The median over the rounds of the ratio within a round, which a slow moment of the machine changes least."""
        rates, references = self.rates.get((row, batch), {}), self.rates.get((reference_row, reference_batch), {})
        ratios = [rate / references[turn] for turn, rate in rates.items() if turn in references]
        return median(ratios) if ratios else None


def run(rounds, seconds, batches, limit_secs):
    """So many rounds, or as many as are begun within the limit."""
    results = Results(seconds, batches)
    deadline = time.monotonic() + limit_secs
    for row in ROWS:
        if reason := missing(row.system):
            results.skipped[row] = reason
            print(f"skipped: {row.name}: {reason}", file=sys.stderr)
    rows = [row for row in ROWS if row not in results.skipped]
    for turn in range(rounds):
        if time.monotonic() > deadline:
            print(f"the time is over after {turn} of {rounds} rounds", file=sys.stderr)
            break
        results.rounds += 1
        # Every other round runs backwards, so that a drift of the machine favours nobody.
        order = rows if turn % 2 == 0 else rows[::-1]
        for batch in batches:
            for row in order:
                if row.system != "clickhouse":
                    with attempt(results.failed, f"{row.name}, batches of {batch}"):
                        measure(results, row, batch, turn)
        for row in order:
            if row.system == "clickhouse":
                with attempt(results.failed, row.name):
                    measure_clickhouse(results, row, turn)
    return results


def measure(results, row, batch, turn):
    """A fresh server, warmed up."""
    warm_up_secs = results.seconds * WARM_UP_PART
    with serving(row.system) as (process, port):
        before_bytes = rss_bytes(process)
        with sender(row, port, batch, warm_up_secs + results.seconds) as send_for:
            warm_ids, _ = send_for(warm_up_secs)
            before_ns = cpu_ns(process)
            ids, rate = send_for(results.seconds)
            cpu_ns_per_event = (cpu_ns(process) - before_ns) / ids
        if batch == TYPICAL_BATCH:
            memory = Memory(before_bytes, rss_bytes(process), warm_ids + ids)
            results.memory.setdefault(row, []).append(memory)
    results.record(row, batch, turn, rate, cpu_ns_per_event)


@contextmanager
def sender(row, port, batch, seconds):
    """What sends for some of the seconds, and returns the events accepted and how many a second that were."""
    if row.system == "redis":
        with Client(port) as client:
            yield partial(client.run, client.commands(batch, seconds, USERS), batch)
        return

    def send_for(part_secs):
        # The ceiling reads from the path how many events it is to acknowledge.
        prefix = f"/{batch}" if row.system == "ceiling" else ""
        report = send(port, batch, part_secs, USERS, minimal=row.minimal, prefix=prefix)
        return report["told"]["accepted"], report["events_per_sec"]

    yield send_for


def measure_clickhouse(results, row, turn):
    """All sizes of batch in one process, which is slow to start."""
    seconds, batches = results.seconds, results.batches
    command = [PYTHON, CLICKHOUSE, "ingest", seconds * WARM_UP_PART, seconds, USERS, *batches]
    measured = json.loads(output(SERVER_CORE, command, timeout_secs=60 + 20 * seconds * len(batches)))
    for batch, (rate, cpu_ns_per_event) in measured.items():
        results.record(row, int(batch), turn, rate, cpu_ns_per_event)
