//! TLS 1.2 and 1.3 by rustls, with its default cipher suites and key exchange groups.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// The certificate of the server, and the files that hold it.
pub struct Tls {
    certificates: PathBuf,
    key: PathBuf,
    /// A reload replaces it. A session keeps the configuration that it started with.
    config: RwLock<Arc<ServerConfig>>,
}

/// Why a certificate is unusable: one line that names the file.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

impl Tls {
    /// Reads two PEM files: the certificate chain with the server's own certificate first, and its private key (PKCS
    /// #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    /// [`TlsError`] when a file is unreadable, or the key does not belong to the certificate.
    pub fn from_files(certificates: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let config = RwLock::new(Arc::new(read(&certificates, &key)?));
        Ok(Self { certificates, key, config })
    }

    /// Reads the files again. New sessions use the new certificate.
    ///
    /// # Errors
    /// [`TlsError`]. The previous certificate stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = Arc::new(read(&self.certificates, &self.key)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Performs the TLS handshake with a client.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(config).accept(stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificates", &self.certificates).field("key", &self.key).finish_non_exhaustive()
    }
}

/// Reads the files, and makes the TLS configuration of the server.
fn read(certificates: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let unreadable = |path: &Path, error: pem::Error| TlsError(format!("{}: {error}", path.display()));
    let chain = CertificateDer::pem_file_iter(certificates).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unreadable(certificates, error))?;
    if chain.is_empty() {
        return Err(TlsError(format!("{}: no certificate in it", certificates.display())));
    }
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    let unusable = |error: rustls::Error| {
        TlsError(format!(
            "cannot use the certificate {} with the key {}: {error}",
            certificates.display(),
            key.display()
        ))
    };
    // The provider is explicit: the process-wide default may be set by another crate.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
