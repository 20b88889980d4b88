//! Runs `weir_fuzz::HEADER` under libFuzzer.
#![no_main]

weir_fuzz::fuzz!(HEADER);
