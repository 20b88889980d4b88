"""Hundreds of subscribers to the live figures, beside a client that sends as fast as it is answered."""

import selectors
import socket
import threading
import time
from statistics import median, quantiles

from client import Client, go_last
from generator import send, sending
from processes import Failed, cpu_ns
from server import serving

TITLE = "Live streams"

SUBSCRIBERS, WINDOW_SECS = 500, 300
# Beside the subscribers: nothing at first, for what they cost alone; then as much as the server takes.
IDLE_SECS, LOAD_SECS, BATCH, CONNECTIONS = 10, 4, 2_000, 16
COST_MAX, LOSS_MAX = 0.05, 0.05
# So that ids are claimed and expire as in a server that has run for long.
LOADED_RETENTION_SECS = 5


class Subscribers(threading.Thread):
    """Reads all streams to their end, and counts what each was told."""

    def __init__(self, port, count, window_secs):
        super().__init__(daemon=True)
        self.stopped, self.told = threading.Event(), [0] * count
        self.socks = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(count)]
        request = f"GET /metrics/stream?window={window_secs} HTTP/1.1\r\nhost: weir\r\n\r\n".encode()
        for sock in self.socks:
            sock.sendall(request)
            sock.setblocking(False)

    def __enter__(self):
        self.start()
        # The first answers are on their way as soon as somebody asks.
        deadline = time.monotonic() + 30
        while not all(self.told) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not all(self.told):
            raise Failed(f"{self.told.count(0)} of {len(self.told)} streams were told nothing")
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()
        for sock in self.socks:
            sock.close()

    def run(self):
        go_last()
        with selectors.DefaultSelector() as selector:
            for number, sock in enumerate(self.socks):
                selector.register(sock, selectors.EVENT_READ, number)
            while not self.stopped.is_set():
                for key, _ in selector.select(0.1):
                    data = key.fileobj.recv(1 << 16)
                    if not data:
                        selector.unregister(key.fileobj)
                    self.told[key.data] += data.count(b"event: metrics")


def run(section, quick):
    rounds, loaded_rounds = (2, 2) if quick else (5, 20)
    section.note(
        f"{SUBSCRIBERS} subscribers to one window of {WINDOW_SECS} s, against one; {rounds} rounds of {IDLE_SECS} s without "
        f"other load, and {loaded_rounds} of {LOAD_SECS} s beside batches of {BATCH:,} in a closed loop over {CONNECTIONS} "
        "connections, each between two beside one subscriber"
    )
    with serving("--retention", str(WINDOW_SECS), "--max-skew", "0") as server:
        costs, tells = [], []
        for _ in range(rounds):
            one, _ = idle(server, 1)
            many, told = idle(server, SUBSCRIBERS)
            costs.append(many - one)
            tells.append(told)
        section.tell("answers a second to a subscriber, least in a round", f"{min(tells) / IDLE_SECS:.2f}")
        cost = median(costs)
        spread = ", ".join(f"{100 * cost:.1f}" for cost in costs)
        section.judge(
            "cost of the others, of a core", f"{100 * cost:.1f}% ({spread})", f"{100 * COST_MAX:.0f}%", cost <= COST_MAX, False
        )
    # Neighbours in time are compared: the machine's own pace changes from one quarter of a minute to the next.
    with serving("--retention", str(LOADED_RETENTION_SECS), "--max-skew", "1") as server:
        send(server.port, "max", BATCH, CONNECTIONS, 2 * LOAD_SECS)
        runs = [loaded(server, 1)]
        for _ in range(loaded_rounds):
            runs += [loaded(server, SUBSCRIBERS), loaded(server, 1)]
    rates, costs_ns = zip(*runs)
    section.tell("ingest beside one subscriber, million events/s", quartiles([rate / 1e6 for rate in rates[::2]]))
    section.tell("server CPU an event beside them, of that beside one", quartiles(beside_neighbours(costs_ns)))
    ratios = beside_neighbours(rates)
    section.judge(
        "ingest beside them, of that beside one, median (quartiles)",
        quartiles(ratios), f"{1 - LOSS_MAX:.2f}", median(ratios) >= 1 - LOSS_MAX, strict=False,
    )


def beside_neighbours(values):
    """Every second value over the mean of those around it."""
    return [2 * values[at] / (values[at - 1] + values[at + 1]) for at in range(1, len(values), 2)]


def quartiles(values):
    least, middle, most = quantiles(values, n=4)
    return f"{middle:.2f} ({least:.2f}–{most:.2f})"


def idle(server, count):
    """The share of a core that the server takes with so many subscribers, and what the least of them was told."""
    with Subscribers(server.port, count, WINDOW_SECS) as subscribers:
        before_ns, before = cpu_ns(server.process), list(subscribers.told)
        begun = time.monotonic()
        time.sleep(IDLE_SECS)
        share = (cpu_ns(server.process) - before_ns) / 1e9 / (time.monotonic() - begun)
        return share, min(now - then for now, then in zip(subscribers.told, before))


def loaded(server, count):
    """Events a second that were taken beside so many subscribers, and the nanoseconds of the server's CPU that each cost."""
    subscribers = Subscribers(server.port, count, LOADED_RETENTION_SECS)
    before_ns = cpu_ns(server.process)
    with subscribers, sending(server.port, "max", BATCH, CONNECTIONS, LOAD_SECS) as report:
        accepted = report()["told"]["accepted"]
        return accepted / LOAD_SECS, (cpu_ns(server.process) - before_ns) / accepted
