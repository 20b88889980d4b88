//! libFuzzer on `weir_fuzz::EVENTS_NDJSON`.
#![no_main]

weir_fuzz::fuzz!(EVENTS_NDJSON);
