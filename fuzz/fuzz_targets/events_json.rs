//! Runs `weir_fuzz::EVENTS_JSON` under libFuzzer.
#![no_main]

weir_fuzz::fuzz!(EVENTS_JSON);
