import assert from "node:assert/strict";
import { test } from "node:test";
import { breakdownsOf, cut, ranked } from "../breakdown.js";

test("breakdowns are those of the response, whatever their names", () => {
  const metrics = JSON.parse(
    '{"total_events":9,"unknown":2,"by_tier":{"b":3,"__proto__":4},"by_land":{},"by_x":null,"by_type":{"view":9}}',
  );
  const breakdowns = breakdownsOf(metrics);
  assert.deepEqual(
    breakdowns.map(({ name, unknown }) => [name, unknown]),
    [
      ["type", 0],
      ["tier", 2],
      ["land", 2],
    ],
  );
  assert.deepEqual(
    [...breakdowns[1].counts],
    [
      ["b", 3],
      ["__proto__", 4],
    ],
  );
  assert.deepEqual(breakdownsOf({ window_sec: 60 }), []);
});

test("bars are sorted by events, then by name, and the value of a filter is always included", () => {
  const counts = new Map([
    ["a", 1],
    ["c", 5],
    ["b", 5],
  ]);
  assert.deepEqual(ranked({ counts }, new Set(["z", "a"])), [
    ["b", 5],
    ["c", 5],
    ["a", 1],
    ["z", 0],
  ]);
});

test("the first of many bars are shown, and kept bars are always among them", () => {
  const all = ["a", "b", "c", "d", "e"].map((value) => [value, 1]);
  const shown = (limit, held) => cut(all, limit, ([value]) => held.includes(value)).map(([value]) => value);
  assert.deepEqual(shown(3, []), ["a", "b", "c"]);
  assert.deepEqual(shown(3, ["e", "b"]), ["a", "b", "e"]);
  assert.deepEqual(shown(2, ["c", "d", "e"]), ["c", "d", "e"]);
});
