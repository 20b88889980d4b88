//! libFuzzer on `weir_fuzz::QUERY`.
#![no_main]

weir_fuzz::fuzz!(QUERY);
