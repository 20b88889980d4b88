use super::*;
use rand::SeedableRng as _;
use serde_json::Value;
use std::collections::HashSet;
use weir::ManualClock;
use weir::Tally;
use weir::{Engine, EngineConfig};

const NOON_MS: i64 = 1_759_924_800_000;
const NOON: &str = "2025-10-08T12:00:00.000Z";

fn workload(duplicates: f64, late: f64, format: Format) -> Workload {
    Workload { users: 50, zipf_exponent: None, duplicates, late, format, minimal: false, seed: 11 }
}

fn request(workload: &Workload, batch_events: usize) -> Request {
    let users = UserSampler::new(workload.users, workload.zipf_exponent, workload.seed);
    let rng = SmallRng::seed_from_u64(workload.seed);
    Request::new(&Target::of_url("http://weir.example:81/x", None), workload, batch_events, 0xabc, users, rng)
}

/// The lines of the head, and the body.
fn parts(request: &Request) -> (Vec<&str>, &str) {
    let (head, body) = str::from_utf8(request.bytes()).unwrap().split_once("\r\n\r\n").unwrap();
    (head.split("\r\n").collect(), body)
}

fn events(request: &Request, format: Format) -> Vec<Value> {
    let body = parts(request).1;
    match format {
        Format::Ndjson => body.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        _ => serde_json::from_str(body).unwrap(),
    }
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event_id"].as_str().unwrap()).collect()
}

#[test]
fn the_head_describes_the_body() {
    let mut workload = workload(0.0, 0.0, Format::Json);
    let json = request(&workload, 3);
    let (head, body) = parts(&json);
    let length = format!("content-length: {}", body.len());
    let expected = ["POST /x/events HTTP/1.1", "host: weir.example:81", "content-type: application/json", &length];
    assert_eq!(head, expected);
    (workload.format, workload.minimal) = (Format::Ndjson, true);
    let ndjson = request(&workload, 3);
    let (head, _) = parts(&ndjson);
    assert_eq!(
        head[2..],
        [
            "content-type: application/x-ndjson",
            &*length.replace(&body.len().to_string(), &parts(&ndjson).1.len().to_string()),
            "prefer: return=minimal"
        ]
    );
}

#[test]
fn every_refill_is_valid_and_has_new_ids() {
    for format in [Format::Json, Format::Ndjson] {
        let mut request = request(&workload(0.0, 0.0, format), 64);
        let mut seen = HashSet::new();
        for round in 0..20 {
            let expected = request.refill(round * 64, NOON_MS + round as i64);
            assert_eq!(expected, IngestCounts { accepted: 64, duplicates: 0, rejected: 0 });
            let events = events(&request, format);
            assert_eq!(events.len(), 64);
            for event in &events {
                assert_eq!(event["ts"], format_ms(NOON_MS + round as i64));
                assert!(["click", "view", "purchase"].contains(&event["type"].as_str().unwrap()));
                assert!(seen.insert(event["event_id"].as_str().unwrap().to_owned()));
                let user = event["user_id"].as_str().unwrap().strip_prefix('u').unwrap();
                assert!(user.len() == 8 && u32::from_str_radix(user, 16).unwrap() < 50, "{user}");
            }
        }
        let ids: HashSet<_> = (0..20 * 64).map(|id| format!("{:016x}{id:016x}", 0xabc)).collect();
        assert_eq!(seen, ids);
    }
}

#[test]
fn the_users_change_from_one_refill_to_the_next() {
    for zipf_exponent in [None, Some(1.1)] {
        let mut request = request(&Workload { zipf_exponent, ..workload(0.0, 0.0, Format::Json) }, 100);
        let mut users = HashSet::new();
        for round in 0..50 {
            request.refill(round * 100, NOON_MS);
            users.extend(events(&request, Format::Json).iter().map(|event| event["user_id"].to_string()));
        }
        assert_eq!(users.len(), 50);
    }
}

#[test]
fn late_events_are_too_late_for_any_server_and_have_different_ids() {
    let mut request = request(&workload(0.0, 0.3, Format::Json), 1_000);
    let expected = request.refill(5_000, NOON_MS);
    let events = events(&request, Format::Json);
    let late = events.iter().filter(|event| event["ts"] != NOON);
    assert_eq!(late.clone().count() as u64, expected.rejected);
    assert!((200..400).contains(&expected.rejected), "{expected}");
    for event in late {
        assert!(weir::parse_ms(event["ts"].as_str().unwrap().as_bytes()).unwrap() < NOON_MS - 86_400_000);
    }
    assert_eq!(ids(&events).into_iter().collect::<HashSet<_>>().len(), 1_000);
}

#[test]
fn a_duplicate_repeats_an_accepted_id() {
    let mut request = request(&workload(0.5, 0.1, Format::Json), 200);
    request.refill(0, NOON_MS);
    // The first request is not marked as accepted, so the duplicates of the next request repeat ids of that request.
    let expected = request.refill(200, NOON_MS);
    let first = events(&request, Format::Json);
    assert_eq!(ids(&first).into_iter().collect::<HashSet<_>>().len() as u64, 200 - expected.duplicates);
    assert!(ids(&first).iter().all(|id| u64::from_str_radix(&id[16..], 16).unwrap() >= 200));
    request.mark_accepted();
    let expected = request.refill(400, NOON_MS);
    let second = events(&request, Format::Json);
    let accepted: HashSet<_> = first.iter().filter(|event| event["ts"] == NOON).collect();
    let accepted: HashSet<_> = accepted.iter().map(|event| &event["event_id"]).collect();
    let repeats = second.iter().filter(|event| accepted.contains(&event["event_id"])).count();
    assert_eq!(repeats as u64, expected.duplicates);
    assert!(expected.duplicates > 0 && expected.rejected > 0, "{expected}");
}

#[test]
fn the_engine_counts_as_expected() {
    for format in [Format::Json, Format::Ndjson] {
        for (duplicates, late, batch_events) in
            [(0.0, 0.0, 10), (0.3, 0.2, 100), (0.5, 0.0, 1), (1.0, 0.0, 7), (0.0, 1.0, 7)]
        {
            let engine = Engine::new(EngineConfig::default(), ManualClock::new(NOON_MS)).unwrap();
            let mut request = request(&workload(duplicates, late, format), batch_events);
            for round in 0..30 {
                let expected = request.refill(round * batch_events as u64, NOON_MS);
                let body = parts(&request).1.as_bytes().to_vec();
                let mut batch = engine.decode(body, format).unwrap();
                let Tally { accepted, duplicates, rejected } = engine.ingest(&mut batch, NOON_MS).unwrap();
                let [accepted, duplicates, rejected] = [accepted, duplicates, rejected].map(|count| count as u64);
                assert_eq!(IngestCounts { accepted, duplicates, rejected }, expected);
                request.mark_accepted();
            }
        }
    }
}

#[test]
fn events_without_another_kind_are_new() {
    let mut request = request(&workload(1.0, 0.0, Format::Json), 10);
    // The first event of the first request has no id to repeat.
    assert_eq!(request.refill(0, NOON_MS), IngestCounts { accepted: 1, duplicates: 9, rejected: 0 });
    request.mark_accepted();
    assert_eq!(request.refill(10, NOON_MS), IngestCounts { accepted: 0, duplicates: 10, rejected: 0 });
    request.mark_accepted();
    assert_eq!(request.refill(20, NOON_MS), IngestCounts { accepted: 0, duplicates: 10, rejected: 0 });
}

#[test]
fn hex_is_the_same_as_in_the_standard_library() {
    let mut number = 1_u32;
    for number in std::iter::repeat_with(|| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        number
    })
    .take(10_000)
    .chain([0, 9, 10, 0x0123_4567, 0x89ab_cdef, u32::MAX])
    {
        assert_eq!(hex(number), format!("{number:08x}").as_bytes());
    }
}
