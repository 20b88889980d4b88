//! `POST /events`: ingests a batch of events.

use crate::http::adaptive_limit::AdaptivePermit;
use crate::http::app::App;
use crate::http::body::{self, BufferedBody};
use crate::http::body_memory::BodyPermit;
use crate::http::coding::ContentEncoding;
use crate::http::header;
use crate::http::intake;
use crate::http::media_type;
use crate::http::openapi_errors::IngestErrors;
use crate::http::problem::Problem;
use crate::http::response::{IN_MEMORY, json_response};
use crate::limits;
use crate::log::EventLog;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use hyper::body::Body as _;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::resume_unwind;
use std::sync::Arc;
use tokio::task::{JoinError, spawn_blocking};
use weir::{Batch, DecodeError, Engine, Format, Overloaded, Reservation, Rows, Tally, Verdict};
use weir_api::{EventOrArray, IngestResponse, headers, parameters};

/// Which events the response lists (RFC 7240).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReturnPreference {
    /// Every event.
    All,
    /// Only rejected events, without accepted ones and duplicates.
    Minimal,
}

impl ReturnPreference {
    /// The preference of a request.
    fn of(headers: &HeaderMap) -> Self {
        if header::prefers_minimal(headers) { Self::Minimal } else { Self::All }
    }
}

/// The path of the resource.
pub(super) const PATH: &str = "/events";

static PREFERENCE_APPLIED: HeaderName = HeaderName::from_static(headers::PREFERENCE_APPLIED);

/// Ingests a batch of events, and returns a verdict for each event.
#[utoipa::path(
    post, path = PATH, tag = "events", operation_id = "ingest",
    params(parameters::ContentEncodingHeader, parameters::PreferHeader),
    request_body(
        description = "One event or an array of events. With the NDJSON types: one event per line.",
        content(
            (EventOrArray = "application/json"), (String = "application/x-ndjson"), (String = "application/jsonl"),
            (String = "application/ndjson")
        )
    ),
    responses(
        (
            status = 200, description = "Every event has a verdict. Queries that start now see the accepted events.",
            body = IngestResponse, content_type = "application/json",
            headers(
                ("Preference-Applied" = Option<String>, description = "`return=minimal` if the request preferred it")
            )
        ),
        IngestErrors
    )
)]
pub(super) async fn ingest(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let supported = if app.config.cors_origins.is_none() { &media_type::EVENTS } else { &media_type::EVENTS_OF_PAGES };
    let format = match supported.negotiate(&head.headers)? {
        headers::JSON | headers::TEXT_PLAIN => Format::Json,
        _ => Format::Ndjson,
    };
    let coding = ContentEncoding::negotiate(&head.headers)?;
    app.intake.log().map_or(Ok(()), intake::check_takes_entries)?;
    let in_flight = app.adaptive_limit.try_acquire()?;
    let preference = ReturnPreference::of(&head.headers);
    let (BufferedBody { bytes: encoded, permit }, received_at_ms) = read_body(&app, body, coding).await?;
    let request = BatchRequest { coding, format, preference, received_at_ms, permit };
    match app.intake.log() {
        None => ingest_directly(&app, request, encoded).await,
        Some(log) => Box::pin(ingest_logged(&app, log, request, encoded, in_flight)).await,
    }
}

/// Reads a body to its end, and the clock directly after it. Returns when the batch may be ingested.
///
/// A body that a worker is likely to ingest itself waits for a pass before it is read; or after that, if its length was
/// not announced, or if it arrived slowly.
async fn read_body(app: &App, body: Body, coding: ContentEncoding) -> Result<(BufferedBody, i64), Problem> {
    let is_paced = |bytes: u64| {
        let paced = limits::UNPACED_BODY_BYTES + 1..=limits::INLINE_USUAL_BODY_BYTES;
        coding == ContentEncoding::Identity && usize::try_from(bytes).is_ok_and(|bytes| paced.contains(&bytes))
    };
    let pass = match body.size_hint().exact() {
        Some(bytes) if is_paced(bytes) => Some(app.ingest_pacer.acquire(bytes as usize).await),
        _ => None,
    };
    let buffered = body::read(app, body).await?;
    let received_at_ms = app.now_ms();
    let bytes = buffered.bytes.len();
    if is_paced(bytes as u64) && !pass.is_some_and(|pass| app.ingest_pacer.is_current(pass)) {
        app.ingest_pacer.acquire(bytes).await;
    }
    Ok((buffered, received_at_ms))
}

/// Ingests a batch on the thread that decodes it.
async fn ingest_directly(app: &Arc<App>, mut request: BatchRequest, encoded: Vec<u8>) -> Result<Response, Problem> {
    match request.decode_inline(app, encoded)? {
        Ok(batch) if batch.len() <= limits::INLINE_EVENTS => request.respond(app, batch, Engine::try_ingest),
        decoded => {
            let shared = Arc::clone(app);
            let work = move || {
                let batch = decoded.or_else(|encoded| request.decode(&shared, encoded))?;
                request.respond(&shared, batch, Engine::ingest)
            };
            Box::pin(app.ingest_limiter.run(work)).await?
        }
    }
}

/// Prepares a batch on the thread that decodes it, and waits for the log. The batch holds no permit of a limiter while
/// it waits, so the log's delay does not keep out others.
async fn ingest_logged(
    app: &Arc<App>,
    log: &EventLog,
    mut request: BatchRequest,
    encoded: Vec<u8>,
    in_flight: AdaptivePermit<'_>,
) -> Result<Response, Problem> {
    let prepared = match request.decode_inline(app, encoded)? {
        Ok(batch) if batch.len() <= limits::INLINE_EVENTS => request.prepare(app, batch)?,
        decoded => {
            let shared = Arc::clone(app);
            let work = move || {
                let batch = decoded.or_else(|encoded| request.decode(&shared, encoded))?;
                request.prepare(&shared, batch)
            };
            app.ingest_limiter.run(work).await??
        }
    };
    drop(in_flight);
    let PreparedBatch { request, mut batch, rows, reservation } = prepared;
    let outcome = intake::submit(log, rows, reservation, request.received_at_ms).await?;
    let is_inline = batch.len() <= limits::INLINE_EVENTS;
    let shared = Arc::clone(app);
    let respond = move || {
        batch.resolve(&outcome);
        let tally = batch.tally();
        request.answer(&shared, batch, tally)
    };
    if is_inline {
        return Ok(respond());
    }
    // Without a limit: the batch is ingested, so it always gets its response. The batches that wait are limited.
    match spawn_blocking(respond).await.map_err(JoinError::try_into_panic) {
        Ok(response) => Ok(response),
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => Err(Problem::LogUnavailable),
    }
}

/// A batch between the two halves of a logged ingest.
struct PreparedBatch {
    request: BatchRequest,
    batch: Batch,
    rows: Rows,
    reservation: Reservation,
}

/// A request whose body has arrived completely.
struct BatchRequest {
    coding: ContentEncoding,
    format: Format,
    preference: ReturnPreference,
    received_at_ms: i64,
    permit: BodyPermit,
}

impl BatchRequest {
    /// Decodes any body, within the body memory budget.
    fn decode(&mut self, app: &App, encoded: Vec<u8>) -> Result<Batch, Problem> {
        let max_bytes = app.config.max_body_bytes;
        let encoded_bytes = self.permit.bytes();
        self.permit.grow(self.coding.decoded_bytes_max(max_bytes))?;
        let decoded = self.coding.decode(encoded, max_bytes)?;
        let batch = match app.engine.try_decode_fast(decoded, self.format) {
            Ok(batch) => batch,
            Err(mut decoded) => {
                app.engine.check_event_count(&mut decoded, self.format)?;
                self.permit.grow(app.engine.decode_memory_bytes_max(&decoded, self.format))?;
                app.engine.decode(decoded, self.format)?
            }
        };
        self.permit.shrink_to(encoded_bytes);
        Ok(batch)
    }

    /// Decodes a body on a runtime worker if that takes only microseconds, and returns any other body. A batch that has
    /// to wait for another thread is charged to the body memory budget.
    fn decode_inline(&mut self, app: &App, encoded: Vec<u8>) -> Result<Result<Batch, Vec<u8>>, Problem> {
        if self.coding != ContentEncoding::Identity || app.engine.is_backlogged() {
            return Ok(Err(encoded));
        }
        let decoded = decode_inline(&app.engine, encoded, self.format)?;
        if let Ok(batch) = &decoded
            && batch.len() > limits::INLINE_EVENTS
        {
            self.permit.grow(batch.columns_bytes())?;
        }
        Ok(decoded)
    }

    /// Acquires the memory for the response to a decoded batch, as if its valid events were accepted.
    fn acquire_response(&mut self, batch: &Batch) -> Result<(), Problem> {
        let rejected = batch.invalid();
        self.permit.grow(response_bytes(batch, batch.len() - rejected, rejected, self.preference))
    }

    /// Does the first half of a logged ingest. The memory for the response is acquired first, so that an ingested batch
    /// always gets its response.
    fn prepare(mut self, app: &App, mut batch: Batch) -> Result<PreparedBatch, Problem> {
        self.acquire_response(&batch)?;
        let (rows, reservation) = app.engine.prepare(&mut batch, self.received_at_ms)?;
        Ok(PreparedBatch { request: self, batch, rows, reservation })
    }

    /// Ingests the batch with `ingest`, and makes the response. The memory for the response is acquired first, so that
    /// an ingested batch always gets its response.
    fn respond(
        mut self,
        app: &App,
        mut batch: Batch,
        ingest: impl FnOnce(&Engine, &mut Batch, i64) -> Result<Tally, Overloaded>,
    ) -> Result<Response, Problem> {
        self.acquire_response(&batch)?;
        let tally = ingest(&app.engine, &mut batch, self.received_at_ms)?;
        Ok(self.answer(app, batch, tally))
    }

    /// Counts an ingested batch, and makes the response.
    fn answer(self, app: &App, batch: Batch, tally: Tally) -> Response {
        app.reject_log.record(&batch, self.received_at_ms, tally.rejected);
        app.server_metrics.verdicts.count(&batch, tally);
        let json = response_json(&batch, tally, self.preference);
        // The permit is for the response alone from here on.
        drop(batch);
        let mut response = json_response(self.permit.charge(json));
        if self.preference == ReturnPreference::Minimal {
            let applied = HeaderValue::from_static(headers::RETURN_MINIMAL);
            response.headers_mut().insert(&PREFERENCE_APPLIED, applied);
        }
        response
    }
}

/// Decodes a body if a runtime worker needs only microseconds for it, and returns any other body. The body must not be
/// compressed: a compressed one may be a thousand times larger than it looks.
fn decode_inline(engine: &Engine, body: Vec<u8>, format: Format) -> Result<Result<Batch, Vec<u8>>, DecodeError> {
    if body.len() <= limits::INLINE_BODY_BYTES {
        return engine.decode(body, format).map(Ok);
    }
    let is_inline = body.len() <= limits::INLINE_USUAL_BODY_BYTES;
    Ok(if is_inline { engine.try_decode_fast(body, format) } else { Err(body) })
}

/// An estimate of the response size in bytes, for these numbers of accepted events and other events. It is exact enough
/// if no id needs an escape.
fn response_bytes(batch: &Batch, accepted: usize, others: usize, preference: ReturnPreference) -> usize {
    /// The result of an accepted event without its id.
    const ACCEPTED_BYTES: usize = 40;
    /// The result of a duplicate or a rejected event without its id.
    const OTHER_BYTES: usize = 128;
    /// The rest of the response.
    const REST_BYTES: usize = 128;
    let listed = match preference {
        ReturnPreference::All => batch.ids_bytes() + accepted * ACCEPTED_BYTES + others * OTHER_BYTES,
        ReturnPreference::Minimal => others * OTHER_BYTES,
    };
    listed + REST_BYTES
}

/// The JSON of the response, written directly: building [`IngestResponse`] for a hundred thousand results would cost
/// more than ingesting the events.
fn response_json(batch: &Batch, tally: Tally, preference: ReturnPreference) -> Vec<u8> {
    let Tally { accepted, duplicates, rejected } = tally;
    let others = if preference == ReturnPreference::All { duplicates + rejected } else { rejected };
    let mut json = Vec::with_capacity(response_bytes(batch, accepted, others, preference));
    let mut message = String::new();
    json.extend_from_slice(b"{\"results\":[");
    let first = json.len();
    for index in 0..batch.len() {
        let verdict = batch.verdict(index);
        if preference == ReturnPreference::Minimal && matches!(verdict, Verdict::Accepted | Verdict::Duplicate) {
            continue;
        }
        if json.len() > first {
            json.push(b',');
        }
        push_result(&mut json, batch.event_id(index), index, verdict, &mut message);
    }
    for (name, count) in [("],\"accepted\":", accepted), (",\"duplicates\":", duplicates), (",\"rejected\":", rejected)]
    {
        json.extend_from_slice(name.as_bytes());
        push_number(&mut json, count);
    }
    json.push(b'}');
    json
}

/// Writes the result of one event. `message` is a scratch buffer that the results share.
fn push_result(json: &mut Vec<u8>, event_id: Option<&str>, index: usize, verdict: Verdict, message: &mut String) {
    json.extend_from_slice(b"{\"event_id\":");
    match event_id {
        Some(id) => push_string(json, id),
        None => json.extend_from_slice(b"null"),
    }
    let Some(code) = verdict.code() else { return json.extend_from_slice(b",\"status\":\"success\"}") };
    message.clear();
    write!(message, "{verdict}").expect(IN_MEMORY);
    write!(json, ",\"status\":\"error\",\"code\":\"{code}\",\"index\":{index},\"message\":").expect(IN_MEMORY);
    push_string(json, message);
    json.push(b'}');
}

/// Writes a number. `write!` takes several times as long.
fn push_number(json: &mut Vec<u8>, number: usize) {
    serde_json::to_writer(json, &number).expect(IN_MEMORY);
}

/// Writes a JSON string with its quotes and escapes.
fn push_string(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect(IN_MEMORY);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::config::HttpConfig;
    use axum::body::to_bytes;
    use std::future::poll_fn;
    use std::task::Poll;
    use weir::{EngineConfig, ManualClock, parse_ms};

    const EVENT: &str = r#"{"event_id":"e","user_id":"u","type":"click","ts":"1970-01-01T00:00:00Z"}"#;

    /// An app whose ingest limiter has no free permit until the senders are dropped. Its clock stands at 0.
    async fn app_without_permits() -> (Arc<App>, Arc<ManualClock>, Vec<std::sync::mpsc::Sender<()>>) {
        let clock = Arc::new(ManualClock::new(0));
        let engine = Arc::new(Engine::new(EngineConfig::default(), Arc::clone(&clock)).unwrap());
        let app = Arc::new(App::new(engine, HttpConfig::default()));
        let permits = std::thread::available_parallelism().map_or(1, usize::from);
        let (start, started) = std::sync::mpsc::channel();
        let hold = |_| {
            let (app, start, (release, released)) = (Arc::clone(&app), start.clone(), std::sync::mpsc::channel());
            let hold = move || {
                start.send(()).unwrap();
                released.recv().unwrap_err();
            };
            tokio::spawn(async move { app.ingest_limiter.run(hold).await });
            release
        };
        let holders = (0..permits).map(hold).collect();
        let running = spawn_blocking(move || started.iter().take(permits).count());
        assert_eq!(running.await.unwrap(), permits);
        (app, clock, holders)
    }

    async fn text(response: Result<Response, Problem>) -> String {
        let bytes = to_bytes(response.unwrap().into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_batch_is_judged_by_the_arrival_of_its_body_however_long_it_waits_in_the_queue() {
        let (app, clock, holders) = app_without_permits().await;
        let padding = " ".repeat(limits::INLINE_USUAL_BODY_BYTES);
        let request = Request::post("/events").body(format!("{padding}{EVENT}").into()).unwrap();
        let mut response = Box::pin(ingest(State(app), request));
        assert!(poll_fn(|cx| Poll::Ready(response.as_mut().poll(cx).is_pending())).await);
        clock.advance(120_001);
        drop(holders);
        let response = text(response.await).await;
        assert!(response.ends_with(r#""accepted":1,"duplicates":0,"rejected":0}"#), "{response:?}");
    }

    // A pass of three workers has room for all these batches, and no task ends passes here.
    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn only_slow_batches_wait_for_a_permit() {
        let (app, _, holders) = app_without_permits().await;
        let padding = " ".repeat(limits::INLINE_USUAL_BODY_BYTES - EVENT.len());
        let events = |count| format!("[{}]", vec![EVENT; count].join(","));
        let inline = [format!("{padding}{EVENT}"), format!("[{EVENT},7]"), events(2_000)];
        let slow = [format!("{padding} {EVENT}"), format!("{}{EVENT}\n7", &padding[..100_000]), "{}\n".repeat(5_000)];
        for (is_inline, body) in inline.into_iter().map(|body| (true, body)).chain(slow.map(|body| (false, body))) {
            let request = Request::post("/events").header("content-type", "application/x-ndjson");
            let request = if body.starts_with('[') { Request::post("/events") } else { request };
            let mut response = Box::pin(ingest(State(Arc::clone(&app)), request.body(body.clone().into()).unwrap()));
            let is_ready = poll_fn(|cx| Poll::Ready(response.as_mut().poll(cx).is_ready())).await;
            assert_eq!(is_ready, is_inline, "{} bytes", body.len());
        }
        drop(holders);
    }

    #[tokio::test]
    async fn a_decoded_batch_that_waits_is_charged() {
        let (app, _, holders) = app_without_permits().await;
        let free_bytes = app.bodies.free_bytes();
        let body = format!("[{}]", vec!["{}"; limits::INLINE_EVENTS + 1].join(","));
        let body_bytes = body.len();
        let request = Request::post("/events").header("prefer", "return=minimal").body(body.into()).unwrap();
        let mut response = Box::pin(ingest(State(Arc::clone(&app)), request));
        assert!(poll_fn(|cx| Poll::Ready(response.as_mut().poll(cx).is_pending())).await);
        let row_bytes = (free_bytes - app.bodies.free_bytes() - body_bytes) / (limits::INLINE_EVENTS + 1);
        assert!((64..=256).contains(&row_bytes), "{row_bytes}");
        drop(holders);
        assert!(text(response.await).await.ends_with(r#""rejected":4097}"#));
    }

    #[test]
    fn the_estimate_of_a_response_counts_events_that_are_invalid_already() {
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
        let mut batch = engine.decode(format!("[{EVENT},7,8,{{}}]").into(), Format::Json).unwrap();
        assert_eq!(batch.invalid(), 3);
        let estimate = response_bytes(&batch, 1, 3, ReturnPreference::Minimal);
        let tally = engine.ingest(&mut batch, 0).unwrap();
        let json = response_json(&batch, tally, ReturnPreference::Minimal);
        assert!((json.len()..2 * json.len()).contains(&estimate), "{estimate} bytes for {}", json.len());
    }

    fn json(body: &str, preference: ReturnPreference) -> String {
        let noon_ms = parse_ms(b"2025-10-08T12:00:00Z").unwrap();
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(noon_ms)).unwrap();
        let mut batch = engine.decode(body.as_bytes().to_vec(), Format::Json).unwrap();
        let tally = engine.ingest(&mut batch, noon_ms).unwrap();
        String::from_utf8(response_json(&batch, tally, preference)).unwrap()
    }

    const MIXED: &str = r#"[
        {"event_id":"a\"\u0001é","user_id":"u","type":"click","ts":"2025-10-08T12:00:00Z"},
        {"event_id":"a\"\u0001é","user_id":"u","type":"click","ts":"2025-10-08T12:00:00Z"},
        {"event_id":"b","user_id":"u","type":"click","ts":"yesterday"},
        7]"#;

    #[test]
    fn results_are_in_request_order_and_members_in_the_documented_order() {
        assert_eq!(
            json(MIXED, ReturnPreference::All),
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
    fn the_minimal_response_lists_rejected_events_and_counts_the_others() {
        let response: serde_json::Value = serde_json::from_str(&json(MIXED, ReturnPreference::Minimal)).unwrap();
        let indexes: Vec<_> = response["results"].as_array().unwrap().iter().map(|result| &result["index"]).collect();
        assert_eq!(indexes, [2, 3]);
        assert_eq!([&response["accepted"], &response["duplicates"], &response["rejected"]], [1, 1, 2]);
    }

    #[test]
    fn an_empty_batch_has_no_results() {
        for preference in [ReturnPreference::All, ReturnPreference::Minimal] {
            assert_eq!(json("[]", preference), r#"{"results":[],"accepted":0,"duplicates":0,"rejected":0}"#);
        }
    }
}
