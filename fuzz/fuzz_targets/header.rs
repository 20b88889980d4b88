//! libFuzzer on `weir_fuzz::HEADER`.
#![no_main]

weir_fuzz::fuzz!(HEADER);
