//! libFuzzer on `weir_fuzz::COMPRESSED`.
#![no_main]

weir_fuzz::fuzz!(COMPRESSED);
