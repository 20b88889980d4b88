"""Three weir nodes of a cluster, each a process, and requests to them."""

import argparse
import contextlib
import http.client
import json
import pathlib
import random
import time

from nats_process import Nats, free_ports
from weir_process import Weir

LOST = (OSError, http.client.HTTPException)
# All events of a check lie within the window and the skew, so the counts of the nodes are exactly those of the model.
ARGS = ["--retention", "7200", "--max-skew", "3600", "--cluster-max", "1GiB"]


def arguments(**more):
    """The arguments that all checks have, and more numbers. Prints the seed, and returns its generator, too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("nats_server")
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=None)
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    options.cluster = options.binary, options.nats_server, options.directory
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    return options, random.Random(seed)


@contextlib.contextmanager
def started(binary, nats_server, directory, rng, args=ARGS):
    """Three NATS servers and three nodes that are ready, while the block runs."""
    secret = directory / "secret"
    secret.write_text(f"{rng.getrandbits(256):064x}\n")
    with Nats(nats_server, directory) as nats, Nodes(binary, nats, str(secret), args) as nodes:
        nodes.wait_until_ready()
        yield nats, nodes


class Nodes:
    """The three nodes. Each keeps its address over its restarts."""

    def __init__(self, binary, nats, secret, args):
        self.binary = binary
        self.args = ["--cluster", nats.url(), "--cluster-secret-file", secret, "--cluster-init", *args]
        self.addresses = [f"127.0.0.1:{port}" for port in free_ports(3)]
        self.environments = [None] * 3
        self.processes = [None] * 3
        for index in range(3):
            self.launch(index)

    def launch(self, index):
        args = [*self.args, "--cluster-node", f"n{index}"]
        self.processes[index] = Weir(self.binary, args, self.addresses[index], self.environments[index])

    def wait_until_ready(self):
        for index in range(3):
            try:
                self.processes[index].wait_until_ready()
            except (AssertionError, *LOST):
                # A node that was frozen for long ends, and its supervisor starts it again.
                code, line = self.processes[index].end(30)
                if code != 1 or "log_failed" not in line:
                    raise AssertionError(f"node n{index} ended with {code}:\n" + "\n".join(self.processes[index].log))
                print(f"node n{index} starts again: {line}")
                self.launch(index)
                self.processes[index].wait_until_ready()

    def metric(self, index, name):
        """A figure of a node, without labels."""
        _, _, body = self.processes[index].request("GET", "/metrics/prometheus")
        return next(float(line.split()[1]) for line in body.decode().splitlines() if line.startswith(name + " "))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.process.poll() is None and process.kill()


def request(address, method, path, body=None):
    """The status and the document of an answer; none if there is no answer."""
    connection = http.client.HTTPConnection(address, timeout=20)
    with contextlib.closing(connection):
        try:
            connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            answer = connection.getresponse()
            body = answer.read()
            # A proxy has answers of its own.
            return answer.status, json.loads(body) if "json" in answer.headers.get_content_type() else None
        except LOST:
            return None, None


def wait_for(what, condition, secs=60):
    """Returns the seconds until the condition holds."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() > begun + secs:
            raise AssertionError(f"{what} did not come about in {secs} s")
        time.sleep(0.02)
    return time.monotonic() - begun
