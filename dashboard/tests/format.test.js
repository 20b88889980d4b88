import assert from "node:assert/strict";
import { test } from "node:test";
import { compact, rate } from "../format.js";

test("a rate is never rounded to nothing", () => {
  const rates = [0, 8 / 1800, 0.0333, 0.5, 1.234, 12.34, 1234.5].map(rate);
  assert.deepEqual(rates, ["0", "0.0044", "0.033", "0.5", "1.23", "12.3", "1,235"]);
  assert.equal(rate(NaN), "–");
});

test("the labels of an axis are distinct", () => {
  assert.deepEqual([0, 0.025, 0.05, 0.075, 0.1].map(compact), ["0", "0.025", "0.05", "0.075", "0.1"]);
  assert.deepEqual([0.75, 12.5, 1250, 2_500_000].map(compact), ["0.75", "12.5", "1.25K", "2.5M"]);
});
