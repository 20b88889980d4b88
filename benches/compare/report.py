"""The report: ratios first, then what they are made of."""

from statistics import median

import chart
import machine
from ingest import TYPICAL_BATCH, USERS, WARM_UP_PART
from load import CONNECTIONS
from queries import COMMON_WINDOW_SECS, INTERFERENCE_USERS, INTERFERENCE_WINDOW_SECS, POPULATIONS, QUERIES_PER_SEC
from queries import INTERFERENCE_RATES, WINDOWS_SECS
from systems import CEILING_ROW, ELASTIC_ROW, OUT, PREALLOCATED_ROW, ROWS, versions

SYSTEM_NAMES = {"weir": "weir", "node": "Node, Express", "clickhouse": "ClickHouse (chDB)"}


def write(ingest, queries, memory):
    """report.md and report.svg of the sections that ran; the text."""
    parts = ["# weir beside others", environment()]
    if ingest:
        parts += ingest_section(ingest)
        (OUT / "report.svg").write_text(chart.draw(ingest))
    if queries:
        parts += query_section(queries)
    if memory:
        parts += memory_section(memory)
    text = "\n\n".join(parts) + "\n"
    (OUT / "report.md").write_text(text)
    return text


def environment():
    setup = "server on core 0, load generator or driver on core 1, over loopback"
    return "\n".join([*machine.lines(setup), *(f"- {name}: {version}" for name, version in versions().items())])


def table(header, rows):
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def spread(values, form="{:,.0f}"):
    """The median, and the extremes where there are any."""
    values = list(values)
    if len(values) < 2:
        return form.format(values[0])
    return f"{form.format(median(values))} ({form.format(min(values))}–{form.format(max(values))})"


def notes(skipped, failed):
    lines = [f"- skipped: {name}: {reason}" for name, reason in skipped] + [f"- failed: {line}" for line in failed]
    return ["\n".join(lines)] if lines else []


def ingest_section(results):
    measured = {row for row, _ in results.rates}
    reference = PREALLOCATED_ROW if PREALLOCATED_ROW in measured else ELASTIC_ROW
    header = ["", *(f"{batch:,}" for batch in results.batches)]

    def line(row, cell):
        if row in results.skipped:
            return [row.name, *["skipped"] * len(results.batches)]
        return [row.name, *(cell(row, batch) for batch in results.batches)]

    def ratio_to(reference_row, reference_batch=None):
        def cell(row, batch):
            value = results.ratio(row, batch, reference_row, reference_batch or batch)
            return "–" if value is None else f"{value:.3g}"

        return table(header, [line(row, cell) for row in ROWS])

    def spread_of(measured):
        def cell(row, batch):
            rounds = measured.get((row, batch))
            return spread(rounds.values()) if rounds else "–"

        return table(header, [line(row, cell) for row in ROWS])

    return [
        "## Ingest, by events a request",
        f"{results.rounds} interleaved rounds of {results.seconds:g} s after a warm-up of {results.seconds * WARM_UP_PART:g} s, "
        f"each on a fresh server with {CONNECTIONS} connections (Redis: {CONNECTIONS} calls in flight; ClickHouse: inserts in its own "
        "process, and once a round). Ratios are medians of the ratios within a round.",
        *notes(((row.name, reason) for row, reason in results.skipped.items()), results.failed),
        f"Ratio to “{reference.name}” at {TYPICAL_BATCH:,}:",
        ratio_to(reference, TYPICAL_BATCH),
        "Ratio to the ceiling at the same size:",
        ratio_to(CEILING_ROW),
        "Events a second, median (least–most):",
        spread_of(results.rates),
        "CPU time of the server's process in ns an event, median (least–most), which other load on the machine changes less "
        "(ClickHouse: of the driver, too):",
        spread_of(results.cpu_ns),
        "![events a second by events a request](report.svg)",
        "### Memory",
        f"Resident memory of the server, from its start to the end of the run at {TYPICAL_BATCH:,} events a request: ids, "
        "counts and all buffers. What a preallocated table takes is there before the first id.",
        table(
            ["", "before, MiB", "after, MiB", "ids", "bytes an id"],
            [memory(row, results.memory[row]) for row in ROWS if row in results.memory and row is not CEILING_ROW],
        ),
    ]


def memory(row, rounds):
    mib = 1 << 20
    columns = [
        (one.before_bytes / mib for one in rounds),
        (one.after_bytes / mib for one in rounds),
        (one.ids for one in rounds),
        (one.bytes_per_id() for one in rounds),
    ]
    return [row.name, *(f"{median(column):,.0f}" for column in columns)]


def query_section(results):
    return [
        "## Queries of weir",
        *notes(results.skipped.items(), results.failed),
        f"`GET /metrics`, {QUERIES_PER_SEC} a second in an open loop for {results.effort.seconds:g} s, with "
        f"{results.effort.events:,} events over the retention before the ingest; latency in ms from when a query was due. "
        "Of n answers, the p99.9 is the slowest where n is below 1,000.",
        latency_table(results),
        f"Ingest beside queries ({INTERFERENCE_WINDOW_SECS} s, {INTERFERENCE_USERS:,} users, {TYPICAL_BATCH:,} events a "
        f"request, {results.effort.rounds} rounds). The queries' driver and the load generator share a core.",
        interference_table(results),
        *after_put(results),
        *same_answer(results),
    ]


def latency_table(results):
    header = ["users", "window, s", "ingest", "p50", "p99", "p99.9", "max", "n", "unsent"]
    rows = []
    for users in POPULATIONS:
        for window_secs in WINDOWS_SECS:
            for beside in (False, True):
                if told := results.latency.get((users, window_secs, beside)):
                    latencies = [f"{told[name]:.3f}" for name in ("p50", "p99", "p99.9", "max")]
                    name = "full" if beside else "none"
                    rows.append([f"{users:,}", window_secs, name, *latencies, told["asked"], told["unsent"]])
    return table(header, rows)


def interference_table(results):
    idle = results.interference.get(0)
    rows = []
    for per_sec in INTERFERENCE_RATES:
        if rates := results.interference.get(per_sec):
            ratios = [rate / alone for rate, alone in zip(rates, idle)]
            rows.append([f"{per_sec:,}", spread(ratios, "{:.2f}"), spread(rates)])
    return table(["queries a second", "ratio to none", "events a second"], rows)


def after_put(results):
    if not results.after_put:
        return []
    columns = [spread([seconds * 1e3 for seconds in column], "{:.1f}") for column in zip(*results.after_put)]
    header = ["", "PUT, ms", "first query, ms", "second query, ms"]
    return [
        f"A new table of {POPULATIONS[-1]:,} users, and queries of {WINDOWS_SECS[-1]} s right after it:",
        table(header, [["weir", *columns]]),
    ]


def same_answer(results):
    if "weir" not in results.same_answer:
        return []
    rows = []
    for system, seconds in results.same_answer.items():
        latency_ms = [one * 1e3 for one in seconds]
        factor = median(seconds) / median(results.same_answer["weir"])
        rows.append([SYSTEM_NAMES[system], f"{factor:.3g}", spread(latency_ms, "{:.2f}"), len(seconds)])
    return [
        f"The answer to `GET /metrics?window={COMMON_WINDOW_SECS}` over the same {results.effort.events:,} events, one query "
        "after the other (ClickHouse: `uniqExact`, and a `GROUP BY` with a join of the users; no HTTP). All figures agreed."
        if not results.failed
        else "The same answer from different systems:",
        table(["", "ratio to weir", "ms", "n"], rows),
    ]


def memory_section(results):
    rows = []
    for backend, (per_id, ids) in results.ids.items():
        per_event, events = results.events[backend]
        rows.append([backend, f"{per_id:.1f}", f"{ids:,}", f"{per_event:.1f}", f"{events:,}"])
    return [
        "## Memory of weir",
        *notes((), results.failed),
        "Resident memory: a server that remembers many ids, tables made for as many among them, less an empty one; and what "
        f"events spread over the whole retention, by {USERS:,} users, add to one (ids too, where they are not preallocated).",
        table(["dedup", "bytes an id", "ids", "bytes an event", "events"], rows),
    ]
