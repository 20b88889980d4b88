"""Queries beside ingest, and the same answer from different systems."""

import json
import sys
import time
from dataclasses import dataclass, field

import events
from load import send, sending
from processes import CLIENT_CORE, SERVER_CORE, Failed, Http, attempt, output
from systems import CLICKHOUSE, PYTHON, QUERIES, missing, serving

WINDOWS_SECS = (60, 300, 1_800)
POPULATIONS = (10_000, 100_000, 1_000_000)
QUERIES_PER_SEC = 200
# How long ingest runs before and after the queries that are timed beside it.
MARGIN_SECS = 0.3
INGEST_BATCH = 1_000
INTERFERENCE_USERS, INTERFERENCE_WINDOW_SECS, INTERFERENCE_RATES = 100_000, 300, (0, 1, 1_000)
# The whole history that weir keeps, which a server with this skew takes in at once.
HISTORY_SECS = 1_790
# The systems' common data lie well inside the window, which moves on while they are loaded.
COMMON_WINDOW_SECS, COMMON_HISTORY_SECS, COMMON_USERS = 300, 200, 100_000
FIGURES = ("total_events", "unique_users", "by_type", "by_plan", "by_region")


@dataclass
class Effort:
    """How much is measured."""

    seconds: float
    rounds: int
    events: int


@dataclass
class Results:
    """What was measured."""

    effort: Effort
    # By (users, window, whether beside ingest): what the query driver printed.
    latency: dict = field(default_factory=dict)
    # By queries a second: events ingested a second, one a round.
    interference: dict = field(default_factory=dict)
    # Seconds of the PUT, of the first query after it and of the second, one a round.
    after_put: list = field(default_factory=list)
    # By system: seconds of each answer.
    same_answer: dict = field(default_factory=dict)
    skipped: dict = field(default_factory=dict)
    failed: list = field(default_factory=list)


def run(effort):
    results = Results(effort)
    for users in POPULATIONS:
        print(f"queries with {users:,} users", file=sys.stderr)
        with attempt(results.failed, f"queries with {users:,} users"):
            with_population(results, users)
    print("the same answer", file=sys.stderr)
    with attempt(results.failed, "the same answer"):
        same_answer(results)
    return results


def with_population(results, users):
    """Everything about one server that knows so many users and has events of its whole retention."""
    effort = results.effort
    with serving("weir", max_skew_secs=HISTORY_SECS + 10) as (_, port):
        with Http(port) as http:
            fill(http, users, effort.events, HISTORY_SECS)
        ask(port, WINDOWS_SECS[-1], QUERIES_PER_SEC, effort.seconds / 4)
        for window_secs in WINDOWS_SECS:
            results.latency[users, window_secs, False] = ask(port, window_secs, QUERIES_PER_SEC, effort.seconds)
        if users == POPULATIONS[-1]:
            results.after_put = [put_and_ask(port, users) for _ in range(effort.rounds)]
        for window_secs in WINDOWS_SECS:
            percentiles, _ = beside_ingest(port, users, window_secs, QUERIES_PER_SEC, effort.seconds)
            results.latency[users, window_secs, True] = percentiles
    if users == INTERFERENCE_USERS:
        interference(results)


def interference(results):
    """Ingest with more and more queries beside it, each time on a fresh server."""
    effort = results.effort
    for _ in range(effort.rounds):
        for per_sec in INTERFERENCE_RATES:
            with serving("weir") as (_, port):
                with Http(port) as http:
                    http.ask("PUT", "/reference/users", events.reference(INTERFERENCE_USERS, now_ms()))
                send(port, INGEST_BATCH, effort.seconds / 4, INTERFERENCE_USERS)
                _, rate = beside_ingest(port, INTERFERENCE_USERS, INTERFERENCE_WINDOW_SECS, per_sec, effort.seconds)
                results.interference.setdefault(per_sec, []).append(rate)


def put_and_ask(port, users):
    """Seconds of a PUT of a new table and of the two queries that follow it."""
    table = events.reference(users, now_ms())
    with Http(port) as http:
        return [
            timed(http, "PUT", "/reference/users", table)[0],
            *(timed(http, "GET", f"/metrics?window={WINDOWS_SECS[-1]}")[0] for _ in range(2)),
        ]


def same_answer(results):
    """The answer to GET /metrics from each system that has the same events; they must agree on it."""
    end_ms, effort, answers = now_ms(), results.effort, {}
    data = (effort.events, COMMON_USERS, COMMON_HISTORY_SECS)
    for system in ("weir", "node"):
        if not skipped(results, system):
            with serving(system, max_skew_secs=COMMON_WINDOW_SECS) as (_, port), Http(port) as http:
                fill(http, COMMON_USERS, effort.events, COMMON_HISTORY_SECS, end_ms)
                latencies, answer = ask_one_by_one(http, effort.seconds)
            results.same_answer[system], answers[system] = latencies, json.loads(answer)
    if not skipped(results, "clickhouse"):
        command = [PYTHON, CLICKHOUSE, "query", *data, end_ms, COMMON_WINDOW_SECS, effort.seconds]
        answer = json.loads(output(SERVER_CORE, command, timeout_secs=300))
        results.same_answer["clickhouse"], answers["clickhouse"] = answer["latencies"], answer["figures"]
    for system, answer in answers.items():
        for figure in FIGURES:
            if answer[figure] != answers["weir"][figure]:
                raise Failed(f"{system} says {answer[figure]} {figure}, weir {answers['weir'][figure]}")


def skipped(results, system):
    if reason := missing(system):
        results.skipped[system] = reason
    return reason is not None


def ask_one_by_one(http, seconds):
    """Seconds of each answer, and the last answer."""
    latencies, begun = [], time.perf_counter()
    while not latencies or time.perf_counter() - begun < seconds:
        latency, answer = timed(http, "GET", f"/metrics?window={COMMON_WINDOW_SECS}")
        latencies.append(latency)
    return latencies, answer


def timed(http, *request):
    asked = time.perf_counter()
    answer = http.ask(*request)
    return time.perf_counter() - asked, answer


def now_ms():
    return time.time_ns() // 1_000_000


def fill(http, users, count, history_secs, end_ms=None):
    """Puts the table of users and posts events of the last seconds."""
    end_ms = end_ms or now_ms()
    http.ask("PUT", "/reference/users", events.reference(users, end_ms))
    for body in events.history(count, users, history_secs, end_ms):
        verdicts = json.loads(http.ask("POST", "/events", body))
        if verdicts["duplicates"] or verdicts["rejected"]:
            raise Failed(f"not all of the history was accepted: {verdicts}")


def ask(port, window_secs, per_sec, seconds):
    """Percentiles of an open loop of queries."""
    path = f"/metrics?window={window_secs}"
    # Ahead of the load generator on its core, whose turns would count as latency. Only root may do that; for others the
    # driver runs as it is.
    command = ["nice", "--adjustment=-15", QUERIES, f"127.0.0.1:{port}", path, per_sec, round(seconds * 1000)]
    return json.loads(output(CLIENT_CORE, command, timeout_secs=seconds + 60))


def beside_ingest(port, users, window_secs, per_sec, seconds):
    """Percentiles of the queries (None where there are none), and the events a second that were ingested meanwhile."""
    with sending(port, INGEST_BATCH, seconds + 2 * MARGIN_SECS, users) as report:
        time.sleep(MARGIN_SECS)
        percentiles = ask(port, window_secs, per_sec, seconds) if per_sec else None
        return percentiles, report()["events_per_sec"]
