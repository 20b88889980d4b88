// The same API as a plain Express service: what an experienced Node developer writes in an afternoon, without special
// optimisations.
//
//   node server.js PORT [SKEW_SECS]
'use strict';

const express = require('express');

const RETENTION_SECS = 1800;
const SKEW_MS = Number(process.argv[3] ?? 120) * 1000;
const HORIZON_MS = RETENTION_SECS * 1000 + 2 * SKEW_MS;
const TYPES = new Set(['click', 'view', 'purchase']);
const ATTRIBUTES = ['plan', 'region'];

const isId = (id) => typeof id === 'string' && id.length >= 1 && id.length <= 256;

// Two generations of ids, each for one horizon. So expiry has no cost per id.
let recentIds = new Set();
let olderIds = new Set();
setInterval(() => {
  olderIds = recentIds;
  recentIds = new Set();
}, HORIZON_MS).unref();

// One slot per second, with the counts of events by type and by user.
const SLOTS = RETENTION_SECS + Math.ceil((2 * SKEW_MS) / 1000) + 1;
const ring = new Array(SLOTS);

function slotOf(second) {
  let slot = ring[second % SLOTS];
  if (slot === undefined || slot.second !== second) {
    slot = { second, types: new Map(), users: new Map() };
    ring[second % SLOTS] = slot;
  }
  return slot;
}

const increment = (map, key, by) => map.set(key, (map.get(key) ?? 0) + by);

let reference = { generation: 0, tsMs: -Infinity, users: new Map() };

// Returns the error of an event as [code, message], or null if the event is valid and new.
function errorOf(event, nowMs) {
  if (event === null || typeof event !== 'object') return ['invalid_event', 'not an object'];
  if (!isId(event.event_id)) return ['invalid_event', 'event_id is not a string of 1 to 256 bytes'];
  if (!isId(event.user_id)) return ['invalid_event', 'user_id is not a string of 1 to 256 bytes'];
  if (!TYPES.has(event.type)) return ['invalid_event', 'type is not one of the configured event types'];
  const tsMs = Date.parse(event.ts);
  if (Number.isNaN(tsMs)) return ['invalid_timestamp', 'ts is not a date-time'];
  if (tsMs < nowMs - SKEW_MS) return ['too_late', 'ts is too far behind'];
  if (tsMs > nowMs + SKEW_MS) return ['too_early', 'ts is too far ahead'];
  if (recentIds.has(event.event_id) || olderIds.has(event.event_id)) {
    return ['duplicate_event', 'event_id was already accepted'];
  }
  return null;
}

function count(event) {
  recentIds.add(event.event_id);
  const slot = slotOf(Math.floor(Date.parse(event.ts) / 1000));
  increment(slot.types, event.type, 1);
  increment(slot.users, event.user_id, 1);
}

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.use(express.json({ limit: '256mb' }));

app.post('/events', (req, res) => {
  const events = Array.isArray(req.body) ? req.body : [req.body];
  const minimal = req.get('prefer') === 'return=minimal';
  const nowMs = Date.now();
  const results = [];
  let [accepted, duplicates, rejected] = [0, 0, 0];
  events.forEach((event, index) => {
    const error = errorOf(event, nowMs);
    if (error === null) {
      count(event);
      accepted += 1;
      if (!minimal) results.push({ event_id: event.event_id, status: 'success' });
      return;
    }
    const [code, message] = error;
    const isDuplicate = code === 'duplicate_event';
    if (isDuplicate) duplicates += 1;
    else rejected += 1;
    if (!minimal || !isDuplicate) {
      results.push({ event_id: event?.event_id ?? null, status: 'error', code, index, message });
    }
  });
  res.json({ results, accepted, duplicates, rejected });
});

app.put('/reference/users', (req, res) => {
  const tsMs = Date.parse(req.body.ts);
  if (!(tsMs >= reference.tsMs)) return res.status(409).json({ code: 'stale_reference' });
  const users = new Map(Object.entries(req.body.user_metadata));
  reference = { generation: reference.generation + 1, tsMs, users };
  return res.json({
    message: 'Reference table updated successfully',
    generation: reference.generation,
    users: users.size,
  });
});

app.get('/metrics', (req, res) => {
  const window = Number(req.query.window ?? 300);
  if (!Number.isInteger(window) || window < 1 || window > RETENTION_SECS) {
    return res.status(400).json({ code: 'invalid_window' });
  }
  const nowMs = Date.now();
  const last = Math.floor(nowMs / 1000);
  const users = new Map();
  const byType = new Map();
  for (const slot of ring) {
    if (slot === undefined || slot.second > last || slot.second <= last - window) continue;
    slot.types.forEach((events, type) => increment(byType, type, events));
    slot.users.forEach((events, user) => increment(users, user, events));
  }
  const by = ATTRIBUTES.map(() => new Map());
  let [total, unknown] = [0, 0];
  users.forEach((events, user) => {
    total += events;
    const metadata = reference.users.get(user);
    if (metadata === undefined) unknown += events;
    else ATTRIBUTES.forEach((name, i) => increment(by[i], metadata[name], events));
  });
  const sorted = (map) => Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
  return res.json({
    window_sec: window,
    events_per_sec: total / window,
    unique_users: users.size,
    unknown,
    ...Object.fromEntries(ATTRIBUTES.map((name, i) => [`by_${name}`, sorted(by[i])])),
    by_type: sorted(byType),
    total_events: total,
    generation: reference.generation,
    as_of: new Date(nowMs).toISOString(),
  });
});

app.get('/healthz', (req, res) => res.json({ ok: true }));

app.listen(Number(process.argv[2]), '127.0.0.1');
