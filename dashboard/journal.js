// Describes the journal of the server.

import { count, percent } from "./format.js";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

// A number of bytes, in the largest unit of which there is at least one.
function size(bytes) {
  let unit = 0;
  for (; bytes >= 1024 && unit < UNITS.length - 1; unit += 1) bytes /= 1024;
  return `${count(bytes)} ${UNITS[unit]}`;
}

// The journal in an answer of GET /status: a text, and whether the server refuses events because of it. Null without a
// journal.
export function describeJournal(journal) {
  if (!journal) return null;
  const { state, live_bytes, max_bytes, replay_done_ratio } = journal;
  switch (state) {
    case "ready":
      return { text: `journal: ${size(live_bytes)} of ${size(max_bytes)}`, isRefusing: false };
    case "replaying":
      return { text: `journal: replayed to ${percent(replay_done_ratio)}`, isRefusing: true };
    case "failed":
      return { text: "journal: the disk failed; events are refused until a restart", isRefusing: true };
    case "clock_jumped":
      return { text: "journal: the clock jumped; events are refused until it is right", isRefusing: true };
    default:
      return { text: `journal: ${state}`, isRefusing: true };
  }
}
