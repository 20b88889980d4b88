// Describes the node of a cluster that answers.

import { count, percent } from "./format.js";

// Why a node refuses events, by its state.
const REFUSING = {
  log_unavailable: "the log does not answer; events are refused",
  clock_off: "the clock is wrong; events are refused until it is right",
  log_went_back: "the log has lost entries; see the runbook",
  outcomes_differ: "the node differs from the log; events are refused until a restart",
  log_failed: "the log cannot be read; events are refused until a restart",
};

// The node in an answer of GET /status: a text, and whether the node refuses events. Null without a cluster.
export function describeCluster(cluster) {
  if (!cluster) return null;
  const { node, state, place, applied_place, age_ms, replay_done_ratio } = cluster;
  if (state === "ready") {
    const text = `node ${node}: ${count(place - applied_place)} entries behind, ${count(age_ms)} ms old`;
    return { text, isRefusing: false };
  }
  const reason = state === "replaying" ? `replayed to ${percent(replay_done_ratio)}` : (REFUSING[state] ?? state);
  return { text: `node ${node}: ${reason}`, isRefusing: true };
}
