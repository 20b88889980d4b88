//! Runs `weir_fuzz::REFERENCE` under libFuzzer.
#![no_main]

weir_fuzz::fuzz!(REFERENCE);
