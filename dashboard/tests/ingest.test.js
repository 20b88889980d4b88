import assert from "node:assert/strict";
import { test } from "node:test";
import { IngestHistory, quantile, readIngest } from "../ingest.js";

const reading = (atMs, accepted, fast, all) =>
  readIngest(
    {
      verdicts: { accepted },
      ingest_latency: [
        { le_sec: 0.1, requests: fast },
        { le_sec: 0.2, requests: all },
        { le_sec: null, requests: all },
      ],
    },
    atMs,
  );

test("rates cover the last ten seconds", () => {
  const history = new IngestHistory();
  assert.equal(history.rates(), null);
  history.add(reading(0, 0, 0, 0));
  assert.equal(history.rates(), null);
  history.add(reading(10_000, 1000, 0, 0));
  assert.equal(history.rates().get("accepted"), 100);
  history.add(reading(20_000, 1100, 0, 0));
  assert.equal(history.rates().get("accepted"), 10);
});

test("percentiles cover the requests to POST /events of the last minute", () => {
  const history = new IngestHistory();
  history.add(reading(0, 0, 1000, 1000));
  assert.equal(history.latencySecs(0.5), null);
  history.add(reading(30_000, 0, 1005, 1010));
  assert.equal(history.latencySecs(0.5), 0.1);
  assert.ok(Math.abs(history.latencySecs(0.9) - 0.18) < 1e-9);
  history.add(reading(61_000, 0, 1005, 1010));
  assert.equal(history.latencySecs(0.5), null, "the requests are older than a minute");
});

test("counters that decrease begin a new history", () => {
  const history = new IngestHistory();
  history.add(reading(0, 500, 5, 5));
  history.add(reading(2000, 20, 0, 0));
  assert.equal(history.rates(), null);
  history.add(reading(4000, 40, 0, 0));
  assert.equal(history.rates().get("accepted"), 10);
});

test("the history is bounded, however many readings are added", () => {
  const history = new IngestHistory();
  for (let i = 0; i < 1000; i += 1) history.add(reading(i, i * i, i, i));
  assert.equal(Math.round(history.rates().get("accepted")), (999 + 936) * 1000, "from the 64th last reading on");
  assert.equal(Math.round(history.latencySecs(1) * 10), 1);
});

test("an answer without these metrics is no error", () => {
  const history = new IngestHistory();
  for (const atMs of [0, 1000]) history.add(readIngest({}, atMs));
  assert.equal(history.rates().size, 0);
  assert.equal(history.latencySecs(0.5), null);
});

test("a quantile is interpolated within its bucket, and is the lower bound of the last bucket", () => {
  const buckets = [
    [Infinity, 10],
    [1, 4],
    [2, 8],
  ];
  assert.equal(quantile(0.2, buckets), 0.5);
  assert.equal(quantile(0.6, buckets), 1.5);
  assert.equal(quantile(0.99, buckets), 2);
  assert.equal(
    quantile(0, [
      [1, 0],
      [2, 4],
      [Infinity, 4],
    ]),
    1,
  );
  assert.equal(quantile(0.5, []), null);
  assert.equal(
    quantile(0.5, [
      [1, 0],
      [Infinity, 0],
    ]),
    null,
  );
});
