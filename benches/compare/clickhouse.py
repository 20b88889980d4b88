"""ClickHouse's engine (chDB), in its own process and virtual environment. Prints one line of JSON.

    clickhouse.py ingest WARM_UP_SECS SECONDS USERS BATCH...
    clickhouse.py query EVENTS USERS HISTORY_SECS END_MS WINDOW_SECS SECONDS
    clickhouse.py version
"""

import itertools
import json
import random
import sys
import time

from chdb import session

import events

COLUMNS = "event_id String, user_id String, type LowCardinality(String), ts DateTime64(3, 'UTC')"
# The number of events in the prepared bodies. The bodies are inserted again and again, because there is no dedup.
PREPARED_EVENTS = 100_000


def open_session():
    engine = session.Session()
    for setting in ("max_threads = 1", "max_insert_threads = 1", "date_time_input_format = 'best_effort'"):
        engine.query(f"SET {setting}")
    return engine


def insert(engine, body):
    engine.query("INSERT INTO events FORMAT JSONEachRow " + body)


def select(engine, query):
    return json.loads(engine.query(query, "JSONCompact").bytes())["data"]


def run(engine, bodies, batch, seconds):
    """Inserts for `seconds`. Returns the events, the events per second, and the CPU time per event in nanoseconds."""
    start, cpu_start_ns = time.perf_counter(), time.process_time_ns()
    for inserts in itertools.count(1):
        insert(engine, next(bodies))
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            count = inserts * batch
            return count, count / elapsed, (time.process_time_ns() - cpu_start_ns) / count


def ingest(warm_up_secs, seconds, users, batches):
    """Inserts into a table in memory. Returns, by batch size, the events per second and the CPU time per event in ns."""
    engine = open_session()
    measured = {}
    for batch in batches:
        engine.query(f"CREATE OR REPLACE TABLE events ({COLUMNS}) ENGINE = Memory")
        ts = events.timestamp(time.time_ns() // 1_000_000)
        prepared = max(1, min(1_000, PREPARED_EVENTS // batch))
        rng = random.Random(1)
        bodies = itertools.cycle([events.body(n * batch, batch, users, rng, ts) for n in range(prepared)])
        warm_up_count, *_ = run(engine, bodies, batch, warm_up_secs)
        count, rate, cpu_ns = run(engine, bodies, batch, seconds)
        [[stored]] = select(engine, "SELECT count() FROM events")
        if int(stored) != warm_up_count + count:
            raise SystemExit(f"{stored} rows of {warm_up_count + count} were stored")
        measured[batch] = rate, cpu_ns
    return measured


def query(count, users, history_secs, end_ms, window_secs, seconds):
    """Repeats the queries that compute the response of GET /metrics. Returns the latencies in seconds, and the metrics."""
    engine = open_session()
    engine.query(f"CREATE TABLE events ({COLUMNS}) ENGINE = MergeTree ORDER BY ts")
    for body in events.history(count, users, history_secs, end_ms):
        insert(engine, body)
    engine.query("OPTIMIZE TABLE events FINAL")
    attributes = "plan LowCardinality(String), region LowCardinality(String)"
    engine.query(f"CREATE TABLE users (user_id String, {attributes}) ENGINE = Join(ANY, LEFT, user_id)")
    user_rows = (("u%08x" % user, *events.attributes(user)) for user in range(users))
    engine.query("INSERT INTO users VALUES " + ",".join(map(str, user_rows)))

    since = f"ts >= fromUnixTimestamp64Milli({(end_ms // 1000 - window_secs + 1) * 1000})"
    uniques = f"SELECT count(), uniqExact(user_id) FROM events WHERE {since}"
    groups = f"SELECT type, plan, region, count() FROM events ANY LEFT JOIN users USING user_id WHERE {since}"
    groups += " GROUP BY type, plan, region"
    latencies, start = [], time.perf_counter()
    while not latencies or time.perf_counter() - start < seconds:
        query_start = time.perf_counter()
        [[total, unique]] = select(engine, uniques)
        rows = select(engine, groups)
        latencies.append(time.perf_counter() - query_start)
    metrics = {"total_events": int(total), "unique_users": int(unique)}
    for column, name in enumerate(("by_type", "by_plan", "by_region")):
        metrics[name] = {}
        for row in rows:
            metrics[name][row[column]] = metrics[name].get(row[column], 0) + int(row[3])
    return {"latencies": latencies, "metrics": metrics}


def main(action, *args):
    if action == "ingest":
        warm_up_secs, seconds, users, *batches = args
        return ingest(float(warm_up_secs), float(seconds), int(users), map(int, batches))
    if action == "query":
        *integers, seconds = args
        return query(*map(int, integers), float(seconds))
    [[version]] = select(open_session(), "SELECT version()")
    return version


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
