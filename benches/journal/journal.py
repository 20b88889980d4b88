"""Measures what a journal costs. Rounds with and without a journal alternate; each figure is the median of its rounds."""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "benches" / "compare"))

import machine
from processes import CLIENT_CORE, FAILURES, SERVER_CORE, cpu_secs, exit_on_signals, free_port, output, started, wait_for_port

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
OUT = TARGET / "journal"
WEIR, ENGINE = TARGET / "release" / "weir", TARGET / "release" / "journal-engine"
ROUND_SECS = 5
TIMEOUT_SECS = 600
# A row takes about 35 bytes in a journal, and 120 bytes of memory with its id, in the worst case.
ROWS_MAX = 200_000_000
ROUNDS_MAX = 50


def engine(*arguments, core=None):
    cores = f"{SERVER_CORE},{CLIENT_CORE}" if core is None else core
    return json.loads(output(cores, [ENGINE, *arguments], TIMEOUT_SECS))


def in_process(directory):
    """Events per second of one ingesting thread. The threads of the journal have the second core."""
    without = engine("ingest", ROUND_SECS)["events_per_sec"]
    with_journal = engine("ingest", ROUND_SECS, directory)["events_per_sec"]
    return without, with_journal


def ready(port):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def loaded(flags, load):
    """The report of `weir load` on one core, from a server on the other core."""
    port = free_port()
    command = [WEIR, "serve", "--listen", f"127.0.0.1:{port}", "--workers", "1", *flags]
    with started(SERVER_CORE, command) as process, tempfile.TemporaryDirectory() as report:
        wait_for_port(process, port)
        while not ready(port):
            pass
        before = cpu_secs(process)
        arguments = ["load", "--url", f"http://127.0.0.1:{port}", "--duration", f"{ROUND_SECS}s", "--report", report]
        output(CLIENT_CORE, [WEIR, *arguments, *load], TIMEOUT_SECS)
        measured = json.loads(Path(report, "report.json").read_text())
        measured["server_cpu_secs"] = cpu_secs(process) - before
        return measured


def over_http(flags):
    load = ["--rate", "max", "--batch", "1000", "--format", "ndjson", "--minimal"]
    report = loaded(flags, load)
    events_per_sec = report["events_per_sec"]
    return events_per_sec, report["server_cpu_secs"] * 1e9 / (events_per_sec * ROUND_SECS)


def single_events(flags):
    latency = loaded(flags, ["--rate", "500", "--batch", "1", "--connections", "16"])["latency_ms"]
    return latency["p50"], latency["p99"]


def rounds(count, measure):
    """The medians of each value that `measure` returns."""
    measured = [measure() for _ in range(count)]
    return [statistics.median(values) for values in zip(*measured)]


def throughput(options, scratch):
    """Rows of the report about throughput and latency."""
    numbers = iter(range(10**6))
    fresh = lambda: str(Path(scratch, f"journal-{next(numbers)}"))

    def fresh_round(measure, wrap=lambda directory: directory):
        directory = fresh()
        try:
            return measure(wrap(directory))
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    journal = lambda directory: ["--journal", directory]
    without, with_journal = rounds(options.rounds, lambda: fresh_round(in_process))
    yield "in process, events/s", f"{without:,.0f}", f"{with_journal:,.0f}", f"{with_journal / without:.2f}"
    http = lambda: (*over_http([]), *fresh_round(over_http, journal))
    without, cpu, with_journal, cpu_journal = rounds(options.rounds, http)
    ratio = f"{with_journal / without:.2f}"
    yield "HTTP, batches of 1,000, events/s", f"{without:,.0f}", f"{with_journal:,.0f}", ratio
    yield "HTTP, server CPU, ns per event", f"{cpu:.0f}", f"{cpu_journal:.0f}", f"{cpu_journal / cpu:.2f}"
    single = lambda: (*single_events([]), *fresh_round(single_events, journal))
    p50, p99, p50_journal, p99_journal = rounds(options.rounds, single)
    yield "single events, 500/s, p50 ms", f"{p50:.2f}", f"{p50_journal:.2f}", f"{p50_journal / p50:.2f}"
    yield "single events, 500/s, p99 ms", f"{p99:.2f}", f"{p99_journal:.2f}", f"{p99_journal / p99:.2f}"


def replay(options, scratch):
    """Rows of the report about a journal of many rows."""
    directory = str(Path(scratch, "replayed"))
    filled = engine("fill", directory, options.replay)
    rows = filled["rows"]
    yield "rows", f"{rows:,}"
    yield "live bytes a row", f"{filled['live_bytes'] / rows:.1f}"
    yield "bytes of the file a live byte", f"{filled['file_bytes'] / filled['live_bytes']:.2f}"
    replayed = engine("replay", directory)
    if replayed["rows"] != rows:
        # Events leave the window while a large journal is filled.
        yield "rows within the retention", f"{replayed['rows']:,}"
    yield "opening, with all checksums", f"{replayed['open_secs']:.1f} s"
    yield "replay", f"{replayed['replay_secs']:.1f} s, {replayed['rows_per_sec']:,.0f} rows/s"
    before, after = filled["rss_bytes"], replayed["rss_bytes"]
    yield "memory before the restart", f"{before / 2**20:,.0f} MiB"
    yield "memory after it", f"{after / 2**20:,.0f} MiB, {after / before:.2f} of before"
    yield "peak memory of the restart", f"{replayed['peak_rss_bytes'] / 2**20:,.0f} MiB"


def table(head, rows):
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for row in rows:
        print(" | ".join(row), file=sys.stderr, flush=True)
        lines.append(row)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each figure")
    parser.add_argument("--replay", type=int, default=10_000_000, help="rows of the journal that is replayed")
    parser.add_argument("--dir", default=None, help="a directory on the disk to measure")
    options = parser.parse_args()
    if not (0 < options.rounds <= ROUNDS_MAX and 0 < options.replay <= ROWS_MAX):
        parser.error(f"--rounds is 1 to {ROUNDS_MAX}, and --replay 1 to {ROWS_MAX}")
    exit_on_signals()
    OUT.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=options.dir or OUT) as scratch:
            setup = f"rounds of {ROUND_SECS} s, median of {options.rounds}; one server core, one client core"
            sections = [
                "# weir with a journal and without one",
                table(["", "without", "with a journal", "ratio"], throughput(options, scratch)),
                table(["replay", ""], replay(options, scratch)),
                "\n".join(machine.lines(setup)),
            ]
    except FAILURES as failure:
        sys.exit(f"the measurement is invalid: {failure}")
    text = "\n\n".join(sections) + "\n"
    (OUT / "report.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
