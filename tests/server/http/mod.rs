//! The HTTP interface.

mod auth;
mod basics;
mod compression;
mod dashboard;
mod events;
mod exposition;
mod hostile;
mod metrics;
mod moments;
mod openapi;
mod origins;
mod overload;
mod queries;
mod races;
mod random;
mod reference;
mod rejected;
mod status;
mod stream;
mod tls;
