// The points of a series that are known so far.

// This part of a step must have passed before the step is shown.
const SHOWN_FROM = 0.9;

export class Series {
  #points = [];
  #stepSecs = 0;
  #windowSecs = 0;
  #asOfMs = 0;
  #generation = 0;

  get stepSecs() {
    return this.#stepSecs;
  }

  // The phase of the steps: the start of a step in seconds since the epoch, modulo the step.
  get phase() {
    return this.#points.length ? phaseOf(this.#points[0].startMs, this.#stepSecs) : null;
  }

  clear() {
    this.#points = [];
  }

  // Takes a response for a whole window.
  replace(answer) {
    const { points, stepSecs, asOfMs, generation } = readAnswer(answer);
    this.#points = points;
    this.#generation = generation;
    this.#stepSecs = stepSecs;
    this.#windowSecs = points.length * stepSecs;
    this.#asOfMs = asOfMs;
  }

  // Takes a response for the end of the window, and returns whether it fits. It must be of the same reference table,
  // its steps must have the same phase as the known steps, and there must be no gap between.
  extend(answer) {
    const { points, stepSecs, asOfMs, generation } = readAnswer(answer);
    const last = this.#points.at(-1);
    if (!last || points.length === 0 || stepSecs !== this.#stepSecs || generation !== this.#generation) return false;
    const first = points[0].startMs;
    if (phaseOf(first, stepSecs) !== this.phase || first > last.startMs + stepSecs * 1000) return false;
    const known = this.#points.filter((point) => point.startMs < first);
    const from = points.at(-1).startMs - this.#windowSecs * 1000;
    this.#points = [...known, ...points].filter((point) => point.startMs > from);
    this.#asOfMs = Math.max(asOfMs, this.#asOfMs);
    return true;
  }

  // The points to draw, oldest first: { startMs, endMs, rate, users }. The rate of the current step is computed over
  // the time that has passed.
  shown() {
    const stepMs = this.#stepSecs * 1000;
    return this.#points.flatMap(({ startMs, events, users }) => {
      const passedMs = Math.min(stepMs, this.#asOfMs - startMs);
      if (passedMs < stepMs * SHOWN_FROM) return [];
      return [{ startMs, endMs: startMs + stepMs, rate: (events * 1000) / passedMs, users }];
    });
  }

  // The window that the points fill, in milliseconds.
  get spanMs() {
    return this.#windowSecs * 1000;
  }
}

function phaseOf(startMs, stepSecs) {
  return Math.round(startMs / 1000) % stepSecs;
}

function readAnswer(answer) {
  const points = (answer.points ?? []).map((point) => ({
    startMs: Date.parse(point.start),
    events: point.events ?? 0,
    users: point.unique_users ?? null,
  }));
  const stepSecs = answer.step_sec ?? 1;
  const end = (points.at(-1)?.startMs ?? 0) + stepSecs * 1000;
  return { points, stepSecs, asOfMs: Date.parse(answer.as_of ?? "") || end, generation: answer.generation ?? 0 };
}

// The wait from this server time until the current step is nearly over. Steps begin at whole multiples of the step.
export function untilStepEndsMs(serverMs, stepSecs) {
  const stepMs = stepSecs * 1000;
  const due = stepMs - Math.min(300, stepMs / 2);
  const into = ((serverMs % stepMs) + stepMs) % stepMs;
  return into < due - 50 ? due - into : due - into + stepMs;
}
