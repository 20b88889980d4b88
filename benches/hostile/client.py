"""An HTTP client that returns every response with its latency."""

import http.client
import json
import os
import socket
import threading
import time
from datetime import datetime, timezone

TIMEOUT_SECS = 60
# Nice values above and below the priority of the load generator, which shares the core.
HIGH_PRIORITY, LOW_PRIORITY = -10, 10


class Response:
    def __init__(self, response, latency_ms):
        self.status = response.status
        self.retry_after = response.getheader("retry-after")
        self.latency_ms = latency_ms
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def is_503_with_retry_after(self):
        """A server that rejects a request must say when to retry."""
        return self.status == 503 and (self.retry_after or "").isdigit()


class Client:
    """One keep-alive connection. If the server closes it, the next request opens a new one."""

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

    def request(self, method, path, body=None, **headers):
        """Returns the response with any status. The latency is from the first byte sent to the head of the response."""
        if not self.connection or not self.connection.sock:
            self.open()
        start = time.perf_counter()
        try:
            self.connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
        except (BrokenPipeError, ConnectionResetError):
            # A server that rejects a body may respond and close the connection before it has read the whole body.
            pass
        http_response = self.connection.getresponse()
        response = Response(http_response, (time.perf_counter() - start) * 1000)
        if http_response.will_close:
            self.close()
        return response


def raise_priority():
    """Gives this thread priority over the load generator, if that is allowed.

    Otherwise, the time slices of the load generator would count as latency.
    """
    try:
        set_priority(HIGH_PRIORITY)
    except PermissionError:
        pass


def lower_priority():
    """Gives the load generator priority over this thread."""
    set_priority(LOW_PRIORITY)


def set_priority(nice):
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


def timestamp():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def event(event_id, user="u-1"):
    return {"event_id": event_id, "user_id": user, "type": "click", "ts": timestamp()}


def post(client, events):
    return client.request("POST", "/events", json.dumps(events), content_type="application/json")
