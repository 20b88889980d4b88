import assert from "node:assert/strict";
import { test } from "node:test";
import { EventReader } from "../sse.js";

const STREAM = 'retry: 2000\n\n: busy\n\nevent: metrics\ndata: {"a":1}\n\ndata: one\ndata: two\n\n';
const EVENTS = [
  { type: "metrics", data: '{"a":1}' },
  { type: "message", data: "one\ntwo" },
];

test("events come out whole however the text is cut and its lines end", () => {
  for (const ending of ["\n", "\r\n", "\r"]) {
    const text = STREAM.replaceAll("\n", ending);
    for (let size = 1; size <= text.length; size += 1) {
      const reader = new EventReader();
      const events = [];
      for (let at = 0; at < text.length; at += size) events.push(...reader.push(text.slice(at, at + size)));
      assert.deepEqual(events, EVENTS, `${JSON.stringify(ending)} in pieces of ${size}`);
      assert.equal(reader.retryMs, 2000);
    }
  }
});

test("comments, unknown fields, ids and events without data are ignored", () => {
  const reader = new EventReader();
  assert.deepEqual(reader.push("event: metrics\n\n:x\nid: 7\nfoo: bar\ndata\ndata:x\ndata:  y\n\n"), [
    { type: "message", data: "\nx\n y" },
  ]);
});

test("a retry that is not a number of milliseconds changes nothing", () => {
  const reader = new EventReader();
  reader.push("retry: 500\nretry: 1e3\nretry: -1\nretry:\nretry: 99999999999\n");
  assert.equal(reader.retryMs, 500);
});

test("an event without an end is rejected", () => {
  const long = "x".repeat(1024 * 1024);
  const endless = (piece) => {
    const reader = new EventReader();
    for (let i = 0; i < 17; i += 1) reader.push(piece);
  };
  assert.throws(() => endless(long), RangeError);
  assert.throws(() => endless(`data:${long}\n`), RangeError);
  assert.doesNotThrow(() => endless(`data:${long}\n\n`));
});
