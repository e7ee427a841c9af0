//! Connections under TLS, with one provider of its arithmetic for the whole process.

use std::path::{Path, PathBuf};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Why certificates to trust are not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The file holds none, or cannot be read.
    #[error("the certificates in `{path}` cannot be used; a file in PEM is needed")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system has none.
    #[error("the system has no certificates to trust; name a file of them as `ca`")]
    System,
}

/// Lets every user of TLS in the process take the same provider; whoever comes second finds it there.
pub(crate) fn settle_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that trusts the certificates in a file, or else those of the system.
pub(crate) fn client(ca: Option<&Path>) -> Result<ClientConfig, TrustError> {
    settle_provider();
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => from_file(path, &mut roots)?,
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(TrustError::System);
    }
    Ok(ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn from_file(path: &Path, roots: &mut RootCertStore) -> Result<(), TrustError> {
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| TrustError::File {
        path: path.to_owned(),
        source,
    };
    let found = CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.into()))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| unusable(error.into()))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(error.into()))?;
    }
    if roots.is_empty() {
        return Err(unusable("it holds no certificate".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_told_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let error = client(Some(&path)).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
        std::fs::write(&path, "no certificate").unwrap();
        let error = client(Some(&path)).unwrap_err();
        assert!(error.to_string().contains("PEM"), "{error}");
    }
}
