//! Runs `weir_fuzz::TIMESTAMP` under libFuzzer.
#![no_main]

weir_fuzz::fuzz!(TIMESTAMP);
