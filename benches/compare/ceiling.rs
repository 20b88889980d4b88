//! The ceiling of the comparison: a handler that reads the body and throws it away.
//!
//! `ceiling ADDR:PORT` answers `POST /N/events` as if it had accepted N events, so that the load generator finds the counts
//! that it expects and nothing has to be parsed. It has what weir has beneath it: axum, one tokio worker and mimalloc. What
//! weir stays below this is what the events themselves cost.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use std::error::Error;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: ceiling ADDR:PORT")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // On a worker, as weir's connections are: what `block_on` runs stays on this thread.
    runtime.block_on(async { tokio::spawn(serve(address)).await })??;
    Ok(())
}

async fn serve(address: String) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    // No limit: where weir takes the body as it comes, this must, too.
    let router = Router::new().route("/{events}/events", post(discard)).layer(DefaultBodyLimit::disable());
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| _ = stream.set_nodelay(true)), router).await
}

async fn discard(Path(events): Path<u64>, body: Bytes) -> impl IntoResponse {
    drop(body);
    let verdicts = format!(r#"{{"results":[],"accepted":{events},"duplicates":0,"rejected":0}}"#);
    ([(CONTENT_TYPE, "application/json")], verdicts)
}
