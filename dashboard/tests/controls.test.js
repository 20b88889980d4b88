import assert from "node:assert/strict";
import { test } from "node:test";
import { exampleCommand } from "../controls.js";

test("the example command sends to the server of the page", () => {
  const command = exampleCommand("https://weir.example:3443", "it's");
  assert.ok(command.startsWith("curl https://weir.example:3443/events --json '{"));
  assert.ok(command.includes(`\n  "type": "it'\\''s",\n`), command);
});
