//! A stream to the server, with or without TLS.

use crate::client::RequestError;
use crate::limits;
use crate::load::target::Target;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Opens streams to one address.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) address: SocketAddr,
    /// None without TLS.
    pub(super) tls: Option<TlsClient>,
}

/// The TLS configuration, and the name of the server in its certificate.
#[derive(Clone, Debug)]
pub(super) struct TlsClient {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

/// A stream to the server.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connector {
    /// A connector to the first address of the host that accepts a connection.
    ///
    /// # Errors
    /// One line: the server cannot be reached or trusted, or the CA certificates cannot be read.
    pub(super) fn to(target: &Target) -> Result<Self, Box<dyn Error>> {
        let url = target.url();
        let tls = match url.has_tls() {
            true => Some(TlsClient {
                config: Arc::new(target.trust().rustls_config()?),
                server_name: ServerName::try_from(url.host().to_owned())?,
            }),
            false => None,
        };
        let failed = |error: &io::Error| RequestError::from_io(target.to_string(), error);
        let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (url.host(), url.port()).to_socket_addrs().map_err(|error| failed(&error))? {
            let connector = Self { address, tls: tls.clone() };
            match connector.connect() {
                Ok(_) => return Ok(connector),
                Err(error) => last_error = error,
            }
        }
        Err(failed(&last_error).into())
    }

    /// Opens a stream. With TLS, its handshake is complete.
    pub(super) fn connect(&self) -> io::Result<Stream> {
        let mut stream = TcpStream::connect_timeout(&self.address, limits::LOAD_CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limits::LOAD_STALL_TIMEOUT))?;
        stream.set_write_timeout(Some(limits::LOAD_STALL_TIMEOUT))?;
        let Some(TlsClient { config, server_name }) = &self.tls else { return Ok(Stream::Plain(stream)) };
        let connection = ClientConnection::new(Arc::clone(config), server_name.clone());
        let mut connection = connection.map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(Stream::Tls(Box::new(StreamOwned::new(connection, stream))))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
