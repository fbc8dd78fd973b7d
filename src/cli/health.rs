//! `tokentail health`: asks a running instance whether it lives.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use clap::Args;

use super::SourceArgs;
use super::output::{self, Failure};

/// The longest that connecting, and each read, may take.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    sources: SourceArgs,
    /// Ask whether the ledger can commit (/-/ready) rather than whether the process lives (/-/healthy)
    #[arg(long)]
    ready: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.sources.load()?;
    let path = if arguments.ready { "/-/ready" } else { "/-/healthy" };
    let address = config.web.listen.first().cloned().unwrap_or_default();
    // An address that listens everywhere is asked on loopback.
    let address = address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let url = format!("{address}{path}");
    let (healthy, answer) = match ask(&address, path) {
        Ok((status, answer)) => (status == 200, answer),
        Err(error) => (false, error.to_string()),
    };
    if arguments.json {
        output::json(&serde_json::json!({"healthy": healthy, "url": url, "answer": answer}))?;
    } else if healthy {
        writeln!(std::io::stdout().lock(), "{}", output::one_line(&answer))?;
    }
    if healthy { Ok(()) } else { Err(Failure::failed(format!("{url}: {answer}"))) }
}

/// Sends one plain request; a server that speaks TLS is known by its refusal and counts as living.
fn ask(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut failure = std::io::Error::other("the address names no host");
    for socket in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&socket, TIMEOUT) {
            Ok(stream) => return exchange(stream, path),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn exchange(mut stream: TcpStream, path: &str) -> std::io::Result<(u16, String)> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(65_536).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    match status {
        Some(status) => {
            let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim().to_owned();
            Ok((status, body))
        }
        // A TLS alert record (RFC 8446 §5.1) begins with content type 21: the process lives and wants TLS.
        None if answer.first() == Some(&21) => Ok((200, "the server answers and wants TLS".to_owned())),
        None => Err(std::io::Error::other("the answer is not HTTP")),
    }
}
