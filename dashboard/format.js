// Formats numbers and times for people.

const formatter = (options) => {
  const { format } = new Intl.NumberFormat(undefined, options);
  return (value) => (Number.isFinite(value) ? format(value) : "–");
};

export const count = formatter({ maximumFractionDigits: 0 });
const oneDigit = formatter({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
const twoDigits = formatter({ maximumFractionDigits: 2 });
const twoSignificant = formatter({ maximumSignificantDigits: 2 });
const threeDigits = formatter({ maximumSignificantDigits: 3 });
export const compact = formatter({ notation: "compact", maximumSignificantDigits: 3 });
export const percent = formatter({ style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

// A number that may be below one, with as many digits as are useful.
export function rate(value) {
  if (value >= 1000) return count(value);
  if (value >= 10) return oneDigit(value);
  return value >= 1 ? twoDigits(value) : twoSignificant(value);
}

// A duration, in a suitable unit.
export function latency(secs) {
  if (secs === null || !Number.isFinite(secs)) return "–";
  if (secs < 0.001) return `${threeDigits(secs * 1e6)} µs`;
  if (secs < 1) return `${threeDigits(secs * 1000)} ms`;
  return `${threeDigits(secs)} s`;
}

const clockFormat = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const minuteFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

export const clock = (ms) => (Number.isFinite(ms) ? clockFormat.format(ms) : "–");
export const minute = (ms) => minuteFormat.format(ms);
export const date = (ms) => (Number.isFinite(ms) ? dateFormat.format(ms) : "–");

const agoFormat = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "long" });

export function ago(secs) {
  const past = Math.max(0, secs);
  const [size, unit] = [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ].find(([size]) => past >= size) ?? [1, "second"];
  return agoFormat.format(-Math.floor(past / size), unit);
}

// A length of time with its unit: 90 s, 5 min.
export function span(secs) {
  if (secs % 3600 === 0) return `${count(secs / 3600)} h`;
  return secs % 60 === 0 ? `${count(secs / 60)} min` : `${count(secs)} s`;
}
