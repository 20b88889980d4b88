//! What the service answers over HTTP.

mod auth;
mod basics;
mod dashboard;
mod events;
mod exposition;
mod hostile;
mod metrics;
mod openapi;
mod overload;
mod queries;
mod races;
mod reference;
mod rejected;
mod status;
mod stream;
mod tls;
