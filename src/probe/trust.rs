//! Files of certificates become clients of TLS, one for all targets that trust alike.
//!
//! Public authorities are built in (Mozilla's list), so that a probe works in an image without any file; a file that
//! `SSL_CERT_FILE` names takes their place, and a target's own authority takes the place of both.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::build::Problem;
use super::config::Tls;
use crate::clock::Clock;

/// Largest file of certificates in bytes; a whole system's bundle has some 230 KB.
const MAX_FILE: u64 = 4 << 20;

/// What clients of TLS are made of, and those that were made.
#[derive(Debug)]
pub struct Trust {
    time: Arc<Wall>,
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    /// Few: most targets trust alike.
    made: Vec<(Tls, bool, Arc<ClientConfig>)>,
}

/// The clock that certificates are judged by.
#[derive(Debug)]
struct Wall(Clock);

impl TimeProvider for Wall {
    fn current_time(&self) -> Option<UnixTime> {
        let micros = u64::try_from(self.0.now()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_micros(micros)))
    }
}

impl Trust {
    /// The public authorities, or those of `roots_file`.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or holds no certificate.
    pub fn load(roots_file: Option<&Path>, clock: &Clock) -> Result<Trust, Problem> {
        let mut roots = RootCertStore::empty();
        match roots_file {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(file) => {
                let certificates = certificates(file).map_err(|message| Problem::new("roots_file", message))?;
                // A system's bundle may hold a few that rustls has no use for.
                if roots.add_parsable_certificates(certificates).0 == 0 {
                    return Err(Problem::new(
                        "roots_file",
                        format!("{}: expected at least one authority", file.display()),
                    ));
                }
            }
        }
        Ok(Trust {
            time: Arc::new(Wall(clock.clone())),
            provider: Arc::new(ring::default_provider()),
            roots: Arc::new(roots),
            made: Vec::new(),
        })
    }

    /// The client for these settings, which offers HTTP/1.1 where it is for HTTP.
    ///
    /// # Errors
    ///
    /// Every file that cannot be used; keys are below `tls`.
    pub(super) fn client(&mut self, tls: &Tls, http: bool) -> Result<Arc<ClientConfig>, Vec<Problem>> {
        // The name is for the connection and not for the client.
        let key = Tls { server_name: None, ..tls.clone() };
        if let Some((_, _, client)) = self.made.iter().find(|(made, alpn, _)| *made == key && *alpn == http) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.make(&key, http)?);
        self.made.push((key, http, Arc::clone(&client)));
        Ok(client)
    }

    fn make(&self, tls: &Tls, http: bool) -> Result<ClientConfig, Vec<Problem>> {
        let mut problems = Vec::new();
        let roots = match &tls.ca_file {
            None => Arc::clone(&self.roots),
            Some(file) => Arc::new(authorities(file).unwrap_or_else(|message| {
                problems.push(Problem::new("tls.ca_file", message));
                RootCertStore::empty()
            })),
        };
        let own = match (&tls.cert_file, &tls.key_file) {
            (None, None) => None,
            (Some(cert), Some(key)) => {
                let chain = certificates(cert).map_err(|message| problems.push(Problem::new("tls.cert_file", message)));
                let key = private_key(key).map_err(|message| problems.push(Problem::new("tls.key_file", message)));
                chain.ok().zip(key.ok())
            }
            (Some(_), None) => {
                problems.push(Problem::new("tls.key_file", "expected the key of `cert_file`"));
                None
            }
            (None, Some(_)) => {
                problems.push(Problem::new("tls.cert_file", "expected the certificate of `key_file`"));
                None
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let fault = |key: &str, error: &dyn std::fmt::Display| vec![Problem::new(key, error.to_string())];
        let time = Arc::clone(&self.time) as Arc<dyn TimeProvider>;
        let builder = ClientConfig::builder_with_details(Arc::clone(&self.provider), time)
            .with_safe_default_protocol_versions()
            .map_err(|error| fault("tls", &error))?
            .with_root_certificates(roots);
        let mut client = match own {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain, key).map_err(|error| fault("tls.key_file", &error))?
            }
        };
        // A session that is taken up again would show no certificate.
        client.resumption = Resumption::disabled();
        if http {
            client.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        Ok(client)
    }
}

/// A target's own authorities: each of them has to be usable.
fn authorities(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(roots)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(&read(file, MAX_FILE)?)
        .map_err(|error| format!("{}: expected a private key in PEM form: {error}", file.display()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fault = |what: &str| format!("{}: expected certificates in PEM form: {what}", file.display());
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(file, MAX_FILE)?)
        .collect::<Result<_, _>>()
        .map_err(|error| fault(&error.to_string()))?;
    if certificates.is_empty() { Err(fault("found none")) } else { Ok(certificates) }
}

/// A whole file of at most `most` bytes.
pub(super) fn read(file: &Path, most: u64) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let fault = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(fault)?.take(most + 1).read_to_end(&mut bytes).map_err(fault)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= most);
    if fits { Ok(bytes) } else { Err(format!("{}: expected at most {most} bytes", file.display())) }
}
