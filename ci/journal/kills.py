"""Kills a weir server with a journal many times under load, and checks after each restart what it has acknowledged before.

After each restart: no event that was acknowledged is missing, none is accepted again, and none that was refused is
counted. An event without a verdict is there or not there, and sending it again tells. So are the changes of the
reference table. The seed is printed; with the same seed the load is the same, but the kills hit other instructions.
"""

import argparse
import datetime
import http.client
import json
import random
import subprocess
import sys
import threading
import time

from model import Model
from weir_process import Weir

# All events of a run lie within the window and the skew, so the counts of the server are exactly those of the model.
ARGS = ["--retention", "7200", "--max-skew", "3600", "--journal-max", "8GiB"]
WINDOW_SECS = 7200
KINDS = ["click", "view", "purchase"]
BATCHES = [1, 1, 1, 2, 10, 100, 300, 1000]
PLANS = ["free", "pro"]
LOST = (OSError, http.client.HTTPException)


def text_of(event):
    return json.dumps({name: event[name] for name in ("event_id", "user_id", "type", "ts")})


class Client(threading.Thread):
    """Posts batches, one after the other, until the server is gone."""

    def __init__(self, weir, model, rng, name):
        super().__init__(daemon=True)
        self.weir, self.model, self.rng, self.prefix = weir, model, rng, name
        self.count = 0
        self.stopping = False

    def event(self):
        self.count += 1
        now = time.time()
        second = int(now) - self.rng.randrange(0, 30)
        event = {
            "event_id": f"{self.prefix}-{self.count}",
            "user_id": f"u{self.rng.randrange(5000)}",
            "type": self.rng.choice(KINDS),
            "ts": datetime.datetime.fromtimestamp(second, datetime.UTC).isoformat(),
            "second": second,
            "is_bad": False,
        }
        if self.rng.random() < 0.02:
            event["is_bad"] = True
            event["ts" if self.rng.random() < 0.5 else "type"] = "2001-01-01T00:00:00Z"
        return event

    def run(self):
        connection = self.weir.connect()
        while not self.stopping:
            events = [self.event() for _ in range(self.rng.choice(BATCHES))]
            try:
                status, body = post(self.weir, events, self.rng.random() < 0.5, connection)
            except LOST:
                self.model.lose(events)
                return
            if status == 200:
                self.model.tell(events, json.loads(body))
            elif json.loads(body)["code"] == "log_unavailable":
                self.model.lose(events)
            elif status != 503:
                self.model.errors.append(f"POST /events: {status} {body!r}")
                return


def post(weir, events, is_minimal, connection=None):
    headers = {"content-type": "application/x-ndjson"}
    if is_minimal:
        headers["prefer"] = "return=minimal"
    body = "".join(text_of(event) + "\n" for event in events)
    status, _, answer = weir.request("POST", "/events", body, headers, connection)
    return status, answer


class Tables(threading.Thread):
    """Replaces the reference table, again and again."""

    def __init__(self, weir, known, rng):
        super().__init__(daemon=True)
        self.weir, self.known, self.rng = weir, known, rng
        self.stopping = False
        self.errors = []

    def run(self):
        while not self.stopping:
            time.sleep(self.rng.uniform(0, 0.1))
            body = self.known.next_body(self.rng)
            self.known.pending = body
            try:
                status, headers, answer = self.weir.request("PUT", "/reference/users", body)
            except LOST:
                return
            if status == 200:
                self.known.told(json.loads(answer)["generation"], headers["etag"], self.errors)
            elif json.loads(answer)["code"] == "log_unavailable":
                return
            else:
                # Refused before the log: nothing was taken.
                self.known.pending = None


class Known:
    """The table that was acknowledged, and a change without an answer."""

    def __init__(self):
        self.generation, self.body, self.pending = 0, None, None
        self.ts_ms = int(time.time() * 1000)

    def next_body(self, rng):
        self.ts_ms += 1
        ts = datetime.datetime.fromtimestamp(self.ts_ms / 1000, datetime.UTC).isoformat(timespec="milliseconds")
        users = {f"u{n}": {"plan": rng.choice(PLANS), "region": "eu"} for n in range(rng.choice([1, 50, 2000]))}
        return json.dumps({"user_metadata": users, "ts": ts})

    def told(self, generation, etag, errors):
        if generation != self.generation + 1 or etag != f'"{generation}"':
            errors.append(f"generation {generation}, ETag {etag} after generation {self.generation}")
        self.generation, self.body, self.pending = generation, self.pending, None


def check_table(weir, known, fail):
    """The generation is the acknowledged one, or that of the change without an answer, which is sent again now."""
    table, headers = weir.json("/reference/users")
    allowed = [known.generation] + ([known.generation + 1] if known.pending else [])
    if table["generation"] not in allowed or headers["etag"] != f'"{table["generation"]}"':
        fail(f"{table}, ETag {headers['etag']}, but {allowed} were told")
    if known.pending:
        status, headers, answer = weir.request("PUT", "/reference/users", known.pending)
        if status != 200:
            fail(f"the change without an answer: {status} {answer!r}")
        errors = []
        known.told(json.loads(answer)["generation"], headers["etag"], errors)
        errors and fail(errors[0])
    if known.body:
        users = json.loads(known.body)["user_metadata"]
        user = max(users)
        found, _ = weir.json(f"/reference/users/{user}")
        if found["plan"] != users[user]["plan"]:
            fail(f"{found} is not of generation {known.generation}")


def check_events(weir, model, rng, fail):
    path = f"/metrics?window={WINDOW_SECS}"
    before, told, unknown = weir.json(path)[0]["total_events"], model.accepted, model.take_unknown()
    found = sum(settle(weir, model, events, fail) for events in unknown)
    if before != told + found:
        fail(f"{before} events after the restart, but {told} were told and {found} of the others are there")
    again = rng.sample(list(model.recent), min(300, len(model.recent)))
    if again:
        answer = json.loads(post(weir, again, False)[1])
        if answer["duplicates"] != len(again):
            fail(f"{answer['accepted']} of {len(again)} accepted events were accepted again")
    metrics, _ = weir.json(path)
    expected = (model.accepted, len(model.users), dict(model.kinds))
    counted = (metrics["total_events"], metrics["unique_users"], metrics["by_type"])
    if counted != expected:
        fail(f"counted {counted}, told {expected}")
    check_seconds(weir, model, fail)


def check_seconds(weir, model, fail):
    series, _ = weir.json(f"/metrics/series?window={WINDOW_SECS}&step=1")
    counted = {}
    for point in series["points"]:
        if point["events"]:
            second = datetime.datetime.fromisoformat(point["start"]).timestamp()
            counted[int(second)] = point["events"]
    if counted != dict(model.seconds):
        fail("the events are not in the seconds of their timestamps")


def settle(weir, model, events, fail):
    """Sends a batch again whose verdicts are not known. Returns how many of its events were there."""
    found = 0
    for start in range(0, len(events), 1000):
        part = events[start : start + 1000]
        status, body = post(weir, part, False)
        if status != 200:
            fail(f"a batch that is sent again: {status} {body!r}")
        for event, item in zip(part, json.loads(body)["results"]):
            if item["status"] == "error" and item["code"] != "duplicate_event":
                fail(f"an event that is sent again: {item}")
            found += item["status"] == "error"
            model.accept(event)
    return found


def load(weir, model, known, rng, name):
    """Loads the server for a random time, and kills it."""
    clients = [Client(weir, model, random.Random(rng.random()), f"{name}-{n}") for n in range(4)]
    threads = [*clients, Tables(weir, known, random.Random(rng.random()))]
    for thread in threads:
        thread.start()
    time.sleep(rng.expovariate(1 / 0.35))
    weir.kill()
    for thread in threads:
        thread.stopping = True
        thread.join()
    return threads[-1].errors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("journal")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    rng, model, known = random.Random(seed), Model(), Known()
    kills, during_replay, begun, round_number = 0, 0, time.monotonic(), 0

    def fail(reason):
        sys.exit(f"kill {kills}, seed {seed}: {reason}")

    while True:
        round_number += 1
        with Weir(options.binary, ["--journal", options.journal, *ARGS]) as weir:
            if 0 < kills < options.kills and rng.random() < 0.1:
                # A kill while the server opens its journal and replays it.
                time.sleep(rng.uniform(0, 0.3))
                weir.kill()
                kills, during_replay = kills + 1, during_replay + 1
                continue
            weir.wait_until_ready()
            check_table(weir, known, fail)
            check_events(weir, model, rng, fail)
            if kills == options.kills:
                code = weir.stop()
                code == 0 or fail(f"exit code {code} after SIGTERM")
                break
            errors = load(weir, model, known, rng, f"r{round_number}")
            kills += 1
        for reason in errors + model.errors:
            fail(reason)
        if kills % 20 == 0:
            verify(options, fail)
            print(f"{kills} kills, {model.accepted} events, {time.monotonic() - begun:.0f} s", flush=True)
    verify(options, fail)
    print(
        f"{kills} kills, {during_replay} of them at the start: 0 of {model.accepted} accepted events lost, 0 told twice,"
        f" 0 of {model.rejected} rejected events counted; {known.generation} tables; {time.monotonic() - begun:.0f} s"
    )


def verify(options, fail):
    checked = subprocess.run([options.binary, "journal", "verify", options.journal], capture_output=True, text=True)
    checked.returncode == 0 or fail(checked.stderr)


if __name__ == "__main__":
    main()
