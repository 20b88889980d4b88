"""Hundreds of subscribers to the live metrics, without other load and during ingest at full speed."""

import selectors
import socket
import threading
import time
from statistics import median, quantiles

from client import lower_priority
from generator import send, sending
from processes import Failed, cpu_ns
from server import serving

TITLE = "Live streams"

SUBSCRIBERS, WINDOW_SECS = 500, 300
# First the subscribers are the only load. This gives their own cost. Then the load generator sends at full speed.
IDLE_SECS, LOAD_SECS, BATCH, CONNECTIONS = 10, 4, 2_000, 16
COST_MAX, LOSS_MAX = 0.05, 0.05
# With a short retention, ids expire during the measurement, as in a server that has run for a long time.
LOADED_RETENTION_SECS = 5


class Subscribers(threading.Thread):
    """Reads all streams and counts the messages of each stream."""

    def __init__(self, port, count, window_secs):
        super().__init__(daemon=True)
        self.stopped, self.messages = threading.Event(), [0] * count
        self.socks = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(count)]
        request = f"GET /metrics/stream?window={window_secs} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
        for sock in self.socks:
            sock.sendall(request)
            sock.setblocking(False)

    def __enter__(self):
        self.start()
        # The server sends the first message of a stream at once.
        deadline = time.monotonic() + 30
        while not all(self.messages) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not all(self.messages):
            raise Failed(f"{self.messages.count(0)} of {len(self.messages)} streams received no message")
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()
        for sock in self.socks:
            sock.close()

    def run(self):
        lower_priority()
        with selectors.DefaultSelector() as selector:
            for number, sock in enumerate(self.socks):
                selector.register(sock, selectors.EVENT_READ, number)
            while not self.stopped.is_set():
                for key, _ in selector.select(0.1):
                    data = key.fileobj.recv(1 << 16)
                    if not data:
                        selector.unregister(key.fileobj)
                    self.messages[key.data] += data.count(b"event: metrics")


def run(section, quick):
    rounds, loaded_rounds = (2, 2) if quick else (5, 20)
    section.note(
        f"{SUBSCRIBERS} subscribers to one window of {WINDOW_SECS} s, compared with one subscriber. {rounds} rounds of "
        f"{IDLE_SECS} s without other load. Then {loaded_rounds} rounds of {LOAD_SECS} s with batches of {BATCH:,} in a closed "
        f"loop on {CONNECTIONS} connections, each round between two rounds with one subscriber."
    )
    with serving("--retention", str(WINDOW_SECS), "--max-skew", "0") as server:
        costs, messages = [], []
        for _ in range(rounds):
            one, _ = measure_idle(server, 1)
            many, messages_min = measure_idle(server, SUBSCRIBERS)
            costs.append(many - one)
            messages.append(messages_min)
        section.add("messages per second to each subscriber, minimum", f"{min(messages) / IDLE_SECS:.2f}")
        cost = median(costs)
        spread = ", ".join(f"{100 * cost:.1f}" for cost in costs)
        section.check(
            "cost of the further subscribers, as a share of a core, median (each round)",
            f"{100 * cost:.1f}% ({spread})", f"{100 * COST_MAX:.0f}%", cost <= COST_MAX, strict=False,
        )
    # Each run is compared with the runs directly before and after it, because the speed of the machine changes about every
    # 15 s.
    with serving("--retention", str(LOADED_RETENTION_SECS), "--max-skew", "1") as server:
        send(server.port, "max", BATCH, CONNECTIONS, 2 * LOAD_SECS)
        runs = [measure_loaded(server, 1)]
        for _ in range(loaded_rounds):
            runs += [measure_loaded(server, SUBSCRIBERS), measure_loaded(server, 1)]
    rates, costs_ns = zip(*runs)
    millions_per_sec = [rate / 1e6 for rate in rates[::2]]
    section.add("ingest with one subscriber, million events/s, median (quartiles)", quartiles(millions_per_sec))
    section.add(
        f"server CPU time per event with {SUBSCRIBERS} subscribers, relative to one, median (quartiles)",
        quartiles(ratios_to_neighbours(costs_ns)),
    )
    ratios = ratios_to_neighbours(rates)
    section.check(
        f"ingest with {SUBSCRIBERS} subscribers, relative to one, median (quartiles)",
        quartiles(ratios), f"{1 - LOSS_MAX:.2f}", median(ratios) >= 1 - LOSS_MAX, strict=False,
    )


def ratios_to_neighbours(values):
    """Divides every second value by the mean of the values before and after it."""
    return [2 * values[i] / (values[i - 1] + values[i + 1]) for i in range(1, len(values), 2)]


def quartiles(values):
    lower, middle, upper = quantiles(values, n=4)
    return f"{middle:.2f} ({lower:.2f}–{upper:.2f})"


def measure_idle(server, count):
    """Returns the share of a core that the server uses with `count` subscribers, and the fewest messages of a stream."""
    with Subscribers(server.port, count, WINDOW_SECS) as subscribers:
        before_ns, before = cpu_ns(server.process), list(subscribers.messages)
        start = time.monotonic()
        time.sleep(IDLE_SECS)
        share = (cpu_ns(server.process) - before_ns) / 1e9 / (time.monotonic() - start)
        return share, min(now - then for now, then in zip(subscribers.messages, before))


def measure_loaded(server, count):
    """Returns the accepted events per second with `count` subscribers, and the server's CPU time per event in ns."""
    subscribers = Subscribers(server.port, count, LOADED_RETENTION_SECS)
    before_ns = cpu_ns(server.process)
    with subscribers, sending(server.port, "max", BATCH, CONNECTIONS, LOAD_SECS) as report:
        accepted = report()["told"]["accepted"]
        return accepted / LOAD_SECS, (cpu_ns(server.process) - before_ns) / accepted
