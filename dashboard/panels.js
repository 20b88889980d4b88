// The panels about the server: ingest, the reference table, the recently rejected events, and the process.

import { byId, element, holdsSelection, setText } from "./dom.js";
import { ago, clock, count, date, latency, rate } from "./format.js";
import { describeCluster } from "./cluster.js";
import { describeJournal } from "./journal.js";

// These two verdicts are shown separately. All other verdicts are rejections.
const ACCEPTED = "accepted";
const DUPLICATE = "duplicate_event";

// Shows the rates of an IngestHistory. `problem` is the reason if there are none.
export function showIngest(history, problem) {
  const rates = history.rates();
  const rejections = [...(rates ?? [])].filter(([verdict]) => verdict !== ACCEPTED && verdict !== DUPLICATE);
  const rejected = rejections.reduce((sum, [, perSec]) => sum + perSec, 0);
  setText(byId("rate-accepted"), rates ? rate(rates.get(ACCEPTED) ?? 0) : "–");
  setText(byId("rate-duplicate"), rates ? rate(rates.get(DUPLICATE) ?? 0) : "–");
  setText(byId("rate-rejected"), rates ? rate(rejected) : "–");
  for (const percentile of [50, 90, 99]) {
    setText(byId(`latency-p${percentile}`), latency(history.latencySecs(percentile / 100)));
  }
  setText(byId("ingest-problem"), problem);
  byId("ingest-problem").hidden = problem === "";
}

// Shows the response of GET /reference/users.
export function showReference({ generation, ts, users }, nowMs) {
  const isThere = generation > 0;
  setText(byId("reference-generation"), isThere ? count(generation) : "none yet");
  setText(byId("reference-users"), count(users ?? 0));
  const tsMs = Date.parse(ts ?? "");
  setText(byId("reference-changed"), isThere && Number.isFinite(tsMs) ? ago((nowMs - tsMs) / 1000) : "–");
  byId("reference-changed").title = Number.isFinite(tsMs) ? date(tsMs) : "";
}

// Shows the response of GET /events/rejected, but not while the user selects text in the table.
export function showRejects({ rejected, total }) {
  if (holdsSelection(byId("rejects-body"))) return;
  const rows = rejected.map(({ received_at, code, event_id, message, index }) =>
    element(
      "tr",
      {},
      element("td", { class: "reject-time" }, clock(Date.parse(received_at))),
      element("td", { class: "reject-code" }, element("code", {}, code ?? "")),
      element(
        "td",
        { class: "reject-id", title: event_id ?? "" },
        event_id ?? `no id, number ${count((index ?? 0) + 1)} in its batch`,
      ),
      element("td", { class: "reject-message" }, message ?? ""),
    ),
  );
  byId("rejects-body").replaceChildren(...rows);
  byId("rejects-table").hidden = rows.length === 0;
  setText(
    byId("rejects-total"),
    rows.length === 0 ? "No events have been rejected since the start." : `${count(total)} since the start`,
  );
}

// Shows the version, start time and memory of the process, and its log, from an answer of GET /status.
export function showProcess({ version, started_at, resident_bytes, journal, cluster }, nowMs) {
  const startedMs = Date.parse(started_at ?? "");
  const facts = [
    version && `weir ${version}`,
    Number.isFinite(startedMs) && `started ${ago((nowMs - startedMs) / 1000)}`,
    resident_bytes && `${count(resident_bytes / 2 ** 20)} MiB of memory`,
  ];
  setText(byId("process"), facts.filter(Boolean).join(" · "));
  const described = describeJournal(journal) ?? describeCluster(cluster);
  byId("log").hidden = described === null;
  byId("log").classList.toggle("problem", described?.isRefusing ?? false);
  setText(byId("log"), described?.text ?? "");
}
