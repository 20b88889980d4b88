//! TLS, by rustls: 1.2 and 1.3, with its defaults of ciphers and groups.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// The certificate that the server shows, and the files that it comes from.
pub struct Tls {
    certificates: PathBuf,
    key: PathBuf,
    /// Replaced by a reload; a session keeps the one that it began with.
    config: RwLock<Arc<ServerConfig>>,
}

/// Why a certificate cannot be used; one line that names the file.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

impl Tls {
    /// Reads the PEM files of a certificate chain, the server's own certificate first, and of its private key (PKCS #8,
    /// PKCS #1 or SEC 1).
    ///
    /// # Errors
    /// [`TlsError`], when a file cannot be read, or the key is not that of the certificate.
    pub fn from_files(certificates: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let config = RwLock::new(Arc::new(read(&certificates, &key)?));
        Ok(Self { certificates, key, config })
    }

    /// Reads the files again, for the sessions from now on.
    ///
    /// # Errors
    /// [`TlsError`]; the certificate in use stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = Arc::new(read(&self.certificates, &self.key)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Makes a session with a client.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(config).accept(stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificates", &self.certificates).field("key", &self.key).finish_non_exhaustive()
    }
}

fn read(certificates: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let unreadable = |path: &Path, error: pem::Error| TlsError(format!("{}: {error}", path.display()));
    let chain = CertificateDer::pem_file_iter(certificates).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unreadable(certificates, error))?;
    if chain.is_empty() {
        return Err(TlsError(format!("{}: no certificate in it", certificates.display())));
    }
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    let refused = |error: rustls::Error| {
        TlsError(format!("{} and {} do not make a certificate: {error}", certificates.display(), key.display()))
    };
    // The provider is named, so that no other crate's choice can get in between.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
