//! The fast path, the general path and serde_json say the same about any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use weir::event::{DecodeError, Format, Verdict};
use weir::stages::Decode;

/// Enough for any input, and so few that inputs go beyond it.
const EVENTS_MAX: [usize; 2] = [1 << 20, 3];

thread_local! {
    static DECODERS: [RefCell<Decode>; 2] =
        EVENTS_MAX.map(|max| RefCell::new(Decode::new(&["click", "view", "purchase", "a longer type"], max)));
}

fuzz_target!(|body: &[u8]| {
    DECODERS.with(|decoders| {
        for decoder in decoders {
            assert_alike(&mut decoder.borrow_mut(), body);
        }
    });
});

fn assert_alike(decoder: &mut Decode, body: &[u8]) {
    for format in [Format::Json, Format::Ndjson] {
        let decoded = decoder.decode(body.to_vec(), format);
        assert_eq!(decoded, decoder.decode_generally(body.to_vec(), format));
        match (format, decoded) {
            (_, Err(DecodeError::TooManyEvents { .. })) => {}
            (Format::Json, decoded) => assert_ne!(is_json(body), Some(decoded.is_err())),
            (Format::Ndjson, Err(error)) => panic!("lines fail one by one, but: {error:?}"),
            (Format::Ndjson, Ok(batch)) => {
                let lines: Vec<_> = body.split(|byte| *byte == b'\n').filter(|line| !is_blank(line)).collect();
                assert_eq!(batch.len(), lines.len());
                for (index, line) in lines.into_iter().enumerate() {
                    let is_malformed = matches!(batch.verdict(index), Verdict::MalformedJson { .. });
                    assert_ne!(is_json(line), Some(is_malformed));
                }
            }
        }
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

/// What serde_json says; nothing where it has narrower limits: on numbers, and on nesting at exactly 128 levels.
fn is_json(text: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<serde_json::Value>(text) {
        Ok(_) => Some(true),
        Err(error) => {
            let message = error.to_string();
            let is_narrower =
                ["number out of range", "recursion limit exceeded"].iter().any(|why| message.starts_with(why));
            (!is_narrower).then_some(false)
        }
    }
}
