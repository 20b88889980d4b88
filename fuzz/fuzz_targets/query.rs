//! Runs `weir_fuzz::QUERY` under libFuzzer.
#![no_main]

weir_fuzz::fuzz!(QUERY);
