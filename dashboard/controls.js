// The pickers of the window and the step, and the active filters.

import { byId, element, setAttribute, setText } from "./dom.js";
import { span } from "./format.js";
import { STEPS_SECS, WINDOWS_SECS, stepSecs, stepsFor } from "./view.js";

export class Controls {
  #onChange;
  #onToggle;
  #windowSecsMax = null;
  #view = null;
  #forget = () => {};

  // `onChange({ windowSecs } or { step } or { filters })`, `onToggle(name, value)`.
  constructor({ onChange, onToggle }) {
    this.#onChange = onChange;
    this.#onToggle = onToggle;
    byId("step").addEventListener("change", ({ target }) =>
      onChange({ step: target.value === "auto" ? "auto" : Number(target.value) }),
    );
    byId("windows").addEventListener("change", ({ target }) => onChange({ windowSecs: Number(target.value) }));
    byId("clear-filters").addEventListener("click", () => onChange({ filters: new Map() }));
    byId("forget-token").addEventListener("click", () => this.#forget());
    byId("copy").addEventListener("click", copyCommand);
    this.showExample("click");
  }

  // Shows a command that sends an event of this type.
  showExample(eventType) {
    setText(byId("command"), exampleCommand(location.origin, eventType));
  }

  // Sets the longest window that the server supports.
  limitWindow(secs) {
    this.#windowSecsMax = secs;
    this.update(this.#view);
  }

  // The longest possible window, up to this length.
  largestWindow(secs) {
    return Math.min(secs, this.#windowSecsMax ?? secs);
  }

  update(view) {
    this.#view = view;
    this.#showWindows(view.windowSecs);
    this.#showSteps(view);
    this.#showFilters(view.filters);
  }

  // Shows the button that forgets the token, if there is a token.
  showToken(isThere, forget) {
    this.#forget = forget;
    byId("forget-token").hidden = !isThere;
  }

  #showWindows(picked) {
    const largest = this.#windowSecsMax ?? Math.max(picked, ...WINDOWS_SECS);
    const choices = new Set([...WINDOWS_SECS, picked, largest].filter((secs) => secs <= largest));
    const sorted = [...choices].sort((a, b) => a - b);
    const box = byId("windows");
    if (box.dataset.choices !== sorted.join()) {
      box.dataset.choices = sorted.join();
      box.replaceChildren(...sorted.map(windowChoice));
    }
    for (const input of box.querySelectorAll("input")) input.checked = Number(input.value) === picked;
  }

  #showSteps(view) {
    const possible = stepsFor(view.windowSecs);
    const select = byId("step");
    const options = STEPS_SECS.map((step) => {
      const option = element("option", { value: step }, span(step));
      option.disabled = !possible.includes(step);
      return option;
    });
    select.replaceChildren(
      element("option", { value: "auto" }, `auto (${span(stepSecs({ ...view, step: "auto" }))})`),
      ...options,
    );
    select.value = possible.includes(view.step) ? view.step : "auto";
  }

  #showFilters(filters) {
    const chips = [...filters].flatMap(([name, values]) => [...values].map((value) => this.#chip(name, value)));
    const hadFocus = byId("filters").contains(document.activeElement);
    byId("filter-chips").replaceChildren(...chips);
    byId("filters").hidden = chips.length === 0;
    // If a chip was removed by the keyboard, the focus moves to the next chip.
    if (hadFocus) (byId("filter-chips").querySelector("button") ?? byId("windows").querySelector(":checked"))?.focus();
  }

  #chip(name, value) {
    const label = `${name.replaceAll("_", " ")}: ${value}`;
    const remove = () => this.#onToggle(name, value);
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", class: "chip", "aria-label": `Remove the filter ${label}`, click: remove },
        element("span", { class: "chip-name" }, name.replaceAll("_", " ")),
        ` ${value}`,
        element("span", { class: "chip-cross", "aria-hidden": "true" }, "×"),
      ),
    );
  }
}

function windowChoice(secs) {
  return element(
    "label",
    { class: "choice" },
    element("input", { type: "radio", name: "window", value: secs }),
    element("span", {}, span(secs)),
  );
}

// A shell command that sends one event.
export function exampleCommand(origin, eventType) {
  return [
    `curl ${origin}/events --json '{`,
    `  "event_id": "'$(date +%s%N)'",`,
    `  "user_id": "ann",`,
    `  "type": ${JSON.stringify(eventType).replaceAll("'", "'\\''")},`,
    `  "ts": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'"`,
    `}'`,
  ].join("\n");
}

// If the page has no access to the clipboard, as without TLS, the command is selected instead.
async function copyCommand() {
  const command = byId("command");
  try {
    await navigator.clipboard.writeText(command.textContent);
    setAttribute(byId("copy"), "data-copied", "yes");
    byId("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(command);
  }
}
