//! A receiver's address becomes a connection, with TLS where the address says so.
//!
//! The cryptography is ring's and nothing else's. Connections are kept and used again by the client above; no proxy of
//! the environment is looked at.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

use super::config::Tls;
use super::export::Reason;
use crate::file::{read_bytes, read_certificates};

/// Keep-alive probes of the system, so that a receiver that vanished is noticed on an idle connection.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Opens connections.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    tls: Arc<ClientConfig>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    /// `protocol` is the name that TLS agrees on: `http/1.1` or `h2`. Errors are text that names the file.
    pub(super) fn load(tls: &Tls, protocol: &str) -> Result<Connector, String> {
        let mut roots = RootCertStore::empty();
        match &tls.ca_file {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(file) => {
                for certificate in read_certificates(file)? {
                    roots.add(certificate).map_err(|error| format!("{}: {error}", file.display()))?;
                }
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let mut config = match &tls.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let read_key = PrivateKeyDer::from_pem_slice(&read_bytes(key)?)
                    .map_err(|error| format!("{}: expected a private key in PEM form: {error}", key.display()))?;
                builder
                    .with_client_auth_cert(read_certificates(chain)?, read_key)
                    .map_err(|error| format!("{} and {}: {error}", chain.display(), key.display()))?
            }
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        Ok(Connector { tcp, tls: Arc::new(config) })
    }
}

/// TLS failed, apart from everything else that can.
#[derive(Debug, thiserror::Error)]
#[error("agree on TLS: {0}")]
struct TlsFault(io::Error);

/// Why a request got no answer, and the innermost cause as text.
pub(super) fn cause(error: &(dyn StdError + 'static)) -> (Reason, String) {
    let mut reason = Reason::Network;
    let mut innermost = error;
    let mut next = Some(error);
    while let Some(error) = next {
        let tls = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).is_some_and(|inner| {
            // Alerts that arrive after the handshake, as TLS 1.3 sends those about client certificates.
            inner.downcast_ref::<tokio_rustls::rustls::Error>().is_some()
        });
        if tls || error.is::<TlsFault>() {
            return (Reason::Tls, error.to_string());
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout) {
            reason = Reason::Timeout;
        }
        innermost = error;
        next = error.source();
    }
    (reason, innermost.to_string())
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Box<dyn StdError + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let tcp = self.tcp.call(uri);
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        Box::pin(async move {
            let tcp = tcp.await?.into_inner();
            if !secure {
                return Ok(TokioIo::new(Stream(Box::new(tcp))));
            }
            let name = ServerName::try_from(host).map_err(|error| TlsFault(io::Error::other(error)))?;
            let tls = tls.connect(name, tcp).await.map_err(TlsFault)?;
            Ok(TokioIo::new(Stream(Box::new(tls))))
        })
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection, plain or with TLS.
pub(super) struct Stream(Box<dyn Duplex>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
