// Sends a thousand events to weir in batches, with retries while the server is unreachable or overloaded.
//
// Needs Node 20 or later, and no packages. All types can be erased. So newer versions of Node run this file directly,
// and older versions run it with a tool that erases the types (`npx tsx examples/producer.ts`, or `tsc` first).
// WEIR_URL is the server, and WEIR_INGEST_TOKEN is the token.

type WeirEvent = { event_id: string; user_id: string; type: string; ts: string };
type Verdict = { event_id: string | null; code: string; index: number; message: string };
type Verdicts = { results: Verdict[]; accepted: number; duplicates: number; rejected: number };

const url: string = (process.env.WEIR_URL ?? "http://127.0.0.1:3000").replace(/\/+$/, "") + "/events";
const token: string | undefined = process.env.WEIR_INGEST_TOKEN;
const types: string[] = ["click", "view", "purchase"];
const tries = 8;
// Statuses of an overloaded server, or of a proxy whose server restarts.
const passing = [408, 429, 502, 503, 504];

const below = (count: number): number => Math.floor(Math.random() * count);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function event(): WeirEvent {
  const [type, user_id] = [types[below(types.length)], `user-${below(50)}`];
  return { event_id: crypto.randomUUID(), user_id, type, ts: new Date().toISOString() };
}

/** Sends events until each has a verdict. Retries are safe: an event that was accepted before is a duplicate. */
async function send(events: WeirEvent[]): Promise<void> {
  const headers: Record<string, string> = { "content-type": "application/json", prefer: "return=minimal" };
  if (token) headers.authorization = `Bearer ${token}`;
  for (let attempt = 0; attempt < tries; attempt++) {
    let pause = (0.5 + Math.random() / 2) * Math.min(100 * 2 ** attempt, 5000);
    try {
      const body = JSON.stringify(events);
      const response = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(30_000) });
      const text = await response.text();
      if (response.ok) {
        events = again(events, JSON.parse(text) as Verdicts);
        if (events.length === 0) return;
      } else if (!passing.includes(response.status)) {
        throw new RangeError(`${response.status}: ${text}`);
      }
      const seconds = response.headers.get("retry-after") ?? "";
      if (/^[0-9]+$/.test(seconds)) pause = Math.max(pause, 1000 * Number(seconds));
    } catch (error) {
      if (error instanceof RangeError) throw error;
      console.log(`no answer (${error}), trying again`);
    }
    await sleep(pause);
  }
  throw new Error("the server did not take the events");
}

/** Prints the verdicts. Returns the events that were rejected as overloaded and must be sent again. */
function again(events: WeirEvent[], { results, accepted, duplicates, rejected }: Verdicts): WeirEvent[] {
  console.log({ accepted, duplicates, rejected });
  for (const { code, message } of results) if (code !== "overloaded") console.log(code, message);
  return results.filter(({ code }) => code === "overloaded").map(({ index }) => events[index]);
}

for (let batch = 0; batch < 10; batch++) await send(Array.from({ length: 100 }, event));

export {};
