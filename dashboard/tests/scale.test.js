import assert from "node:assert/strict";
import { test } from "node:test";
import { linear, ticks, timeTicks } from "../scale.js";

test("a linear scale maps the ends to the ends, and an empty range to its start", () => {
  const scale = linear([10, 20], [100, 0]);
  assert.deepEqual([10, 15, 20].map(scale), [100, 50, 0]);
  assert.equal(linear([5, 5], [1, 9])(5), 1);
});

test("ticks are round, begin at zero and reach the largest value", () => {
  assert.deepEqual(ticks(400, 4), [0, 100, 200, 300, 400]);
  assert.deepEqual(ticks(0.3, 3), [0, 0.1, 0.2, 0.3]);
  for (const max of [1e-9, 0.07, 1, 7, 12.3, 99, 101, 4999, 1e12]) {
    for (const count of [2, 4]) {
      const values = ticks(max, count);
      assert.equal(values[0], 0);
      assert.ok(
        values.at(-1) >= max * (1 - 1e-9) && values.length >= 2 && values.length <= count + 2,
        `${max} ${count}: ${values}`,
      );
    }
  }
  for (const max of [0, -1, NaN, Infinity]) assert.deepEqual(ticks(max, 4), [0, 1]);
});

test("times are round and not more than the requested count", () => {
  const noon = Date.UTC(2025, 9, 8, 12);
  assert.deepEqual(timeTicks(noon - 1, noon + 120_000, 3), [noon, noon + 60_000, noon + 120_000]);
  for (const spanSecs of [1, 10, 60, 300, 1800, 86_400, 1e9]) {
    const times = timeTicks(noon, noon + spanSecs * 1000, 5);
    assert.ok(times.length >= 1 && times.length <= 6, `${spanSecs}: ${times.length}`);
  }
});
