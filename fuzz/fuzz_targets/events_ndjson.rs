//! Runs `weir_fuzz::EVENTS_NDJSON` under libFuzzer.
#![no_main]

weir_fuzz::fuzz!(EVENTS_NDJSON);
