// Maps values to positions, and chooses round values for labels.

export function linear([from, to], [start, end]) {
  const factor = to === from ? 0 : (end - start) / (to - from);
  return (value) => start + (value - from) * factor;
}

// Round values from 0 up to at least `max`, about `count` steps apart.
export function ticks(max, count) {
  if (!(max > 0) || !Number.isFinite(max)) return [0, 1];
  const rough = max / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 2.5, 5, 10].find((unit) => unit * power >= rough * (1 - 1e-9)) * power;
  const steps = Math.ceil(max / unit - 1e-9);
  return Array.from({ length: steps + 1 }, (_, step) => Number((step * unit).toPrecision(12)));
}

const TIME_STEPS_SECS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600];

// At most `count` round times between two times, in milliseconds.
export function timeTicks(fromMs, toMs, count) {
  const fits = (secs) => (toMs - fromMs) / (secs * 1000) <= count;
  const stepMs = (TIME_STEPS_SECS.find(fits) ?? TIME_STEPS_SECS.at(-1)) * 1000;
  const times = [];
  for (let time = Math.ceil(fromMs / stepMs) * stepMs; time <= toMs && times.length < count + 1; time += stepMs) {
    times.push(time);
  }
  return times;
}
