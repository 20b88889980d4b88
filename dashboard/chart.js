// Line charts over time, as SVG: panes one above the other, with a common cursor.

import { element, holdsSelection, setAttribute, shape } from "./dom.js";
import { clock, minute, compact } from "./format.js";
import { linear, ticks, timeTicks } from "./scale.js";

const MARGIN = { left: 46, right: 14, top: 10, bottom: 26 };
const PANE_GAP = 50;
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Chart {
  #root;
  #panes;
  #svg = shape("svg", { class: "chart-drawing", "aria-hidden": "true" });
  #tip = element("div", { class: "chart-tip", "aria-hidden": "true", hidden: "" });
  #data = { points: [], spanMs: 1, stepMs: 1 };
  #width = 0;
  // The index of the point under the cursor; null means the last point.
  #cursor = null;
  #isHeld = false;

  // `panes` are { key, label, height, format }, where `key` is the member of the points that the pane draws. `root`
  // becomes a slider over the points, for the keyboard and for screen readers.
  constructor(root, panes) {
    this.#root = root;
    this.#panes = panes;
    root.append(this.#svg, this.#tip);
    new ResizeObserver(([entry]) => this.#resize(entry.contentRect.width)).observe(root);
    root.addEventListener("pointermove", (event) => this.#point(event));
    root.addEventListener("pointerleave", () => this.#look(null));
    root.addEventListener("keydown", (event) => this.#press(event));
    root.addEventListener("blur", () => this.#look(null));
  }

  // Draws these points: { startMs, endMs, … }, oldest first, in a window of `spanMs`.
  update(points, spanMs, stepMs) {
    const before = this.#data.points.at(-1)?.endMs;
    const sameSpan = this.#data.spanMs === spanMs && this.#data.stepMs === stepMs;
    if (this.#isHeld && this.#cursor !== null) this.#keepCursor(points);
    this.#data = { points, spanMs, stepMs };
    this.#draw();
    const movedMs = (points.at(-1)?.endMs ?? 0) - (before ?? 0);
    if (sameSpan && movedMs > 0 && movedMs <= stepMs * 2) this.#slide(movedMs);
  }

  // The cursor stays at its time while the points move on.
  #keepCursor(points) {
    const at = this.#data.points[this.#cursor]?.startMs;
    const index = points.findIndex((point) => point.startMs >= at);
    this.#cursor = index < 0 ? null : index;
  }

  #resize(width) {
    if (Math.round(width) === this.#width) return;
    this.#width = Math.round(width);
    this.#draw();
  }

  // The elements are already at their new positions. The animation starts from their old positions.
  #slide(movedMs) {
    if (still.matches || !this.#svg.animate) return;
    const distance = (movedMs / this.#data.spanMs) * (this.#width - MARGIN.left - MARGIN.right);
    for (const moving of this.#svg.querySelectorAll(".moving")) {
      moving.animate([{ transform: `translateX(${distance}px)` }, { transform: "none" }], {
        duration: Math.min(this.#data.stepMs, 1000),
        easing: this.#data.stepMs > 1000 ? "ease-out" : "linear",
      });
    }
  }

  #layout() {
    const { points, spanMs } = this.#data;
    const end = points.at(-1)?.endMs ?? 0;
    const x = linear([end - spanMs, end], [MARGIN.left, this.#width - MARGIN.right]);
    let top = MARGIN.top;
    const panes = this.#panes.map((pane) => {
      const values = points.map((point) => point[pane.key]).filter((value) => value !== null);
      const labels = ticks(Math.max(...values, 0), pane.height > 120 ? 4 : 3);
      const place = { ...pane, top, bottom: top + pane.height, labels };
      place.y = linear([0, labels.at(-1)], [place.bottom, place.top]);
      top = place.bottom + PANE_GAP;
      return place;
    });
    return { x, panes, from: end - spanMs, end, height: top - PANE_GAP + MARGIN.bottom };
  }

  #draw() {
    if (this.#width < 80) return;
    const { points } = this.#data;
    const layout = this.#layout();
    const { x, panes, height } = layout;
    setAttribute(this.#svg, "width", this.#width);
    setAttribute(this.#svg, "height", height);
    const inside = this.#width - MARGIN.left - MARGIN.right;
    const clip = shape(
      "clipPath",
      { id: "chart-inside" },
      shape("rect", { x: MARGIN.left, y: 0, width: inside + MARGIN.right, height }),
    );
    const drawn = [shape("defs", {}, clip)];
    for (const pane of panes) drawn.push(...grid(pane, this.#width), title(pane));
    drawn.push(this.#times(layout));
    const lines = shape("g", { class: "moving" });
    for (const pane of panes) lines.append(...line(points, pane, x));
    drawn.push(shape("g", { "clip-path": "url(#chart-inside)" }, lines));
    drawn.push(shape("g", { class: "chart-cursor" }));
    this.#svg.replaceChildren(...drawn);
    this.#showCursor(layout);
    this.#describe();
  }

  #times({ x, panes, from, end }) {
    const count = Math.max(2, Math.floor((this.#width - MARGIN.left) / 90));
    const bottom = panes.at(-1).bottom;
    const times = timeTicks(from, end, count);
    const toText = times.length > 1 && times[1] - times[0] >= 60_000 ? minute : clock;
    const labels = times
      .map((time) => [time, x(time)])
      .filter(([, at]) => at > MARGIN.left + 18 && at < this.#width - 28);
    const texts = labels.map(([time, at]) =>
      shape("text", { class: "chart-label", x: at, y: bottom + 18, "text-anchor": "middle" }, toText(time)),
    );
    const marks = labels.map(([, at]) =>
      shape("line", { class: "chart-mark", x1: at, x2: at, y1: bottom, y2: bottom + 4 }),
    );
    return shape("g", { "clip-path": "url(#chart-inside)" }, shape("g", { class: "moving" }, ...marks, ...texts));
  }

  #press(event) {
    const last = this.#data.points.length - 1;
    const at = this.#cursor ?? last;
    const page = Math.max(1, Math.round(last / 10));
    const targets = {
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      PageDown: at - page,
      PageUp: at + page,
      Home: 0,
      End: last,
    };
    if (event.key === "Escape") this.#look(null);
    if (!(event.key in targets) || last < 0) return;
    event.preventDefault();
    this.#look(Math.min(last, Math.max(0, targets[event.key])));
  }

  #point(event) {
    const { points } = this.#data;
    if (points.length === 0) return;
    const { x } = this.#layout();
    const at = event.clientX - this.#svg.getBoundingClientRect().left;
    const distance = (point) => Math.abs(x((point.startMs + point.endMs) / 2) - at);
    const nearest = points.reduce((best, point, index) => (distance(point) < distance(points[best]) ? index : best), 0);
    this.#look(nearest);
  }

  #look(index) {
    this.#cursor = index;
    this.#isHeld = index !== null;
    this.#showCursor(this.#layout());
    this.#describe(true);
  }

  #showCursor({ x, panes }) {
    const layer = this.#svg.querySelector(".chart-cursor");
    const { points } = this.#data;
    const point = points[this.#cursor ?? points.length - 1];
    this.#tip.hidden = this.#cursor === null || !point;
    if (!layer) return;
    layer.replaceChildren();
    if (!point) return;
    const at = x((point.startMs + point.endMs) / 2);
    if (this.#cursor !== null) {
      layer.append(shape("line", { class: "chart-hair", x1: at, x2: at, y1: panes[0].top, y2: panes.at(-1).bottom }));
    }
    for (const { key, y } of panes) {
      if (point[key] === null || (this.#cursor === null && !still.matches)) continue;
      layer.append(shape("circle", { class: `chart-dot ${key}`, cx: at, cy: y(point[key]), r: 4 }));
    }
    if (this.#cursor !== null) this.#showTip(point, at);
  }

  #showTip(point, at) {
    const rows = this.#panes.map((pane) =>
      element(
        "span",
        { class: `tip-row ${pane.key}` },
        element("b", {}, pane.format(point[pane.key])),
        ` ${pane.unit}`,
      ),
    );
    this.#tip.replaceChildren(element("span", { class: "tip-time" }, clock(point.startMs)), ...rows);
    const { offsetWidth } = this.#tip;
    const left = at + 12 + offsetWidth > this.#width ? at - 12 - offsetWidth : at + 12;
    this.#tip.style.transform = `translate(${Math.max(0, left)}px, 14px)`;
  }

  // Sets the slider values for screen readers. While the chart has the focus, new data does not change them.
  #describe(isAsked = false) {
    if (!isAsked && document.activeElement === this.#root) return;
    const { points } = this.#data;
    const last = Math.max(0, points.length - 1);
    const point = points[this.#cursor ?? last];
    setAttribute(this.#root, "aria-valuemax", last);
    setAttribute(this.#root, "aria-valuenow", this.#cursor ?? last);
    const figures = this.#panes.map(({ key, unit, format }) => `${format(point?.[key])} ${unit}`).join(", ");
    setAttribute(this.#root, "aria-valuetext", point ? `${clock(point.startMs)}: ${figures}` : "no values yet");
  }
}

function grid({ labels, y }, width) {
  return labels.flatMap((label, index) => {
    const at = Math.round(y(label)) + 0.5;
    const text = shape(
      "text",
      { class: "chart-label", x: MARGIN.left - 8, y: at + 4, "text-anchor": "end" },
      compact(label),
    );
    const rule = shape("line", {
      class: index ? "chart-grid" : "chart-base",
      x1: MARGIN.left,
      x2: width - MARGIN.right,
      y1: at,
      y2: at,
    });
    return [rule, text];
  });
}

function title({ label, top }) {
  return label ? shape("text", { class: "chart-title", x: 0, y: top - 18 }, label) : "";
}

function line(points, { key, y, bottom }, x) {
  const known = points.filter((point) => point[key] !== null);
  if (known.length === 0) return [];
  const place = (point) => `${x((point.startMs + point.endMs) / 2).toFixed(1)},${y(point[key]).toFixed(1)}`;
  const path = `M${known.map(place).join("L")}`;
  const [first, last] = [known[0], known.at(-1)].map((point) => x((point.startMs + point.endMs) / 2).toFixed(1));
  return [
    shape("path", { class: `chart-area ${key}`, d: `${path}L${last},${bottom}L${first},${bottom}Z` }),
    shape("path", { class: `chart-line ${key}`, d: path }),
    shape("circle", { class: `chart-head ${key}`, cx: last, cy: y(known.at(-1)[key]), r: 3.5 }),
  ];
}

// Shows the values as rows of a table, the most recent values first.
export function fillTable(body, points, panes, rowsMax) {
  const rows = points
    .slice(-rowsMax)
    .reverse()
    .map((point) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, clock(point.startMs)),
        ...panes.map(({ key, format }) => element("td", {}, format(point[key]))),
      ),
    );
  if (!holdsSelection(body)) body.replaceChildren(...rows);
}
