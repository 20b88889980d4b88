"""Measures events per second for every row and batch size, in interleaved rounds."""

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import sqrt
from statistics import median, quantiles

from load import send
from machine import back_memory
from processes import SERVER_CORE, attempt, cpu_ns, output, rss_bytes
from redis_client import Client
from systems import CEILING_ROW, CLICKHOUSE, DEFAULT_ROW, FIXED_ROW, FULL_ROW, NODE_ROW, PYTHON, ROWS, Row, missing, serving

BATCHES = (1, 10, 100, 1_000, 10_000)
# Memory is reported for this batch size, and the ratios refer to it.
TYPICAL_BATCH = 1_000
USERS = 100_000
# The fewest pairs of rounds from which a ratio can be known well enough.
PAIRS_MIN = 3
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


@dataclass(frozen=True)
class Ratio:
    """A ratio of two rows at one batch size."""

    row: Row
    reference: Row
    batch: int


# The run goes on until these ratios are known well enough.
KEY_RATIOS = [
    *(Ratio(DEFAULT_ROW, CEILING_ROW, batch) for batch in (1_000, 1, 100, 10_000)),
    Ratio(DEFAULT_ROW, NODE_ROW, TYPICAL_BATCH),
    Ratio(DEFAULT_ROW, FIXED_ROW, TYPICAL_BATCH),
    Ratio(FULL_ROW, DEFAULT_ROW, TYPICAL_BATCH),
]
# The interquartile range of a ratio that is known well enough, relative to its median.
SPREAD_MAX = 0.1


@dataclass(frozen=True)
class Found:
    """What was found for a ratio: one value for each pair of rounds."""

    values: list

    def median(self):
        return median(self.values)

    def spread(self):
        """Returns the interquartile range relative to the median."""
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return (high - low) / self.median()

    def is_settled(self):
        return len(self.values) >= PAIRS_MIN and self.spread() <= SPREAD_MAX


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
        ratios = by_round(self.rates, (row, batch), (reference_row, reference_batch))
        return median(ratios.values()) if ratios else None

    def key_ratios(self):
        """Returns what was found for each key ratio: by throughput, and by events per CPU time."""
        found = {}
        for ratio in KEY_RATIOS:
            row, reference = (ratio.row, ratio.batch), (ratio.reference, ratio.batch)
            by_rate = of_pairs(by_round(self.rates, row, reference))
            by_cpu = of_pairs(by_round(self.cpu_ns, reference, row))
            if len(by_rate) > 1:
                found[ratio] = (Found(by_rate), Found(by_cpu))
        return found

    def is_settled(self):
        """Returns whether each key ratio of rows that can be measured is known well enough."""
        found = self.key_ratios()
        wanted = [ratio for ratio in KEY_RATIOS if not {ratio.row, ratio.reference} & self.skipped.keys()]
        return all(ratio in found and found[ratio][0].is_settled() for ratio in wanted)


def by_round(values, key, reference):
    """Returns value / reference value by round, for the rounds that have both."""
    references = values.get(reference, {})
    return {index: value / references[index] for index, value in values.get(key, {}).items() if index in references}


def of_pairs(ratios):
    """Returns the geometric mean for each pair of rounds. The second round of a pair has the reverse order (ABBA)."""
    firsts = [index for index in ratios if index % 2 == 0 and index + 1 in ratios]
    return [sqrt(ratios[index] * ratios[index + 1]) for index in firsts]


def run(pairs_max, seconds, batches, limit_secs):
    """Runs pairs of rounds until all key ratios are known well enough, for at most `limit_secs` and `pairs_max` pairs."""
    results = Results(seconds, batches)
    deadline = time.monotonic() + limit_secs
    back_memory()
    for row in ROWS:
        if reason := missing(row.system):
            results.skipped[row] = reason
            print(f"skipped: {row.name}: {reason}", file=sys.stderr)
    rows = [row for row in ROWS if row not in results.skipped]
    pair_secs = 0
    for pair in range(pairs_max):
        start = time.monotonic()
        if results.is_settled():
            break
        if start + pair_secs > deadline:
            print(f"reached the time limit after {results.rounds} rounds", file=sys.stderr)
            break
        # The second round of a pair runs in reverse order, so that a drift of the machine favours no row.
        for round_index, order in ((2 * pair, rows), (2 * pair + 1, rows[::-1])):
            run_round(results, order, round_index)
        pair_secs = time.monotonic() - start
    return results


def run_round(results, order, round_index):
    results.rounds += 1
    for batch in results.batches:
        for row in order:
            if row.system != "clickhouse":
                with attempt(results.failed, f"{row.name}, batches of {batch}"):
                    measure(results, row, batch, round_index)
    for row in order:
        if row.system == "clickhouse":
            with attempt(results.failed, row.name):
                measure_clickhouse(results, row, round_index)


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
