"""What a server has told its clients, and what it must therefore answer."""

import collections
import threading


class Model:
    """The accepted events by second and type, their users, and the events whose verdict is not known."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seconds = collections.Counter()
        self.kinds = collections.Counter()
        self.users = set()
        self.accepted = 0
        self.rejected = 0
        # Batches without an answer: lists of events.
        self.unknown = []
        # Some accepted events, to be sent again.
        self.recent = collections.deque(maxlen=4000)
        self.errors = []

    def accept(self, event):
        self.accepted += 1
        self.seconds[event["second"]] += 1
        self.kinds[event["type"]] += 1
        self.users.add(event["user_id"])
        self.recent.append(event)

    def tell(self, events, answer):
        """Notes the verdicts of a whole answer, which lists all events or, with return=minimal, the rejected ones."""
        with self.lock:
            rejected = {item["index"]: item for item in answer["results"] if item["status"] == "error"}
            for index, event in enumerate(events):
                item = rejected.get(index)
                if item is None:
                    if event["is_bad"]:
                        self.errors.append(f"accepted although it is invalid: {event}")
                    self.accept(event)
                elif item["code"] == "overloaded":
                    pass  # nothing was taken of this event
                elif event["is_bad"]:
                    self.rejected += 1
                else:
                    self.errors.append(f"an event with a new id was refused: {item} {event}")
            told = sum(answer[name] for name in ("accepted", "duplicates", "rejected"))
            if told != len(events):
                self.errors.append(f"{told} verdicts for {len(events)} events")

    def lose(self, events):
        """Notes a batch without an answer."""
        with self.lock:
            self.unknown.append([event for event in events if not event["is_bad"]])

    def take_unknown(self):
        with self.lock:
            unknown, self.unknown = self.unknown, []
            return unknown
