//! libFuzzer on `weir_fuzz::EVENTS_JSON`.
#![no_main]

weir_fuzz::fuzz!(EVENTS_JSON);
