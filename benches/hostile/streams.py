"""Hundreds of subscribers to the live figures, beside a client that sends as fast as it is answered."""

import selectors
import socket
import threading
import time
from statistics import median

from client import Client, go_last
from generator import send, sending
from processes import Failed, cpu_ns
from server import serving

TITLE = "Live streams"

SUBSCRIBERS, WINDOW_SECS = 500, 300
# Beside the subscribers: nothing at first, for what they cost alone; then as much as the server takes.
IDLE_SECS, LOAD_SECS, BATCH, CONNECTIONS = 10, 8, 2_000, 16
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
    rounds = 2 if quick else 5
    section.note(
        f"{SUBSCRIBERS} subscribers to one window of {WINDOW_SECS} s, against one; {rounds} rounds of {IDLE_SECS} s without "
        f"other load, and of {LOAD_SECS} s beside batches of {BATCH:,} in a closed loop over {CONNECTIONS} connections"
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
    # The rates of neighbours in time are compared.
    with serving("--retention", str(LOADED_RETENTION_SECS), "--max-skew", "1") as server:
        send(server.port, "max", BATCH, CONNECTIONS, LOAD_SECS)
        pairs = [(loaded(server, 1), loaded(server, SUBSCRIBERS), loaded(server, 1)) for _ in range(rounds)]
    ratios = [2 * beside / (before + after) for before, beside, after in pairs]
    rates = "; ".join(", ".join(f"{rate / 1e6:.2f}" for rate in pair) for pair in pairs)
    section.tell("ingest beside 1, 500 and 1 subscribers", f"{rates} million events/s")
    ratio = median(ratios)
    spread = f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    section.judge("ratio, median (least–most)", spread, f"{1 - LOSS_MAX:.2f}", ratio >= 1 - LOSS_MAX, strict=False)


def idle(server, count):
    """The share of a core that the server takes with so many subscribers, and what the least of them was told."""
    with Subscribers(server.port, count, WINDOW_SECS) as subscribers:
        before_ns, before = cpu_ns(server.process), list(subscribers.told)
        begun = time.monotonic()
        time.sleep(IDLE_SECS)
        share = (cpu_ns(server.process) - before_ns) / 1e9 / (time.monotonic() - begun)
        return share, min(now - then for now, then in zip(subscribers.told, before))


def loaded(server, count):
    """Events a second that were taken beside so many subscribers."""
    subscribers = Subscribers(server.port, count, LOADED_RETENTION_SECS)
    with subscribers, sending(server.port, "max", BATCH, CONNECTIONS, LOAD_SECS) as report:
        return report()["told"]["accepted"] / LOAD_SECS
