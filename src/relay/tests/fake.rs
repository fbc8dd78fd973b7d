//! What surrounds the relay in its tests: a made-up robot over a real socket, and what was logged.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::OK;

/// What a made-up robot does with one request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Say(u16, &'static str),
    /// Breaks off after the request.
    Close,
    /// Never answers.
    Hang,
}

/// A made-up robot: does as it is told, accepts when it is told nothing.
#[derive(Clone)]
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    /// Request lines and bodies.
    pub(super) seen: Arc<Mutex<Vec<(String, Value)>>>,
    acts: Arc<Mutex<VecDeque<Act>>>,
    /// One permit for each answer.
    pub(super) gate: Arc<Semaphore>,
    tls: Option<TlsAcceptor>,
}

impl Fake {
    pub(super) async fn start(acts: &[Act], tls: Option<TlsAcceptor>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let fake = Fake {
            address: listener.local_addr().expect("bound"),
            seen: Arc::default(),
            acts: Arc::new(Mutex::new(acts.iter().copied().collect())),
            gate: Arc::new(Semaphore::new(1_000)),
            tls,
        };
        let robot = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let robot = robot.clone();
                tokio::spawn(async move {
                    match robot.tls.clone() {
                        None => drop(robot.serve(stream).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(robot.serve(stream).await);
                            }
                        }
                    }
                });
            }
        });
        fake
    }

    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let (head, body) = read(&mut stream).await?;
        let body = serde_json::from_slice(&body).expect("JSON");
        self.seen.lock().push((head.lines().next().unwrap_or_default().to_owned(), body));
        self.gate.acquire().await.expect("open").forget();
        let act = self.acts.lock().pop_front().unwrap_or(Act::Say(200, OK));
        match act {
            Act::Say(status, text) => {
                let length = text.len();
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{text}");
                stream.write_all(answer.as_bytes()).await?;
                stream.flush().await?;
                stream.shutdown().await
            }
            Act::Close => Ok(()),
            Act::Hang => std::future::pending().await,
        }
    }
}

/// One message with a Content-Length.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                return Ok((head, bytes[end + 4..].to_vec()));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Keeps what is logged on this thread.
#[derive(Clone, Default)]
pub(super) struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Logged {
    pub(super) fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let logged = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || logged.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}
