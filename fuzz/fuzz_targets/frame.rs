//! Runs `weir_fuzz::FRAME` under libFuzzer.
#![no_main]

weir_fuzz::fuzz!(FRAME);
