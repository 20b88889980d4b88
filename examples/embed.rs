//! The engine as a library, without a server or a runtime, and with a clock of your choice.
//!
//! ```sh
//! cargo run --example embed
//! ```

use std::error::Error;
use std::sync::Arc;
use weir::clock::SystemClock;
use weir::event::{Format, format_ms};
use weir::reference::{Change, Preconditions};
use weir::{Engine, EngineConfig, Maintenance};

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = EngineConfig::default();
    config.attributes = vec!["plan".to_owned()];
    let engine = Arc::new(Engine::new(config, SystemClock)?);
    // Folds new events and forgets old ones, on its own threads, until it is dropped.
    let _maintenance = Maintenance::start(&engine)?;

    // A batch as it would arrive over a network: one event for each line, the second one twice.
    let now_ms = engine.now_ms();
    let ts = format_ms(now_ms);
    let line = |id: &str, user: &str| format!(r#"{{"event_id":"{id}","user_id":"{user}","type":"click","ts":"{ts}"}}"#);
    let lines = [line("e-1", "ann"), line("e-2", "bob"), line("e-2", "bob")].join("\n");
    let mut batch = engine.decode(lines.into_bytes(), Format::Ndjson).expect("a faulty line is that line's own error");
    let tally = engine.ingest(&mut batch, now_ms)?;
    println!("{} accepted, {} duplicates, {} rejected", tally.accepted, tally.duplicates, tally.rejected);
    for index in 0..batch.len() {
        println!("  {}: {}", batch.event_id(index).unwrap_or("-"), batch.verdict(index));
    }

    // The attributes of users may come later: events are grouped when a query asks.
    let table = format!(r#"{{"user_metadata":{{"ann":{{"plan":"pro"}}}},"ts":"{ts}"}}"#);
    engine.change_reference(Change::Replace, table.into_bytes(), &Preconditions::default(), now_ms)?;
    let stats = engine.metrics(60).stats;
    println!("{} events of {} users, {} unknown", stats.events, stats.unique_users, stats.unknown);
    println!("by type: {:?}, by attribute: {:?}", stats.by_type, stats.by_attribute);
    assert_eq!((stats.events, stats.unique_users, stats.unknown), (2, 2, 1));
    Ok(())
}

#[test]
fn it_runs() {
    main().unwrap();
}
