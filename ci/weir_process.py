"""A weir process, and requests to it. Only the standard library."""

import collections
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time

READY_SECS = 120


class Weir:
    """A running `weir serve`. It is ended by its process id, also if the check fails."""

    def __init__(self, binary, args, listen="127.0.0.1:0", environment=None, wrapper=()):
        command = [*wrapper, binary, "serve", "--listen", listen, *args]
        environment = {**os.environ, **(environment or {})}
        streams = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=environment, **streams)
        self.log = collections.deque(maxlen=100)
        self.address = None
        self.listening = threading.Event()
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            found = re.search(r"listening on http://([0-9.:]+)", line)
            if found:
                self.address = found.group(1)
                self.listening.set()
        self.listening.set()

    def wait_until_listening(self):
        self.listening.wait(READY_SECS)
        if self.address is None:
            raise AssertionError("the server did not start:\n" + "\n".join(self.log))

    def wait_until_ready(self):
        """Returns the seconds until the server was ready."""
        self.wait_until_listening()
        begun = time.monotonic()
        while time.monotonic() < begun + READY_SECS:
            if self.process.poll() is not None:
                raise AssertionError("the server ended while it replayed:\n" + "\n".join(self.log))
            if self.request("GET", "/readyz")[0] == 200:
                return time.monotonic() - begun
            time.sleep(0.01)
        raise AssertionError("the server is not ready:\n" + "\n".join(self.log))

    def request(self, method, path, body=None, headers=None, connection=None):
        """The status, the headers and the body of an answer. An OSError or HTTPException means that there is none."""
        own = connection is None
        connection = connection or self.connect()
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            if own:
                connection.close()

    def connect(self):
        return http.client.HTTPConnection(self.address, timeout=60)

    def json(self, path):
        status, headers, body = self.request("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {body!r}")
        return json.loads(body), headers

    def end(self, secs):
        """Waits for the end of the process. Returns the exit code, and the last line of the log."""
        code = self.process.wait(timeout=secs)
        self.reader.join(secs)
        return code, self.log[-1] if self.log else ""

    def kill(self):
        """Ends the process as a crash does."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Stops the process as an operator does. Returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
