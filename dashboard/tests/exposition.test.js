import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExposition } from "../exposition.js";

const only = (line) => {
  const [samples] = parseExposition(line).values();
  return { labels: Object.fromEntries(samples[0].labels), value: samples[0].value };
};

test("samples are collected by name", () => {
  const samples = parseExposition(
    '# HELP a_total Anything "at all" {here}.\n# TYPE a_total counter\na_total{x="1"} 3\na_total{x="2"} 4.5 1700000000000\n\n# a remark\nb 0\n',
  );
  assert.deepEqual([...samples.keys()], ["a_total", "b"]);
  assert.deepEqual(
    samples.get("a_total").map(({ value }) => value),
    [3, 4.5],
  );
  assert.equal(samples.get("a_total")[1].labels.get("x"), "2");
  assert.equal(parseExposition("").size, 0);
});

test("labels may have any escaped text in any order", () => {
  assert.deepEqual(only('a { x = "q\\"b\\\\n\\n}," , y="é 1", } 1').labels, { x: 'q"b\\n\n},', y: "é 1" });
  assert.deepEqual(only("a{} 1").labels, {});
  assert.deepEqual(parseExposition('a{__proto__="p"} 1').get("a")[0].labels.get("__proto__"), "p");
});

test("all values of the format are read", () => {
  for (const [text, value] of [
    ["1", 1],
    ["-.5", -0.5],
    ["1.", 1],
    ["+2e-3", 0.002],
    ["1.53e+08", 1.53e8],
    ["+Inf", Infinity],
    ["-Inf", -Infinity],
    ["Inf", Infinity],
  ]) {
    assert.equal(only(`a ${text}`).value, value, text);
  }
  assert.ok(Number.isNaN(only("a NaN").value));
});

test("an invalid line rejects the text and is named", () => {
  for (const line of [
    "a",
    "a ",
    "1a 1",
    "a 1x",
    "a 0x1",
    "a 1 2 3",
    "a 1 1.5",
    "a1.5",
    'a{x="1" 1',
    "a{x=1} 1",
    'a{x="1"y="2"} 1',
    "a{,} 1",
    "a{x} 1",
    'a{x="1",x="2"} 1',
    'a{x="\\q"} 1',
    'a{x="1} 1',
    'a{1="1"} 1',
    "# TYPE a thing",
    "# TYPE a",
    "a infinity",
    "a 1e",
    "é 1",
    "<html>",
  ]) {
    assert.throws(() => parseExposition(`ok 1\n${line}`), { name: "SyntaxError", message: /^line 2 / }, line);
  }
});

test("a long line is read in one pass", () => {
  const labels = Array.from({ length: 20_000 }, (_, i) => `l${i}="${"\\\\".repeat(20)}"`).join(",");
  assert.equal(parseExposition(`a{${labels}} 1`).get("a")[0].labels.size, 20_000);
  assert.throws(() => parseExposition(`a{x="${"\\\\".repeat(200_000)}`), SyntaxError);
});
