"""Sends many events with `weir send` to a server with a journal, kills it, and compares every answer after the restart.

The answers of windows that have ended must be the same text, and so must the ETag of the reference table. All events
that are sent again must be duplicates.
"""

import argparse
import datetime
import json
import subprocess
import sys
import time

from weir_process import Weir

# A slow machine may take minutes, and the same file is sent twice.
ARGS = ["--max-skew", "1800", "--journal-max", "8GiB"]
USERS = 20_000


def write_events(path, count):
    now = int(time.time())
    stamps = [datetime.datetime.fromtimestamp(now - back, datetime.UTC).isoformat() for back in range(120)]
    with open(path, "w", encoding="ascii") as file:
        for n in range(count):
            kind = ("click", "view", "purchase")[n % 7 % 3]
            file.write(f'{{"event_id":"e{n}","user_id":"u{n * 7919 % (USERS * 2)}","type":"{kind}","ts":"{stamps[n % 120]}"}}\n')
    return now


def write_table(path):
    users = {f"u{n}": {"plan": ("free", "pro")[n % 2], "region": ("eu", "us", "ap")[n % 3]} for n in range(USERS)}
    with open(path, "w", encoding="ascii") as file:
        json.dump(users, file)


def run(binary, weir, *args):
    command = [binary, *args, "--url", f"http://{weir.address}"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def answers(weir, end):
    """Every answer that must survive. `as_of` is the clock of the query, and is left out."""
    found = {}
    for path in [
        f"/metrics?window=600&end={end}",
        f"/metrics?window=60&end={end - 30}",
        f"/metrics?window=600&end={end}&group_by=plan,region",
        f"/metrics?window=600&end={end}&type=click&plan=pro",
        f"/metrics/series?window=600&step=10&end={end}",
        f"/metrics/series?window=100&step=1&end={end}",
        "/reference/users",
        "/reference/users/u7",
    ]:
        answer, headers = weir.json(path)
        answer.pop("as_of", None)
        found[path] = (json.dumps(answer), headers["etag"])
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("directory")
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    events, table = f"{options.directory}/events.ndjson", f"{options.directory}/users.json"
    end = write_events(events, options.events)
    write_table(table)
    journal = f"{options.directory}/journal"
    with Weir(options.binary, ["--journal", journal, *ARGS]) as weir:
        weir.wait_until_ready()
        half = run(options.binary, weir, "reference", "put", table)
        begun = time.monotonic()
        sent = run(options.binary, weir, "send", events)
        secs = time.monotonic() - begun
        run(options.binary, weir, "reference", "put", table)
        print(f"{half.strip()}; {sent.strip()} in {secs:.1f} s", flush=True)
        before = answers(weir, end)
        weir.kill()
    if not sent.startswith(f"{options.events} accepted, 0 duplicates, 0 rejected"):
        sys.exit(f"not all events were accepted: {sent}")
    with Weir(options.binary, ["--journal", journal, *ARGS]) as weir:
        secs = weir.wait_until_ready()
        after = answers(weir, end)
        for path, answer in before.items():
            if after[path] != answer:
                sys.exit(f"{path} before the kill: {answer}\nafter it: {after[path]}")
        again = run(options.binary, weir, "send", events)
        if not again.startswith(f"0 accepted, {options.events} duplicates, 0 rejected"):
            sys.exit(f"sent again: {again}")
        weir.stop() == 0 or sys.exit("the exit code after SIGTERM is not 0")
    print(f"ready {secs:.1f} s after the kill; {len(before)} answers are the same; sent again: {again.strip()}")


if __name__ == "__main__":
    main()
