//! Addresses become listeners, and listeners become bounded connections that speak HTTP/1.1, with TLS where the web
//! configuration file asks for it.
//!
//! hyper's loop and not axum's own server, which bounds neither connections nor the time a client may take. What is
//! answered is `route`'s matter. HTTP/2 is not spoken: scrapers do not need it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::uri::{PathAndQuery, Uri};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::{Gate, Peer};
use super::config::Config;
use super::error::{Error, Problem};
use super::paced::Paced;
use super::route::{Site, router};
use super::{App, reply};

/// What one server takes on.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Connections at one time; a further one waits in the system's queue.
    pub(super) connections: usize,
    /// For the head of a request, and between two requests of one connection.
    pub(super) head: Duration,
    /// For the TLS handshake.
    pub(super) handshake: Duration,
    /// For a client to read something of its answer.
    pub(super) stall: Duration,
    /// For the requests under way at shutdown.
    pub(super) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 256,
            head: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

/// Most headers of a request.
const MAX_HEADERS: usize = 100;

/// Largest head of a request in bytes.
const MAX_HEAD: usize = 32 << 10;

/// Pause after a failed accept: without file descriptors it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listeners that are bound, and settings that are checked; nothing runs yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<(SocketAddr, TcpListener)>,
    gate: Arc<Gate>,
    pub(super) limits: Limits,
}

impl Bound {
    /// The addresses listened on, in the order of the configuration; port 0 has become a real one.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|(address, _)| *address).collect()
    }

    /// A handle by which the settings can be changed while the server runs.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings(Arc::clone(&self.gate))
    }

    /// The addresses as URLs. Every address of the machine is told as what it is (`http://0.0.0.0:13210/`), so that
    /// nobody takes it for loopback.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let scheme = if self.gate.settings().live.current().tls.is_some() { "https" } else { "http" };
        self.addresses().into_iter().map(|address| format!("{scheme}://{address}/")).collect()
    }
}

/// The settings of a server that runs.
#[derive(Clone, Debug)]
pub struct Settings(Arc<Gate>);

impl Settings {
    /// Takes over all of the section `web` but where to listen, from the next request and connection on.
    ///
    /// # Errors
    ///
    /// Every problem at once; then nothing has changed.
    pub fn exchange(&self, config: &Config) -> Result<(), Vec<Problem>> {
        self.0.exchange(config)
    }
}

/// Checks the settings and the files that they name, without binding anything.
#[must_use]
pub fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Gate::open(config).err().unwrap_or_default();
    for (index, address) in config.listen.iter().enumerate() {
        let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            let message = format!("expected `host:port` such as `127.0.0.1:13210`, found {address:?}");
            problems.push(Problem::of_key(format!("listen[{index}]"), message));
        }
    }
    if config.listen.is_empty() {
        problems.push(Problem::of_key("listen", "expected at least one address such as `127.0.0.1:13210`"));
    }
    problems
}

/// Checks the settings and binds every address.
///
/// # Errors
///
/// [`Error::Settings`] with every problem at once, or [`Error::Listen`] for the first address that cannot be bound.
pub async fn bind(config: &Config) -> Result<Bound, Error> {
    let problems = check(config);
    if !problems.is_empty() {
        return Err(Error::Settings(problems));
    }
    let gate = Arc::new(Gate::open(config).map_err(Error::Settings)?);
    let mut listeners = Vec::new();
    for address in &config.listen {
        let listener = listen(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        listeners.push(listener.map_err(|source| {
            let remedy = remedy(&source);
            Error::Listen { address: address.clone(), source, remedy }
        })?);
    }
    Ok(Bound { listeners, gate, limits: Limits::default() })
}

/// A port without a host listens on every address, as elsewhere in the world of Prometheus.
async fn listen(address: &str) -> io::Result<TcpListener> {
    if !address.starts_with(':') {
        return TcpListener::bind(address).await;
    }
    match TcpListener::bind(format!("[::]{address}")).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(format!("0.0.0.0{address}")).await,
        bound => bound,
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there: stop it, or choose another address with --listen",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: choose another one with --listen",
        io::ErrorKind::PermissionDenied => "ports under 1024 need a privilege: choose a higher one with --listen",
        _ => "check the address given with --listen, which is host:port",
    }
}

/// Accepts and answers until `shutdown`; then lets requests under way end for some seconds and cuts the rest.
///
/// # Errors
///
/// [`Error::Stopped`] where a listener's task ended by itself.
pub async fn serve(bound: Bound, app: Arc<dyn App>, shutdown: CancellationToken) -> Result<(), Error> {
    let is_open = !bound.gate.settings().live.current().authenticates();
    if is_open && bound.listeners.iter().any(|(address, _)| !address.ip().is_loopback()) {
        tracing::warn!(
            "listening beyond loopback without authentication: only /metrics and the health paths answer there; \
             web.config_file sets authentication up"
        );
    }
    let router = router(&Arc::new(Site::new(Arc::clone(&bound.gate), app)));
    serve_router(bound, router, shutdown).await
}

/// As [`serve`], for paths of another's own. Nobody is admitted or refused here: that is the router's matter.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_router(bound: Bound, router: Router, shutdown: CancellationToken) -> Result<(), Error> {
    let Bound { listeners, gate, limits } = bound;
    let drain = limits.drain;
    let cut = CancellationToken::new();
    // Also where this future is dropped: no connection outlives its server.
    let _cut = cut.clone().drop_guard();
    let server = Arc::new(Server {
        slots: Arc::new(Semaphore::new(limits.connections)),
        router,
        gate,
        limits,
        connections: TaskTracker::new(),
        shutdown,
        cut: cut.clone(),
    });
    let mut loops = JoinSet::new();
    for (address, listener) in listeners {
        let server = Arc::clone(&server);
        loops.spawn(async move {
            accept(listener, &server).await;
            address
        });
    }
    let mut stopped = Ok(());
    while let Some(ended) = loops.join_next().await {
        let (address, reason) = match ended {
            Ok(_) if server.shutdown.is_cancelled() => continue,
            Ok(address) => (address.to_string(), "it ended".to_owned()),
            Err(error) => ("an address".to_owned(), error.to_string()),
        };
        stopped = Err(Error::Stopped { address, reason });
        break;
    }
    drop(loops);
    server.connections.close();
    if tokio::time::timeout(drain, server.connections.wait()).await.is_err() {
        tracing::warn!("{} connections did not end in time and are cut", server.connections.len());
        cut.cancel();
        server.connections.wait().await;
    }
    stopped
}

struct Server {
    slots: Arc<Semaphore>,
    router: Router,
    gate: Arc<Gate>,
    limits: Limits,
    connections: TaskTracker,
    shutdown: CancellationToken,
    cut: CancellationToken,
}

async fn accept(listener: TcpListener, server: &Arc<Server>) {
    let next = async || match listener.accept().await {
        Ok((stream, remote)) => {
            let slot = Arc::clone(&server.slots).acquire_owned().await.ok();
            let served = Arc::clone(server);
            server.connections.spawn(async move {
                served.cut.run_until_cancelled(connection(stream, remote, &served)).await;
                drop(slot);
            });
        }
        Err(error) => {
            tracing::warn!("accepting a connection failed: {error}");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    };
    while server.shutdown.run_until_cancelled(next()).await.is_some() {}
}

async fn connection(stream: TcpStream, remote: SocketAddr, server: &Server) {
    let Ok(local) = stream.local_addr() else { return };
    // Answers are written at once; waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let peer = Peer { local: local.ip(), remote: remote.ip(), tls: false, certificate: false };
    let Some(tls) = server.gate.settings().live.current().tls.clone() else {
        return converse(stream, peer, server).await;
    };
    let handshake = tokio::time::timeout(server.limits.handshake, TlsAcceptor::from(tls).accept(stream));
    match server.shutdown.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => {
            let certificate = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
            converse(stream, Peer { tls: true, certificate, ..peer }, server).await;
        }
        Some(Ok(Err(error))) => tracing::debug!(%remote, "TLS handshake failed: {error}"),
        Some(Err(_)) => tracing::debug!(%remote, "TLS handshake took too long"),
        None => {}
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, server: &Server) {
    let service = hyper::service::service_fn(|request| respond(request, peer, server));
    let stream = TokioIo::new(Paced::new(stream, server.limits.stall));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.limits.head)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .serve_connection(stream, service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = server.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(remote = %peer.remote, "a connection ended early: {error}");
    }
}

async fn respond(
    mut request: hyper::Request<Incoming>,
    peer: Peer,
    server: &Server,
) -> Result<axum::response::Response, Infallible> {
    let settings = server.gate.settings();
    if let Some(uri) = below(request.uri(), settings.rules.prefix()) {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(peer);
    let mut response = TowerToHyperService::new(server.router.clone()).call(request).await?;
    reply::dress(&mut response, &settings.live.current().toolkit);
    Ok(response)
}

/// The same request without the prefix of the external URL; `None` where it does not have it.
fn below(uri: &Uri, prefix: &str) -> Option<Uri> {
    let rest = uri
        .path()
        .strip_prefix(prefix)
        .filter(|rest| !prefix.is_empty() && (rest.is_empty() || rest.starts_with('/')))?;
    let path = if rest.is_empty() { "/" } else { rest };
    let text = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
