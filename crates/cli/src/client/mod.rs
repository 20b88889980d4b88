//! The clients of a running server: the HTTP client, `weir send`, `weir reference` and `weir health`.

mod base_url;
mod escape_control;
pub(crate) mod health;
mod http;
mod input;
pub(crate) mod reference;
mod request_error;
pub(crate) mod send;
mod source;
mod token;
mod trust;

pub(crate) use base_url::BaseUrl;
pub(crate) use escape_control::EscapeControl;
pub(crate) use http::{Client, ClientConfig};
pub(crate) use request_error::RequestError;
pub(crate) use source::Source;
pub(crate) use token::Token;
pub(crate) use trust::Trust;
