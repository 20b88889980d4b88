//! What clients get while the log is opened. The opening of a journal reads all of it once, to compare each page with
//! its checksum. The opening of a cluster waits for its servers.

use crate::edge::{self, Tls};
use crate::http::App;
use crate::limits;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::time::timeout;
use weir::ConfigError;

/// Waits until the log is `opened`. If that takes long, `placeholder` answers meanwhile.
///
/// # Errors
/// The settings of the placeholder are invalid, or the listener has no local address.
pub(crate) async fn answer_until<T>(
    opened: impl Future<Output = T>,
    listener: &TcpListener,
    tls: Option<Arc<Tls>>,
    placeholder: impl FnOnce() -> Result<App, ConfigError>,
) -> Result<T, Box<dyn Error + Send + Sync>> {
    let mut opened = pin!(opened);
    if let Ok(opened) = timeout(limits::QUIET_OPENING_TIMEOUT, &mut opened).await {
        return Ok(opened);
    }
    let app = Arc::new(placeholder()?);
    tracing::info!("opening the log; until that is done, requests get 503");
    let mut result = None;
    let connections = edge::serve_until(&app, listener, tls, async { result = Some(opened.await) }).await?;
    // The connections end after their answers. The next ones come to the server itself.
    tokio::spawn(timeout(limits::DRAIN_TIMEOUT, connections.shutdown()));
    Ok(result.expect("the shutdown comes after the result"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpConfig;
    use crate::tokens::Tokens;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use weir::EngineConfig;

    fn placeholder() -> Result<App, ConfigError> {
        App::opening(
            EngineConfig::default(),
            HttpConfig::default(),
            Tokens::default(),
            "the journal is read and checked",
        )
    }

    async fn get(listener: &TcpListener, path: &str) -> String {
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn while_a_journal_is_opened_the_server_is_alive_and_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (open, opened) = oneshot::channel();
        let requests = async {
            for path in ["/metrics", "/status", "/readyz", "/nowhere"] {
                let response = get(&listener, path).await;
                assert!(response.starts_with("HTTP/1.1 503 ") && response.contains("retry-after: 1"), "{response}");
                assert!(response.contains(r#""code":"not_ready""#) && response.contains("opening: "), "{response}");
            }
            assert!(get(&listener, "/healthz").await.starts_with("HTTP/1.1 200 "));
            open.send(7).unwrap();
        };
        let (result, ()) = tokio::join!(answer_until(opened, &listener, None, placeholder), requests);
        assert_eq!(result.unwrap(), Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_opening_needs_no_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let opened = tokio::time::sleep(limits::QUIET_OPENING_TIMEOUT - std::time::Duration::from_millis(1));
        let start = tokio::time::Instant::now();
        answer_until(opened, &listener, None, placeholder).await.unwrap();
        assert!(start.elapsed() < limits::QUIET_OPENING_TIMEOUT);
    }
}
