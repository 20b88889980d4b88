"""NATS servers on loopback ports, each a process. They are ended by their process ids."""

import json
import pathlib
import socket
import subprocess
import time


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


class Nats:
    """Three servers with a store of their own, synced before each answer."""

    def __init__(self, binary, directory):
        self.binary, self.directory = binary, pathlib.Path(directory)
        self.ports, self.routes = free_ports(3), free_ports(3)
        self.processes = [None] * 3
        for index in range(3):
            self.launch(index)

    def url(self):
        return "nats://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def launch(self, index):
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.routes)
        config = self.directory / f"s{index}.conf"
        config.write_text(
            f'server_name: s{index}\nlisten: "127.0.0.1:{self.ports[index]}"\n'
            f'jetstream {{ store_dir: "{self.directory}/s{index}", max_file: 16GB, sync_interval: always }}\n'
            f'cluster {{ name: weir, listen: "127.0.0.1:{self.routes[index]}", routes: [{routes}] }}\n'
        )
        log = open(self.directory / f"s{index}.log", "ab")
        command = [self.binary, "-c", str(config)]
        self.processes[index] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        self.wait_until_it_listens(index)

    def wait_until_it_listens(self, index):
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.ports[index]), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the NATS server s{index} does not listen")

    def kill(self, index):
        self.processes[index].kill()
        self.processes[index].wait()

    def ask(self, subject, body=""):
        """The answer of a running server to a request of an operator (the NATS client protocol)."""
        index = next(index for index in range(3) if self.processes[index].poll() is None)
        with socket.create_connection(("127.0.0.1", self.ports[index]), 5) as connection, connection.makefile("rb") as lines:
            request = f"CONNECT {{}}\r\nSUB answer 1\r\nPUB {subject} answer {len(body)}\r\n{body}\r\n"
            connection.sendall(request.encode())
            next(line for line in lines if line.startswith(b"MSG answer"))
            return json.loads(next(lines))

    def replicas(self):
        """The index of the server that leads the log, and whether all copies are up to date."""
        cluster = self.ask("$JS.API.STREAM.INFO.WEIR").get("cluster", {})
        leader, others = cluster.get("leader"), cluster.get("replicas", [])
        return leader and int(leader[1:]), len(others) == 2 and all(other.get("current") for other in others)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process and process.poll() is None:
                process.kill()
                process.wait()
