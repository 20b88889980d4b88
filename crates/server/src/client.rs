//! The client of a connection: its address, and whether it is still there.

use crate::limits;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::future::pending;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::sleep;

/// The client of a connection. The default client is unknown: it has no address, and is always there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client(Option<Peer>);

#[derive(Clone, Debug)]
struct Peer {
    network: IpAddr,
    /// The half that the connection shares.
    socket: Arc<OwnedWriteHalf>,
}

impl Peer {
    fn stream(&self) -> &TcpStream {
        (*self.socket).as_ref()
    }
}

impl Client {
    /// The client at the other end of a socket.
    pub(crate) fn of(socket: Arc<OwnedWriteHalf>, address: IpAddr) -> Self {
        Self(Some(Peer { network: network(address), socket }))
    }

    /// The network that one client controls, as far as the address shows.
    pub(crate) fn network(&self) -> Option<IpAddr> {
        self.0.as_ref().map(|peer| peer.network)
    }

    /// Completes when the client has closed its sending side or the whole connection: TCP shows no difference between
    /// the two. Only work that can be given up waits for this. A client that is answered at once may close its sending
    /// side early.
    pub(crate) async fn gone(&self) {
        let Some(stream) = self.0.as_ref().map(Peer::stream) else { return pending().await };
        while let Ok(1..) = stream.peek(&mut [0]).await {
            // These are bytes of a further request, or the end of a TLS session. The end of the connection may follow
            // them, and shows only in the readiness.
            match stream.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => sleep(limits::PEER_POLL_PERIOD).await,
                Ok(_) | Err(_) => return,
            }
        }
    }
}

/// Takes the client from the extensions of a request.
impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// The address itself, or its /64 network, which is the smallest that a site gets with IPv6 (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    async fn connected() -> (Client, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, address) = listener.accept().await.unwrap();
        (Client::of(Arc::new(socket.into_split().1), address.ip()), client)
    }

    #[tokio::test]
    async fn nothing_is_polled_while_the_client_is_silent() {
        let (client, mut stream) = connected().await;
        stream.write_all(b"GET").await.unwrap();
        let socket = client.0.as_ref().unwrap().stream();
        socket.readable().await.unwrap();
        // After this read, the readiness of the socket is out of date.
        assert_eq!(socket.try_read(&mut [0; 8]).unwrap(), 3);
        let mut gone = Box::pin(client.gone());
        assert!(poll_fn(|cx| Poll::Ready(gone.as_mut().poll(cx).is_pending())).await);
        let after = socket.try_io(Interest::READABLE, || Ok(()));
        assert_eq!(after.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "the client waits for the socket");
        drop(stream);
        gone.await;
    }

    #[tokio::test]
    async fn a_client_that_closes_is_gone_even_behind_unread_bytes() {
        for bytes in [&b""[..], b"GET"] {
            let (client, mut stream) = connected().await;
            stream.write_all(bytes).await.unwrap();
            tokio::select! {
                biased;
                () = client.gone() => panic!("the client is there"),
                () = sleep(limits::PEER_POLL_PERIOD) => {}
            }
            drop(stream);
            client.gone().await;
        }
    }

    #[test]
    fn a_network_is_an_address_or_a_site() {
        let network = |address: &str| network(address.parse().unwrap()).to_string();
        assert_eq!(network("10.1.2.3"), "10.1.2.3");
        assert_eq!(network("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2::"), "2001:db8:1:2::");
    }
}
