"""Twice as much as the server can take."""

import threading
import time
from statistics import mean, median

from client import Client, event, go_first, post
from generator import send, sending
from report import latencies, quantile
from server import serving

TITLE = "Overload"

BATCH, PEAK_CONNECTIONS, CONNECTIONS = 2_000, 16, 256
TIMES = 2
# Short, so that a table of this many ids has room for those of a horizon: no 503 is for want of it.
RETENTION_SECS, SKEW_SECS, CAPACITY = 5, 2, 1 << 25
HEALTH_PERIOD_SECS, TRICKLE_PERIOD_SECS, TRICKLE_SECS = 0.05, 0.02, 4
REST_SECS, COUNTED_SECS, WARMUP_SECS = 5, 2, 15
SHARE_MIN, HEALTH_MS_MAX = 0.9, 100
# The part of the load that has to be sent for it to be one.
OFFERED_MIN = 0.95


class Asking:
    """Asks something at regular times, whatever the answers; for as long as a block, or several."""

    def __init__(self, port, period_secs, ask):
        self.client, self.period_secs, self.ask = Client(port), period_secs, ask
        self.stopped, self.answers, self.failures = threading.Event(), [], []

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
        go_first()
        due = time.monotonic()
        while not self.stopped.wait(max(due - time.monotonic(), 0)):
            try:
                self.answers.append(self.ask(self.client))
            except OSError as error:
                self.failures.append(str(error))
                self.client.close()
            # What was due while an answer was waited for is not asked later.
            due = max(due + self.period_secs, time.monotonic())

    def latencies_ms(self, status=200):
        return [answer.latency_ms for answer in self.answers if answer.status == status]


class Trickle:
    """Events of one small client, each with an id of its own."""

    def __init__(self):
        self.number = 0

    def __call__(self, client):
        self.number += 1
        return post(client, event(f"trickle-{self.number}"))


def run(section, quick):
    rounds, peak_secs, seconds = (1, 3, 10) if quick else (4, 5, 15)
    flags = ["--retention", RETENTION_SECS, "--max-skew", SKEW_SECS, "--dedup-capacity", CAPACITY]
    section.note(
        f"batches of {BATCH:,}, full answers, preallocated ids, a retention of {RETENTION_SECS} s; {rounds} rounds of "
        f"{seconds} s over {CONNECTIONS} connections, at {TIMES} times the peak that was measured just before; a peak is of "
        f"{PEAK_CONNECTIONS} connections in a closed loop for {peak_secs} s"
    )
    trickle, loads = Trickle(), []
    with serving(*flags) as server:
        before_ms = trickled_ms(server, trickle)
        # Until the first ids expire, and memory has been used once, the server's work is another than ever after.
        send(server.port, "max", BATCH, CONNECTIONS, WARMUP_SECS, full=True)
        peaks = [peak(server, peak_secs)]
        health = Asking(server.port, HEALTH_PERIOD_SECS, lambda client: client.ask("GET", "/healthz"))
        small = Asking(server.port, TRICKLE_PERIOD_SECS, trickle)
        for number in range(1, rounds + 1):
            rate = round(TIMES * peaks[-1])
            with sending(server.port, rate, BATCH, CONNECTIONS, seconds, full=True) as report, health, small:
                loads.append(report())
            if number == rounds:
                time.sleep(REST_SECS)
                after_ms = trickled_ms(server, trickle)
            peaks.append(peak(server, peak_secs))
    counted, accepted = counts(round(TIMES * peaks[0]))
    judge_loads(section, loads, peaks, seconds)
    judge_health(section, health)
    judge_small(section, small)
    section.tell("one event a request, p50 / p99 / max, before", latencies(before_ms))
    section.tell(f"… {REST_SECS} s after the end", latencies(after_ms))
    name = f"events counted, of those accepted in {COUNTED_SECS} s of overload"
    section.judge(name, f"{counted:,} of {accepted:,}", "all", counted == accepted)


def peak(server, seconds):
    return send(server.port, "max", BATCH, PEAK_CONNECTIONS, seconds, full=True)["events_per_sec"]


def trickled_ms(server, trickle):
    with Asking(server.port, TRICKLE_PERIOD_SECS, trickle) as asking:
        time.sleep(TRICKLE_SECS)
    return asking.latencies_ms()


def counts(rate):
    """What the metrics say of a short overload of a server that forgets nothing meanwhile, and what its answers said."""
    with serving("--dedup-capacity", CAPACITY) as server, Client(server.port) as client:
        load = send(server.port, rate, BATCH, CONNECTIONS, COUNTED_SECS, full=True)
        counted = client.ask("GET", "/metrics?window=1800").json()["total_events"]
    return counted, load["told"]["accepted"]


def judge_loads(section, loads, peaks, seconds):
    requests = {name: sum(load["requests"][name] for load in loads) for name in ("sent", "answered", "overloaded", "unsent")}
    offered = requests["sent"] * BATCH / seconds / sum(int(load["rate"]) for load in loads)
    section.tell("peaks, before and after each round", f"{', '.join(f'{peak / 1e6:.2f}' for peak in peaks)} million events/s")
    section.tell("load that was sent", f"{offered:.1%} ({requests['unsent']:,} requests found no free connection)")
    if offered < OFFERED_MIN:
        section.note("not all of the load was sent: every connection waited for an answer, or for the generator's core")
    section.tell("requests taken / refused with 503", f"{requests['answered']:,} / {requests['overloaded']:,}")
    shares = [load["events_per_sec"] / mean(around) for load, *around in zip(loads, peaks, peaks[1:])]
    value = f"{median(shares):.0%} ({min(shares):.0%}–{max(shares):.0%})"
    name = "accepted, of the peaks before and after, median (least–most)"
    section.judge(name, value, f"{SHARE_MIN:.0%}", median(shares) >= SHARE_MIN, strict=False)
    p50_ms, p99_ms = (median(load["latency_ms"][name] for load in loads) for name in ("p50", "p99"))
    section.tell("latency of what was taken, p50 / p99", f"{p50_ms:.0f} / {p99_ms:.0f} ms, from when it was due")


def judge_health(section, health):
    wrong = len(health.failures) + sum(answer.status != 200 for answer in health.answers)
    section.judge("/healthz not answered with 200", f"{wrong} of {len(health.answers)}", "0", wrong == 0)
    measured = health.latencies_ms()
    p99_ms = quantile(measured, 0.99) if measured else float("inf")
    holds = p99_ms <= HEALTH_MS_MAX
    section.judge("/healthz p50 / p99 / max", latencies(measured), f"p99 {HEALTH_MS_MAX} ms", holds, strict=False)


def judge_small(section, small):
    refused = [answer for answer in small.answers if answer.status == 503]
    proper = sum(answer.refuses_properly() for answer in refused)
    section.judge("503 with Retry-After, to a small client", f"{proper} of {len(refused)}", "all", proper == len(refused))
    wrong = len(small.failures) + sum(answer.status not in (200, 503) for answer in small.answers)
    section.judge("… answered with neither 200 nor 503", f"{wrong} of {len(small.answers)}", "0", wrong == 0)
    lost = sum(answer.status == 200 and answer.json()["accepted"] != 1 for answer in small.answers)
    section.judge("… fresh events that were not accepted", str(lost), "0", lost == 0)
    section.tell("… p50 / p99 / max of a single event that was taken", latencies(small.latencies_ms()))
