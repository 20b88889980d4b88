"""A Redis client that takes little CPU time while it is timed. It sends prepared bytes, with 16 commands in flight."""

import itertools
import random
import socket
import time
from pathlib import Path

import events
from processes import Failed

IN_FLIGHT = 16
HORIZON_SECS = 2040
# The number of events that are prepared per second of a run. If Redis is faster, the run ends earlier.
EVENTS_PREPARED_PER_SEC = 500_000
SCRIPT = Path(__file__).with_name("redis.lua").read_bytes()


def command(*words):
    """Encodes a command in RESP, as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(command(b"SCRIPT", b"LOAD", SCRIPT))
        reply = self.socket.recv(100)
        if not reply.startswith(b"$40\r\n"):
            raise Failed(f"the script was not loaded: {reply.decode()}")
        self.script = reply.split(b"\r\n")[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def commands(self, batch, seconds, users):
        """Prepares calls of the script, with enough new events for about `seconds` seconds."""
        rng = random.Random(1)
        second = str(int(time.time())).encode()
        calls = max(2 * IN_FLIGHT, int(EVENTS_PREPARED_PER_SEC * seconds) // batch)
        prepared = []
        for number in range(calls):
            words = [b"EVALSHA", self.script, b"0", str(HORIZON_SECS).encode()]
            for row in events.rows(number * batch, batch, users, rng):
                words += [word.encode() for word in row]
                words.append(second)
            prepared.append(command(*words))
        return iter(prepared)

    def run(self, commands, batch, seconds):
        """Sends commands for `seconds`, or until none is left. Returns the accepted events, in total and per second."""
        start = time.perf_counter()
        first = list(itertools.islice(commands, IN_FLIGHT))
        self.socket.sendall(b"".join(first))
        sent, received, replies = len(first), 0, []
        while received < sent:
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                raise Failed("Redis closed the connection")
            replies.append(chunk)
            done = chunk.count(b"\n")
            received += done
            if time.perf_counter() - start < seconds:
                more = list(itertools.islice(commands, done))
                self.socket.sendall(b"".join(more))
                sent += len(more)
        elapsed = time.perf_counter() - start
        lines = b"".join(replies).split(b"\r\n")[:-1]
        if wrong := [line for line in lines if line != b":%d" % batch]:
            raise Failed(f"Redis returned {wrong[0].decode()}")
        return sent * batch, sent * batch / elapsed
