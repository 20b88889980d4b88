"""Twice the peak load of the server."""

import threading
import time
from statistics import mean, median

from client import Client, event, post, raise_priority
from generator import send, sending
from report import latencies, quantile
from server import serving

TITLE = "Overload"

BATCH, PEAK_CONNECTIONS, CONNECTIONS = 2_000, 16, 256
OVERLOAD_FACTOR = 2
# The retention is short: the ids of one horizon fit into a table with this capacity, and no 503 is due to a full table.
RETENTION_SECS, SKEW_SECS, CAPACITY = 5, 2, 1 << 25
HEALTH_PERIOD_SECS, SINGLE_EVENT_PERIOD_SECS, SINGLE_EVENTS_SECS = 0.05, 0.02, 4
RECOVERY_SECS, COUNTED_SECS, WARMUP_SECS = 5, 2, 15
ACCEPTED_RATIO_MIN, HEALTH_MS_MAX = 0.9, 100
# If less than this part of the load is sent, the report has a note.
SENT_RATIO_MIN = 0.95


class PeriodicRequests:
    """Sends a request at regular times, independent of the responses, while a block runs. Can be used for several blocks."""

    def __init__(self, port, period_secs, send):
        self.client, self.period_secs, self.send = Client(port), period_secs, send
        self.stopped, self.responses, self.failures = threading.Event(), [], []

    def __enter__(self):
        self.stopped.clear()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()
        self.client.close()

    def run(self):
        raise_priority()
        due = time.monotonic()
        while not self.stopped.wait(max(due - time.monotonic(), 0)):
            try:
                self.responses.append(self.send(self.client))
            except OSError as error:
                self.failures.append(str(error))
                self.client.close()
            # Requests that were due during the wait for a response are skipped.
            due = max(due + self.period_secs, time.monotonic())

    def latencies_ms(self, status=200):
        return [response.latency_ms for response in self.responses if response.status == status]


class SingleEvents:
    """Sends the events of one small client. Each call sends one event with a new id."""

    def __init__(self):
        self.number = 0

    def __call__(self, client):
        self.number += 1
        return post(client, event(f"single-{self.number}"))


def run(section, quick):
    rounds, peak_secs, seconds = (1, 3, 10) if quick else (4, 5, 15)
    flags = ["--retention", RETENTION_SECS, "--max-skew", SKEW_SECS, "--dedup-capacity", CAPACITY]
    section.note(
        f"Batches of {BATCH:,}, full replies, a fixed capacity of ids, a retention of {RETENTION_SECS} s. Rounds: {rounds}, each "
        f"{seconds} s on {CONNECTIONS} connections, at {OVERLOAD_FACTOR} times the peak that was measured directly before. "
        f"A peak is measured on {PEAK_CONNECTIONS} connections in a closed loop for {peak_secs} s."
    )
    single_events, loads = SingleEvents(), []
    with serving(*flags) as server:
        before_ms = single_event_latencies_ms(server, single_events)
        # The server works differently until the first ids expire and all memory has been touched.
        send(server.port, "max", BATCH, CONNECTIONS, WARMUP_SECS, full=True)
        peaks = [peak(server, peak_secs)]
        health = PeriodicRequests(server.port, HEALTH_PERIOD_SECS, lambda client: client.request("GET", "/healthz"))
        small = PeriodicRequests(server.port, SINGLE_EVENT_PERIOD_SECS, single_events)
        for number in range(1, rounds + 1):
            rate = round(OVERLOAD_FACTOR * peaks[-1])
            with sending(server.port, rate, BATCH, CONNECTIONS, seconds, full=True) as report, health, small:
                loads.append(report())
            if number == rounds:
                time.sleep(RECOVERY_SECS)
                after_ms = single_event_latencies_ms(server, single_events)
            peaks.append(peak(server, peak_secs))
    counted, accepted = counts(round(OVERLOAD_FACTOR * peaks[0]))
    report_loads(section, loads, peaks, seconds)
    report_health(section, health)
    report_small_client(section, small)
    section.add("single events before the overload: p50 / p99 / maximum", latencies(before_ms))
    section.add(f"single events {RECOVERY_SECS} s after its end: p50 / p99 / maximum", latencies(after_ms))
    name = f"events counted, of the events accepted during {COUNTED_SECS} s of overload"
    section.check(name, f"{counted:,} of {accepted:,}", "all", counted == accepted)


def peak(server, seconds):
    return send(server.port, "max", BATCH, PEAK_CONNECTIONS, seconds, full=True)["events_per_sec"]


def single_event_latencies_ms(server, single_events):
    with PeriodicRequests(server.port, SINGLE_EVENT_PERIOD_SECS, single_events) as requests:
        time.sleep(SINGLE_EVENTS_SECS)
    return requests.latencies_ms()


def counts(rate):
    """Overloads a server for a short time, in which no event expires.

    Returns the number of events in the metrics, and the number of accepted events in the responses.
    """
    with serving("--dedup-capacity", CAPACITY) as server, Client(server.port) as client:
        load = send(server.port, rate, BATCH, CONNECTIONS, COUNTED_SECS, full=True)
        counted = client.request("GET", "/metrics?window=1800").json()["total_events"]
    return counted, load["told"]["accepted"]


def report_loads(section, loads, peaks, seconds):
    requests = {name: sum(load["requests"][name] for load in loads) for name in ("sent", "answered", "overloaded", "unsent")}
    sent_ratio = requests["sent"] * BATCH / seconds / sum(int(load["rate"]) for load in loads)
    section.add("peaks, before and after each round", f"{', '.join(f'{peak / 1e6:.2f}' for peak in peaks)} million events/s")
    section.add("load that was sent", f"{sent_ratio:.1%} ({requests['unsent']:,} requests found no free connection)")
    if sent_ratio < SENT_RATIO_MIN:
        section.note("Part of the load was not sent. Each connection waited for a response, or for the generator's core.")
    section.add("batches accepted / rejected with 503", f"{requests['answered']:,} / {requests['overloaded']:,}")
    ratios = [load["events_per_sec"] / mean(around) for load, *around in zip(loads, peaks, peaks[1:])]
    value = f"{median(ratios):.0%} ({min(ratios):.0%}–{max(ratios):.0%})"
    name = "events accepted, relative to the peaks before and after; median (minimum–maximum)"
    section.check(name, value, f"{ACCEPTED_RATIO_MIN:.0%}", median(ratios) >= ACCEPTED_RATIO_MIN, strict=False)
    p50_ms, p99_ms = (median(load["latency_ms"][name] for load in loads) for name in ("p50", "p99"))
    section.add("latency of accepted batches from their due time: p50 / p99", f"{p50_ms:.0f} / {p99_ms:.0f} ms")


def report_health(section, health):
    wrong = len(health.failures) + sum(response.status != 200 for response in health.responses)
    section.check("/healthz: responses other than 200", f"{wrong} of {len(health.responses)}", "0", wrong == 0)
    measured = health.latencies_ms()
    p99_ms = quantile(measured, 0.99) if measured else float("inf")
    holds = p99_ms <= HEALTH_MS_MAX
    section.check("/healthz: p50 / p99 / maximum", latencies(measured), f"p99 {HEALTH_MS_MAX} ms", holds, strict=False)


def report_small_client(section, small):
    rejected = [response for response in small.responses if response.status == 503]
    proper = sum(response.is_503_with_retry_after() for response in rejected)
    section.check("small client: 503 with Retry-After", f"{proper} of {len(rejected)}", "all", proper == len(rejected))
    wrong = len(small.failures) + sum(response.status not in (200, 503) for response in small.responses)
    section.check("small client: responses other than 200 and 503", f"{wrong} of {len(small.responses)}", "0", wrong == 0)
    lost = sum(response.status == 200 and response.json()["accepted"] != 1 for response in small.responses)
    section.check("small client: new events that a 200 did not accept", str(lost), "0", lost == 0)
    section.add("small client: accepted single event, p50 / p99 / maximum", latencies(small.latencies_ms()))
