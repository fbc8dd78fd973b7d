//! Bytes posted to an address become a status and a bounded body, within a bounded time.
//!
//! HTTP/1.1 on a connection of its own, TLS by rustls. No error names more of an address than its host and port: the
//! rest of a robot's address is its key. Redirects are not followed, proxies not used.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::uri::{Authority, PathAndQuery};
use axum::http::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Largest answer that is read; robots answer in some hundred bytes.
const MAX_ANSWER: usize = 64 << 10;

/// Part of the time that one address of a host may take to connect, so that the next has a chance.
const CONNECT_PARTS: u32 = 3;

/// An address that may be posted to: https, or http to this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    is_tls: bool,
    authority: Authority,
    path: PathAndQuery,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// At most 64 KiB.
    pub(super) body: Bytes,
}

/// Why nothing came back; the text names host and port only.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No connection: nothing was sent.
    #[error("reach {host}: {reason}")]
    Unreached {
        /// Host and port.
        host: String,
        /// What happened.
        reason: String,
    },
    /// Something may have been sent and may count.
    #[error("get an answer from {host}: {reason}")]
    Unanswered {
        /// Host and port.
        host: String,
        /// What happened.
        reason: String,
    },
}

impl Target {
    /// Checks an address.
    ///
    /// # Errors
    /// What is wrong with it and what was expected, without any of it.
    pub(super) fn parse(text: &str) -> Result<Target, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "expected a URL such as https://host/path, found something else")?;
        let parts = uri.into_parts();
        let is_tls = match parts.scheme.as_ref().map(axum::http::uri::Scheme::as_str) {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("expected a URL that begins with https://"),
        };
        let authority = parts.authority.filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or("expected a URL with a host")?;
        if authority.as_str().contains('@') {
            return Err("expected a URL without user and password");
        }
        if !is_tls && !is_loopback(authority.host()) {
            return Err("expected https://, since http:// would show the key to everybody on the way; http:// is for \
                        loopback addresses only");
        }
        Ok(Target { is_tls, authority, path: parts.path_and_query.unwrap_or(PathAndQuery::from_static("/")) })
    }

    fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.is_tls { 443 } else { 80 })
    }

    /// Without the brackets of an IPv6 address.
    fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Posts bytes.
#[derive(Clone, Debug)]
pub(super) struct Client {
    tls: Arc<ClientConfig>,
}

impl Client {
    /// A client that trusts Mozilla's authorities and those in `more`, a PEM text.
    ///
    /// # Errors
    /// What is wrong with `more`.
    pub(super) fn build(more: Option<&[u8]>) -> Result<Client, String> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let mut added = 0;
        for certificate in more.into_iter().flat_map(CertificateDer::pem_slice_iter) {
            let certificate = certificate.map_err(|error| format!("expected certificates in PEM form: {error}"))?;
            roots.add(certificate).map_err(|error| format!("expected certificates of authorities: {error}"))?;
            added += 1;
        }
        if more.is_some() && added == 0 {
            return Err("expected certificates in PEM form, found none".to_owned());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Client { tls: Arc::new(config) })
    }

    /// Posts JSON and waits for the whole answer, all within `within`.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn post(&self, target: &Target, json: Vec<u8>, within: Duration) -> Result<Answer, Failure> {
        let host = format!("{}:{}", target.host(), target.port());
        let unreached = |reason: String| Failure::Unreached { host: host.clone(), reason };
        let unanswered = |reason: String| Failure::Unanswered { host: host.clone(), reason };
        let mut has_connected = false;
        let exchange = async {
            let stream = connect(target, within).await.map_err(|error| unreached(error.to_string()))?;
            // An answer is waited for; waiting to fill a packet only delays it.
            let _ = stream.set_nodelay(true);
            let request = request(target, json).map_err(|error| unreached(error.to_string()))?;
            if !target.is_tls {
                has_connected = true;
                return converse(stream, request).await.map_err(unanswered);
            }
            let name = ServerName::try_from(target.host().to_owned()).map_err(|error| unreached(error.to_string()))?;
            let connected = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
            let stream = connected.map_err(|error| unreached(format!("TLS: {error}")))?;
            has_connected = true;
            converse(stream, request).await.map_err(unanswered)
        };
        match timeout(within, exchange).await {
            Ok(answer) => answer,
            Err(_) => {
                let reason = format!("nothing came within {} ms", within.as_millis());
                Err(if has_connected { unanswered(reason) } else { unreached(reason) })
            }
        }
    }
}

fn request(target: &Target, json: Vec<u8>) -> Result<Request<Body>, axum::http::Error> {
    Request::post(target.path.as_str())
        .header(header::HOST, target.authority.as_str())
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::USER_AGENT, concat!("tokentail/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Body::from(json))
}

/// Tries the addresses of the host one after the other.
async fn connect(target: &Target, within: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((target.host(), target.port())).await? {
        match timeout(within / CONNECT_PARTS, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::Error::new(io::ErrorKind::TimedOut, "connecting took too long"),
        }
    }
    Err(failure)
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, request: Request<Body>) -> Result<Answer, String> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let mut connection = std::pin::pin!(connection);
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(Body::new(response.into_body()), MAX_ANSWER).await;
        Ok(Answer { status, body: body.map_err(|_| "the answer was cut, or longer than 64 KiB".to_owned())? })
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = answer.as_mut() => answer,
        // A connection that ended has handed over all that it got.
        _ = connection.as_mut() => answer.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_of_this_machine() {
        for good in [
            "https://oapi.dingtalk.com/robot/send?access_token=x",
            "http://127.0.0.1:1/x",
            "http://[::1]:1",
            "http://localhost/",
        ] {
            assert!(Target::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://oapi.dingtalk.com/SECRET",
            "ftp://h/SECRET",
            "SECRET",
            "/SECRET",
            "https:///SECRET",
            "https://u:SECRET@h/",
            "",
            "http://127.0.0.1.evil/SECRET",
        ] {
            let error = Target::parse(bad).expect_err(bad);
            assert!(error.starts_with("expected ") && !error.contains("SECRET"), "{error}");
        }
        let target = Target::parse("https://[::1]/a?b=c").expect("valid");
        assert_eq!((target.host(), target.port(), target.path.as_str()), ("::1", 443, "/a?b=c"));
    }

    #[test]
    fn a_file_of_authorities_must_hold_some() {
        assert!(Client::build(None).is_ok());
        for bad in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(Client::build(Some(bad.as_bytes())).is_err_and(|error| error.starts_with("expected ")), "{bad}");
        }
    }
}
