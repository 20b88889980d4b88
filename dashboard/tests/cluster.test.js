import assert from "node:assert/strict";
import { test } from "node:test";
import { describeCluster } from "../cluster.js";

const cluster = { node: "n1", state: "ready", place: 340, applied_place: 338, age_ms: 120, replay_done_ratio: 0.256 };

test("a server without a cluster has no text", () => {
  assert.equal(describeCluster(null), null);
  assert.equal(describeCluster(undefined), null, "a server that is older than clusters");
});

test("a node that is ready says how far it is", () => {
  assert.deepEqual(describeCluster(cluster), { text: "node n1: 2 entries behind, 120 ms old", isRefusing: false });
});

test("each other state says that events are refused", () => {
  for (const [state, part] of [
    ["replaying", "replayed to 25.6%"],
    ["log_unavailable", "does not answer"],
    ["clock_off", "the clock is wrong"],
    ["log_went_back", "has lost entries"],
    ["outcomes_differ", "differs from the log"],
    ["log_failed", "cannot be read"],
    ["new_state", "node n1: new_state"],
  ]) {
    const { text, isRefusing } = describeCluster({ ...cluster, state });
    assert.ok(isRefusing && text.includes(part), text);
  }
});
