//! Escapes text for HTML and SVG.

/// The text with the special characters of HTML escaped.
pub(super) fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
