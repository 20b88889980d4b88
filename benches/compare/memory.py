"""Resident memory of a server that remembers many ids, and of one whose retention is filled."""

import sys
from dataclasses import dataclass, field

from ingest import TYPICAL_BATCH, USERS
from load import send
from processes import Http, attempt, rss_bytes
from queries import HISTORY_SECS, fill
from systems import serving

# The system, and the name that its row bears.
BACKENDS = {"weir": "elastic", "weir-preallocated": "preallocated"}
# Ids come at this rate, or more slowly, turn after turn until this part of them is there.
IDS_PER_SEC, TURN_SECS, ENOUGH = 1_000_000, 5, 0.99


@dataclass
class Results:
    """Bytes an id and bytes an event, and how many there were, by backend."""

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
    """All that a server takes, tables for as many ids among them, less what one takes that holds nothing."""
    with serving("weir") as (process, _):
        empty_bytes = rss_bytes(process)
    with serving(system, dedup_capacity=ids_max) as (process, port):
        ids = 0
        while ids < ENOUGH * ids_max:
            seconds = min(TURN_SECS, (ids_max - ids) / IDS_PER_SEC)
            ids += send(port, TYPICAL_BATCH, seconds, USERS, rate=IDS_PER_SEC)["told"]["accepted"]
        return (rss_bytes(process) - empty_bytes) / ids, ids


def bytes_per_event(system, count):
    """What events of the whole retention add to a server that knows the users already."""
    with serving(system, max_skew_secs=HISTORY_SECS + 10) as (process, port), Http(port) as http:
        before_bytes = rss_bytes(process)
        fill(http, USERS, count, HISTORY_SECS)
        return (rss_bytes(process) - before_bytes) / count, count
