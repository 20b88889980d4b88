//! A target for each parser of outside bytes. It compares the result of the parser with the result of a naive parser.
//!
//! The naive parsers follow the contract and the RFCs, and are simple rather than fast. A target is a function that
//! panics if the two results differ. The binaries in `fuzz_targets/` run it under libFuzzer. `tests/mutations.rs` runs
//! it on the seeds and on a fixed number of mutations of them.

mod compressed;
mod entity_tags;
mod events;
mod frame;
mod header;
mod json;
pub mod mutate;
mod query;
mod reference;
mod timestamp;

pub use compressed::COMPRESSED;
pub use entity_tags::ENTITY_TAGS;
pub use events::{EVENTS_JSON, EVENTS_NDJSON};
pub use frame::FRAME;
pub use header::HEADER;
pub use query::QUERY;
pub use reference::{MERGE_PATCH, REFERENCE};
pub use timestamp::TIMESTAMP;

#[cfg(feature = "fuzzer")]
pub use libfuzzer_sys;

/// A parser, and the check of its results.
pub struct Target {
    /// The name of its binary and of the folder of its seeds.
    pub name: &'static str,
    /// Texts that mutations insert: words of the grammar, and texts at its limits.
    pub words: &'static [&'static [u8]],
    /// Panics if the parser gives a wrong result for these bytes.
    pub check: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 10] =
    [EVENTS_JSON, EVENTS_NDJSON, TIMESTAMP, REFERENCE, MERGE_PATCH, QUERY, HEADER, ENTITY_TAGS, COMPRESSED, FRAME];

/// The code of a target's binary. Half of the mutations are libFuzzer's own, and half change whole tokens.
#[cfg(feature = "fuzzer")]
#[macro_export]
macro_rules! fuzz {
    ($target:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|input: &[u8]| ($crate::$target.check)(input));

        $crate::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            let mut random = $crate::mutate::Random::new(seed.into());
            if random.below(2) == 0 {
                return $crate::libfuzzer_sys::fuzzer_mutate(data, size, max_size);
            }
            let mut text = data[..size].to_vec();
            $crate::mutate::mutate(&mut text, $crate::$target.words, &mut random);
            let size = text.len().min(max_size);
            data[..size].copy_from_slice(&text[..size]);
            size
        });
    };
}

/// The values of a header field, one per line. Lines that HTTP does not allow as a value are left out.
fn fields(input: &[u8]) -> Vec<http::HeaderValue> {
    input.split(|byte| *byte == b'\n').filter_map(|line| http::HeaderValue::from_bytes(line).ok()).collect()
}
