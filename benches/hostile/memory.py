"""More ids and users than there is memory for."""

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
# Beyond what the memory is due to be free again.
SLACK_SECS = 15


class Oracle:
    """Knows of a sample of events whether they were accepted, and finds every verdict that says otherwise."""

    def __init__(self, client):
        self.client, self.accepted, self.refused = client, [], []
        self.refusals, self.improper, self.wrong, self.checked = 0, 0, 0, 0

    def send_fresh(self):
        batch = [event(str(uuid.uuid4()), user=str(uuid.uuid4())) for _ in range(SAMPLE_BATCH)]
        self.send(batch, "success")

    def send(self, batch, verdict):
        """Whether it was answered. Every event of it must get the verdict."""
        sent_at = time.monotonic()
        answer = post(self.client, batch)
        if answer.status == 503:
            self.refusals += 1
            self.improper += not answer.refuses_properly()
            if verdict == "success":
                self.refused.append(batch)
            return False
        if answer.status != 200:
            self.wrong += len(batch)
            return True
        results = answer.json()["results"]
        told = [result.get("code", result["status"]) for result in results]
        self.checked += len(batch)
        self.wrong += sum(one != verdict for one in told) + abs(len(told) - len(batch))
        if verdict == "success":
            self.accepted.append((sent_at, batch))
        return True

    def repeat(self):
        """Sends again what was accepted within the horizon, with the times of now: each id is known."""
        self.accepted = [(at, batch) for at, batch in self.accepted if time.monotonic() - at < HORIZON_SECS - 1]
        if self.accepted:
            _, batch = self.accepted[0]
            self.send(renewed(batch), "duplicate_event")

    def send_refused(self):
        """Of what was refused nothing was claimed: all of it is taken now. How many batches are still refused."""
        batches, self.refused = self.refused, []
        for batch in batches:
            self.send(renewed(batch), "success")
        return len(self.refused)


def renewed(batch):
    return [event(old["event_id"], old["user_id"]) for old in batch]


def run(section, quick):
    seconds = 30 if quick else 120
    section.note(
        f"`--max-memory {LIMIT} --retention {RETENTION_SECS} --max-skew {SKEW_SECS}`, {EVENTS_PER_SEC:,} events/s with ids "
        f"and users that do not come again, for {seconds} s"
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
                unready += client.ask("GET", "/readyz").status == 503
                time.sleep(SAMPLE_PERIOD_SECS)
            load = report()
        recovered_secs = recover(oracle, client)
        peak_bytes = server.peak_bytes()
        left = oracle.send_refused()
    judge(section, oracle, load, unready, recovered_secs, left)
    margin = mib(LIMIT_BYTES - peak_bytes)
    section.judge("resident memory at the peak", f"{mib(peak_bytes)}, {margin} to spare", LIMIT, peak_bytes < LIMIT_BYTES)


def recover(oracle, client):
    """Seconds until the server is ready and takes events again; infinite if it does not."""
    begun = time.monotonic()
    while (elapsed := time.monotonic() - begun) < HORIZON_SECS + SWEEP_SLACK_SECS + SLACK_SECS:
        is_ready = client.ask("GET", "/readyz").status == 200
        probe = [event(str(uuid.uuid4()))]
        if is_ready and oracle.send(probe, "success"):
            return elapsed
        oracle.repeat()
        time.sleep(0.5)
    return float("inf")


def judge(section, oracle, load, unready, recovered_secs, left):
    requests = load["requests"]
    section.tell("requests of the load taken / refused with 503", f"{requests['answered']:,} / {requests['overloaded']:,}")
    was_over = requests["overloaded"] > 0
    section.judge("the limit was reached", "yes" if was_over else "no", "yes", was_over, strict=False)
    section.judge("/readyz was 503 meanwhile", f"{unready} times", "at least once", unready > 0 or not was_over)
    section.judge("503 without Retry-After, of the sample", str(oracle.improper), "0", oracle.improper == 0)
    value = f"{oracle.wrong} of {oracle.checked:,}"
    section.judge("wrong verdicts, of the sample", value, "0", oracle.wrong == 0)
    bound_secs = HORIZON_SECS + SWEEP_SLACK_SECS + SLACK_SECS
    value = f"{recovered_secs:.0f} s"
    section.judge("ready and taking events again after", value, f"{bound_secs} s", recovered_secs <= bound_secs)
    section.judge("batches refused before and again afterwards", str(left), "0", left == 0)
