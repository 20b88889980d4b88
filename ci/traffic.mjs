// node ci/traffic.mjs ADDRESS: sends generated events to a server until the script is stopped. The first events are
// those of the last five minutes, so the server must accept events that are this late. The script prints a line when
// they are sent. Every run uses the same random numbers.

const address = process.argv[2];
const HISTORY_SECS = 300;
const PERIOD_MS = 500;
const USERS = 4000;

// Mulberry32, by Tommy Ettinger.
let state = 7;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

function pick(weights) {
  let rest = random() * Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  return Object.entries(weights).find(([, weight]) => (rest -= weight) < 0)?.[0] ?? Object.keys(weights)[0];
}

// Few users send many events, and many users send few.
const user = () => `u-${Math.floor(USERS * random() ** 2.2)}`;

const event = (id, ms, type = pick({ view: 68, click: 27, purchase: 5 })) => ({
  event_id: id,
  user_id: user(),
  type,
  ts: new Date(ms).toISOString(),
});

// The waves of a day, compressed to minutes, with one rush.
const eventsPerSec = (secs) =>
  900 + 260 * Math.sin(secs / 31) + 120 * Math.sin(secs / 7.3) + (secs > -96 && secs < -78 ? 420 : 0);

async function send(method, path, body) {
  const response = await fetch(`http://${address}${path}`, {
    method,
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
  if (!response.ok) throw new Error(await response.text());
}

let sent = 0;
async function sendPeriod(startMs, lengthMs, secs) {
  const events = Math.round((eventsPerSec(secs) * (0.94 + 0.12 * random()) * lengthMs) / 1000);
  const batch = Array.from({ length: events }, () => event(`e-${(sent += 1)}`, startMs + random() * lengthMs));
  batch.push(...batch.slice(0, Math.round(events * 0.03)));
  if (random() < 0.3) batch.push(event(`late-${sent}`, startMs - 600_000));
  if (random() < 0.2) batch.push(event(`odd-${sent}`, startMs, "scroll"));
  if (random() < 0.1) batch.push({ ...event(`undated-${sent}`, startMs), ts: "yesterday" });
  await send("POST", "/events", batch);
}

const begin = Date.now();
const plans = { free: 58, pro: 27, team: 11, enterprise: 4 };
const regions = { eu: 34, us: 31, ap: 18, sa: 10, af: 7 };
const known = Array.from({ length: USERS * 0.93 }, (_, i) => [`u-${i}`, { plan: pick(plans), region: pick(regions) }]);
await send("PUT", "/reference/users", {
  user_metadata: Object.fromEntries(known),
  ts: new Date(begin - 95_000).toISOString(),
});
for (let secs = -HISTORY_SECS; secs < 0; secs += 1) await sendPeriod(begin + secs * 1000, 1000, secs);
console.log("sent the history");
for (let next = begin; ; next += PERIOD_MS) {
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, next + PERIOD_MS - Date.now())));
  await sendPeriod(next, PERIOD_MS, (next - begin) / 1000);
}
