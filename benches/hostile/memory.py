"""Endless new ids and users, until the memory limit is reached."""

import time
import uuid

from client import Client, event, post
from generator import sending
from report import mib
from server import serving

TITLE = "Memory"

LIMIT, LIMIT_BYTES = "512MiB", 512 << 20
RETENTION_SECS, SKEW_SECS, SWEEP_SLACK_SECS = 5, 1, 60
HORIZON_SECS = RETENTION_SECS + 2 * SKEW_SECS
EVENTS_PER_SEC, BATCH, CONNECTIONS, USERS = 400_000, 1_000, 16, 1_000_000_000
SAMPLE_BATCH, SAMPLE_PERIOD_SECS = 20, 0.1
# Allowed in addition to the time after which the memory should be free again.
SLACK_SECS = 15


class Oracle:
    """Knows which events of a sample were accepted, and counts every wrong verdict."""

    def __init__(self, client):
        self.client, self.accepted, self.rejected = client, [], []
        self.without_retry_after, self.wrong, self.checked = 0, 0, 0

    def send_fresh(self):
        batch = [event(str(uuid.uuid4()), user=str(uuid.uuid4())) for _ in range(SAMPLE_BATCH)]
        self.send(batch, "success")

    def send(self, batch, verdict):
        """Sends a batch, whose events must all get `verdict`. Returns False if the batch was rejected with 503."""
        sent_at = time.monotonic()
        response = post(self.client, batch)
        if response.status == 503:
            self.without_retry_after += not response.is_503_with_retry_after()
            if verdict == "success":
                self.rejected.append(batch)
            return False
        if response.status != 200:
            self.wrong += len(batch)
            return True
        results = response.json()["results"]
        verdicts = [result.get("code", result["status"]) for result in results]
        self.checked += len(batch)
        self.wrong += sum(received != verdict for received in verdicts) + abs(len(verdicts) - len(batch))
        if verdict == "success":
            self.accepted.append((sent_at, batch))
        return True

    def repeat(self):
        """Sends a batch again that was accepted within the horizon, with current times. All its ids are duplicates."""
        self.accepted = [
            (sent_at, batch) for sent_at, batch in self.accepted if time.monotonic() - sent_at < HORIZON_SECS - 1
        ]
        if self.accepted:
            _, batch = self.accepted[0]
            self.send(with_current_times(batch), "duplicate_event")

    def send_rejected(self):
        """Sends the rejected batches again. No id of them was claimed, so all events must be accepted now.

        Returns the number of batches that are rejected again.
        """
        batches, self.rejected = self.rejected, []
        for batch in batches:
            self.send(with_current_times(batch), "success")
        return len(self.rejected)


def with_current_times(batch):
    return [event(old["event_id"], old["user_id"]) for old in batch]


def run(section, quick):
    seconds = 30 if quick else 120
    section.note(
        f"`--max-memory {LIMIT} --retention {RETENTION_SECS} --max-skew {SKEW_SECS}`; {EVENTS_PER_SEC:,} events/s for "
        f"{seconds} s. All ids and users are new."
    )
    flags = ["--max-memory", LIMIT, "--retention", RETENTION_SECS, "--max-skew", SKEW_SECS]
    with serving(*flags) as server, Client(server.port) as client:
        oracle = Oracle(client)
        unready = 0
        with sending(server.port, EVENTS_PER_SEC, BATCH, CONNECTIONS, seconds, users=USERS) as report:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                oracle.send_fresh()
                oracle.repeat()
                unready += client.request("GET", "/readyz").status == 503
                time.sleep(SAMPLE_PERIOD_SECS)
            load = report()
        recovered_secs = recover(oracle, client)
        peak_bytes = server.peak_bytes()
        rejected_again = oracle.send_rejected()
    report_results(section, oracle, load, unready, recovered_secs, rejected_again)
    margin = mib(LIMIT_BYTES - peak_bytes)
    section.check("peak resident memory", f"{mib(peak_bytes)}, {margin} to spare", LIMIT, peak_bytes < LIMIT_BYTES)


def recover(oracle, client):
    """Returns the seconds until the server is ready and accepts events again. Returns infinity if it does not."""
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < HORIZON_SECS + SWEEP_SLACK_SECS + SLACK_SECS:
        is_ready = client.request("GET", "/readyz").status == 200
        probe = [event(str(uuid.uuid4()))]
        if is_ready and oracle.send(probe, "success"):
            return elapsed
        oracle.repeat()
        time.sleep(0.5)
    return float("inf")


def report_results(section, oracle, load, unready, recovered_secs, rejected_again):
    requests = load["requests"]
    section.add("batches of the load: accepted / rejected with 503", f"{requests['answered']:,} / {requests['overloaded']:,}")
    limit_reached = requests["overloaded"] > 0
    section.check("the limit was reached", "yes" if limit_reached else "no", "yes", limit_reached, strict=False)
    section.check("/readyz returned 503 during the load", f"{unready} times", "at least once", unready > 0 or not limit_reached)
    without = oracle.without_retry_after
    section.check("503 without Retry-After, in the sample", str(without), "0", without == 0)
    value = f"{oracle.wrong} of {oracle.checked:,}"
    section.check("wrong verdicts, in the sample", value, "0", oracle.wrong == 0)
    bound_secs = HORIZON_SECS + SWEEP_SLACK_SECS + SLACK_SECS
    value = f"{recovered_secs:.0f} s"
    section.check("time until ready and accepting events after the end", value, f"{bound_secs} s", recovered_secs <= bound_secs)
    section.check("rejected batches that were rejected again after the end", str(rejected_again), "0", rejected_again == 0)
