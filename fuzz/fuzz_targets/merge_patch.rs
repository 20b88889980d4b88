//! Runs `weir_fuzz::MERGE_PATCH` under libFuzzer.
#![no_main]

weir_fuzz::fuzz!(MERGE_PATCH);
