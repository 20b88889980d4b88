// The view: the window, the step and the filters. The view is part of the page's URL, so that it can be shared. It
// comes after the `#`, so that it is sent to no server and appears in no log.

export const WINDOWS_SECS = [60, 300, 900, 1800];
export const STEPS_SECS = [1, 5, 10, 30, 60];
const WINDOW_SECS_DEFAULT = 300;
const POINTS_MAX = 300;
const FILTERS_MAX = 100;

export function parseView(hash) {
  const view = { windowSecs: WINDOW_SECS_DEFAULT, step: "auto", filters: new Map() };
  let filters = 0;
  for (const [name, value] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (name === "window") view.windowSecs = wholeNumber(value) ?? view.windowSecs;
    else if (name === "step") view.step = wholeNumber(value) ?? "auto";
    else if (name !== "" && value !== "" && filters < FILTERS_MAX) {
      filters += 1;
      add(view.filters, name, value);
    }
  }
  return view;
}

function wholeNumber(text) {
  return /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : null;
}

function add(filters, name, value) {
  filters.set(name, (filters.get(name) ?? new Set()).add(value));
}

export function formatView(view) {
  const parameters = filterParameters(view.filters);
  if (view.windowSecs !== WINDOW_SECS_DEFAULT) parameters.append("window", view.windowSecs);
  if (view.step !== "auto") parameters.append("step", view.step);
  return `#${parameters}`;
}

// The same view with the filter for this value added or removed.
export function toggleFilter(view, name, value) {
  const filters = new Map([...view.filters].map(([name, values]) => [name, new Set(values)]));
  if (!filters.get(name)?.delete(value)) add(filters, name, value);
  if (filters.get(name).size === 0) filters.delete(name);
  return { ...view, filters };
}

function filterParameters(filters) {
  const parameters = new URLSearchParams();
  for (const [name, values] of filters) for (const value of values) parameters.append(name, value);
  return parameters;
}

// The query for /metrics and /metrics/stream. The filters of the member `without` are left out.
export function metricsQuery(view, without = null) {
  const parameters = filterParameters(new Map([...view.filters].filter(([name]) => name !== without)));
  parameters.append("window", view.windowSecs);
  return parameters.toString();
}

// The query for /metrics/series.
export function seriesQuery(view, windowSecs, stepSecs) {
  const parameters = filterParameters(view.filters);
  parameters.append("window", windowSecs);
  parameters.append("step", stepSecs);
  return parameters.toString();
}

// The possible steps: they divide the window into two points or more.
export function stepsFor(windowSecs) {
  return STEPS_SECS.filter((step) => windowSecs % step === 0 && windowSecs / step >= 2);
}

// The active step: the chosen step if it is possible, otherwise the finest step that does not draw too many points.
export function stepSecs({ windowSecs, step }) {
  const steps = stepsFor(windowSecs);
  if (steps.includes(step)) return step;
  return steps.find((step) => windowSecs / step <= POINTS_MAX) ?? steps.at(-1) ?? 1;
}
