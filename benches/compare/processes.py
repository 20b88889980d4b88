"""Processes that are pinned to a core and never outlive this process."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

SERVER_CORE = 0
CLIENT_CORE = 1
START_TIMEOUT_SECS = 20
STOP_TIMEOUT_SECS = 12


class Failed(Exception):
    """A measurement is invalid. The message says why."""


# The exceptions that a failing server can cause.
FAILURES = (Failed, OSError, http.client.HTTPException, subprocess.TimeoutExpired)


@contextmanager
def attempt(failed, name):
    """Adds a failure of the block to the list `failed` instead of raising it."""
    try:
        yield
    except FAILURES as failure:
        failed.append(f"{name}: {failure}")
        print(f"failed: {failed[-1]}", file=sys.stderr)


def exit_on_signals():
    """Turns signals into an exception, so that the context managers stop every process that they started."""

    def stop(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, stop)


def pinned(core, command):
    """Returns the command pinned to one core. If this process is killed, the kernel kills the command."""
    return ["setpriv", "--pdeathsig", "KILL", "taskset", "--cpu-list", str(core), *map(str, command)]


@contextmanager
def started(core, command, **options):
    """Runs a command while the block runs, then stops it by its process id."""
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    process = subprocess.Popen(pinned(core, command), stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_SECS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def output(core, command, timeout_secs):
    """Runs a command to its end and returns its output."""
    done = subprocess.run(
        pinned(core, command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_secs
    )
    if done.returncode != 0:
        last_line = (done.stderr.strip().splitlines() or ["no error message"])[-1]
        raise Failed(f"{os.path.basename(str(command[0]))} exited with {done.returncode}: {last_line}")
    return done.stdout


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_port(process, port):
    """Waits until the server accepts connections."""
    deadline = time.monotonic() + START_TIMEOUT_SECS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"the server exited with {process.returncode} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.005)
    raise Failed(f"the server did not listen within {START_TIMEOUT_SECS} s")


def rss_bytes(process):
    with open(f"/proc/{process.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise Failed("the server has exited")


def cpu_ns(process):
    """Returns the CPU time of all threads of a process. Other programs on the core change it only through the caches."""
    total = 0
    for schedstat in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
        total += int(schedstat.read_text().split()[0])
    return total


def cpu_secs(process):
    """Returns the CPU time of all threads of a process, also of those that have ended, in steps of 0.01 s."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Http:
    """One keep-alive connection to a local server."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def request(self, method, path, body=None):
        """Sends a request and returns the body of the response, whose status must be 200."""
        headers = {"content-type": "application/json", "prefer": "return=minimal"} if body else {}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise Failed(f"{method} {path} returned {response.status}: {content[:200].decode()}")
        return content
