//! libFuzzer on `weir_fuzz::ENTITY_TAGS`.
#![no_main]

weir_fuzz::fuzz!(ENTITY_TAGS);
