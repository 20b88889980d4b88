//! `POST /events`.

use crate::engine::Engine;
use crate::event::{Batch, DecodeError, Format, Tally, Verdict};
use crate::http::coding::Coding;
use crate::http::media_type::Accepts;
use crate::http::openapi::problems::OfBatch;
use crate::http::openapi::{bodies, parameters};
use crate::http::problem::Problem;
use crate::http::{App, body, header, json_response};
use crate::limits;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::ACCEPT;
use axum::response::Response;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

pub(super) static ACCEPTS: Accepts = Accepts {
    field: ACCEPT,
    media_types: &["application/json", "application/x-ndjson", "application/jsonl", "application/ndjson"],
    default: Some("application/json"),
};

/// Which events the answer lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    /// Every event.
    All,
    /// Those that the client may want to mend: neither the accepted ones nor the duplicates.
    Rejected,
}

/// Takes a batch of events, and answers with a verdict for each.
#[utoipa::path(
    post, path = "/events", tag = "events", operation_id = "ingest", params(parameters::Coded, parameters::Preferred),
    request_body(
        description = "One event or an array of them; or, of the other types, one a line.",
        content(
            (bodies::Events = "application/json"), (String = "application/x-ndjson"), (String = "application/jsonl"),
            (String = "application/ndjson")
        )
    ),
    responses(
        (
            status = 200, description = "Every event has its verdict; those accepted are counted from now on.",
            body = bodies::Receipt, content_type = "application/json",
            headers(("Preference-Applied" = Option<String>, description = "`return=minimal` where that was preferred"))
        ),
        OfBatch
    )
)]
pub(super) async fn ingest(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let format = match ACCEPTS.negotiate(&head.headers)? {
        "application/json" => Format::Json,
        _ => Format::Ndjson,
    };
    let coding = Coding::negotiate(&head.headers)?;
    let _admitted = app.admission.admit()?;
    let listing = if header::prefers_minimal(&head.headers) { Listing::Rejected } else { Listing::All };
    let body::Received { bytes: encoded, share } = body::read(&app, body).await?;
    let received_at_ms = app.engine.now_ms();

    let mut received = if coding == Coding::Identity && !app.engine.is_backlogged() {
        decode_promptly(&app.engine, encoded, format)?
    } else {
        Err(encoded)
    };
    if let Ok(batch) = &mut received
        && batch.len() <= limits::INLINE_EVENTS
    {
        let room = body::room(&app, reply_bytes(batch, batch.len(), 0, listing), share.num_permits())?;
        let tally = app.engine.try_ingest(batch, received_at_ms)?;
        app.rejects.record(batch, received_at_ms, tally.rejected);
        app.instruments.verdicts.count(batch, tally);
        return Ok(answer(&app, batch, tally, listing, room));
    }
    let shared = Arc::clone(&app);
    let work = move || {
        let mut batch = match received {
            Ok(batch) => batch,
            Err(encoded) => decode(&shared, encoded, coding, format)?,
        };
        let room = body::room(&shared, reply_bytes(&batch, batch.len(), 0, listing), share.num_permits())?;
        let tally = shared.engine.ingest(&mut batch, received_at_ms)?;
        shared.rejects.record(&batch, received_at_ms, tally.rejected);
        shared.instruments.verdicts.count(&batch, tally);
        Ok(answer(&shared, &batch, tally, listing, room))
    };
    app.ingest.run(work).await?
}

/// Decodes any body, within the memory set aside for bodies.
fn decode(app: &App, encoded: Vec<u8>, coding: Coding, format: Format) -> Result<Batch, Problem> {
    let max_bytes = app.config.max_body_bytes;
    let encoded_bytes = encoded.len();
    let decoded_room = body::room(app, coding.room_bytes(max_bytes), encoded_bytes)?;
    let decoded = match app.engine.try_decode_fast(coding.decode(encoded, max_bytes)?, format) {
        Ok(batch) => return Ok(batch),
        Err(decoded) => decoded,
    };
    let held_bytes = encoded_bytes + decoded_room.num_permits();
    let _tape_room = body::room(app, app.engine.decode_memory_bytes_max(&decoded, format), held_bytes)?;
    Ok(app.engine.decode(decoded, format)?)
}

/// Decodes a body that takes a runtime's worker only microseconds; any other is given back. A compressed one may be a
/// thousand times what it looks.
fn decode_promptly(engine: &Engine, body: Vec<u8>, format: Format) -> Result<Result<Batch, Vec<u8>>, DecodeError> {
    if body.len() <= limits::INLINE_BODY_BYTES {
        return engine.decode(body, format).map(Ok);
    }
    let is_middling = body.len() <= limits::INLINE_USUAL_BODY_BYTES;
    Ok(if is_middling { engine.try_decode_fast(body, format) } else { Err(body) })
}

fn answer(app: &App, batch: &Batch, tally: Tally, listing: Listing, room: OwnedSemaphorePermit) -> Response {
    let mut response = json_response(body::hold(app, reply(batch, tally, listing), room));
    if listing == Listing::Rejected {
        response.headers_mut().insert("preference-applied", HeaderValue::from_static("return=minimal"));
    }
    response
}

/// What the answer comes to when so many events are accepted and so many are not, where no id needs an escape.
fn reply_bytes(batch: &Batch, accepted: usize, refused: usize, listing: Listing) -> usize {
    /// Bytes of a result beside its id, of an event that was accepted and of one that was not; and of the rest.
    const ACCEPTED_BYTES: usize = 40;
    const REFUSED_BYTES: usize = 128;
    const REST_BYTES: usize = 128;
    let listed = match listing {
        Listing::All => batch.ids_bytes() + accepted * ACCEPTED_BYTES + refused * REFUSED_BYTES,
        Listing::Rejected => refused * REFUSED_BYTES,
    };
    listed + REST_BYTES
}

/// The answer's JSON, written as it goes: a tree of a hundred thousand results would cost more than taking the events.
fn reply(batch: &Batch, tally: Tally, listing: Listing) -> Vec<u8> {
    let Tally { accepted, duplicates, rejected } = tally;
    let refused = if listing == Listing::All { duplicates + rejected } else { rejected };
    let mut json = Vec::with_capacity(reply_bytes(batch, accepted, refused, listing));
    let mut message = String::new();
    json.extend_from_slice(b"{\"results\":[");
    let first = json.len();
    for index in 0..batch.len() {
        let verdict = batch.verdict(index);
        if listing == Listing::Rejected && matches!(verdict, Verdict::Accepted | Verdict::Duplicate) {
            continue;
        }
        if json.len() > first {
            json.push(b',');
        }
        json.extend_from_slice(b"{\"event_id\":");
        match batch.event_id(index) {
            Some(id) => push_string(&mut json, id),
            None => json.extend_from_slice(b"null"),
        }
        match verdict.code() {
            None => json.extend_from_slice(b",\"status\":\"success\"}"),
            Some(code) => {
                message.clear();
                write!(message, "{verdict}").expect(IN_MEMORY);
                write!(json, ",\"status\":\"error\",\"code\":\"{code}\",\"index\":{index},\"message\":")
                    .expect(IN_MEMORY);
                push_string(&mut json, &message);
                json.push(b'}');
            }
        }
    }
    write!(json, "],\"accepted\":{accepted},\"duplicates\":{duplicates},\"rejected\":{rejected}}}").expect(IN_MEMORY);
    json
}

const IN_MEMORY: &str = "a write to memory does not fail";

fn push_string(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect(IN_MEMORY);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::config::EngineConfig;
    use crate::http::HttpConfig;
    use axum::body::to_bytes;
    use std::future::poll_fn;
    use std::task::Poll;

    const EVENT: &str = r#"{"event_id":"e","user_id":"u","type":"click","ts":"1970-01-01T00:00:00Z"}"#;

    /// An engine whose clock stands at 0, behind an interface of which every turn is taken until the senders are dropped.
    async fn app_without_a_turn() -> (Arc<App>, Arc<ManualClock>, Vec<std::sync::mpsc::Sender<()>>) {
        let clock = Arc::new(ManualClock::new(0));
        let engine = Arc::new(Engine::new(EngineConfig::default(), Arc::clone(&clock)).unwrap());
        let app = Arc::new(App::new(engine, HttpConfig::default()));
        let turns = std::thread::available_parallelism().map_or(1, usize::from);
        let (start, started) = std::sync::mpsc::channel();
        let hold = |_| {
            let (app, start, (release, released)) = (Arc::clone(&app), start.clone(), std::sync::mpsc::channel());
            let hold = move || {
                start.send(()).unwrap();
                released.recv().unwrap_err();
            };
            tokio::spawn(async move { app.ingest.run(hold).await });
            release
        };
        let holders = (0..turns).map(hold).collect();
        let begin = tokio::task::spawn_blocking(move || started.iter().take(turns).count());
        assert_eq!(begin.await.unwrap(), turns);
        (app, clock, holders)
    }

    async fn text(answer: Result<Response, Problem>) -> String {
        let bytes = to_bytes(answer.unwrap().into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_batch_is_judged_by_the_time_when_its_body_was_there_however_long_it_waits_for_its_turn() {
        let (app, clock, holders) = app_without_a_turn().await;
        let padding = " ".repeat(limits::INLINE_USUAL_BODY_BYTES);
        let request = Request::post("/events").body(format!("{padding}{EVENT}").into()).unwrap();
        let mut answer = Box::pin(ingest(State(app), request));
        assert!(poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_pending())).await);
        clock.advance(120_001);
        drop(holders);
        let answer = text(answer.await).await;
        assert!(answer.ends_with(r#""accepted":1,"duplicates":0,"rejected":0}"#), "{answer:?}");
    }

    #[tokio::test]
    async fn only_what_takes_long_waits_for_a_turn() {
        let (app, _, holders) = app_without_a_turn().await;
        let padding = " ".repeat(limits::INLINE_USUAL_BODY_BYTES - EVENT.len());
        let events = |count| format!("[{}]", vec![EVENT; count].join(","));
        let prompt = [format!("{padding}{EVENT}"), format!("[{EVENT},7]"), events(2_000)];
        let slow = [format!("{padding} {EVENT}"), format!("{}{EVENT}\n7", &padding[..100_000]), "{}\n".repeat(5_000)];
        for (is_prompt, body) in prompt.into_iter().map(|body| (true, body)).chain(slow.map(|body| (false, body))) {
            let request = Request::post("/events").header("content-type", "application/x-ndjson");
            let request = if body.starts_with('[') { Request::post("/events") } else { request };
            let mut answer = Box::pin(ingest(State(Arc::clone(&app)), request.body(body.clone().into()).unwrap()));
            let is_ready = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_ready())).await;
            assert_eq!(is_ready, is_prompt, "{} bytes", body.len());
        }
        drop(holders);
    }

    fn answer(body: &str, listing: Listing) -> String {
        let noon_ms = crate::event::parse_ms(b"2025-10-08T12:00:00Z").unwrap();
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(noon_ms)).unwrap();
        let mut batch = engine.decode(body.as_bytes().to_vec(), Format::Json).unwrap();
        let tally = engine.ingest(&mut batch, noon_ms).unwrap();
        String::from_utf8(reply(&batch, tally, listing)).unwrap()
    }

    const MIXED: &str = r#"[
        {"event_id":"a\"\u0001é","user_id":"u","type":"click","ts":"2025-10-08T12:00:00Z"},
        {"event_id":"a\"\u0001é","user_id":"u","type":"click","ts":"2025-10-08T12:00:00Z"},
        {"event_id":"b","user_id":"u","type":"click","ts":"yesterday"},
        7]"#;

    #[test]
    fn results_come_in_request_order_with_members_in_the_agreed_order() {
        assert_eq!(
            answer(MIXED, Listing::All),
            concat!(
                r#"{"results":[{"event_id":"a\"\u0001é","status":"success"},"#,
                r#"{"event_id":"a\"\u0001é","status":"error","code":"duplicate_event","index":1,"#,
                r#""message":"event_id was already accepted"},"#,
                r#"{"event_id":"b","status":"error","code":"invalid_timestamp","index":2,"#,
                r#""message":"ts is not an RFC 3339 date-time"},"#,
                r#"{"event_id":null,"status":"error","code":"invalid_event","index":3,"#,
                r#""message":"the event is not a JSON object"}],"accepted":1,"duplicates":1,"rejected":2}"#
            )
        );
    }

    #[test]
    fn the_short_answer_lists_what_was_rejected_and_counts_the_rest() {
        let answer: serde_json::Value = serde_json::from_str(&answer(MIXED, Listing::Rejected)).unwrap();
        let indexes: Vec<_> = answer["results"].as_array().unwrap().iter().map(|result| &result["index"]).collect();
        assert_eq!(indexes, [2, 3]);
        assert_eq!([&answer["accepted"], &answer["duplicates"], &answer["rejected"]], [1, 1, 2]);
    }

    #[test]
    fn no_events_are_no_results() {
        for listing in [Listing::All, Listing::Rejected] {
            assert_eq!(answer("[]", listing), r#"{"results":[],"accepted":0,"duplicates":0,"rejected":0}"#);
        }
    }
}
