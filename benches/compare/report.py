"""Writes the report. Ratios come first, then the measurements behind them."""

from statistics import median

import chart
import machine
from ingest import PAIRS_MIN, SPREAD_MAX, TYPICAL_BATCH, USERS, WARM_UP_RATIO
from load import CONNECTIONS
from queries import COMMON_WINDOW_SECS, INTERFERENCE_USERS, INTERFERENCE_WINDOW_SECS, POPULATIONS, QUERIES_PER_SEC
from queries import INTERFERENCE_RATES, WINDOWS_SECS
from systems import CEILING_ROW, DEFAULT_ROW, OUT, ROWS, versions

SYSTEM_NAMES = {"weir": "weir", "node": "Node, Express", "clickhouse": "ClickHouse (chDB)"}


def write(ingest, queries, memory):
    """Writes report.md and report.svg for the sections that ran. Returns the text of report.md."""
    parts = ["# weir compared with other systems", environment()]
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
    """Formats the median, with the minimum and maximum if there are several values."""
    values = list(values)
    if len(values) < 2:
        return form.format(values[0])
    return f"{form.format(median(values))} ({form.format(min(values))}–{form.format(max(values))})"


def notes(skipped, failed):
    lines = [f"- skipped: {name}: {reason}" for name, reason in skipped] + [f"- failed: {line}" for line in failed]
    return ["\n".join(lines)] if lines else []


def ingest_section(results):
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
        "## Ingest, by events per request",
        f"{results.rounds} rounds, each in the reverse order of the one before. A measurement takes {results.seconds:g} s, after a warm-up of "
        f"{results.seconds * WARM_UP_RATIO:g} s. Each measurement has a fresh server and {CONNECTIONS} connections (Redis: "
        f"{CONNECTIONS} calls in flight; ClickHouse: inserts in its own process, all batch sizes at the end of a round). "
        "Ratios are medians of the ratios within each round.",
        f"Key ratios. Each value is the mean of two rounds in opposite orders (ABBA). A ratio is known well if the interquartile "
        f"range of at least {PAIRS_MIN} values is at most {SPREAD_MAX:.0%} of the median.",
        key_ratios(results),
        *notes(((row.name, reason) for row, reason in results.skipped.items()), results.failed),
        f"Ratio to “{DEFAULT_ROW.name}” at {TYPICAL_BATCH:,} events per request:",
        ratio_to(DEFAULT_ROW, TYPICAL_BATCH),
        "Ratio to the ceiling at the same batch size:",
        ratio_to(CEILING_ROW),
        "Events per second, median (minimum–maximum):",
        spread_of(results.rates),
        "CPU time of the server process in ns per event, median (minimum–maximum). Other load on the machine changes it less "
        "than the throughput. For ClickHouse it includes the driver.",
        spread_of(results.cpu_ns),
        "![events per second by events per request](report.svg)",
        "### Memory",
        f"Resident memory of the server, at its start and at the end of the run with {TYPICAL_BATCH:,} events per request. It "
        "includes ids, counts and all buffers. A table of a fixed size takes its memory before the first id.",
        table(
            ["", "before, MiB", "after, MiB", "ids", "bytes per id"],
            [memory(row, results.memory[row]) for row in ROWS if row in results.memory and row is not CEILING_ROW],
        ),
    ]


def key_ratios(results):
    found = results.key_ratios()
    if not found:
        return "Too few rounds for ratios."
    header = ["", "events per request", "throughput", "spread", "pairs", "known well", "events per CPU time", "spread"]
    rows = []
    for ratio, (by_rate, by_cpu) in found.items():
        known = "yes" if by_rate.is_settled() else "no"
        columns = [f"{by_rate.median():.3f}", f"{by_rate.spread():.1%}", len(by_rate.values), known]
        columns += [f"{by_cpu.median():.3f}", f"{by_cpu.spread():.1%}"]
        rows.append([f"{ratio.row.name} / {ratio.reference.name}", f"{ratio.batch:,}", *columns])
    return table(header, rows)


def memory(row, rounds):
    mib = 1 << 20
    columns = [
        (measured.before_bytes / mib for measured in rounds),
        (measured.after_bytes / mib for measured in rounds),
        (measured.ids for measured in rounds),
        (measured.bytes_per_id() for measured in rounds),
    ]
    return [row.name, *(f"{median(column):,.0f}" for column in columns)]


def query_section(results):
    return [
        "## Queries of weir",
        *notes(results.skipped.items(), results.failed),
        f"`GET /metrics`, {QUERIES_PER_SEC} queries per second in an open loop for {results.settings.seconds:g} s. Before the "
        f"ingest, the server has {results.settings.events:,} events over its retention. The latency in ms starts when a query "
        "is due. If n (the number of responses) is below 1,000, the p99.9 is the maximum.",
        latency_table(results),
        f"The p99 of `GET /healthz` and of a query of {WINDOWS_SECS[-1]:,} s in turns, without ingest:",
        idle_table(results),
        f"Ingest during queries (window of {INTERFERENCE_WINDOW_SECS} s, {INTERFERENCE_USERS:,} users, {TYPICAL_BATCH:,} events "
        f"per request, {results.settings.rounds} rounds). The query driver and the load generator share a core.",
        interference_table(results),
        *after_put(results),
        *equal_responses(results),
    ]


def latency_table(results):
    header = ["users", "window, s", "ingest", "p50", "p99", "p99.9", "max", "n", "unsent"]
    rows = []
    for users in POPULATIONS:
        for window_secs in WINDOWS_SECS:
            for during_ingest in (False, True):
                if measured := results.latency.get((users, window_secs, during_ingest)):
                    latencies = [f"{measured[name]:.3f}" for name in ("p50", "p99", "p99.9", "max")]
                    name = "full" if during_ingest else "none"
                    rows.append([f"{users:,}", window_secs, name, *latencies, measured["sent"], measured["unsent"]])
    return table(header, rows)


def idle_table(results):
    rows = []
    for users, pairs in results.idle_p99_ms.items():
        ratios = [query / health for health, query in pairs]
        rows.append([f"{users:,}", spread(ratios, "{:.2f}"), *(spread(column, "{:.3f}") for column in zip(*pairs))])
    return table(["users", "ratio of the p99", "/healthz, ms", "/metrics, ms"], rows)


def interference_table(results):
    rates_alone = results.interference.get(0)
    rows = []
    for per_sec in INTERFERENCE_RATES:
        if rates := results.interference.get(per_sec):
            ratios = [rate / alone for rate, alone in zip(rates, rates_alone)]
            rows.append([f"{per_sec:,}", spread(ratios, "{:.2f}"), spread(rates)])
    return table(["queries per second", "ratio to ingest alone", "events per second"], rows)


def after_put(results):
    if not results.after_put:
        return []
    columns = [spread([seconds * 1e3 for seconds in column], "{:.1f}") for column in zip(*results.after_put)]
    header = ["", "PUT, ms", "first query, ms", "second query, ms"]
    return [
        f"A PUT of a new table of {POPULATIONS[-1]:,} users, and two queries of {WINDOWS_SECS[-1]} s directly after it:",
        table(header, [["weir", *columns]]),
    ]


def equal_responses(results):
    if "weir" not in results.equal_responses:
        return []
    rows = []
    for system, latencies in results.equal_responses.items():
        latency_ms = [seconds * 1e3 for seconds in latencies]
        ratio = median(latencies) / median(results.equal_responses["weir"])
        rows.append([SYSTEM_NAMES[system], f"{ratio:.3g}", spread(latency_ms, "{:.2f}"), len(latencies)])
    return [
        f"Equal responses: `GET /metrics?window={COMMON_WINDOW_SECS}` over the same {results.settings.events:,} events, one "
        "query after the other (ClickHouse: `uniqExact`, and a `GROUP BY` with a join of the users; no HTTP). All responses "
        "are equal."
        if not results.failed
        else "The same query on different systems:",
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
        "Resident memory. Bytes per id: a server that remembers many ids, with its tables, less an empty server. "
        f"Bytes per event: the growth due to events over the whole retention by {USERS:,} users. It includes the ids, unless "
        "their table has a fixed size.",
        table(["dedup", "bytes per id", "ids", "bytes per event", "events"], rows),
    ]
