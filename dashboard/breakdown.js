// The breakdowns: one list of bars for the types and one for each attribute. A click on a bar filters by its value.

import { element, setAttribute, setText } from "./dom.js";
import { count, percent } from "./format.js";

const VALUES_SHOWN = 8;
const VALUES_SHOWN_ALL = 500;

// The breakdowns of a response, first the types, then the attributes in its order: { name, counts, unknown }.
export function breakdownsOf(metrics) {
  const breakdowns = Object.entries(metrics).flatMap(([member, counts]) => {
    if (!member.startsWith("by_") || counts === null || typeof counts !== "object") return [];
    const name = member.slice("by_".length);
    return [{ name, counts: new Map(Object.entries(counts)), unknown: name === "type" ? 0 : (metrics.unknown ?? 0) }];
  });
  return breakdowns.sort((a, b) => (b.name === "type") - (a.name === "type"));
}

// The sorted values of a breakdown: [value, events]. Values of active filters are included even if they have no event.
export function ranked({ counts }, selected) {
  const missing = [...selected].filter((value) => !counts.has(value)).map((value) => [value, 0]);
  const byCount = ([a, many], [b, more]) => more - many || (a < b ? -1 : 1);
  return [...counts, ...missing].sort(byCount);
}

// The first `limit` entries. Entries that must be kept are always among them.
export function cut(all, limit, isKept) {
  const kept = all.filter(isKept).length;
  const others = all.filter((entry) => !isKept(entry)).slice(0, Math.max(0, limit - kept));
  const shown = new Set(others.map(([value]) => value));
  return all.filter((entry) => isKept(entry) || shown.has(entry[0]));
}

export class Breakdown {
  #name;
  #onPress;
  #rows = new Map();
  #order = [];
  #isOpen = false;
  #last = null;
  #list = element("ul", { class: "bars" });
  #more = element("button", { type: "button", class: "more", hidden: "" });
  #empty = element("p", { class: "quiet" }, "No event in the window.");

  // A click on a bar calls `onPress(name, value)`.
  constructor(name, onPress) {
    this.#name = name;
    this.#onPress = onPress;
    const id = `breakdown-${name}`;
    const heading = element("h2", { id }, name.replaceAll("_", " "));
    this.node = element(
      "section",
      { class: "card breakdown", "aria-labelledby": id },
      heading,
      this.#list,
      this.#empty,
      this.#more,
    );
    this.#more.addEventListener("click", () => this.#toggleMore());
  }

  // Shows these counts. The bars of the values in `selected` are pressed.
  update(breakdown, selected) {
    this.#last = { breakdown, selected };
    const all = ranked(breakdown, selected);
    // While the pointer is over the list or the focus is in it, no bar moves.
    const isHeld = this.#list.matches(":hover") || this.#list.contains(document.activeElement);
    const isKept = ([value]) => selected.has(value) || (isHeld && this.#rows.has(keyOf(value)));
    const shown = cut(all, this.#isOpen ? VALUES_SHOWN_ALL : VALUES_SHOWN, isKept);
    const total = all.reduce((sum, [, events]) => sum + events, breakdown.unknown);
    const most = Math.max(1, breakdown.unknown, ...all.map(([, events]) => events));
    const wanted = shown.map(([value, events]) => this.#row(value, events, total, most, selected));
    if (breakdown.unknown > 0) wanted.push(this.#unknownRow(breakdown.unknown, total, most));
    this.#place(wanted, isHeld);
    this.#showMore(all.length, shown.length);
    this.#empty.hidden = wanted.length > 0;
    setAttribute(this.node, "data-filtered", selected.size > 0);
  }

  #toggleMore() {
    this.#isOpen = !this.#isOpen;
    this.update(this.#last.breakdown, this.#last.selected);
  }

  #showMore(all, shown) {
    this.#more.hidden = !this.#isOpen && shown === all;
    setAttribute(this.#more, "aria-expanded", this.#isOpen);
    setText(this.#more, this.#isOpen ? `show the first ${VALUES_SHOWN}` : `and ${count(all - shown)} more`);
  }

  #row(value, events, total, most, selected) {
    const key = keyOf(value);
    const row = this.#rows.get(key) ?? newRow(key, value, () => this.#onPress(this.#name, value));
    setAttribute(row.bar, "aria-pressed", selected.has(value));
    return measure(row, events, total, most);
  }

  #unknownRow(events, total, most) {
    return measure(this.#rows.get("unknown") ?? newRow("unknown", "unknown user", null), events, total, most);
  }

  // Puts the rows in order. While the list is held, known rows keep their positions.
  #place(wanted, isHeld) {
    const rank = new Map(wanted.map((row, index) => [row.key, index]));
    const placed = (key) => this.#order.indexOf(key);
    const known = (key) => this.#order.includes(key);
    if (isHeld) {
      wanted.sort(
        (a, b) =>
          known(b.key) - known(a.key) ||
          (known(a.key) ? placed(a.key) - placed(b.key) : rank.get(a.key) - rank.get(b.key)),
      );
    }
    this.#rows = new Map(wanted.map((row) => [row.key, row]));
    const order = wanted.map((row) => row.key);
    if (order.length !== this.#order.length || order.some((key, index) => key !== this.#order[index])) {
      const focused = document.activeElement;
      this.#list.replaceChildren(...wanted.map((row) => row.item));
      if (this.#list.contains(focused)) focused.focus({ preventScroll: true });
    }
    this.#order = order;
  }
}

// The prefix keeps the key of every value distinct from the key of the unknown users.
const keyOf = (value) => `=${value}`;

// A row. A click filters by its value; without `onPress` the row is not a button.
function newRow(key, value, onPress) {
  const name = element("span", { class: "bar-name" }, value);
  const events = element("span", { class: "bar-count" });
  const share = element("span", { class: "bar-share" });
  const fill = element("span", { class: "bar-fill", "aria-hidden": "true" });
  const children = [name, " ", events, " ", share, fill];
  const bar = onPress
    ? element("button", { type: "button", class: "bar", title: value, click: onPress }, ...children)
    : element("div", { class: "bar unknown" }, ...children);
  return { key, bar, events, share, fill, item: element("li", {}, bar) };
}

function measure(row, events, total, most) {
  setText(row.events, count(events));
  setText(row.share, percent(total ? events / total : 0));
  row.fill.style.transform = `scaleX(${events / most})`;
  return row;
}
