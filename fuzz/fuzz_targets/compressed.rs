//! Runs `weir_fuzz::COMPRESSED` under libFuzzer.
#![no_main]

weir_fuzz::fuzz!(COMPRESSED);
