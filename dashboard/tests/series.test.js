import assert from "node:assert/strict";
import { test } from "node:test";
import { Series, untilStepEndsMs } from "../series.js";

const at = (secs) => new Date(secs * 1000).toISOString();
const answer = (firstSecs, step, events, asOfSecs) => ({
  step_sec: step,
  points: events.map((events, i) => ({ start: at(firstSecs + i * step), events, unique_users: 1 })),
  as_of: at(asOfSecs),
});
const shown = (series) => series.shown().map(({ startMs, rate }) => [startMs / 1000, rate]);

test("the end of a series replaces what it overlaps, and what leaves the window is forgotten", () => {
  const series = new Series();
  series.replace(answer(100, 1, [1, 2, 3, 4], 104));
  assert.deepEqual(shown(series), [
    [100, 1],
    [101, 2],
    [102, 3],
    [103, 4],
  ]);
  assert.ok(series.extend(answer(102, 1, [9, 5, 6], 105)));
  assert.deepEqual(shown(series), [
    [101, 2],
    [102, 9],
    [103, 5],
    [104, 6],
  ]);
  for (let i = 0; i < 1000; i += 1) assert.ok(series.extend(answer(104 + i, 1, [1, 1], 106 + i)));
  assert.equal(series.shown().length, 4);
});

test("an end with other steps, or behind a gap, does not fit", () => {
  const series = new Series();
  assert.equal(series.extend(answer(100, 5, [1], 105)), false);
  series.replace(answer(100, 5, [1, 2], 110));
  assert.equal(series.phase, 0);
  assert.equal(series.extend(answer(103, 5, [1, 2], 113)), false, "another phase");
  assert.equal(series.extend(answer(110, 10, [1], 120)), false, "another step");
  assert.equal(series.extend(answer(115, 5, [1], 120)), false, "a gap");
  assert.equal(series.extend(answer(110, 5, [], 120)), false);
  assert.deepEqual(shown(series), [
    [100, 0.2],
    [105, 0.4],
  ]);
  assert.ok(series.extend(answer(110, 5, [10], 115)));
});

test("an end with another reference table does not fit", () => {
  const series = new Series();
  series.replace({ ...answer(100, 1, [1, 2], 102), generation: 3 });
  assert.equal(series.extend({ ...answer(101, 1, [2, 3], 103), generation: 4 }), false);
  assert.ok(series.extend({ ...answer(101, 1, [2, 3], 103), generation: 3 }));
});

test("the current step is shown once most of it has passed, as a rate over the passed time", () => {
  const series = new Series();
  series.replace(answer(100, 10, [10, 19], 119.5));
  assert.deepEqual(shown(series), [
    [100, 1],
    [110, 2],
  ]);
  series.replace(answer(100, 10, [10, 19], 118));
  assert.deepEqual(shown(series), [[100, 1]]);
});

test("a response with missing members is used as far as possible", () => {
  const series = new Series();
  series.replace({});
  assert.deepEqual([series.shown(), series.phase], [[], null]);
  series.replace({ points: [{ start: at(5) }] });
  assert.deepEqual(series.shown(), [{ startMs: 5000, endMs: 6000, rate: 0, users: null }]);
});

test("the wait ends shortly before the end of a step that begins at a round time", () => {
  assert.equal(untilStepEndsMs(10_000, 1), 700);
  assert.equal(untilStepEndsMs(10_700, 1), 1000);
  assert.equal(untilStepEndsMs(10_660, 1), 1040);
  assert.equal(untilStepEndsMs(12_000, 10), 7700);
  assert.equal(untilStepEndsMs(19_900, 10), 9800);
  assert.equal(untilStepEndsMs(-100, 1), 800);
});
