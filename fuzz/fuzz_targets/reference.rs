//! libFuzzer on `weir_fuzz::REFERENCE`.
#![no_main]

weir_fuzz::fuzz!(REFERENCE);
