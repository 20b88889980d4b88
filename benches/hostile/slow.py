"""Thousands of slow connections, and a normal client at the same time."""

import selectors
import socket
import threading
import time
from statistics import median
from types import SimpleNamespace

from client import Client, lower_priority
from generator import send
from processes import Failed
from report import mib
from server import serving

TITLE = "Slow connections"

HEADS, BODIES = 2_000, 500
# The load of the normal client. It ends before the server gives up the first slow head (HEAD_SECS).
LOAD_SECS, EVENTS_PER_SEC, BATCH, CONNECTIONS = 7, 20_000, 100, 16
HEAD = b"POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
BODY_HEAD = HEAD + b"content-length: 1000\r\n\r\n["
HEAD_SECS, BODY_SECS = 10, 30
# A second has this many slices. A part of the connections sends its byte in each slice.
SLICES = 100
# SLACK_SECS is the time that a response may take when the core is busy. LINGER_SECS is the longest time that the server
# reads after its response: limits::UNREAD_BODY_TIMEOUT plus limits::LINGER_TIMEOUT, doubled as slack.
SLACK_SECS, LINGER_SECS = 2, 14
P99_RATIO_MAX, GROWTH_BYTES_MAX = 1.5, 64 << 20


class SlowConnection:
    """A connection that sends one byte of `rest` at each call of `send`, and then blanks forever."""

    def __init__(self, port, first, rest):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.opened_at, self.responded_at, self.ended_at = time.monotonic(), None, None
        self.response, self.rest = b"", iter(rest)
        self.sock.sendall(first)
        self.sock.setblocking(False)

    def send(self):
        try:
            self.sock.send(bytes([next(self.rest, ord(" "))]))
        except BlockingIOError:
            pass
        except OSError:
            self.end()

    def receive(self):
        try:
            data = self.sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.response += data
        self.responded_at = self.responded_at or time.monotonic()
        if not data:
            self.end()

    def end(self):
        self.ended_at = self.ended_at or time.monotonic()

    def response_secs(self):
        """Returns the time from the opening until the response, or until the server closes without a response."""
        return (self.responded_at or float("inf")) - self.opened_at

    def status(self):
        return self.response[9:12].decode() or "no response"


class SlowConnections(threading.Thread):
    """All slow connections. They keep sending after the server has closed its side, and never close by themselves."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.heads = [SlowConnection(port, HEAD[:1], HEAD[1:] + b"x: ") for _ in range(HEADS)]
        self.bodies = [SlowConnection(port, BODY_HEAD, b"") for _ in range(BODIES)]
        self.connections, self.stopped = self.heads + self.bodies, threading.Event()

    def run(self):
        lower_priority()
        with selectors.DefaultSelector() as selector:
            for connection in self.connections:
                selector.register(connection.sock, selectors.EVENT_READ, connection)
            while not self.stopped.is_set():
                # The bytes are spread over the second, as they would be on a network.
                for start in range(SLICES):
                    until = time.monotonic() + 1 / SLICES
                    for connection in self.connections[start::SLICES]:
                        if not connection.ended_at:
                            connection.send()
                    self.receive(selector, until)

    def receive(self, selector, until):
        while (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                key.data.receive()
                if key.data.ended_at:
                    selector.unregister(key.fileobj)
        for key in [key for key in selector.get_map().values() if key.data.ended_at]:
            selector.unregister(key.fileobj)

    def wait(self, seconds):
        """Waits until the server has closed every connection. Returns the number of connections that are still open."""
        deadline = time.monotonic() + seconds
        while (left := sum(not connection.ended_at for connection in self.connections)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def close(self):
        self.stopped.set()
        self.join()
        for connection in self.connections:
            connection.sock.close()


def run(section, quick):
    rounds = 1 if quick else 5
    section.note(
        f"{HEADS:,} slow connections send a head, and {BODIES} send a body, at one byte per second each. A normal client sends "
        f"{EVENTS_PER_SEC:,} events/s in batches of {BATCH}. Rounds: {rounds}, each {LOAD_SECS} s without and {LOAD_SECS} s with "
        "the slow connections."
    )
    with serving() as server:
        accepted = send(server.port, EVENTS_PER_SEC, BATCH, CONNECTIONS, 3)["told"]["accepted"]
        results = []
        for _ in range(rounds):
            results.append(one_round(server))
            accepted += results[-1].accepted
        with Client(server.port) as client:
            counted = client.request("GET", "/metrics?window=1800").json()["total_events"]
    report_results(section, results)
    section.check("events counted, of the events accepted", f"{counted:,} of {accepted:,}", "all", counted == accepted)


def one_round(server):
    """Measures the normal client without and with the slow connections, and how the slow connections end."""
    result = SimpleNamespace()
    before_bytes = server.reset_peak()
    without_slow = load(server)
    result.growth_bytes_without_slow = server.peak_bytes() - before_bytes
    idle_sockets = server.sockets()
    before_bytes = server.reset_peak()
    slow = SlowConnections(server.port)
    slow.start()
    try:
        with_slow = load(server)
        result.open_connections = slow.wait(BODY_SECS + SLACK_SECS + LINGER_SECS)
        result.growth_bytes = server.peak_bytes() - before_bytes
        result.open_sockets = wait_for_sockets(server, idle_sockets)
    finally:
        slow.close()
    result.p99_ms = [load["latency_ms"]["p99"] for load in (without_slow, with_slow)]
    result.accepted = sum(load["told"]["accepted"] for load in (without_slow, with_slow))
    result.head_secs, result.body_secs = (
        max(connection.response_secs() for connection in connections) for connections in (slow.heads, slow.bodies)
    )
    result.end_secs = max(
        (connection.ended_at or float("inf")) - connection.opened_at for connection in slow.connections
    )
    result.head_statuses, result.body_statuses = (
        {connection.status() for connection in connections} for connections in (slow.heads, slow.bodies)
    )
    return result


def load(server):
    report = send(server.port, EVENTS_PER_SEC, BATCH, CONNECTIONS, LOAD_SECS)
    if rejected := report["requests"]["overloaded"]:
        raise Failed(f"{rejected} requests of the normal client were rejected")
    return report


def wait_for_sockets(server, idle_sockets):
    """Waits until the server has closed the sockets that linger. Returns how many more than `idle_sockets` are open."""
    deadline = time.monotonic() + LINGER_SECS
    while (more := server.sockets() - idle_sockets) > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    return max(more, 0)


def report_results(section, results):
    ratios = [result.p99_ms[1] / result.p99_ms[0] for result in results]
    pairs = ", ".join(f"{without:.2f} → {with_slow:.2f}" for without, with_slow in (result.p99_ms for result in results))
    section.add("p99 latency of the normal client: without → with slow connections", f"{pairs} ms")
    ratio = median(ratios)
    spread = f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    section.check("ratio, median (minimum–maximum)", spread, f"{P99_RATIO_MAX}", ratio <= P99_RATIO_MAX, strict=False)
    for name, limit_secs in (("head", HEAD_SECS), ("body", BODY_SECS)):
        secs = max(getattr(result, f"{name}_secs") for result in results)
        bound_secs = limit_secs + SLACK_SECS
        row = f"slow {name}: longest time until response or close"
        section.check(row, f"{secs:.1f} s", f"{bound_secs} s", secs <= bound_secs)
        statuses = set().union(*(getattr(result, f"{name}_statuses") for result in results))
        holds = not any(status.startswith("5") for status in statuses)
        section.check(f"slow {name}: statuses", ", ".join(sorted(statuses)), "no 5xx", holds)
    secs, bound_secs = max(result.end_secs for result in results), BODY_SECS + SLACK_SECS + LINGER_SECS
    section.check("longest time until a slow connection was closed", f"{secs:.1f} s", f"{bound_secs} s", secs <= bound_secs)
    still_open = max(result.open_connections + result.open_sockets for result in results)
    section.check("sockets of slow connections that the server holds after that", str(still_open), "0", still_open == 0)
    growth = median(result.growth_bytes for result in results)
    growth_without_slow = median(result.growth_bytes_without_slow for result in results)
    section.add("growth of resident memory with the same load alone, median", mib(growth_without_slow))
    section.check(
        "growth of resident memory with slow connections, median", mib(growth), mib(GROWTH_BYTES_MAX), growth <= GROWTH_BYTES_MAX
    )
