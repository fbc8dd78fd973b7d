//! Looks over real sockets at made-up servers on loopback.
//!
//! A server that is slow moves the paused timer itself once it has seen the request, so that a timeout strikes in a phase
//! that is known and nothing waits for real.

mod chat;
mod http;
mod problem;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::record::Tokens;

/// Moves the timer beyond every timeout of these tests.
const LONG: Duration = Duration::from_secs(600);

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/web/testdata").join(name)
}

/// A server that treats each connection like this, for as long as the test runs.
async fn serve<F, C>(treat: F) -> SocketAddr
where
    F: Fn(TcpStream) -> C + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    address
}

/// Reads a request: its head, and a body as long as its head says.
async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut heard = Vec::new();
    let mut byte = [0];
    loop {
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            break;
        }
        heard.push(byte[0]);
        if heard.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&heard).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).await.expect("a body");
            heard.extend_from_slice(&body);
            break;
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

/// Hears a request and says this, then ends the connection.
async fn say(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) {
    hear(&mut stream).await;
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

/// A server that gives every request this answer.
async fn answers(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer: Arc<[u8]> = answer.into().into();
    serve(move |stream| {
        let answer = Arc::clone(&answer);
        async move { say(stream, &answer).await }
    })
    .await
}

/// Lets the timer jump: what waits for it has waited long enough.
async fn too_long() {
    tokio::time::pause();
    tokio::time::advance(LONG).await;
}

fn probe_at(target: &Target, clock: &Clock) -> Probe {
    let mut trust = Trust::load(None, clock).expect("built-in authorities");
    target.build(&mut trust).expect("a valid target")
}

async fn look(target: &Target) -> Outcome {
    let clock = Clock::system();
    let Run::Done(outcome) = probe_at(target, &clock).run(&clock).await else { panic!("skipped") };
    *outcome
}

/// A look by HTTP at this server, with a change to the defaults.
async fn http_look(address: SocketAddr, change: impl FnOnce(&mut Http)) -> Outcome {
    let mut http = Http::get(format!("http://{address}/health"));
    change(&mut http);
    look(&Target::new("made-up", Check::Http(http))).await
}

/// The reason and message of a failure.
fn failed(outcome: &Outcome) -> (Option<Failure>, &str) {
    (outcome.failure, outcome.message.as_str())
}

/// Labels of the phases that were reached.
fn reached(outcome: &Outcome) -> Vec<&'static str> {
    Phase::ALL.iter().filter(|phase| outcome.phases.get(**phase).is_some()).map(|phase| phase.label()).collect()
}
