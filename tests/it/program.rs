//! The built binary: run to its end, or kept running as a sidecar and asked over HTTP.
//!
//! Its environment is empty, so that nothing of the machine's settings decides a test.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokentail::clock::Clock;

use crate::page::Page;

/// The longest that anything is waited for; far more than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What draining may take: a promise, and far more than it takes.
const TO_DRAIN: Duration = Duration::from_secs(10);

/// What `condition` gives once it gives something, asked again and again; `None` after the deadline.
fn try_wait<T>(patience: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = Clock::system();
    let deadline = clock.instant() + patience;
    while clock.instant() < deadline {
        if let Some(found) = condition() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// What `condition` gives once it gives something; a deadline fails the test.
pub(crate) fn wait<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    let found = try_wait(PATIENCE, condition);
    assert!(found.is_some(), "still not after {PATIENCE:?}: {what}");
    found.expect("it was checked")
}

fn command(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokentail"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// A list of arguments from texts and paths.
#[macro_export]
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => {
        [$(std::ffi::OsStr::new(&$argument).to_owned()),*]
    };
}

/// How a run of the binary ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one JSON document on standard output; anything else there fails the test.
    pub(crate) fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.stdout);
        let shown: String = self.stdout.chars().take(300).collect();
        assert!(parsed.is_ok(), "no JSON document: {parsed:?}: {shown:?}\n{}", self.stderr);
        parsed.unwrap_or_default()
    }

    /// Checks the exit code.
    pub(crate) fn expect_code(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    run_with_input(arguments, Stdio::null())
}

/// Runs the binary to its end with that standard input.
pub(crate) fn run_with_input(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, stdin: Stdio) -> Ran {
    let mut command = command(arguments);
    command.stdin(stdin);
    finish(command)
}

/// Runs the binary to its end in that folder with those settings in its environment.
pub(crate) fn run_in(
    folder: &Path,
    environment: &[(&str, &str)],
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Ran {
    let mut command = command(arguments);
    command.current_dir(folder).envs(environment.iter().copied());
    finish(command)
}

fn finish(mut command: Command) -> Ran {
    let mut out = tempfile::tempfile().expect("make a file for the output");
    let mut err = tempfile::tempfile().expect("make a file for the errors");
    let mut child = command
        .stdout(out.try_clone().expect("share the output"))
        .stderr(err.try_clone().expect("share the errors"))
        .spawn()
        .expect("start the binary");
    let clock = Clock::system();
    let deadline = clock.instant() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("ask for the exit code") {
            break status;
        }
        if clock.instant() > deadline {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = |file: &mut File| {
        let mut bytes = Vec::new();
        file.rewind().expect("rewind");
        file.read_to_end(&mut bytes).expect("read what was printed");
        String::from_utf8(bytes).expect("what is printed is UTF-8")
    };
    Ran { code: status.code(), stdout: text(&mut out), stderr: text(&mut err) }
}

/// Starts the binary, to be killed.
pub(crate) fn spawn(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Child {
    command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start the binary")
}

/// The summary of `ingest --json`, whose records are checked to add up.
pub(crate) fn ingest(data: &Path, files: &[&Path]) -> Value {
    let mut list = arguments!["ingest", "--json", "--data-dir", data].to_vec();
    list.extend(files.iter().map(|file| file.as_os_str().to_owned()));
    let summary = run(list).expect_code(0).json();
    expect_sum(&summary);
    summary
}

/// records = requests + Σ skipped + Σ rejected + duplicates.
pub(crate) fn expect_sum(summary: &Value) {
    let number = |key: &str| summary.get(key).and_then(Value::as_u64).expect("a count");
    let sum = |key: &str| -> u64 {
        let counts = summary.get(key).and_then(Value::as_object).expect("counts by reason");
        counts.values().map(|count| count.as_u64().expect("a count")).sum()
    };
    let accounted = number("requests") + sum("skipped") + sum("rejected") + number("duplicates");
    assert_eq!(number("records"), accounted, "{summary}");
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Header lines, names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one request and reads the answer to its end.
pub(crate) fn fetch(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status line: {line:?}")))?;
    let mut answer = Answer { status, headers: Vec::new(), body: Vec::new() };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if answer.header("transfer-encoding") != "chunked" {
        reader.read_to_end(&mut answer.body)?;
        return Ok(answer);
    }
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        if size == 0 {
            return Ok(answer);
        }
        (&mut reader).take(size).read_to_end(&mut answer.body)?;
        reader.read_line(&mut line)?;
    }
}

/// A running `tokentail run`, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Sidecar {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it printed up to its address.
    pub(crate) announced: String,
    stderr: File,
    /// Kept open: what is printed later must find a reader.
    _stdout: BufReader<ChildStdout>,
}

impl Sidecar {
    /// Starts `run --listen 127.0.0.1:0` with these arguments and waits for its address.
    pub(crate) fn start(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Sidecar {
        Sidecar::serve("run", arguments)
    }

    /// Starts a command that serves, such as `run`, on a free port and waits for its address.
    pub(crate) fn serve(name: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Sidecar {
        let stderr = tempfile::tempfile().expect("make a file for the errors");
        let mut child = command([name, "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone().expect("share the errors"))
            .spawn()
            .expect("start the sidecar");
        let mut stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("read what it prints");
        let address = line.trim().strip_prefix("listening on http://").map(|rest| rest.trim_end_matches('/'));
        let address = address.and_then(|address| address.parse().ok());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let sidecar = Sidecar { child, address: address.unwrap_or(nowhere), announced: line, stderr, _stdout: stdout };
        assert!(address.is_some(), "no address: {:?}\n{}", sidecar.announced, sidecar.errors());
        sidecar
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts it on one Higress log and its ledger.
    pub(crate) fn follow(log: &Path, data: &Path) -> Sidecar {
        let mut source = std::ffi::OsString::from("higress=");
        source.push(log);
        Sidecar::start(arguments!["--log", source, "--data-dir", data])
    }

    /// What it has logged so far.
    pub(crate) fn errors(&self) -> String {
        let mut text = String::new();
        let mut stderr = self.stderr.try_clone().expect("share the errors");
        // The place in the file is shared with the writer, which appends where it stands.
        let end = stderr.stream_position().expect("tell the place");
        let mut bytes = vec![0; usize::try_from(end).expect("short")];
        std::os::unix::fs::FileExt::read_exact_at(&stderr, &mut bytes, 0).expect("read what it logged");
        text.push_str(&String::from_utf8_lossy(&bytes));
        text
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let answer = fetch(self.address, method, path, headers);
        assert!(answer.is_ok(), "{method} {path}: {answer:?}\n{}", self.errors());
        answer.expect("it was checked")
    }

    /// The page, or nothing while it is held back.
    pub(crate) fn page(&self) -> Option<Page> {
        let answer = self.ask("GET", "/metrics", &[("Accept", "application/openmetrics-text;version=1.0.0")]);
        if answer.status == 200 {
            return Some(Page::parse(&answer.text()));
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        None
    }

    /// The page once a condition holds on it.
    pub(crate) fn wait_page(&self, what: &str, condition: impl Fn(&Page) -> bool) -> Page {
        let mut shown = None;
        let waited = try_wait(PATIENCE, || {
            let page = self.page();
            let holds = page.as_ref().is_some_and(&condition);
            shown = page.as_ref().map(Page::counters);
            page.filter(|_| holds)
        });
        assert!(waited.is_some(), "still not: {what}\n{shown:#?}\n{}", self.errors());
        waited.expect("it was checked")
    }

    /// The page once so many lines are counted; more fail the test.
    pub(crate) fn wait_lines(&self, lines: u64) -> Page {
        self.wait_page(&format!("{lines} lines are counted"), |page| {
            let counted = page.count("tokentail_log_lines_total", &[]);
            assert!(counted <= lines, "{counted} lines are counted of {lines}");
            counted == lines
        })
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("send a signal");
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        let ended = try_wait(TO_DRAIN, || self.child.try_wait().expect("ask for the exit code"));
        assert!(ended.is_some(), "it has not ended {TO_DRAIN:?} after SIGTERM: {}", self.errors());
        ended.and_then(|status| status.code())
    }

    /// `kill -9`. Whether it was still running by then.
    pub(crate) fn kill(mut self) -> bool {
        let running = self.child.try_wait().expect("ask for the exit code").is_none();
        let _ = self.child.kill();
        let _ = self.child.wait();
        running
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
