"""Posts to three nodes of a cluster while nodes and NATS servers are killed and frozen, and then compares every count.

The clients know three URLs and nothing else. A third of the ids come from a pool that all clients share, each time with
another user. While the load runs, no id gets the verdict success twice, and no read misses an event that was
acknowledged before it. Neither `as_of` nor the generation goes back from node to node. After each fault, batches without
an answer are sent again. At the end each id that was ever sent is counted once: in its second, under its type and under
the plan of its user.
"""

import argparse
import collections
import contextlib
import datetime
import http.client
import json
import pathlib
import random
import signal
import sys
import threading
import time

from nats_process import Nats, free_ports
from weir_process import Weir

ARGS = ["--retention", "7200", "--max-skew", "3600", "--cluster-max", "1GiB", "--cluster-init"]
WINDOW_SECS = 7200
KINDS = ["click", "view", "purchase"]
PLANS = ["free", "pro"]
BATCHES = [1, 1, 2, 10, 100, 300]
SHARED_IDS = 20_000
USERS = 40
LOST = (OSError, http.client.HTTPException)


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

    def send(self, events):
        with self.lock:
            self.sent.update(event["event_id"] for event in events)

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


class Nodes:
    """The three nodes. Each keeps its address over its restarts."""

    def __init__(self, binary, nats, secret):
        self.binary, self.args = binary, ["--cluster", nats.url(), "--cluster-secret-file", secret, *ARGS]
        self.addresses = [f"127.0.0.1:{port}" for port in free_ports(3)]
        self.processes = [None] * 3
        for index in range(3):
            self.launch(index)

    def launch(self, index):
        args = [*self.args, "--cluster-node", f"n{index}"]
        self.processes[index] = Weir(self.binary, args, self.addresses[index])

    def wait_until_ready(self):
        for index in range(3):
            try:
                self.processes[index].wait_until_ready()
            except (AssertionError, *LOST):
                # A node that was frozen for long ends, and its supervisor starts it again.
                if self.processes[index].process.wait(timeout=30) != 1 or "log_failed" not in self.processes[index].log[-1]:
                    raise
                print(f"node n{index} starts again: {self.processes[index].log[-1]}")
                self.launch(index)
                self.processes[index].wait_until_ready()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.process.poll() is None and process.kill()


def request(address, method, path, body=None):
    """The status and the document of an answer; none if there is no answer."""
    connection = http.client.HTTPConnection(address, timeout=20)
    with contextlib.closing(connection):
        try:
            connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except LOST:
            return None, None


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
        # An id occurs once in a batch, so an answer says of each id what became of it.
        made = [self.model.event(self.rng) for _ in range(self.rng.choice(BATCHES))]
        events = list({event["event_id"]: event for event in made}.values())
        self.model.send(events)
        self.done += post(address, events, self.model)
        time.sleep(0.01)


class Reader(Worker):
    """Reads from one node after the other. What was acknowledged before a read is in its answer."""

    as_of, generation = "", 0

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
        elif status not in (None, 503):
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
        elif status not in (None, 503):
            self.model.errors.append(f"PUT: {status} {answer}")
        time.sleep(0.2)


def post(address, events, model):
    """Returns the number of acknowledged events."""
    status, answer = request(address, "POST", "/events", json.dumps(events))
    if status == 200:
        model.tell(events, answer["results"])
        return len(events)
    if status is None or (status == 503 and answer["code"] == "log_unavailable"):
        model.lose(events)
    elif status == 503:
        model.lose(events)  # Nothing was taken. It is sent again like the others, so that each id counts.
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


def node_killed(nodes, nats, rng):
    index = rng.randrange(3)
    nodes.processes[index].kill()
    time.sleep(1)
    nodes.launch(index)


def node_stopped(nodes, nats, rng):
    index = rng.randrange(3)
    code = nodes.processes[index].stop()
    code == 0 or sys.exit(f"exit code {code} after SIGTERM")
    nodes.launch(index)


def node_frozen(nodes, nats, rng):
    process = nodes.processes[rng.randrange(3)].process
    process.send_signal(signal.SIGSTOP)
    time.sleep(rng.choice([3, 40]))
    process.send_signal(signal.SIGCONT)


def server_killed(nodes, nats, rng):
    index = rng.randrange(3)
    nats.kill(index)
    time.sleep(3)
    nats.launch(index)


def quorum_lost(nodes, nats, rng):
    lost = rng.sample(range(3), 2)
    for index in lost:
        nats.kill(index)
    time.sleep(4)
    for address in nodes.addresses:
        status, answer = request(address, "GET", "/metrics")
        status == 503 or sys.exit(f"an answer without a quorum: {status} {answer}")
    for index in lost:
        nats.launch(index)


def all_killed(nodes, nats, rng):
    for process in nodes.processes:
        process.kill()
    for index in range(3):
        nats.kill(index)
    for index in range(3):
        nats.launch(index)
    for index in range(3):
        nodes.launch(index)


FAULTS = [node_killed, server_killed, node_stopped, quorum_lost, node_frozen, all_killed]


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


def run(options, rng, directory):
    model = Model(rng)
    secret = directory / "secret"
    secret.write_text(f"{rng.getrandbits(256):064x}\n")
    with Nats(options.nats_server, directory) as nats, Nodes(options.binary, nats, str(secret)) as nodes:
        nodes.wait_until_ready()
        tables = Tables(nodes.addresses, model, rng.random())
        workers = [Client(nodes.addresses, model, rng.random()) for _ in range(5)]
        reader = Reader(nodes.addresses, model, rng.random())
        reader.tables = tables
        workers += [tables, reader]
        for worker in workers:
            worker.start()
        time.sleep(2)
        for number in range(options.faults):
            fault = FAULTS[number % len(FAULTS)]
            begun = time.monotonic()
            fault(nodes, nats, rng)
            nodes.wait_until_ready()
            settle(nodes.addresses, model, rng)
            model.errors and sys.exit(f"after {fault.__name__}: {model.errors[0]}")
            told = len(model.accepted)
            print(f"{number + 1} {fault.__name__}: {told} events acknowledged, {time.monotonic() - begun:.0f} s", flush=True)
        time.sleep(2)
        for worker in workers:
            worker.stopping = True
            worker.join()
        while tables.pending is not None:
            tables.step(rng.choice(nodes.addresses))
        settle(nodes.addresses, model, rng)
        nodes.wait_until_ready()
        model.errors and sys.exit(model.errors[0])
        check(nodes.addresses, model, tables)
        reader.done > 0 and tables.generation > 0 or sys.exit("nothing was read or changed")
        print(
            f"{options.faults} faults: each of {len(model.sent)} ids is counted once on all nodes, 0 were accepted twice; "
            f"0 of {reader.done} reads were stale; {tables.generation} tables"
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("nats_server")
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--faults", type=int, default=12)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    run(options, random.Random(seed), options.directory)


if __name__ == "__main__":
    main()
