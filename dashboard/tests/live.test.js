import assert from "node:assert/strict";
import { test } from "node:test";
import { retryDelayMs } from "../live.js";

test("the wait between attempts grows to a bound, around what the server asks for", () => {
  const waits = [1, 2, 3, 50].map((failures) => retryDelayMs(2000, failures, 0.5));
  assert.deepEqual(waits, [2000, 3000, 4500, 15_000]);
  assert.deepEqual(
    [0, 1].map((random) => Math.round(retryDelayMs(1000, 1, random))),
    [800, 1200],
  );
  assert.equal(retryDelayMs(60_000, 9, 0.5), 60_000);
});
