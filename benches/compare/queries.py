"""Latency of queries with and without ingest, and the same query on different systems."""

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
# Ingest runs for this time before and after the timed queries.
MARGIN_SECS = 0.3
INGEST_BATCH = 1_000
INTERFERENCE_USERS, INTERFERENCE_WINDOW_SECS, INTERFERENCE_RATES = 100_000, 300, (0, 1, 1_000)
# The whole retention. A server with this skew accepts events of the whole retention at once.
HISTORY_SECS = 1_790
# The common data of the systems is well inside the window, which moves on while the data is loaded.
COMMON_WINDOW_SECS, COMMON_HISTORY_SECS, COMMON_USERS = 300, 200, 100_000
COMPARED_MEMBERS = ("total_events", "unique_users", "by_type", "by_plan", "by_region")


@dataclass
class Settings:
    """The length of each measurement, the number of rounds, and the number of events."""

    seconds: float
    rounds: int
    events: int


@dataclass
class Results:
    """The measurements."""

    settings: Settings
    # By (users, window, whether during ingest): the output of the query driver.
    latency: dict = field(default_factory=dict)
    # By users: the p99 of /healthz and of the longest query without ingest, in ms, as a pair for each round.
    idle_p99_ms: dict = field(default_factory=dict)
    # By queries per second: the ingested events per second, as a list with one value per round.
    interference: dict = field(default_factory=dict)
    # Per round: the seconds of the PUT, of the first query after it, and of the second query.
    after_put: list = field(default_factory=list)
    # By system: the seconds of each response.
    equal_responses: dict = field(default_factory=dict)
    skipped: dict = field(default_factory=dict)
    failed: list = field(default_factory=list)


def run(settings):
    results = Results(settings)
    for users in POPULATIONS:
        print(f"queries with {users:,} users", file=sys.stderr)
        with attempt(results.failed, f"queries with {users:,} users"):
            measure_population(results, users)
    print("equal responses", file=sys.stderr)
    with attempt(results.failed, "equal responses"):
        compare_systems(results)
    return results


def measure_population(results, users):
    """Measures the queries of a server that knows `users` users and has events in its whole retention."""
    settings = results.settings
    with serving("weir", max_skew_secs=HISTORY_SECS + 10) as (_, port):
        with Http(port) as http:
            fill(http, users, settings.events, HISTORY_SECS)
        run_queries(port, metrics(WINDOWS_SECS[-1]), QUERIES_PER_SEC, settings.seconds / 4)
        for window_secs in WINDOWS_SECS:
            percentiles = run_queries(port, metrics(window_secs), QUERIES_PER_SEC, settings.seconds)
            results.latency[users, window_secs, False] = percentiles
        results.idle_p99_ms[users] = [idle_p99_ms(port, settings.seconds) for _ in range(settings.rounds)]
        if users == POPULATIONS[-1]:
            results.after_put = [put_and_query(port, users) for _ in range(settings.rounds)]
        for window_secs in WINDOWS_SECS:
            percentiles, _ = queries_during_ingest(port, users, window_secs, QUERIES_PER_SEC, settings.seconds)
            results.latency[users, window_secs, True] = percentiles
    if users == INTERFERENCE_USERS:
        measure_interference(results)


def idle_p99_ms(port, seconds):
    """Returns the p99 of GET /healthz and of the longest query, without ingest."""
    paths = ("/healthz", metrics(WINDOWS_SECS[-1]))
    return [run_queries(port, path, QUERIES_PER_SEC, seconds)["p99"] for path in paths]


def measure_interference(results):
    """Measures ingest with different rates of queries at the same time. Each measurement has a fresh server."""
    settings = results.settings
    for _ in range(settings.rounds):
        for per_sec in INTERFERENCE_RATES:
            with serving("weir") as (_, port):
                with Http(port) as http:
                    http.request("PUT", "/reference/users", events.reference(INTERFERENCE_USERS, now_ms()))
                send(port, INGEST_BATCH, settings.seconds / 4, INTERFERENCE_USERS)
                _, rate = queries_during_ingest(
                    port, INTERFERENCE_USERS, INTERFERENCE_WINDOW_SECS, per_sec, settings.seconds
                )
                results.interference.setdefault(per_sec, []).append(rate)


def put_and_query(port, users):
    """Returns the seconds of a PUT of a new table, and of the two queries after it."""
    table = events.reference(users, now_ms())
    with Http(port) as http:
        return [
            timed_request(http, "PUT", "/reference/users", table)[0],
            *(timed_request(http, "GET", metrics(WINDOWS_SECS[-1]))[0] for _ in range(2)),
        ]


def compare_systems(results):
    """Times the response to GET /metrics of each system with the same events. All responses must be equal."""
    end_ms, settings, responses = now_ms(), results.settings, {}
    data = (settings.events, COMMON_USERS, COMMON_HISTORY_SECS)
    for system in ("weir", "node"):
        if not skipped(results, system):
            with serving(system, max_skew_secs=COMMON_WINDOW_SECS) as (_, port), Http(port) as http:
                fill(http, COMMON_USERS, settings.events, COMMON_HISTORY_SECS, end_ms)
                latencies, content = query_repeatedly(http, settings.seconds)
            results.equal_responses[system], responses[system] = latencies, json.loads(content)
    if not skipped(results, "clickhouse"):
        command = [PYTHON, CLICKHOUSE, "query", *data, end_ms, COMMON_WINDOW_SECS, settings.seconds]
        response = json.loads(output(SERVER_CORE, command, timeout_secs=300))
        results.equal_responses["clickhouse"], responses["clickhouse"] = response["latencies"], response["metrics"]
    for system, response in responses.items():
        for member in COMPARED_MEMBERS:
            if response[member] != responses["weir"][member]:
                raise Failed(f"{member} is {response[member]} in {system}, and {responses['weir'][member]} in weir")


def skipped(results, system):
    if reason := missing(system):
        results.skipped[system] = reason
    return reason is not None


def query_repeatedly(http, seconds):
    """Returns the seconds of each response, and the last response."""
    latencies, start = [], time.perf_counter()
    while not latencies or time.perf_counter() - start < seconds:
        latency, content = timed_request(http, "GET", metrics(COMMON_WINDOW_SECS))
        latencies.append(latency)
    return latencies, content


def timed_request(http, *request):
    start = time.perf_counter()
    content = http.request(*request)
    return time.perf_counter() - start, content


def now_ms():
    return time.time_ns() // 1_000_000


def fill(http, users, count, history_secs, end_ms=None):
    """Puts the table of users, and posts events of the last `history_secs` seconds."""
    end_ms = end_ms or now_ms()
    http.request("PUT", "/reference/users", events.reference(users, end_ms))
    for body in events.history(count, users, history_secs, end_ms):
        verdicts = json.loads(http.request("POST", "/events", body))
        if verdicts["duplicates"] or verdicts["rejected"]:
            raise Failed(f"not all events of the history were accepted: {verdicts}")


def metrics(window_secs):
    """Returns the path of a query."""
    return f"/metrics?window={window_secs}"


def run_queries(port, path, per_sec, seconds):
    """Runs GET requests in an open loop and returns their percentiles."""
    # The driver has priority over the load generator on the same core. Otherwise, the time slices of the load generator
    # would count as latency. Only root may raise the priority; without root the driver runs with normal priority.
    command = ["nice", "--adjustment=-15", QUERIES, f"127.0.0.1:{port}", path, per_sec, round(seconds * 1000)]
    return json.loads(output(CLIENT_CORE, command, timeout_secs=seconds + 60))


def queries_during_ingest(port, users, window_secs, per_sec, seconds):
    """Returns the percentiles of the queries (None without queries), and the ingested events per second."""
    with sending(port, INGEST_BATCH, seconds + 2 * MARGIN_SECS, users) as report:
        time.sleep(MARGIN_SECS)
        percentiles = run_queries(port, metrics(window_secs), per_sec, seconds) if per_sec else None
        return percentiles, report()["events_per_sec"]
