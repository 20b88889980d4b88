//! Whose certificates a client believes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Whose certificates a client believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those that the system believes.
    #[default]
    System,
    /// Those of this PEM file alone.
    File(PathBuf),
    /// Everyone's: for a server in the same process, which is reached by its own socket.
    Itself,
}

impl Trust {
    pub(super) fn tls_config(&self) -> Result<TlsConfig, String> {
        let config = TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()));
        let roots = match self {
            Self::System => system()?,
            Self::File(path) => file(path)?,
            Self::Itself => return Ok(config.disable_verification(true).build()),
        };
        let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned());
        Ok(config.root_certs(RootCerts::from(roots)).build())
    }
}

fn system() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    match found.errors.first() {
        _ if !found.certs.is_empty() => Ok(found.certs),
        Some(error) => Err(format!("cannot read the system's certificates: {error}; name a file with --ca")),
        None => Err("the system has no certificates to trust; name a file with --ca".to_owned()),
    }
}

fn file(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let roots = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let roots = roots.map_err(|error| format!("{}: {error}", path.display()))?;
    if roots.is_empty() {
        return Err(format!("{}: no certificate in it", path.display()));
    }
    Ok(roots)
}
