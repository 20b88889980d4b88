//! Request bodies.

use flate2::{Compression, write::GzEncoder};
use std::fmt::{self, Display, Formatter};
use std::io::Write;
use weir::format_ms;

/// The time of a new server's clock.
pub(crate) const NOON: &str = "2025-10-08T12:00:00.000Z";

/// [`NOON`], in milliseconds since the Unix epoch.
pub(crate) const NOON_MS: i64 = 1_759_924_800_000;

/// A time after [`NOON`], or before it.
pub(crate) fn after_noon(offset_ms: i64) -> String {
    format_ms(NOON_MS + offset_ms)
}

/// A click of the user `u-1` at [`NOON`]; the methods change it.
///
/// A text is put between the quotes of a JSON string without a change, so a test may write escapes.
pub(crate) fn event(id: impl Display) -> EventBuilder {
    EventBuilder { id: id.to_string(), user: "u-1".to_owned(), kind: "click".to_owned(), ts: NOON.to_owned() }
}

/// An event; see [`event`]. It is displayed as JSON.
#[derive(Clone, Debug)]
pub(crate) struct EventBuilder {
    id: String,
    user: String,
    kind: String,
    ts: String,
}

impl EventBuilder {
    pub(crate) fn user(self, id: impl Display) -> Self {
        Self { user: id.to_string(), ..self }
    }

    /// Sets `type`.
    pub(crate) fn kind(self, kind: impl Display) -> Self {
        Self { kind: kind.to_string(), ..self }
    }

    /// Sets `ts` to a text.
    pub(crate) fn ts(self, ts: impl Display) -> Self {
        Self { ts: ts.to_string(), ..self }
    }

    /// Sets `ts` to a time since the Unix epoch.
    pub(crate) fn at_ms(self, ts_ms: i64) -> Self {
        self.ts(format_ms(ts_ms))
    }

    /// Sets `ts` to a time relative to [`NOON`].
    pub(crate) fn offset_ms(self, offset_ms: i64) -> Self {
        self.ts(after_noon(offset_ms))
    }
}

impl Display for EventBuilder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { id, user, kind, ts } = self;
        write!(f, r#"{{"event_id":"{id}","user_id":"{user}","type":"{kind}","ts":"{ts}"}}"#)
    }
}

/// The body of a request: an event, or bytes as they are.
pub(crate) trait Body {
    fn bytes(self) -> Vec<u8>;
}

impl<T: AsRef<[u8]>> Body for T {
    fn bytes(self) -> Vec<u8> {
        self.as_ref().to_vec()
    }
}

impl Body for &EventBuilder {
    fn bytes(self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl Body for EventBuilder {
    fn bytes(self) -> Vec<u8> {
        (&self).bytes()
    }
}

/// A JSON array.
pub(crate) fn array(elements: impl IntoIterator<Item = impl Display>) -> String {
    format!("[{}]", joined(elements, ","))
}

/// Newline-delimited JSON, without a newline at the end.
pub(crate) fn lines(elements: impl IntoIterator<Item = impl Display>) -> String {
    joined(elements, "\n")
}

fn joined(elements: impl IntoIterator<Item = impl Display>, separator: &str) -> String {
    elements.into_iter().map(|element| element.to_string()).collect::<Vec<_>>().join(separator)
}

/// The body of a PUT or PATCH with these members of `user_metadata`, as [`user`] writes them.
pub(crate) fn table(users: impl IntoIterator<Item = impl Display>, ts: impl Display) -> String {
    format!(r#"{{"user_metadata":{{{}}},"ts":"{ts}"}}"#, joined(users, ","))
}

/// A user of a [`table`].
pub(crate) fn user(id: &str, plan: &str, region: &str) -> String {
    format!(r#""{id}":{{"plan":"{plan}","region":"{region}"}}"#)
}

pub(crate) fn gzip(body: impl Body) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&body.bytes()).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(body: impl Body) -> Vec<u8> {
    zstd::encode_all(&*body.bytes(), 1).unwrap()
}
