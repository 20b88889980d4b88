// The page: its view, the requests for that view, and where the responses go.

import { Api, ApiError } from "./api.js";
import { Breakdown, breakdownsOf } from "./breakdown.js";
import { Chart, fillTable } from "./chart.js";
import { Connection } from "./connection.js";
import { Controls } from "./controls.js";
import { byId, setText } from "./dom.js";
import { clock, count, percent, rate, span } from "./format.js";
import { IngestHistory, readIngest } from "./ingest.js";
import { Live } from "./live.js";
import { showIngest, showProcess, showReference, showRejects } from "./panels.js";
import { Poll } from "./poll.js";
import { Series, untilStepEndsMs } from "./series.js";
import { formatView, metricsQuery, parseView, seriesQuery, stepSecs, toggleFilter } from "./view.js";

const TITLE = document.title;
const FIGURES_MS = 2000;
// A resource that the server does not have may exist after its next start.
const ABSENT_MS = 30_000;
const WHOLE_SERIES_MS = 30_000;
// Each request repeats the end of the series, because events may be late: this number of seconds, in whole steps.
const TAIL_SECS = 10;
const TABLE_ROWS = 60;

const PANES = [
  { key: "rate", label: "", unit: "events per second", height: 230, format: rate },
  { key: "users", label: "Unique users per step", unit: "unique users", height: 76, format: count },
];

class Page {
  #api = new Api();
  #view = parseView(location.hash);
  #series = new Series();
  #chart = new Chart(byId("chart"), PANES);
  #breakdowns = new Map();
  #history = new IngestHistory();
  #reference = null;
  #metrics = null;
  // Breakdowns without the filters of one name, by that name.
  #unfiltered = new Map();
  // How far the server's clock is ahead of this machine's clock.
  #clockOffsetMs = 0;
  #wholeSeriesAtMs = 0;
  #isRunning = false;
  #isDescribed = false;

  #controls = new Controls({
    onChange: (change) => this.#go({ ...this.#view, ...change }),
    onToggle: (name, value) => this.#go(toggleFilter(this.#view, name, value)),
  });
  #connection = new Connection({
    onToken: (token) => this.#useToken(token),
    onRetry: () => this.#live.retryNow(),
    onClear: () => this.#go(parseView("")),
  });
  #live = new Live(
    this.#api,
    (metrics) => this.#showMetrics(metrics),
    (state, detail) => this.#showState(state, detail),
  );
  #seriesPoll = new Poll((signal) => this.#fetchSeries(signal));
  #polls = [
    this.#seriesPoll,
    new Poll((signal) => this.#attempt(() => this.#fetchUnfiltered(signal))),
    new Poll((signal) =>
      this.#attempt(
        () => this.#fetchStatus(signal),
        (problem) => showIngest(this.#history, problem),
      ),
    ),
    new Poll((signal) => this.#attempt(() => this.#fetchReference(signal))),
    new Poll((signal) => this.#attempt(() => this.#fetchRejects(signal))),
  ];

  begin() {
    addEventListener("popstate", () => this.#look(parseView(location.hash)));
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#pause() : this.#look(this.#view)));
    addEventListener("online", () => this.#live.retryNow());
    byId("values").addEventListener("toggle", () => this.#showTable());
    this.#controls.showToken(this.#api.token !== null, () => this.#useToken(null));
    if (!document.hidden) this.#look(this.#view);
  }

  // Changes the view, and its URL.
  #go(view) {
    if (formatView(view) === formatView(this.#view)) return;
    history.pushState(null, "", formatView(view));
    this.#look(view);
  }

  #look(view) {
    this.#view = view;
    this.#series.clear();
    // Each value keeps its bar until new values arrive, so that no bar moves while the user clicks it.
    const shown = new Map(breakdownsOf(this.#metrics ?? {}).map((breakdown) => [breakdown.name, breakdown]));
    const kept = [...view.filters.keys()].map((name) => [name, this.#unfiltered.get(name) ?? shown.get(name)]);
    this.#unfiltered = new Map(kept.filter(([, breakdown]) => breakdown));
    this.#controls.update(view);
    this.#start();
  }

  // The first message of the stream starts all other requests. Without a message, they would fail too.
  #start() {
    this.#pause();
    this.#live.start(metricsQuery(this.#view));
  }

  #pause() {
    this.#isRunning = false;
    this.#live.stop();
    this.#polls.forEach((poll) => poll.stop());
    document.title = TITLE;
  }

  #useToken(token) {
    this.#api.token = token;
    this.#controls.showToken(token !== null, () => this.#useToken(null));
    this.#start();
  }

  #showState(state, detail) {
    const largestWindow = /^window .* 1 to ([0-9]+)$/.exec(detail)?.[1];
    if (state === "refused" && largestWindow && Number(largestWindow) < this.#view.windowSecs) {
      this.#controls.limitWindow(Number(largestWindow));
      this.#look({ ...this.#view, windowSecs: this.#controls.largestWindow(this.#view.windowSecs) });
      return;
    }
    this.#connection.show(state, detail);
    if (state === "live" && !this.#isRunning) {
      this.#isRunning = true;
      // This may be another process, without the data of the points shown here.
      this.#wholeSeriesAtMs = 0;
      this.#polls.forEach((poll) => poll.start());
      if (!this.#isDescribed) this.#fetchDescription();
    }
    if (state !== "live") {
      document.title = TITLE;
      if (state !== "connecting") this.#isDescribed = false;
    }
    if (state !== "live" && this.#isRunning) {
      this.#isRunning = false;
      this.#polls.forEach((poll) => poll.stop());
    }
  }

  #showMetrics(metrics) {
    const before = this.#metrics;
    this.#metrics = metrics;
    const asOfMs = Date.parse(metrics.as_of);
    if (Number.isFinite(asOfMs)) this.#clockOffsetMs = asOfMs - Date.now();
    setText(byId("as-of"), clock(asOfMs));
    setText(byId("events-per-sec"), rate(metrics.events_per_sec));
    setText(byId("total-events"), count(metrics.total_events));
    setText(byId("unique-users"), count(metrics.unique_users));
    setText(byId("window-shown"), `in the last ${span(metrics.window_sec)}`);
    const perUser = metrics.unique_users > 0 ? metrics.total_events / metrics.unique_users : NaN;
    setText(byId("events-per-user"), Number.isFinite(perUser) ? `${rate(perUser)} events each` : "");
    const unknownShare = metrics.total_events > 0 ? metrics.unknown / metrics.total_events : 0;
    setText(byId("unknown-share"), percent(unknownShare));
    byId("unknown-fill").style.transform = `scaleX(${unknownShare || 0})`;
    document.title = `${rate(metrics.events_per_sec)}/s · weir`;
    byId("empty").hidden = metrics.total_events !== 0 || this.#view.filters.size > 0;
    this.#showBreakdowns();
    // After a new reference table, all parts are refreshed at once.
    if (before && before.generation !== metrics.generation) this.#polls.forEach((poll) => poll.hasten());
    else if (this.#reference) showReference(this.#reference, this.#nowMs());
  }

  #showBreakdowns() {
    const breakdowns = breakdownsOf(this.#metrics);
    const names = breakdowns.map(({ name }) => name);
    if (names.join() !== [...this.#breakdowns.keys()].join()) {
      const toggle = (name, value) => this.#go(toggleFilter(this.#view, name, value));
      this.#breakdowns = new Map(names.map((name) => [name, new Breakdown(name, toggle)]));
      byId("breakdowns").replaceChildren(...[...this.#breakdowns.values()].map(({ node }) => node));
    }
    for (const breakdown of breakdowns) {
      const selected = this.#view.filters.get(breakdown.name) ?? new Set();
      const unfiltered = selected.size > 0 ? this.#unfiltered.get(breakdown.name) : null;
      this.#breakdowns.get(breakdown.name).update(unfiltered ?? breakdown, selected);
    }
  }

  // Values that a filter excludes keep their bars, with their counts without that filter.
  async #fetchUnfiltered(signal) {
    for (const name of this.#view.filters.keys()) {
      const metrics = await this.#api.json(`/metrics?${metricsQuery(this.#view, name)}`, signal);
      const breakdown = breakdownsOf(metrics).find((breakdown) => breakdown.name === name);
      if (breakdown && !signal.aborted) this.#unfiltered.set(name, breakdown);
    }
    if (this.#view.filters.size > 0 && this.#metrics && !signal.aborted) this.#showBreakdowns();
    return FIGURES_MS / 2;
  }

  // Reads the longest window from the OpenAPI document. Without it, the error for a longer window names that limit.
  async #fetchDescription() {
    const description = await this.#api.json("/openapi.json").catch(() => null);
    const parameters = description?.paths?.["/metrics"]?.get?.parameters ?? [];
    const largest = parameters.find?.(({ name }) => name === "window")?.schema?.maximum;
    if (Number.isInteger(largest) && largest > 0) this.#controls.limitWindow(largest);
    const eventType = description?.components?.schemas?.Event?.example?.type;
    if (typeof eventType === "string") this.#controls.showExample(eventType);
    this.#isDescribed = description !== null;
  }

  async #fetchStatus(signal) {
    const status = await this.#api.json("/status", signal);
    this.#history.add(readIngest(status, performance.now()));
    showIngest(this.#history, "");
    showProcess(status, this.#nowMs());
    return FIGURES_MS;
  }

  async #fetchReference(signal) {
    this.#reference = await this.#api.json("/reference/users", signal);
    showReference(this.#reference, this.#nowMs());
    return FIGURES_MS;
  }

  async #fetchRejects(signal) {
    showRejects(await this.#api.json("/events/rejected?limit=20", signal));
    return FIGURES_MS;
  }

  // Requests the whole series at first, periodically, and if the end does not fit. Otherwise requests only the end.
  async #fetchSeries(signal) {
    const step = stepSecs(this.#view);
    const ends = this.#series.phase === 0 && Date.now() - this.#wholeSeriesAtMs < WHOLE_SERIES_MS;
    try {
      const tailSecs = Math.min(this.#view.windowSecs, Math.ceil(TAIL_SECS / step) * step);
      const windowSecs = ends ? tailSecs : this.#view.windowSecs;
      const answer = await this.#api.json(`/metrics/series?${seriesQuery(this.#view, windowSecs, step)}`, signal);
      // The view may have changed in the meantime.
      if (signal.aborted) return 0;
      if (ends && !this.#series.extend(answer)) {
        this.#wholeSeriesAtMs = 0;
        return 0;
      }
      if (!ends) {
        this.#series.replace(answer);
        this.#wholeSeriesAtMs = Date.now();
      }
      this.#showSeries(step, "");
    } catch (error) {
      if (!signal.aborted && error instanceof ApiError) this.#showSeries(step, `No chart: ${error.message}.`);
      return error instanceof ApiError && error.status < 500 ? ABSENT_MS : FIGURES_MS;
    }
    return untilStepEndsMs(this.#nowMs(), step);
  }

  #showSeries(step, problem) {
    setText(byId("chart-problem"), problem);
    byId("chart-problem").hidden = problem === "";
    setText(byId("chart-step"), `${span(step)} per step, last ${span(this.#view.windowSecs)}`);
    const points = this.#series.shown();
    setText(byId("rate-now"), points.length > 0 ? `now ${rate(points.at(-1).rate)}` : "");
    this.#chart.update(points, this.#series.spanMs, step * 1000);
    this.#showTable();
  }

  #showTable() {
    if (byId("values").open) fillTable(byId("values-body"), this.#series.shown(), PANES, TABLE_ROWS);
  }

  // Does work whose failure affects only a part of the page. Returns the wait before the next time, in milliseconds.
  async #attempt(work, onProblem = () => {}) {
    try {
      return await work();
    } catch (error) {
      if (error.name !== "AbortError") onProblem(`Not available: ${error.message}.`);
      return error instanceof ApiError && error.status < 500 ? ABSENT_MS : FIGURES_MS;
    }
  }

  #nowMs() {
    return Date.now() + this.#clockOffsetMs;
  }
}

new Page().begin();
