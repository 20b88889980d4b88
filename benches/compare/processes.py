"""Processes that are pinned to a core, and that never outlive this one."""

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
    """A measurement that does not count, and why."""


# What a server that breaks down can lead to.
FAILURES = (Failed, OSError, http.client.HTTPException, subprocess.TimeoutExpired)


@contextmanager
def attempt(failed, what):
    """Notes a failure among those of a section in place of raising it."""
    try:
        yield
    except FAILURES as failure:
        failed.append(f"{what}: {failure}")
        print(f"failed: {failed[-1]}", file=sys.stderr)


def end_by_exception():
    """Lets a signal unwind the stack, so that every process that was started is stopped by whoever started it."""

    def stop(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, stop)


def pinned(core, command):
    """The command on one core, killed by the kernel should this process be killed."""
    return ["setpriv", "--pdeathsig", "KILL", "taskset", "--cpu-list", str(core), *map(str, command)]


@contextmanager
def started(core, command, **options):
    """Runs a command for as long as the block, then stops it by its id."""
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
    """What a command prints, run to its end."""
    done = subprocess.run(
        pinned(core, command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_secs
    )
    if done.returncode != 0:
        last_line = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Failed(f"{os.path.basename(str(command[0]))} exited with {done.returncode}: {last_line}")
    return done.stdout


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_port(process, port):
    """Until somebody listens."""
    deadline = time.monotonic() + START_TIMEOUT_SECS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"the server ended with {process.returncode} before it listened")
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
    raise Failed("the server is gone")


def cpu_ns(process):
    """What all threads of a process have run so far. It is the same whatever else runs on the core, but for its caches."""
    total = 0
    for schedstat in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
        total += int(schedstat.read_text().split()[0])
    return total


class Http:
    """One keep-alive connection to a server of this machine."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, method, path, body=None):
        """The body of a 200."""
        headers = {"content-type": "application/json", "prefer": "return=minimal"} if body else {}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise Failed(f"{method} {path} was answered with {response.status}: {answer[:200].decode()}")
        return answer
