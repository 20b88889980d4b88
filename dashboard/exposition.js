// A parser for the Prometheus text format, version 0.0.4. It is strict: one invalid line rejects the whole text.

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const QUOTED = /"((?:[^"\\\n]|\\["\\n])*)"/y;
const VALUE = /[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?Inf|NaN/y;
const TIMESTAMP = /-?[0-9]+/y;
const BLANKS = /[ \t]*/y;
const TYPE = /^#[ \t]+TYPE[ \t]+([^ \t]+)[ \t]+(counter|gauge|histogram|summary|untyped)[ \t]*$/;

// All samples, as a Map from name to a list of { labels: Map, value }. Throws a SyntaxError with the line number.
export function parseExposition(text) {
  const samples = new Map();
  text.split("\n").forEach((line, index) => {
    const sample = parseLine(line, index + 1);
    if (!sample) return;
    if (!samples.has(sample.name)) samples.set(sample.name, []);
    samples.get(sample.name).push(sample);
  });
  return samples;
}

function parseLine(line, number) {
  if (line.trim() === "") return null;
  if (line[0] === "#") {
    if (/^#[ \t]+TYPE[ \t]/.test(line) && !TYPE.test(line)) throw fault(number, "an unknown type");
    return null;
  }
  const cursor = new Cursor(line, number);
  cursor.take(BLANKS);
  const name = cursor.take(NAME, "a name")[0];
  const isApart = cursor.take(BLANKS)[0] !== "";
  const hasLabels = cursor.skip("{");
  if (!hasLabels && !isApart) throw fault(number, "a value is missing");
  const labels = hasLabels ? parseLabels(cursor) : new Map();
  cursor.take(BLANKS);
  const value = toNumber(cursor.take(VALUE, "a value")[0]);
  if (!cursor.isAtEnd()) {
    if (cursor.take(BLANKS)[0] === "") throw fault(number, "a value that goes on");
    if (!cursor.isAtEnd()) cursor.take(TIMESTAMP, "a timestamp");
    cursor.take(BLANKS);
  }
  if (!cursor.isAtEnd()) throw fault(number, "more than a sample");
  return { name, labels, value };
}

function parseLabels(cursor) {
  const labels = new Map();
  for (;;) {
    cursor.take(BLANKS);
    if (cursor.skip("}")) return labels;
    const name = cursor.take(LABEL, "a label")[0];
    cursor.take(BLANKS);
    if (!cursor.skip("=")) throw fault(cursor.number, "a label without a value");
    cursor.take(BLANKS);
    const value = cursor.take(QUOTED, "a quoted value")[1];
    if (labels.has(name)) throw fault(cursor.number, "a repeated label");
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped)),
    );
    cursor.take(BLANKS);
    if (cursor.skip("}")) return labels;
    if (!cursor.skip(",")) throw fault(cursor.number, "labels without a comma between them");
  }
}

function toNumber(text) {
  const infinite = /^([+-]?)Inf$/.exec(text);
  if (infinite) return infinite[1] === "-" ? -Infinity : Infinity;
  return Number(text);
}

function fault(number, what) {
  return new SyntaxError(`line ${number} of the exposition: ${what}`);
}

class Cursor {
  #at = 0;

  constructor(line, number) {
    this.line = line;
    this.number = number;
  }

  take(pattern, expected) {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.line);
    if (!match) throw fault(this.number, `${expected} is missing`);
    this.#at = pattern.lastIndex;
    return match;
  }

  skip(character) {
    const isThere = this.line[this.#at] === character;
    if (isThere) this.#at += 1;
    return isThere;
  }

  isAtEnd() {
    return this.#at === this.line.length;
  }
}
