//! A host and a port become a connection of their own: names are resolved, addresses tried, hands shaken.
//!
//! Every look connects anew, so that it sees what a new client would see. Addresses are tried in the resolver's order;
//! where one does not answer at once the next is tried beside it, and the first that accepts is taken (RFC 8305 without
//! its sorting).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, CertificateError, ClientConfig};

use super::config::IpProtocol;
use super::expiry;
use super::outcome::{Fault, Phase, Trace};
use crate::record::{Failure, Micros};

/// How long an address is tried alone.
const STAGGER: Duration = Duration::from_millis(250);

/// Most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;

/// Where to connect to.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) ip_protocol: IpProtocol,
    /// The client and the name that the certificate must have.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// A connection, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects, and notes every phase.
pub(super) async fn dial(endpoint: &Endpoint, trace: &mut Trace<'_>) -> Result<Box<dyn Stream>, Fault> {
    let addresses = resolve(endpoint, trace).await?;
    trace.enter(Phase::Connect);
    let (address, stream) = connect(&addresses).await?;
    trace.outcome.address = Some(address);
    // A request is written at once; waiting to fill a packet would only be measured.
    let _ = stream.set_nodelay(true);
    let Some((client, name)) = &endpoint.tls else {
        trace.leave();
        return Ok(Box::new(stream));
    };
    trace.enter(Phase::Tls);
    let stream = match TlsConnector::from(Arc::clone(client)).connect(name.clone(), stream).await {
        Ok(stream) => stream,
        Err(error) => return Err(untrusted(&error, name, trace)),
    };
    trace.leave();
    let session = stream.get_ref().1;
    trace.outcome.tls_version = session.protocol_version().and_then(|version| match version {
        rustls::ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
        rustls::ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
        _ => None,
    });
    let chain = session.peer_certificates().unwrap_or_default();
    trace.outcome.tls_expiry = chain.iter().filter_map(|certificate| expiry::not_after(certificate)).min();
    Ok(Box::new(stream))
}

async fn resolve(endpoint: &Endpoint, trace: &mut Trace<'_>) -> Result<Vec<SocketAddr>, Fault> {
    let host = endpoint.host.as_str();
    let found = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, endpoint.port)],
        Err(_) => {
            trace.enter(Phase::Resolve);
            let found = lookup_host((host, endpoint.port)).await;
            trace.leave();
            found.map_err(|error| Fault::new(Failure::Dns, format!("resolve `{host}`: {error}")))?.collect()
        }
    };
    let fits = |address: &&SocketAddr| match endpoint.ip_protocol {
        IpProtocol::Any => true,
        IpProtocol::V4 => address.is_ipv4(),
        IpProtocol::V6 => address.is_ipv6(),
    };
    let fitting: Vec<_> = found.iter().filter(fits).take(MAX_ADDRESSES).copied().collect();
    if fitting.is_empty() {
        let kind = match endpoint.ip_protocol {
            IpProtocol::Any => "address",
            IpProtocol::V4 => "IPv4 address",
            IpProtocol::V6 => "IPv6 address",
        };
        let others = match found.len() {
            0 => String::new(),
            count => format!(" ({count} of the other kind)"),
        };
        return Err(Fault::new(Failure::Dns, format!("resolve `{host}`: it has no {kind}{others}")));
    }
    Ok(fitting)
}

/// The first address that accepts.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<(SocketAddr, TcpStream), Fault> {
    let mut waiting = addresses.iter().copied();
    let mut attempts = JoinSet::new();
    let mut failed: Vec<(SocketAddr, io::Error)> = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        let ended = if waiting.len() == 0 {
            attempts.join_next().await
        } else {
            match tokio::time::timeout(STAGGER, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some(Ok((address, Ok(stream)))) => return Ok((address, stream)),
            Some(Ok((address, Err(error)))) => failed.push((address, error)),
            Some(Err(_)) => {}
            None if waiting.len() == 0 => return Err(unconnected(&failed)),
            None => {}
        }
    }
}

/// The first address is the one that a client takes, so its reason counts; all are named.
fn unconnected(failed: &[(SocketAddr, io::Error)]) -> Fault {
    let failure = match failed.first().map(|(_, error)| error.kind()) {
        Some(io::ErrorKind::ConnectionRefused) => Failure::Refused,
        Some(io::ErrorKind::TimedOut) => Failure::Timeout,
        // Reset before it was accepted: the port is there and nobody takes the connection.
        Some(io::ErrorKind::ConnectionReset) => Failure::Refused,
        _ => Failure::Other,
    };
    let each = failed.iter().map(|(address, error)| match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("connect to {address}: connection refused"),
        _ => format!("connect to {address}: {error}"),
    });
    Fault::new(failure, each.collect::<Vec<_>>().join("; "))
}

/// Why no hands were shaken. A certificate that has expired tells its end here and nowhere else.
fn untrusted(error: &io::Error, name: &ServerName<'_>, trace: &mut Trace<'_>) -> Fault {
    let name = name.to_str();
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let message = match reason {
        Some(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            let seconds = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX);
            trace.outcome.tls_expiry = Some(seconds.saturating_mul(1_000_000));
            match trace.outcome.tls_expiry.and_then(day) {
                Some(day) => format!("the certificate of `{name}` expired on {day}"),
                None => format!("the certificate of `{name}` has expired"),
            }
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            let seconds = i64::try_from(not_before.as_secs()).unwrap_or(i64::MAX);
            let day = day(seconds.saturating_mul(1_000_000)).unwrap_or_default();
            format!("the certificate of `{name}` is not valid before {day}")
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            format!("the certificate of `{name}` comes from an authority that is not trusted; set `tls.ca_file`")
        }
        Some(reason) => format!("TLS with `{name}`: {reason}"),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => format!("TLS with `{name}`: the server ended the connection"),
            _ => format!("TLS with `{name}`: {error}"),
        },
    };
    Fault::new(Failure::Tls, message)
}

fn day(micros: Micros) -> Option<String> {
    Some(Timestamp::from_microsecond(micros).ok()?.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}
