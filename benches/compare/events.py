"""Request bodies with the same layout as those of `weir load`, and reference tables for their users."""

import random
from datetime import datetime, timezone

TYPES = ("click", "view", "purchase")
PLANS = ("free", "pro", "team")
REGIONS = ("eu", "us", "ap", "sa")
BODY_EVENTS = 10_000


def timestamp(ms):
    return datetime.fromtimestamp(ms // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


def rows(first_id, count, users, rng):
    """Yields `count` events as (id, user, type). The ids are consecutive and start at `first_id`."""
    for number in range(first_id, first_id + count):
        yield f"{number:032x}", f"u{rng.randrange(users):08x}", TYPES[number % len(TYPES)]


def body(first_id, count, users, rng, ts):
    events = (
        f'{{"event_id":"{event}","user_id":"{user}","type":"{kind}","ts":"{ts}"}}'
        for event, user, kind in rows(first_id, count, users, rng)
    )
    return f"[{','.join(events)}]"


def history(count, users, seconds, end_ms):
    """Yields bodies with `count` events over the `seconds` before `end_ms`. Equal arguments give equal bodies."""
    rng = random.Random(1)
    bodies = -(-count // BODY_EVENTS)
    for number in range(bodies):
        first = number * BODY_EVENTS
        ts = timestamp(end_ms - seconds * 1000 * (bodies - 1 - number) // bodies)
        yield body(first, min(BODY_EVENTS, count - first), users, rng, ts)


def attributes(user):
    """Returns the plan and the region of the user with this number."""
    return PLANS[user % len(PLANS)], REGIONS[user // len(PLANS) % len(REGIONS)]


def reference(users, ts_ms):
    """Returns the body of a PUT with the attributes of all users."""
    entries = (
        '"u%08x":{"plan":"%s","region":"%s"}' % (user, *attributes(user)) for user in range(users)
    )
    return f'{{"user_metadata":{{{",".join(entries)}}},"ts":"{timestamp(ts_ms)}"}}'
