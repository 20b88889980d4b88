// The live metrics from /metrics/stream, while the page is visible. EventSource cannot send a token, so the stream is
// read with fetch.

import { ApiError } from "./api.js";
import { EventReader } from "./sse.js";

const RETRY_MS = 2000;
const RETRY_MAX_MS = 15_000;
// The server sends something about once a second.
const SILENCE_MS = 6000;
// The server sends a sign of life about once per second. After more than this number in a row without metrics, the
// server is considered busy.
const SIGNS_MAX = 6;
// The polling period if there is no stream.
const POLL_MS = 1000;
// The statuses of a server that has no stream, or has reached its stream limit.
const NO_STREAM = [404, 405, 406, 503];

// A stream without any data, for example because a proxy buffers it.
class Silent extends Error {}

// The wait before the next attempt, after this number of failed attempts. `random` is from 0 to 1.
export function retryDelayMs(baseMs, failures, random) {
  const grown = Math.min(baseMs * 1.5 ** Math.max(0, failures - 1), Math.max(baseMs, RETRY_MAX_MS));
  return grown * (0.8 + 0.4 * random);
}

export class Live {
  #api;
  #onMetrics;
  #onState;
  #stop = null;
  #wake = () => {};

  // Calls `onMetrics(metrics)`, and `onState(state, detail)` with one of: `connecting`, `live`, `lost` (no response),
  // `draining` (the server is about to stop), `busy`, `token` (none, or an invalid one), `forbidden` (the
  // server does not accept the address of the page), `refused` (invalid query).
  constructor(api, onMetrics, onState) {
    this.#api = api;
    this.#onMetrics = onMetrics;
    this.#onState = onState;
  }

  // Starts this query, and stops the previous one.
  start(query) {
    this.stop();
    this.#stop = new AbortController();
    this.#run(query, this.#stop.signal);
  }

  stop() {
    this.#stop?.abort();
  }

  // Starts the next attempt at once.
  retryNow() {
    this.#wake();
  }

  async #run(query, stopped) {
    const attempt = { failures: 0, retryMs: RETRY_MS, hasStream: true, isDraining: false };
    this.#onState("connecting", "");
    while (!stopped.aborted) {
      let outcome;
      let hasOther = false;
      try {
        await (attempt.hasStream ? this.#listen(query, stopped, attempt) : this.#poll(query, stopped, attempt));
        outcome = attempt.isDraining ? { state: "draining", detail: "" } : await this.#readiness(stopped);
      } catch (error) {
        outcome = error instanceof ApiError ? judge(error) : await this.#readiness(stopped);
        hasOther = attempt.hasStream && canPollAfter(error, outcome);
      }
      if (stopped.aborted) return;
      // If polling fails, the next attempt tries the stream again.
      attempt.hasStream = !hasOther;
      if (hasOther) continue;
      this.#onState(outcome.state, outcome.detail);
      // The user must act before a retry makes sense.
      if (["token", "forbidden", "refused"].includes(outcome.state)) return;
      attempt.failures += 1;
      await this.#pause(retryDelayMs(attempt.retryMs, attempt.failures, Math.random()), stopped);
    }
  }

  // Reads the stream to its end: a server that stops ends its streams. Throws Silent if the stream has no data.
  async #listen(query, stopped, attempt) {
    const silence = new AbortController();
    let timer;
    let hasFigures = false;
    let signs = 0;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new Silent()), SILENCE_MS);
    };
    attempt.isDraining = false;
    heard();
    try {
      const signal = AbortSignal.any([stopped, silence.signal]);
      const response = await this.#api.get(`/metrics/stream?${query}`, signal, "text/event-stream");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const events = new EventReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done && !hasFigures && !attempt.isDraining) throw new Silent();
        if (done) return;
        heard();
        signs += 1;
        for (const { type, data } of events.push(value)) {
          if (type === "draining") attempt.isDraining = true;
          if (type !== "metrics") continue;
          hasFigures = true;
          signs = 0;
          this.#tell(JSON.parse(data), stopped, attempt);
        }
        if (signs > SIGNS_MAX && !stopped.aborted) this.#onState("busy", "");
        attempt.retryMs = Math.min(Math.max(events.retryMs ?? RETRY_MS, 100), 60_000);
      }
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  // Polls, if there is no stream.
  async #poll(query, stopped, attempt) {
    while (!stopped.aborted) {
      const signal = AbortSignal.any([stopped, AbortSignal.timeout(SILENCE_MS)]);
      this.#tell(await this.#api.json(`/metrics?${query}`, signal), stopped, attempt);
      await this.#pause(POLL_MS, stopped);
    }
  }

  #tell(metrics, stopped, attempt) {
    if (stopped.aborted) return;
    attempt.failures = 0;
    this.#onState("live", "");
    this.#onMetrics(metrics);
  }

  // Why there are no metrics: the server is about to stop, or cannot be reached, or is ready and sends them soon.
  async #readiness(stopped) {
    try {
      await this.#api.get("/readyz", AbortSignal.any([stopped, AbortSignal.timeout(SILENCE_MS)]));
      return { state: "connecting", detail: "" };
    } catch (error) {
      const isDraining = error instanceof ApiError && error.message.startsWith("draining");
      if (isDraining) return { state: "draining", detail: "" };
      return error instanceof ApiError ? { state: "busy", detail: error.message } : { state: "lost", detail: "" };
    }
  }

  #pause(ms, stopped) {
    return new Promise((resolve) => {
      const timer = setTimeout(end, ms);
      stopped.addEventListener("abort", end);
      this.#wake = end;
      function end() {
        clearTimeout(timer);
        stopped.removeEventListener("abort", end);
        resolve();
      }
    });
  }
}

// Whether polling may work after this error.
function canPollAfter(error, { state }) {
  if (error instanceof ApiError) return NO_STREAM.includes(error.status);
  return error instanceof Silent && state === "connecting";
}

function judge(error) {
  if (error.status === 401 || error.code === "forbidden") return { state: "token", detail: error.message };
  if (error.status === 403) return { state: "forbidden", detail: error.message };
  if (error.status === 400) return { state: "refused", detail: error.message };
  return { state: "busy", detail: error.message };
}
