import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(new URL("../style.css", import.meta.url), "utf8");

function properties(block) {
  return new Map([...block.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]));
}

const light = properties(/:root \{([^}]*)\}/.exec(css)[1]);
const dark = new Map([...light, ...properties(/dark\) \{\s*:root \{([^}]*)\}/.exec(css)[1])]);

// WCAG 2.2, relative luminance and contrast ratio.
function luminance(colour) {
  const [r, g, b] = [1, 3, 5]
    .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [darker, lighter] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (lighter + 0.05) / (darker + 0.05);
}

const TEXT = {
  ink: ["page", "surface", "sunken", "raised", "events-soft"],
  muted: ["page", "surface", "sunken"],
  "soft-ink": ["surface", "sunken", "events-soft"],
  events: ["page", "surface"],
  users: ["surface"],
  bad: ["surface"],
  "on-accent": ["events"],
};

test("text has a contrast of 4.5 to 1 in both schemes", () => {
  for (const [scheme, colours] of [
    ["light", light],
    ["dark", dark],
  ]) {
    for (const [text, grounds] of Object.entries(TEXT)) {
      for (const ground of grounds) {
        const ratio = contrast(colours.get(text), colours.get(ground));
        assert.ok(ratio >= 4.5, `${scheme}: ${text} on ${ground} is ${ratio.toFixed(2)}`);
      }
    }
    for (const shape of ["events", "users", "good", "warn", "bad", "field"]) {
      assert.ok(contrast(colours.get(shape), colours.get("surface")) >= 3, `${scheme}: ${shape}`);
    }
  }
});

test("every colour is a property, set in both schemes", () => {
  const rules = css.replace(/:root \{[^}]*\}/g, "");
  assert.deepEqual(rules.match(/#[0-9a-f]{3,8}\b/g), null);
  for (const [, name] of css.matchAll(/var\(--([a-z-]+)\)/g)) assert.match(css, new RegExp(`--${name}:`));
  for (const name of light.keys()) assert.match(/dark\) \{\s*:root \{([^}]*)\}/.exec(css)[1], new RegExp(`--${name}:`));
});
