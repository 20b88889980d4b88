// Ingest metrics, computed from the service's own metrics: rates of verdicts, and latency percentiles of POST /events.

const HISTORY_MS = 60_000;
const RATE_MS = 10_000;
const SAMPLES_MAX = 64;

// The verdict counters and the latency histogram of an answer of GET /status, with its time.
export function readIngest({ verdicts, ingest_latency }, atMs) {
  const buckets = (ingest_latency ?? []).map(({ le_sec, requests }) => [le_sec ?? Infinity, requests]);
  return { atMs, verdicts: new Map(Object.entries(verdicts ?? {})), buckets: new Map(buckets) };
}

// The last minute of readings.
export class IngestHistory {
  #readings = [];

  add(reading) {
    const last = this.#readings.at(-1);
    // A counter that decreased belongs to another process.
    if (last && (isReset(last.verdicts, reading.verdicts) || isReset(last.buckets, reading.buckets))) this.clear();
    this.#readings.push(reading);
    while (this.#readings.length > SAMPLES_MAX || this.#readings[0].atMs < reading.atMs - HISTORY_MS) {
      this.#readings.shift();
    }
  }

  clear() {
    this.#readings = [];
  }

  // Events per second by verdict over the last ten seconds; null until there are two readings.
  rates() {
    const last = this.#readings.at(-1);
    const first = this.#readings.find((reading) => last && reading.atMs >= last.atMs - RATE_MS);
    if (!first || first === last) return null;
    const secs = (last.atMs - first.atMs) / 1000;
    const rate = ([verdict, total]) => [verdict, (total - (first.verdicts.get(verdict) ?? 0)) / secs];
    return new Map([...last.verdicts].map(rate));
  }

  // The latency quantile of the requests of the last minute, in seconds; null if there was no request.
  latencySecs(share) {
    const [first, last] = [this.#readings[0], this.#readings.at(-1)];
    if (!first || first === last) return null;
    const gained = [...last.buckets].map(([bound, total]) => [bound, total - (first.buckets.get(bound) ?? 0)]);
    return quantile(share, gained);
  }
}

function isReset(before, after) {
  return [...before].some(([key, total]) => (after.get(key) ?? 0) < total);
}

// The quantile of a histogram with cumulative [upper bound, count] buckets, interpolated linearly, as in Prometheus.
export function quantile(share, buckets) {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (!(total > 0)) return null;
  const rank = share * total;
  let [lower, below] = [0, 0];
  for (const [bound, count] of sorted) {
    if (count >= rank && count > below) {
      return bound === Infinity ? lower : lower + (bound - lower) * ((rank - below) / (count - below));
    }
    [lower, below] = [bound, count];
  }
  return lower;
}
