//! The ceiling of the comparison: a handler that reads the body and discards it.
//!
//! `ceiling ADDR:PORT` responds to `POST /N/events` as if it had accepted N events. So the load generator finds the
//! counts that it expects, and the handler parses nothing. Like weir, it uses axum, one tokio worker and mimalloc. The
//! difference between its throughput and weir's is the cost of the events themselves.

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
    // `block_on` runs its future on this thread. The spawned task runs on the worker, as the connections of weir do.
    runtime.block_on(async { tokio::spawn(serve(address)).await })??;
    Ok(())
}

async fn serve(address: String) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    // No body limit: the limit of weir is also far above every body of the comparison.
    let router = Router::new().route("/{events}/events", post(discard)).layer(DefaultBodyLimit::disable());
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| _ = stream.set_nodelay(true)), router).await
}

async fn discard(Path(events): Path<u64>, body: Bytes) -> impl IntoResponse {
    drop(body);
    let verdicts = format!(r#"{{"results":[],"accepted":{events},"duplicates":0,"rejected":0}}"#);
    ([(CONTENT_TYPE, "application/json")], verdicts)
}
