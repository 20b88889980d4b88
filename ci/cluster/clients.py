"""The clients of a cluster, and the model that every count of the nodes is compared with.

The clients know some URLs and nothing else. A third of the ids come from a pool that all clients share, each time with
another user. While the load runs, no id gets the verdict success twice, and no read misses an event that was
acknowledged before it. Neither `as_of` nor the generation goes back from node to node. Batches without an answer are
sent again. At the end each id that was ever sent is counted once: in its second, under its type and under the plan of
its user.
"""

import collections
import datetime
import json
import random
import sys
import threading
import time

from nodes import request

WINDOW_SECS = 7200
KINDS = ["click", "view", "purchase"]
PLANS = ["free", "pro"]
BATCHES = [1, 1, 2, 10, 100, 300]
SHARED_IDS = 20_000
USERS = 40
# No answer, a proxy without one, or a refusal: the request is sent again.
UNANSWERED = (None, 502, 503, 504)


class Model:
    """What the clients know. What an id counts as follows from the id, except for its user."""

    def __init__(self, rng):
        self.lock = threading.Lock()
        self.begun = int(time.time()) - 40
        self.rng = rng
        self.sent, self.accepted, self.unknown, self.errors = set(), set(), [], []
        self.own = 0

    def event(self, rng):
        with self.lock:
            self.own += 1
            own = self.own
        event_id = f"shared-{rng.randrange(SHARED_IDS)}" if rng.random() < 1 / 3 else f"own-{own}"
        traits = random.Random(event_id)
        plan = traits.randrange(2)
        second = self.begun + traits.randrange(30)
        user = 2 * rng.randrange(USERS // 2) + plan
        ts = datetime.datetime.fromtimestamp(second, datetime.UTC).isoformat()
        return {"event_id": event_id, "user_id": f"u{user}", "type": KINDS[traits.randrange(3)], "ts": ts}

    def batch(self, rng, size):
        """Events to send. An id occurs once in a batch, so an answer says of each id what became of it."""
        made = [self.event(rng) for _ in range(size)]
        events = list({event["event_id"]: event for event in made}.values())
        with self.lock:
            self.sent.update(event["event_id"] for event in events)
        return events

    def tell(self, events, results):
        with self.lock:
            for event, result in zip(events, results):
                if result["status"] == "success":
                    if event["event_id"] in self.accepted:
                        self.errors.append(f"{event['event_id']} got the verdict success twice")
                    self.accepted.add(event["event_id"])
                elif result["code"] == "overloaded":
                    self.unknown.append([event])
                elif result["code"] != "duplicate_event":
                    self.errors.append(f"{event}: {result}")

    def lose(self, events):
        with self.lock:
            self.unknown.append(events)

    def take_unknown(self):
        with self.lock:
            unknown, self.unknown = self.unknown, []
        return unknown


class Worker(threading.Thread):
    """Does a step again and again until it is stopped. An error ends it, and the check."""

    def __init__(self, addresses, model, seed):
        super().__init__(daemon=True)
        self.addresses, self.model, self.rng, self.stopping = addresses, model, random.Random(seed), False
        self.done = 0

    def run(self):
        while not self.stopping:
            try:
                self.step(self.rng.choice(self.addresses))
            except Exception as error:  # noqa: BLE001, an error of the check itself must not pass
                self.model.errors.append(f"{type(self).__name__}: {error!r}")
                return


class Client(Worker):
    def step(self, address):
        self.done += post(address, self.model.batch(self.rng, self.rng.choice(BATCHES)), self.model)
        time.sleep(0.01)


class Reader(Worker):
    """Reads from one node after the other. What was acknowledged before a read is in its answer."""

    as_of, generation = "", 0

    def __init__(self, addresses, model, seed, tables):
        super().__init__(addresses, model, seed)
        self.tables = tables

    def step(self, address):
        before = len(self.model.accepted)
        generation = self.tables.generation
        status, metrics = request(address, "GET", f"/metrics?window={WINDOW_SECS}")
        if status == 200:
            self.done += 1
            if metrics["total_events"] < before:
                self.model.errors.append(f"a stale read: {metrics['total_events']} of {before} events at {address}")
            if metrics["as_of"] < self.as_of or metrics["generation"] < max(self.generation, generation):
                self.model.errors.append(f"{self.as_of}, {max(self.generation, generation)} went back to {metrics}")
            self.as_of, self.generation = metrics["as_of"], metrics["generation"]
        elif status not in UNANSWERED:
            self.model.errors.append(f"GET /metrics: {status} {metrics}")
        time.sleep(0.05)


class Tables(Worker):
    """Replaces the table, and sends each change again until it has an answer."""

    generation, pending, ts_ms = 0, None, 0

    def step(self, address):
        if self.pending is None:
            self.ts_ms = max(self.ts_ms + 1, int(time.time() * 1000))
            ts = datetime.datetime.fromtimestamp(self.ts_ms / 1000, datetime.UTC).isoformat(timespec="milliseconds")
            users = {f"u{n}": {"plan": PLANS[n % 2], "region": self.rng.choice(["eu", "us"])} for n in range(USERS)}
            self.pending = json.dumps({"user_metadata": users, "ts": ts})
        status, answer = request(address, "PUT", "/reference/users", self.pending)
        if status == 200:
            if answer["generation"] != self.generation + 1:
                self.model.errors.append(f"generation {answer['generation']} after {self.generation}")
            self.generation, self.pending, self.done = answer["generation"], None, self.done + 1
        elif status not in UNANSWERED:
            self.model.errors.append(f"PUT: {status} {answer}")
        time.sleep(0.2)


def post(address, events, model, or_lose=True):
    """Returns the number of acknowledged events. Without an answer, the events are sent again later, if `or_lose`."""
    status, answer = request(address, "POST", "/events", json.dumps(events))
    if status == 200:
        model.tell(events, answer["results"])
        return len(events)
    if status in UNANSWERED:
        # It is sent again, also if nothing was taken, so that each id counts.
        or_lose and model.lose(events)
    else:
        model.errors.append(f"POST /events: {status} {answer}")
    return 0


def settle(addresses, model, rng):
    """Sends everything without an answer again, until it has one."""
    deadline = time.monotonic() + 120
    while unknown := [event for events in model.take_unknown() for event in events]:
        if time.monotonic() > deadline:
            sys.exit("the batches without an answer are not taken")
        for start in range(0, len(unknown), 1000):
            post(rng.choice(addresses), unknown[start : start + 1000], model) or time.sleep(0.1)


def check(addresses, model, tables):
    """Each id is counted once, on each node."""
    kinds, plans, seconds = collections.Counter(), collections.Counter(), collections.Counter()
    for event_id in model.sent:
        traits = random.Random(event_id)
        plans[PLANS[traits.randrange(2)]] += 1
        seconds[model.begun + traits.randrange(30)] += 1
        kinds[KINDS[traits.randrange(3)]] += 1
    expected = (len(model.sent), USERS, dict(kinds), dict(plans), tables.generation)
    for address in addresses:
        _, metrics = request(address, "GET", f"/metrics?window={WINDOW_SECS}")
        names = ("total_events", "unique_users", "by_type", "by_plan", "generation")
        counted = tuple(metrics[name] for name in names)
        counted == expected or sys.exit(f"{address} counted {counted}, and {expected} were sent")
        _, series = request(address, "GET", f"/metrics/series?window={WINDOW_SECS}&step=1")
        counted = {
            int(datetime.datetime.fromisoformat(point["start"]).timestamp()): point["events"]
            for point in series["points"]
            if point["events"]
        }
        counted == dict(seconds) or sys.exit(f"{address}: the events are not in the seconds of their timestamps")


class Load:
    """Clients, a reader and changes of the table, which use these addresses."""

    def __init__(self, addresses, rng, clients=5, client=Client):
        self.addresses, self.rng, self.model = addresses, rng, Model(rng)
        self.tables = Tables(addresses, self.model, rng.random())
        self.reader = Reader(addresses, self.model, rng.random(), self.tables)
        self.clients = [client(addresses, self.model, rng.random()) for _ in range(clients)]
        self.workers = [*self.clients, self.tables, self.reader]

    def start(self):
        for worker in self.workers:
            worker.start()

    def settle(self, after):
        """Ends the check if anything is wrong."""
        settle(self.addresses, self.model, self.rng)
        self.model.errors and sys.exit(f"after {after}: {self.model.errors[0]}")

    def finish(self, nodes):
        """Stops the load, and compares the counts of these nodes with the model. Returns a line about it."""
        for worker in self.workers:
            worker.stopping = True
            worker.join()
        while self.tables.pending is not None:
            self.tables.step(self.rng.choice(self.addresses))
        self.settle("the end of the load")
        check(nodes, self.model, self.tables)
        self.reader.done > 0 and self.tables.generation > 0 or sys.exit("nothing was read or changed")
        return (
            f"each of {len(self.model.sent)} ids is counted once on all nodes, 0 were accepted twice; "
            f"0 of {self.reader.done} reads were stale; {self.tables.generation} tables"
        )
