//! libFuzzer on `weir_fuzz::TIMESTAMP`.
#![no_main]

weir_fuzz::fuzz!(TIMESTAMP);
