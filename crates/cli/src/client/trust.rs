//! Which CA certificates a client trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Which CA certificates a client trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The system CA store.
    #[default]
    System,
    /// Only the CA certificates in this PEM file.
    File(PathBuf),
    /// No verification. Only for a server in the same process.
    InsecureLoopback,
}

impl Trust {
    /// The configuration of the HTTP client.
    pub(super) fn tls_config(&self) -> Result<TlsConfig, String> {
        let config = TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()));
        if *self == Self::InsecureLoopback {
            return Ok(config.disable_verification(true).build());
        }
        let roots = self.roots()?;
        let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned());
        Ok(config.root_certs(RootCerts::from(roots)).build())
    }

    /// The same configuration for a connection without the HTTP client. [`Self::InsecureLoopback`] trusts no server.
    pub(crate) fn rustls_config(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        // A system CA store can have certificates that rustls cannot parse.
        roots.add_parsable_certificates(self.roots()?);
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        match self {
            Self::System => system_roots(),
            Self::File(path) => roots_in(path),
            Self::InsecureLoopback => Ok(vec![]),
        }
    }
}

fn system_roots() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    match found.errors.first() {
        _ if !found.certs.is_empty() => Ok(found.certs),
        Some(error) => Err(format!("cannot read the system CA store: {error}; set --ca to a PEM file")),
        None => Err("the system CA store is empty; set --ca to a PEM file".to_owned()),
    }
}

fn roots_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let roots = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let roots = roots.map_err(|error| format!("{}: {error}", path.display()))?;
    if roots.is_empty() {
        return Err(format!("{}: contains no certificate", path.display()));
    }
    Ok(roots)
}
