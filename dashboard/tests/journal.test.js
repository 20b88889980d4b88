import assert from "node:assert/strict";
import { test } from "node:test";
import { describeJournal } from "../journal.js";

const journal = { state: "ready", live_bytes: 1_310_720, max_bytes: 16 * 2 ** 30, replay_done_ratio: 0.256 };

test("a server without a journal has no text", () => {
  assert.equal(describeJournal(null), null);
  assert.equal(describeJournal(undefined), null, "a server that is older than the journal");
});

test("a journal in use shows its size and its limit", () => {
  assert.deepEqual(describeJournal(journal), { text: "journal: 1 MiB of 16 GiB", isRefusing: false });
  const { text } = describeJournal({ ...journal, live_bytes: 1023, max_bytes: 2 ** 60 });
  assert.equal(text, "journal: 1,023 B of 1,048,576 TiB");
});

test("each other state says that events are refused", () => {
  for (const [state, part] of [
    ["replaying", "replayed to 25.6%"],
    ["failed", "the disk failed"],
    ["clock_jumped", "the clock jumped"],
    ["new_state", "journal: new_state"],
  ]) {
    const { text, isRefusing } = describeJournal({ ...journal, state });
    assert.ok(isRefusing && text.includes(part), text);
  }
});
