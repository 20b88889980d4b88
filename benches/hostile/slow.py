"""Thousands of connections that send next to nothing, beside a client that works."""

import selectors
import socket
import threading
import time
from statistics import median
from types import SimpleNamespace

from client import Client, go_last
from generator import send
from processes import Failed
from report import mib
from server import serving

TITLE = "Slow connections"

HEADS, BODIES = 2_000, 500
# The heads are given up before this is over, and the bodies a while later.
LOAD_SECS, EVENTS_PER_SEC, BATCH, CONNECTIONS = 7, 20_000, 100, 16
HEAD = b"POST /events HTTP/1.1\r\nhost: weir\r\ncontent-type: application/json\r\n"
BODY_HEAD = HEAD + b"content-length: 1000\r\n\r\n["
HEAD_SECS, BODY_SECS = 10, 30
# Of a second, in each of which a part of the connections sends its byte.
SLICES = 100
# What an answer takes to come, when a core is busy; and for how long a connection is read on after it, at the most:
# limits::UNREAD_BODY_TIMEOUT and limits::LINGER_TIMEOUT, and as much again as slack.
SLACK_SECS, LINGER_SECS = 2, 14
P99_RATIO_MAX, GROWTH_BYTES_MAX = 1.5, 64 << 20


class Peer:
    """A connection that sends one byte of `rest` a turn, and a blank for ever after."""

    def __init__(self, port, first, rest):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.opened_at, self.answered_at, self.ended_at = time.monotonic(), None, None
        self.answer, self.rest = b"", iter(rest)
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
        self.answer += data
        self.answered_at = self.answered_at or time.monotonic()
        if not data:
            self.end()

    def end(self):
        self.ended_at = self.ended_at or time.monotonic()

    def told_secs(self):
        """From the opening until the answer, or the end where there is none."""
        return (self.answered_at or float("inf")) - self.opened_at

    def status(self):
        return self.answer[9:12].decode() or "no answer"


class Swarm(threading.Thread):
    """All slow peers. They send on after the server has ended its side, and close nothing themselves."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.heads = [Peer(port, HEAD[:1], HEAD[1:] + b"x: ") for _ in range(HEADS)]
        self.bodies = [Peer(port, BODY_HEAD, b"") for _ in range(BODIES)]
        self.peers, self.stopped = self.heads + self.bodies, threading.Event()

    def run(self):
        go_last()
        with selectors.DefaultSelector() as selector:
            for peer in self.peers:
                selector.register(peer.sock, selectors.EVENT_READ, peer)
            while not self.stopped.is_set():
                # Spread over the second, as they would come from the network.
                for start in range(SLICES):
                    until = time.monotonic() + 1 / SLICES
                    for peer in self.peers[start::SLICES]:
                        if not peer.ended_at:
                            peer.send()
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
        """Until the server has ended every connection; how many it has not."""
        deadline = time.monotonic() + seconds
        while (left := sum(not peer.ended_at for peer in self.peers)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def close(self):
        self.stopped.set()
        self.join()
        for peer in self.peers:
            peer.sock.close()


def run(section, quick):
    rounds = 1 if quick else 5
    section.note(
        f"{HEADS:,} connections that send a head and {BODIES} that send a body at a byte a second each, beside "
        f"{EVENTS_PER_SEC:,} events/s in batches of {BATCH}; {rounds} rounds of {LOAD_SECS} s without and with them"
    )
    with serving() as server:
        accepted = send(server.port, EVENTS_PER_SEC, BATCH, CONNECTIONS, 3)["told"]["accepted"]
        results = []
        for _ in range(rounds):
            results.append(one_round(server))
            accepted += results[-1].accepted
        with Client(server.port) as client:
            counted = client.ask("GET", "/metrics?window=1800").json()["total_events"]
    judge(section, results)
    section.judge("events counted, of those accepted", f"{counted:,} of {accepted:,}", "all", counted == accepted)


def one_round(server):
    """Latency without and with a swarm, and what became of the swarm."""
    result = SimpleNamespace()
    before_bytes = server.forget_peak()
    without = load(server)
    result.own_growth_bytes = server.peak_bytes() - before_bytes
    resting = server.sockets()
    before_bytes = server.forget_peak()
    swarm = Swarm(server.port)
    swarm.start()
    try:
        beside = load(server)
        result.unended = swarm.wait(BODY_SECS + SLACK_SECS + LINGER_SECS)
        result.growth_bytes = server.peak_bytes() - before_bytes
        result.unclosed = wait_for_sockets(server, resting)
    finally:
        swarm.close()
    result.p99_ms = [load["latency_ms"]["p99"] for load in (without, beside)]
    result.accepted = sum(load["told"]["accepted"] for load in (without, beside))
    result.head_secs, result.body_secs = (
        max(peer.told_secs() for peer in peers) for peers in (swarm.heads, swarm.bodies)
    )
    result.end_secs = max((peer.ended_at or float("inf")) - peer.opened_at for peer in swarm.peers)
    result.head_answers, result.body_answers = (
        {peer.status() for peer in peers} for peers in (swarm.heads, swarm.bodies)
    )
    return result


def load(server):
    report = send(server.port, EVENTS_PER_SEC, BATCH, CONNECTIONS, LOAD_SECS)
    if refused := report["requests"]["overloaded"]:
        raise Failed(f"{refused} requests of the client that works were refused")
    return report


def wait_for_sockets(server, resting):
    """How many sockets more than before the server holds, once those that it reads on have had their time."""
    deadline = time.monotonic() + LINGER_SECS
    while (more := server.sockets() - resting) > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    return max(more, 0)


def judge(section, results):
    ratios = [result.p99_ms[1] / result.p99_ms[0] for result in results]
    pairs = ", ".join(f"{without:.2f} → {beside:.2f}" for without, beside in (result.p99_ms for result in results))
    section.tell("p99 of ingest without → with them", f"{pairs} ms")
    ratio = median(ratios)
    spread = f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    section.judge("ratio, median (least–most)", spread, f"{P99_RATIO_MAX}", ratio <= P99_RATIO_MAX, strict=False)
    for name, limit_secs in (("head", HEAD_SECS), ("body", BODY_SECS)):
        secs = max(getattr(result, f"{name}_secs") for result in results)
        bound_secs = limit_secs + SLACK_SECS
        section.judge(f"longest {name} until its answer, or its end", f"{secs:.1f} s", f"{bound_secs} s", secs <= bound_secs)
        answers = set().union(*(getattr(result, f"{name}_answers") for result in results))
        fine = not any(answer.startswith("5") for answer in answers)
        section.judge(f"answers to a slow {name}", ", ".join(sorted(answers)), "no 5xx", fine)
    secs, bound_secs = max(result.end_secs for result in results), BODY_SECS + SLACK_SECS + LINGER_SECS
    section.judge("longest until the connection ended", f"{secs:.1f} s", f"{bound_secs} s", secs <= bound_secs)
    unclosed = max(result.unended + result.unclosed for result in results)
    section.judge("sockets of theirs that the server still holds then", str(unclosed), "0", unclosed == 0)
    growth, own = (median(values) for values in zip(*((each.growth_bytes, each.own_growth_bytes) for each in results)))
    section.tell("growth of resident memory, median, by the same load without them", mib(own))
    section.judge("… with them", mib(growth), mib(GROWTH_BYTES_MAX), growth <= GROWTH_BYTES_MAX)
