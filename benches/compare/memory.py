"""Resident memory of a server that remembers many ids, and of a server with events in its whole retention."""

import sys
from dataclasses import dataclass, field

from ingest import TYPICAL_BATCH, USERS
from load import send
from processes import Http, attempt, rss_bytes
from queries import HISTORY_SECS, fill
from systems import serving

# By system: the name of its row.
BACKENDS = {"weir": "growing", "weir-fixed": "fixed"}
# The load generator sends at most at this rate, in runs of RUN_SECS, until the server has FILL_RATIO of the ids.
IDS_PER_SEC, RUN_SECS, FILL_RATIO = 1_000_000, 5, 0.99


@dataclass
class Results:
    """By backend: (bytes per id, ids) and (bytes per event, events)."""

    ids: dict = field(default_factory=dict)
    events: dict = field(default_factory=dict)
    failed: list = field(default_factory=list)


def run(ids, events):
    results = Results()
    for system, backend in BACKENDS.items():
        print(f"memory: {backend}", file=sys.stderr)
        with attempt(results.failed, f"memory, {backend}"):
            per_id = bytes_per_id(system, ids)
            results.ids[backend], results.events[backend] = per_id, bytes_per_event(system, events)
    return results


def bytes_per_id(system, ids_max):
    """Returns the resident memory per id, less that of an empty server. It includes the tables."""
    with serving("weir") as (process, _):
        empty_bytes = rss_bytes(process)
    with serving(system, dedup_capacity=ids_max) as (process, port):
        ids = 0
        while ids < FILL_RATIO * ids_max:
            seconds = min(RUN_SECS, (ids_max - ids) / IDS_PER_SEC)
            ids += send(port, TYPICAL_BATCH, seconds, USERS, rate=IDS_PER_SEC)["told"]["accepted"]
        return (rss_bytes(process) - empty_bytes) / ids, ids


def bytes_per_event(system, count):
    """Returns the memory per event that events over the whole retention, and the table of their users, add."""
    with serving(system, max_skew_secs=HISTORY_SECS + 10) as (process, port), Http(port) as http:
        before_bytes = rss_bytes(process)
        fill(http, USERS, count, HISTORY_SECS)
        return (rss_bytes(process) - before_bytes) / count, count
