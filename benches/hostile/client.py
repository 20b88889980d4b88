"""Requests of a client that looks at every answer."""

import http.client
import json
import os
import socket
import threading
import time
from datetime import datetime, timezone

TIMEOUT_SECS = 60
# Above and below the load generator, which shares the core.
FIRST, LAST = -10, 10


class Answer:
    def __init__(self, response, latency_ms):
        self.status = response.status
        self.retry_after = response.getheader("retry-after")
        self.latency_ms = latency_ms
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def refuses_properly(self):
        """A 503 has to say when to come again."""
        return self.status == 503 and (self.retry_after or "").isdigit()


class Client:
    """One keep-alive connection, opened again when the server has closed it."""

    def __init__(self, port):
        self.port, self.connection = port, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def open(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECS)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method, path, body=None, **headers):
        """Any answer. Latency counts from the first byte out to the head of the answer."""
        if not self.connection or not self.connection.sock:
            self.open()
        begun = time.perf_counter()
        try:
            self.connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses a body may answer, and close, before it has read all of it.
            pass
        response = self.connection.getresponse()
        answer = Answer(response, (time.perf_counter() - begun) * 1000)
        if response.will_close:
            self.close()
        return answer


def go_first():
    """Lets this thread run before the load generator, where that is allowed: else its turns would be measured as latency."""
    try:
        set_priority(FIRST)
    except PermissionError:
        pass


def go_last():
    """Lets this thread run when the load generator does not."""
    set_priority(LAST)


def set_priority(nice):
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


def timestamp():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def event(event_id, user="u-1"):
    return {"event_id": event_id, "user_id": user, "type": "click", "ts": timestamp()}


def post(client, events):
    return client.ask("POST", "/events", json.dumps(events), content_type="application/json")
