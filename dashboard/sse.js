// A parser for server-sent events (WHATWG HTML, 9.2.6). Its input is text in pieces of any size.

// Far more than a message of weir. A longer message is not an event stream.
const BUFFERED_MAX = 16 * 1024 * 1024;

export class EventReader {
  #line = "";
  #afterReturn = false;
  #type = "";
  #data = [];
  #buffered = 0;

  // The server's last `retry` value, in milliseconds: the wait before the next connection. Null if there was none.
  retryMs = null;

  // The events that this piece completes, as { type, data }. Throws a RangeError if an event is too long.
  push(text) {
    if (text === "") return [];
    const from = this.#afterReturn && text[0] === "\n" ? 1 : 0;
    this.#afterReturn = text.endsWith("\r");
    const lines = text.slice(from).split(/\r\n|\n|\r/);
    const rest = lines.pop();
    const events = [];
    for (const piece of lines) {
      const event = this.#endLine(this.#line + piece);
      this.#line = "";
      if (event) events.push(event);
    }
    this.#line += rest;
    if (this.#line.length + this.#buffered > BUFFERED_MAX) throw new RangeError("an event without an end");
    return events;
  }

  #endLine(line) {
    if (line === "") return this.#dispatch();
    // A comment is a field without a name.
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#type = value;
    if (name === "retry" && /^[0-9]{1,9}$/.test(value)) this.retryMs = Number(value);
    if (name === "data") {
      this.#data.push(value);
      this.#buffered += value.length;
    }
    return null;
  }

  #dispatch() {
    const event = { type: this.#type || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#type = "";
    this.#data = [];
    this.#buffered = 0;
    return isEmpty ? null : event;
  }
}
