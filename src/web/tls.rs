//! The section `tls_server_config` becomes a TLS server: certificates and keys are read here.
//!
//! The cryptography is ring's and nothing else's. Knows nothing of HTTP but its protocol name.

use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::toolkit::{Client, Tls};
use crate::file::{read_bytes, read_certificates};

/// Builds the server's side of TLS.
///
/// # Errors
///
/// Text that names the file and what is wrong with it.
pub(super) fn load(tls: &Tls) -> Result<Arc<ServerConfig>, String> {
    let chain = read_certificates(&tls.cert_file)?;
    let key = PrivateKeyDer::from_pem_slice(&read_bytes(&tls.key_file)?)
        .map_err(|error| format!("{}: expected a private key in PEM form: {error}", tls.key_file.display()))?;
    let provider = Arc::new(ring::default_provider());
    let mut versions = Vec::new();
    versions.extend(tls.tls13.then_some(&TLS13));
    versions.extend(tls.tls12.then_some(&TLS12));
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| error.to_string())?;
    let builder = match &tls.client {
        Client::Any => builder.with_no_client_auth(),
        Client::Verified(file) | Client::Required(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in read_certificates(file)? {
                roots.add(certificate).map_err(|error| format!("{}: {error}", file.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier =
                if matches!(tls.client, Client::Verified(_)) { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| format!("{}: {error}", file.display()))?)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| format!("{} and {}: {error}", tls.cert_file.display(), tls.key_file.display()))?;
    config.ignore_client_order = tls.server_order;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn tls() -> Tls {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/testdata");
        Tls {
            cert_file: folder.join("server.pem"),
            key_file: folder.join("server.key"),
            client: Client::Required(folder.join("ca.pem")),
            tls12: true,
            tls13: true,
            server_order: true,
        }
    }

    #[test]
    fn a_whole_set_of_files_loads() {
        load(&tls()).expect("a certificate, its key and an authority");
    }

    #[test]
    fn a_wrong_file_is_named() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/testdata");
        let readme = folder.join("README.md");
        let cases = [
            (Tls { cert_file: folder.join("gone.pem"), ..tls() }, "gone.pem: No such file"),
            (Tls { cert_file: readme.clone(), ..tls() }, "README.md: expected certificates in PEM form: found none"),
            (Tls { key_file: readme.clone(), ..tls() }, "README.md: expected a private key in PEM form"),
            (Tls { client: Client::Required(readme), ..tls() }, "README.md: expected certificates"),
            (Tls { key_file: folder.join("second.key"), ..tls() }, "server.pem and "),
        ];
        for (tls, want) in cases {
            let error = load(&tls).expect_err(want);
            assert!(error.contains(want), "{error}");
        }
    }
}
