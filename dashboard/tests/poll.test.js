import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Poll } from "../poll.js";

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("work is repeated after the wait that it returns, or at once when hastened, and never concurrently", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    let [begun, finish] = [0, null];
    const poll = new Poll(() => {
      begun += 1;
      return new Promise((resolve) => (finish = () => resolve(1000)));
    });
    poll.start();
    assert.equal(begun, 1);
    finish();
    await settle();
    mock.timers.tick(999);
    await settle();
    assert.equal(begun, 1);
    mock.timers.tick(1);
    await settle();
    assert.equal(begun, 2);

    poll.hasten();
    poll.hasten();
    await settle();
    assert.equal(begun, 2, "the run that is under way is not cut off");
    finish();
    await settle();
    assert.equal(begun, 3, "and is followed by another at once");
    finish();
    await settle();
    assert.equal(begun, 3);
    poll.hasten();
    await settle();
    assert.equal(begun, 4);

    poll.stop();
    finish();
    poll.hasten();
    mock.timers.tick(5000);
    await settle();
    assert.equal(begun, 4);
    poll.start();
    assert.equal(begun, 5);
    poll.stop();
  } finally {
    mock.timers.reset();
  }
});
