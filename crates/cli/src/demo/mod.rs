//! `weir demo`: a server and generated traffic in one process.
//!
//! The traffic goes through the server's own socket, so requests, rejections and latencies are real.

mod events;
mod settings;
mod traffic;
mod users;
mod wave;

pub(crate) use settings::{DemoSettings, DemoTokens};

use crate::serve;
use std::error::Error;
use traffic::TrafficGenerator;

/// Runs the server with traffic, until SIGTERM or SIGINT.
///
/// # Errors
/// As [`serve`](serve::serve), or a thread cannot be started.
pub(crate) async fn run(settings: DemoSettings) -> Result<(), Box<dyn Error>> {
    let serve = settings.serve.clone();
    let mut traffic = None;
    let served = serve::serve_with_ready(serve, |address| {
        traffic = Some(TrafficGenerator::start(&settings, address)?);
        Ok(())
    });
    let served = served.await;
    drop(traffic);
    served
}
