"""The systems that are compared: their dependencies, commands and versions."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from processes import CLIENT_CORE, SERVER_CORE, Http, free_port, output, started, wait_for_port

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
OUT = TARGET / "compare"
NODE_MODULES = OUT / "node"
VENV = OUT / "venv"

WEIR = TARGET / "release" / "weir"
CEILING = TARGET / "release" / "ceiling"
QUERIES = TARGET / "release" / "queries"
PYTHON = VENV / "bin" / "python"
CLICKHOUSE = HERE / "clickhouse.py"

# The capacity of weir's dedup table, in ids. No measurement of ingest sends as many.
DEDUP_CAPACITY = 1 << 24
MAX_BODY = "256MiB"


@dataclass(frozen=True)
class Row:
    """A row of the tables."""

    name: str
    system: str
    minimal: bool = True


ROWS = [
    Row("weir, minimal replies", "weir"),
    Row("weir, full replies", "weir", minimal=False),
    Row("weir, fixed capacity, minimal replies", "weir-fixed"),
    Row("weir, fixed capacity, full replies", "weir-fixed", minimal=False),
    Row("ceiling: axum, body discarded", "ceiling"),
    Row("Node, Express, minimal replies", "node"),
    Row("Node, Express, full replies", "node", minimal=False),
    Row("Redis, one Lua script per batch", "redis"),
    Row("ClickHouse (chDB), Memory table", "clickhouse"),
]
DEFAULT_ROW, FULL_ROW, FIXED_ROW, _, CEILING_ROW, NODE_ROW = ROWS[:6]


def missing(system):
    """Returns the reason why the system cannot be measured here, or None if it can."""
    if system == "weir-fixed":
        help_text = output(CLIENT_CORE, [WEIR, "serve", "--help"], 10)
        return None if "--dedup-capacity" in help_text else "this `weir serve` has no --dedup-capacity"
    if system == "node":
        if not shutil.which("node"):
            return "node is missing"
        return None if (NODE_MODULES / "node_modules").is_dir() else "Express is missing"
    if system == "redis":
        return None if shutil.which("redis-server") else "redis-server is missing"
    if system == "clickhouse":
        return None if any(VENV.glob("lib/python*/site-packages/chdb")) else "chDB is missing"
    return None


def install():
    """Installs the dependencies of the rows, except Rust and Python: Debian packages, and files below target/compare."""
    # With this runlevel, Debian does not start the services of the installed packages.
    environment = {**os.environ, "RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}

    def run(*command, **options):
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr, **options)

    programs = {"redis-server": "redis-server", "node": "nodejs", "npm": "npm"}
    packages = [package for program, package in programs.items() if not shutil.which(program)]
    if missing("clickhouse") and not find_spec("ensurepip"):
        packages.append("python3-venv")
    if packages:
        run("apt-get", "update")
        run("apt-get", "install", "--yes", "--no-install-recommends", *packages)
    if missing("node"):
        NODE_MODULES.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "node" / name, NODE_MODULES)
        run("npm", "ci", "--no-audit", "--no-fund", cwd=NODE_MODULES)
    if missing("clickhouse"):
        run(sys.executable, "-m", "venv", VENV)
        run(VENV / "bin" / "pip", "install", "--quiet", "--requirement", HERE / "requirements.txt")


def versions():
    """Returns the version of each available system, by name."""

    def first_line(*command, **options):
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
        return (done.stdout.strip().splitlines() or ["unknown"])[0]

    commit = first_line("git", "describe", "--always", "--dirty", cwd=ROOT)
    locked = (ROOT / "Cargo.lock").read_text()
    axum = locked.split('name = "axum"\nversion = "', 1)[1].split('"', 1)[0]
    found = {"weir": f"{first_line(WEIR, '--version')} ({commit})", "ceiling": f"axum {axum}"}
    if not missing("node"):
        express = json.loads((NODE_MODULES / "node_modules/express/package.json").read_text())["version"]
        found["Node"] = f"{first_line('node', '--version')}, Express {express}"
    if not missing("redis"):
        found["Redis"] = first_line("redis-server", "--version").split(" sha=")[0]
    if not missing("clickhouse"):
        found["ClickHouse"] = json.loads(first_line(PYTHON, CLICKHOUSE, "version"))
    return found


def command(system, port, max_skew_secs, dedup_capacity, weir):
    address = f"127.0.0.1:{port}"
    serve = [weir, "serve", "--listen", address, "--workers", 1, "--max-skew", max_skew_secs]
    serve += ["--max-body-bytes", MAX_BODY]
    return {
        "weir": serve,
        "weir-fixed": [*serve, "--dedup-capacity", dedup_capacity],
        "ceiling": [CEILING, address],
        "node": ["node", HERE / "node" / "server.js", port, max_skew_secs],
        "redis": ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    }[system]


@contextmanager
def serving(system, max_skew_secs=120, dedup_capacity=DEDUP_CAPACITY, weir=WEIR):
    """Runs a fresh server on its core while the block runs. Yields (process, port). `weir` is the binary of weir."""
    port = free_port()
    options = {"cwd": OUT}
    if system == "node":
        options["env"] = {**os.environ, "NODE_PATH": str(NODE_MODULES / "node_modules"), "NODE_ENV": "production"}
    with started(SERVER_CORE, command(system, port, max_skew_secs, dedup_capacity, weir), **options) as process:
        wait_for_port(process, port)
        if system.startswith("weir"):
            # The server listens before its tables are allocated.
            with Http(port) as http:
                http.request("GET", "/healthz")
        yield process, port
