//! libFuzzer on `weir_fuzz::MERGE_PATCH`.
#![no_main]

weir_fuzz::fuzz!(MERGE_PATCH);
