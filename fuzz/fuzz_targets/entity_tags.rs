//! Runs `weir_fuzz::ENTITY_TAGS` under libFuzzer.
#![no_main]

weir_fuzz::fuzz!(ENTITY_TAGS);
