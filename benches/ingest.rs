//! Figures of the release build on a made-up log: lines/s, MB/s, bytes on disk a request, peak memory, the cost of
//! following an idle file, of sessions, of spans, of a metrics page, and of capturing what was said. Prints medians; asserts
//! nothing.
//!
//! `cargo bench --bench ingest` measures everything on 1,000,000 lines, and capture on a tenth of them, which are longer;
//! `TOKENTAIL_BENCH_LINES` sets another number, and `TOKENTAIL_BENCH_PART=content` measures capture alone.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokentail::demo::traffic::Traffic;
use tokentail::ledger::{Cursor, SinkPosition};
use tokentail::session::{Config as SessionConfig, Sessions, Stored};

const BINARY: &str = env!("CARGO_BIN_EXE_tokentail");
const RUNS: usize = 5;
const IDLE_SECONDS: u64 = 20;
/// The start is over by then, with its first sums over the month.
const SETTLED_SECONDS: u64 = 8;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn main() {
    #[expect(clippy::disallowed_methods, reason = "a benchmark takes its size from the environment")]
    let lines = std::env::var("TOKENTAIL_BENCH_LINES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    #[expect(clippy::disallowed_methods, reason = "a benchmark takes its parts from the environment")]
    let only_content = std::env::var("TOKENTAIL_BENCH_PART").is_ok_and(|part| part == "content");
    if only_content {
        return content(folder, lines / 10);
    }
    let log = write_log(folder, lines);
    let size = fs::metadata(&log).map_or(0, |metadata| metadata.len());
    say(&format!("log: {lines} lines, {:.0} MB, {:.0} bytes a line", mega(size), size as f64 / lines as f64));
    let seconds = ingest(folder, &log, lines, size);
    sessions(folder, seconds / lines as f64);
    idle(folder, &log);
    spans(folder, &log);
    content(folder, lines / 10);
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn write_log(folder: &Path, lines: usize) -> PathBuf {
    let path = folder.join(format!("benchmark-{lines}.log"));
    let mut out = BufWriter::new(File::create(&path).expect("make the log"));
    for line in Traffic::benchmark(1, lines) {
        writeln!(out, "{}", line.text).expect("write the log");
    }
    out.flush().expect("write the log");
    path
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The largest resident set that a process had, read until it ends.
fn watch(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Ok(text) = fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
            peak = peak.max(kib * 1024);
        }
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Ingests a log into a new data directory: seconds and peak memory.
fn ingest_once(data: &Path, log: &Path, config: Option<&Path>) -> (f64, u64) {
    let _ = fs::remove_dir_all(data);
    let began = now();
    let mut command = Command::new(BINARY);
    command.args(["ingest", "--format", "higress", "--json", "--log-level", "error", "--data-dir"]).args([data, log]);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    let mut child = command.stdout(Stdio::null()).spawn().expect("start tokentail");
    let peak = watch(&mut child);
    (began.elapsed().as_secs_f64(), peak)
}

/// What it costs to capture what was said: the same log with and without, in turns.
fn content(folder: &Path, lines: usize) {
    let log = folder.join(format!("benchmark-content-{lines}.log"));
    let mut out = BufWriter::new(File::create(&log).expect("make the log"));
    for line in Traffic::benchmark_with_content(1, lines) {
        writeln!(out, "{}", line.text).expect("write the log");
    }
    out.flush().expect("write the log");
    let size = fs::metadata(&log).map_or(0, |metadata| metadata.len());
    let config = folder.join("benchmark-content.yaml");
    fs::write(&config, "content: {capture: {gateways: [\"*\"]}}\nretention: {requests: 36500d, content: 36500d}\n")
        .expect("write the configuration");
    let data = folder.join("benchmark-content-data");
    let (mut without, mut with, mut peak) = (Vec::new(), Vec::new(), 0);
    for _ in 0..RUNS {
        without.push(ingest_once(&data, &log, None).0);
        let (seconds, most) = ingest_once(&data, &log, Some(&config));
        with.push(seconds);
        peak = peak.max(most);
    }
    let disk = fs::metadata(data.join("content.db")).map_or(0, |metadata| metadata.len());
    let (without, with) = (median(without), median(with));
    let rate = |seconds: f64| format!("{:.0} lines/s, {:.0} MB/s", lines as f64 / seconds, mega(size) / seconds);
    say(&format!("content: {lines} lines, {:.0} bytes a line", size as f64 / lines as f64));
    say(&format!("  without capture: {} (median of {RUNS})", rate(without)));
    say(&format!("  with capture: {}, {:.2} times as many lines a second", rate(with), without / with));
    say(&format!("  {:.0} bytes on disk a conversation with its index", disk as f64 / lines as f64));
    say(&format!("  peak memory with capture {:.1} MiB", peak as f64 / 1_048_576.0));
    let _ = fs::remove_file(&log);
    let _ = fs::remove_dir_all(&data);
}

fn ingest(folder: &Path, log: &Path, lines: usize, size: u64) -> f64 {
    let (mut seconds, mut reads, mut peak, mut disk) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..RUNS {
        let began = now();
        let mut block = vec![0; 256 << 10];
        let mut file = File::open(log).expect("open the log");
        while file.read(&mut block).expect("read the log") > 0 {}
        reads.push(began.elapsed().as_secs_f64());

        let data = folder.join("benchmark-data");
        let (took, most) = ingest_once(&data, log, None);
        seconds.push(took);
        peak = peak.max(most);
        disk = fs::metadata(data.join("ledger.db")).map_or(0, |metadata| metadata.len());
    }
    let (ingest, read) = (median(seconds), median(reads));
    say(&format!("ingest: {:.0} lines/s, {:.0} MB/s (median of {RUNS})", lines as f64 / ingest, mega(size) / ingest));
    say(&format!("  {:.2} times the time of only reading the file from the page cache", ingest / read));
    say(&format!("  {:.1} bytes on disk a line of the log, {:.1} MB in all", disk as f64 / lines as f64, mega(disk)));
    say(&format!("  peak memory {:.1} MiB", peak as f64 / 1_048_576.0));
    ingest
}

/// What it costs to find a row's part and to fold it in, beside the time of a line in all. Reads rows that the ledger has.
fn sessions(folder: &Path, line_seconds: f64) {
    let mut cursor = Cursor::open(&folder.join("benchmark-data")).expect("open the ledger");
    let (mut rows, mut position) = (Vec::new(), SinkPosition::default());
    while let Some(next) = {
        let entries = cursor.next(position, 8_192, None).expect("read the ledger");
        rows.extend(entries.requests.into_iter().map(|request| request.row));
        entries.position
    } {
        position = next;
    }
    let took = (0..RUNS).map(|_| {
        let mut sessions = Sessions::new(&SessionConfig::default(), i64::MAX);
        let began = now();
        for row in &rows {
            let placed = sessions.assign(row, 1, 0, |_, _| Ok::<_, ()>(Stored::default()));
            std::hint::black_box(placed.is_ok());
        }
        began.elapsed().as_secs_f64()
    });
    let each = median(took.collect()) / rows.len().max(1) as f64;
    say(&format!(
        "sessions: {:.0} ns a row in memory, {:.1} % of the time of a line",
        each * 1e9,
        each / line_seconds * 100.0
    ));
}

/// A receiver that takes everything and decodes nothing, so that the figure is the sender's.
fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = listener.local_addr().expect("a port").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(&stream));
        }
    });
    address
}

/// Answers requests of one connection until it ends.
fn answer(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let took = std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink());
        let mut writer = stream;
        if took.is_err()
            || writer
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
                .is_err()
        {
            return;
        }
    }
}

/// One figure of a sink on the page.
fn figure(address: &str, name: &str) -> f64 {
    let page = fetch(address, "/metrics").unwrap_or_default();
    let line = page.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap_or(0.0)
}

/// Sends the spans of a ledger to a local receiver for some seconds: how many a second, and what they cost.
fn spans(folder: &Path, log: &Path) {
    let address = "127.0.0.1:13219";
    let config = folder.join("benchmark-sink.yaml");
    let text = format!("sinks: [{{name: receiver, endpoint: \"http://{}\", from: start}}]\n", receiver());
    fs::write(&config, text).expect("write the configuration");
    let mut child = Command::new(BINARY)
        .args(["run", "--listen", address, "--log-level", "error", "--log"])
        .arg(format!("higress={}", log.display()))
        .arg("--config")
        .arg(&config)
        .arg("--data-dir")
        .arg(folder.join("benchmark-data"))
        .stdout(Stdio::null())
        .spawn()
        .expect("start tokentail");
    while figure(address, "tokentail_otlp_exported_spans_total") == 0.0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (began, used, sent) = (now(), cpu_seconds(child.id()), figure(address, "tokentail_otlp_exported_spans_total"));
    while figure(address, "tokentail_otlp_pending_spans") > 0.0 && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(200));
    }
    let seconds = began.elapsed().as_secs_f64();
    let sent = figure(address, "tokentail_otlp_exported_spans_total") - sent;
    let used = cpu_seconds(child.id()) - used;
    say(&format!("spans: {:.0} spans/s from the ledger to a local receiver", sent / seconds));
    say(&format!("  {:.0} spans a second of CPU time", sent / used));
    let _ = child.kill();
    let _ = child.wait();
}

/// CPU seconds that a process has used.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn fetch(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(answer)
}

fn get(address: &str, path: &str) -> Option<(usize, f64)> {
    let began = now();
    let answer = fetch(address, path)?;
    Some((answer.lines().count(), began.elapsed().as_secs_f64()))
}

/// Follows the log that was just ingested: nothing is new, so this is the cost of waiting.
fn idle(folder: &Path, log: &Path) {
    let address = "127.0.0.1:13219";
    let mut child = Command::new(BINARY)
        .args(["run", "--listen", address, "--log-level", "error", "--log"])
        .arg(format!("higress={}", log.display()))
        .arg("--data-dir")
        .arg(folder.join("benchmark-data"))
        .stdout(Stdio::null())
        .spawn()
        .expect("start tokentail");
    while get(address, "/metrics").is_none() {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(SETTLED_SECONDS));
    let before = cpu_seconds(child.id());
    std::thread::sleep(Duration::from_secs(IDLE_SECONDS));
    let used = cpu_seconds(child.id()) - before;
    say(&format!("idle: {:.2} % of a core over {IDLE_SECONDS} s", used / IDLE_SECONDS as f64 * 100.0));
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default().trim();
    say(&format!("  resident {resident}, with the duplicate window of 1,000,000 requests full"));
    let pages: Vec<(usize, f64)> = (0..21).filter_map(|_| get(address, "/metrics")).collect();
    let lines = pages.first().map_or(0, |(lines, _)| *lines);
    let took = median(pages.iter().map(|(_, seconds)| seconds * 1e3).collect());
    say(&format!("page: {lines} lines in {took:.2} ms (median of {})", pages.len()));
    let _ = child.kill();
    let _ = child.wait();
}
