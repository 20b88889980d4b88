#!/usr/bin/env python3
"""Sends a thousand events to weir in batches, with retries while the server is unreachable or overloaded.

Uses the standard library only. WEIR_URL is the server, and WEIR_INGEST_TOKEN is the token.
"""

import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timezone

URL = os.environ.get("WEIR_URL", "http://127.0.0.1:3000").rstrip("/") + "/events"
TOKEN = os.environ.get("WEIR_INGEST_TOKEN")
TRIES, BATCH = 8, 100
PASSING = {408, 429, 502, 503, 504}  # an overloaded server, or a proxy whose server restarts


def event():
    user, kind = f"user-{random.randrange(50)}", random.choice(["click", "view", "purchase"])
    ts = datetime.now(timezone.utc).isoformat()
    return {"event_id": str(uuid.uuid4()), "user_id": user, "type": kind, "ts": ts}


def send(events):
    """Sends events until each has a verdict. Retries are safe: an event that was accepted before is a duplicate."""
    headers = {"Content-Type": "application/json", "Prefer": "return=minimal"}
    if TOKEN:
        headers["Authorization"] = f"Bearer {TOKEN}"
    for attempt in range(TRIES):
        pause = random.uniform(0.5, 1) * min(0.1 * 2**attempt, 5)
        request = urllib.request.Request(URL, json.dumps(events).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                verdicts = json.load(response)
            print({name: verdicts[name] for name in ("accepted", "duplicates", "rejected")})
            refused = [verdict for verdict in verdicts["results"] if verdict["code"] != "overloaded"]
            for verdict in refused:
                print(verdict["code"], verdict["message"])
            # Events that were rejected as overloaded are sent again.
            events = [events[verdict["index"]] for verdict in verdicts["results"] if verdict not in refused]
            if not events:
                return
        except urllib.error.HTTPError as error:
            if error.code not in PASSING:
                raise SystemExit(f"{error.code}: {error.read().decode()}") from error
            seconds = error.headers.get("Retry-After", "")
            pause = max(pause, int(seconds) if seconds.isdecimal() else 0)
        except (OSError, http.client.HTTPException) as error:
            print(f"no answer ({error}), trying again")
        time.sleep(pause)
    raise SystemExit("the server did not take the events")


for _ in range(10):
    send([event() for _ in range(BATCH)])
