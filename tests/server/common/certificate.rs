//! A certificate and its key.

use super::Scratch;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::pki_types::CertificateDer;
use weir_server::Tls;

/// A certificate for `localhost`. Its PEM files are removed when this is dropped.
pub(crate) struct Certificate {
    /// The certificate itself, for a client that trusts it.
    pub der: CertificateDer<'static>,
    /// The path of the certificate.
    pub path: String,
    /// The path of the private key.
    pub key_path: String,
    files: Scratch,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let files = Scratch::new();
        let (der, path, key_path) = generate(&files);
        Self { der, path, key_path, files }
    }

    /// Writes another certificate to the same files.
    pub(crate) fn renew(&mut self) {
        self.der = generate(&self.files).0;
    }

    pub(crate) fn tls(&self) -> Tls {
        Tls::from_files(self.path.clone().into(), self.key_path.clone().into()).unwrap()
    }
}

/// Writes a new certificate and its key. Returns the certificate and both paths.
fn generate(files: &Scratch) -> (CertificateDer<'static>, String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = files.file("cert.pem", cert.pem());
    (cert.der().clone(), path, files.file("key.pem", signing_key.serialize_pem()))
}
