//! Which servers are trusted: those of the system's roots, or of the operator's choice.

use super::FetchError;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where systems keep the roots they trust.
pub(super) const BUNDLES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"];
const LONGEST_BUNDLE: u64 = 4 << 20;

/// Trusts the roots in `ca`, or those of the system. There is no way to trust everybody.
pub(super) fn trusting(ca: Option<&Path>) -> Result<ClientConfig, FetchError> {
    let read = |path: &Path| {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(LONGEST_BUNDLE).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let (path, bundle) = match ca {
        Some(path) => (
            path.to_owned(),
            read(path).map_err(|source| FetchError::Roots {
                file: path.to_owned(),
                source,
            })?,
        ),
        None => BUNDLES
            .iter()
            .find_map(|path| Some((PathBuf::from(path), read(Path::new(path)).ok()?)))
            .ok_or(FetchError::NoBundle)?,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(FetchError::NoRoots(path));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
