import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { ApiError } from "../api.js";
import { Live, retryDelayMs } from "../live.js";

test("the wait between attempts grows to a bound, around what the server asks for", () => {
  const waits = [1, 2, 3, 50].map((failures) => retryDelayMs(2000, failures, 0.5));
  assert.deepEqual(waits, [2000, 3000, 4500, 15_000]);
  assert.deepEqual(
    [0, 1].map((random) => Math.round(retryDelayMs(1000, 1, random))),
    [800, 1200],
  );
  assert.equal(retryDelayMs(60_000, 9, 0.5), 60_000);
});

const settle = () => new Promise((resolve) => setImmediate(resolve));

// The calls that a page gets from a server with these responses: each value is a body, an error, or a function that
// returns one.
async function watch({ stream, metrics, readyz }, look) {
  const answer = async (what, signal) => {
    const value = typeof what === "function" ? what(signal) : what;
    if (value instanceof Error) throw value;
    return new Response(value);
  };
  const api = {
    get: (path, signal) => answer(path.startsWith("/readyz") ? readyz : stream, signal),
    json: async (path, signal) => (await answer(metrics, signal)).json(),
  };
  const told = [];
  const live = new Live(
    api,
    ({ total_events }) => told.push(total_events),
    (state) => state !== told.at(-1) && told.push(state),
  );
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    live.start("window=60");
    await look(async (ms = 0) => {
      mock.timers.tick(ms);
      for (let turn = 0; turn < 20; turn += 1) await settle();
      return told.splice(0);
    });
  } finally {
    live.stop();
    mock.timers.reset();
  }
}

// A stream of this text that stays open until it is aborted.
const open = (text) => (signal) =>
  new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      signal.addEventListener("abort", () => controller.error(signal.reason));
    },
  });
const figures = (events) => `event: metrics\ndata: {"total_events":${events}}\n\n`;

test("metrics come from the stream", async () => {
  await watch({ stream: open(`retry: 2000\n\n${figures(7)}${figures(8)}`) }, async (after) => {
    assert.deepEqual(await after(), ["connecting", "live", 7, "live", 8]);
  });
});

test("without a stream, at the stream limit, or with an empty stream, the page polls", async () => {
  const streams = [404, 405, 406, 503].map((status) => new ApiError(status, {}));
  for (const stream of [...streams, "retry: 2000\n\n"]) {
    await watch({ stream, metrics: '{"total_events":5}', readyz: "" }, async (after) => {
      assert.deepEqual(await after(), ["connecting", "live", 5]);
      assert.deepEqual(await after(1000), ["live", 5]);
    });
  }
});

test("a stream that is silent for long counts as buffered by a proxy, if the server is ready", async () => {
  const silent = { stream: open("retry: 2000\n\n"), metrics: '{"total_events":5}', readyz: "" };
  await watch(silent, async (after) => {
    assert.deepEqual(await after(), ["connecting"]);
    assert.deepEqual(await after(5999), []);
    assert.deepEqual(await after(1), ["live", 5]);
  });
  await watch({ ...silent, readyz: new TypeError("no connection") }, async (after) => {
    assert.deepEqual(await after(), ["connecting"]);
    assert.deepEqual(await after(6000), ["lost"]);
  });
});

test("after an outage, a page that polls tries the stream again", async () => {
  const answers = [new ApiError(503, {}), open(figures(9))];
  const stream = (signal) => {
    const next = answers.shift();
    return typeof next === "function" ? next(signal) : next;
  };
  await watch({ stream, metrics: new TypeError("no connection"), readyz: new TypeError("none") }, async (after) => {
    assert.deepEqual(await after(), ["connecting", "lost"]);
    assert.deepEqual(await after(5000), ["live", 9]);
  });
});

test("a server that only sends signs of life is busy until metrics come again", async () => {
  let controller;
  const stream = () => new ReadableStream({ start: (given) => (controller = given) });
  const send = (text) => controller.enqueue(new TextEncoder().encode(text));
  await watch({ stream }, async (after) => {
    await after();
    send(figures(1));
    assert.deepEqual(await after(), ["live", 1]);
    for (let sign = 0; sign < 6; sign += 1) {
      send(": busy\n\n");
      assert.deepEqual(await after(1000), []);
    }
    send(": busy\n\n");
    assert.deepEqual(await after(1000), ["busy"]);
    send(figures(2));
    assert.deepEqual(await after(1000), ["live", 2]);
  });
});

test("a server says that it is about to stop", async () => {
  const stream = `${figures(1)}event: draining\ndata: {}\n\n`;
  await watch({ stream, readyz: new TypeError("no connection") }, async (after) => {
    assert.deepEqual(await after(), ["connecting", "live", 1, "draining"]);
  });
});

test("errors that only the user can fix are not retried", async () => {
  for (const [status, code, state] of [
    [401, "unauthorized", "token"],
    [403, "forbidden", "token"],
    [403, "forbidden_host", "forbidden"],
    [400, "invalid_window", "refused"],
  ]) {
    await watch({ stream: new ApiError(status, { code }) }, async (after) => {
      assert.deepEqual(await after(), ["connecting", state]);
      assert.deepEqual(await after(60_000), []);
    });
  }
});
