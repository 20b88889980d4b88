import assert from "node:assert/strict";
import { test } from "node:test";
import { formatView, metricsQuery, parseView, seriesQuery, stepSecs, stepsFor, toggleFilter } from "../view.js";

const filters = (view) => [...view.filters].map(([name, values]) => [name, ...values]);

test("a view and its address are the same", () => {
  for (const hash of [
    "#",
    "#type=click",
    "#plan=pro&plan=free&window=60&step=10",
    "#plan=a%26b%3D%23%2B+%C3%A9&window=3600",
  ]) {
    assert.equal(formatView(parseView(hash)), hash);
  }
  assert.deepEqual(filters(parseView("#plan=a%26b&type=click&plan=c&plan=c")), [
    ["plan", "a&b", "c"],
    ["type", "click"],
  ]);
});

test("an invalid address gives the best possible view", () => {
  for (const hash of [
    "",
    "#",
    "#window=0&step=-1",
    "#window=1e3",
    "#window=",
    "#=x&plan=",
    "#window=9999999999",
    "#%ff=%",
  ]) {
    const view = parseView(hash);
    assert.deepEqual([view.windowSecs, view.step], [300, "auto"], hash);
  }
  const many = Array.from({ length: 1000 }, (_, i) => `plan=${i}`).join("&");
  assert.equal(parseView(many).filters.get("plan").size, 100);
});

test("a filter is added, combined with others, and removed", () => {
  const none = parseView("");
  const pro = toggleFilter(none, "plan", "pro");
  const both = toggleFilter(pro, "plan", "free");
  assert.deepEqual(filters(both), [["plan", "pro", "free"]]);
  assert.deepEqual(filters(toggleFilter(both, "plan", "pro")), [["plan", "free"]]);
  assert.deepEqual(filters(toggleFilter(pro, "plan", "pro")), []);
  assert.deepEqual(filters(pro), [["plan", "pro"]], "a view never changes");
});

test("queries carry the filters, except those that are left out", () => {
  const view = parseView("#type=click&plan=pro&plan=a%26b&window=60");
  assert.equal(metricsQuery(view), "type=click&plan=pro&plan=a%26b&window=60");
  assert.equal(metricsQuery(view, "plan"), "type=click&window=60");
  assert.equal(seriesQuery(view, 20, 10), "type=click&plan=pro&plan=a%26b&window=20&step=10");
});

test("a step divides the window, and the automatic step draws at most the maximum of points", () => {
  assert.deepEqual(stepsFor(300), [1, 5, 10, 30, 60]);
  assert.deepEqual(stepsFor(45), [1, 5]);
  assert.deepEqual(stepsFor(60), [1, 5, 10, 30]);
  const auto = (windowSecs) => stepSecs({ windowSecs, step: "auto" });
  assert.deepEqual([60, 300, 900, 1800, 86_400, 1, 7, 1801].map(auto), [1, 1, 5, 10, 60, 1, 1, 1]);
  assert.equal(stepSecs({ windowSecs: 300, step: 30 }), 30);
  assert.equal(stepSecs({ windowSecs: 60, step: 60 }), 1, "not possible, so chosen automatically");
  assert.equal(stepSecs({ windowSecs: 60, step: 7 }), 1);
});
