//! The section `sinks` and the standard variables of OpenTelemetry become where spans go.
//!
//! Files of certificates and secret headers are named here and read when the sink is built.

use std::path::Path;
use std::time::Duration;

use super::problem::Report;
use super::reader::{Item, Section, Unique};
use crate::otlp::{Compression, Config, From, Protocol, Tls, Trace, endpoint, environment, header};
use crate::wording::quoted;

/// Keys of one sink.
pub(super) const KEYS: &[&str] = &[
    "name",
    "kind",
    "endpoint",
    "protocol",
    "headers",
    "headers_file",
    "tls",
    "compression",
    "batch_size",
    "timeout",
    "trace",
    "from",
    "content",
    "service_name",
    "resource",
];

/// Keys of `tls`.
pub(super) const TLS_KEYS: &[&str] = &["ca_file", "cert_file", "key_file"];

/// Kinds of sinks.
const KINDS: [((), &str); 1] = [((), "otlp")];

/// Range of `batch_size`.
const BATCH_SIZE: (u64, u64) = (1, 8_192);

/// Range of `timeout`.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_mins(5));

/// Longest name in bytes: it is a label.
const MAX_NAME: usize = 64;

const EXAMPLE: &str = "{name: collector, kind: otlp, endpoint: \"http://127.0.0.1:4318\"}";

/// Reads the section; a sink that is wrong is left out.
pub(super) fn read(item: &Item<'_>, folder: &Path, report: &mut Report) -> Vec<Config> {
    let mut sinks = Vec::new();
    let mut names = Unique::default();
    for item in item.list(report, &format!("[{EXAMPLE}]")) {
        let section = item.section(report, KEYS, &[], EXAMPLE);
        sinks.extend(sink(&section, folder, report));
        names.check(&item, "name", section.get("name"), report);
    }
    sinks
}

fn sink(section: &Section<'_>, folder: &Path, report: &mut Report) -> Option<Config> {
    let name = section.required(report, "name", "collector").and_then(|item| name(item, report));
    if let Some(kind) = section.get("kind") {
        kind.choice(report, &KINDS);
    }
    let mut protocol = Protocol::HttpProtobuf;
    section.fill(report, "protocol", &mut protocol, |item, report| item.choice(report, &Protocol::ALL));
    let endpoint = section.required(report, "endpoint", "\"http://127.0.0.1:4318\"").and_then(|item| {
        let text = item.text(report, "\"http://127.0.0.1:4318\"")?;
        let read = endpoint(text, protocol);
        read.map_err(|error| {
            item.problem(report, format!("{} is no address of a receiver", quoted(text)), error.to_string());
        })
        .ok()
    });
    let mut config = Config::new(name.clone().unwrap_or_default(), endpoint.clone().unwrap_or_default());
    config.protocol = protocol;
    section.fill(report, "headers", &mut config.headers, |item, report| {
        let mut headers = Vec::new();
        for (name, item) in item.entries(report, "{x-scope-orgid: team}") {
            let Some(value) = item.text(report, "team") else { continue };
            match header(name, value) {
                Ok(header) => headers.push(header),
                Err(error) => item.problem(report, "cannot be sent as a header", error.to_string()),
            }
        }
        Some(headers)
    });
    config.headers_file = section.optional("headers_file").and_then(|item| item.file(report, folder, "headers"));
    section.fill(report, "tls", &mut config.tls, |item, report| Some(tls(item, folder, report)));
    section.fill(report, "compression", &mut config.compression, |item, report| item.choice(report, &Compression::ALL));
    section.fill(report, "batch_size", &mut config.batch_size, |item, report| {
        item.integer(report, BATCH_SIZE.0, BATCH_SIZE.1).and_then(|size| usize::try_from(size).ok())
    });
    section.fill(report, "timeout", &mut config.timeout, |item, report| {
        item.duration(report, TIMEOUT.0, TIMEOUT.1, "10s")
    });
    section.fill(report, "trace", &mut config.trace, |item, report| item.choice(report, &Trace::ALL));
    section.fill(report, "from", &mut config.from, |item, report| item.choice(report, &From::ALL));
    section.fill(report, "content", &mut config.content, |item, report| item.boolean(report));
    section.fill(report, "service_name", &mut config.service_name, |item, report| {
        item.text(report, "tokentail").map(str::to_owned)
    });
    section.fill(report, "resource", &mut config.resource, |item, report| {
        let entries = item.entries(report, "{deployment.environment.name: production}");
        Some(
            entries
                .iter()
                .filter_map(|(key, item)| Some(((*key).to_owned(), item.text(report, "production")?.to_owned())))
                .collect(),
        )
    });
    name.and(endpoint).map(|_| config)
}

fn tls(item: &Item<'_>, folder: &Path, report: &mut Report) -> Tls {
    let section = item.section(report, TLS_KEYS, &[], "{ca_file: ca.pem}");
    let ca_file = section.optional("ca_file").and_then(|item| item.file(report, folder, "ca.pem"));
    let cert = section.optional("cert_file").and_then(|item| item.file(report, folder, "client.pem"));
    let key = section.optional("key_file").and_then(|item| item.file(report, folder, "client.key"));
    if cert.is_some() != key.is_some() {
        item.problem(report, "has only one of `cert_file` and `key_file`", "name both, or none");
    }
    Tls { ca_file, client: cert.zip(key) }
}

fn name(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "collector")?;
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if is_plain && !text.is_empty() && text.len() <= MAX_NAME {
        return Some(text.to_owned());
    }
    item.problem(
        report,
        format!("{} is not a name", quoted(text)),
        format!("use up to {MAX_NAME} letters, digits, `-` and `_`"),
    );
    None
}

/// Adds what the standard variables of OpenTelemetry say: a sink of their own where the file names none, and the resource
/// of those that it names without one.
///
/// # Errors
/// Which variable cannot be used.
pub(super) fn add_environment(
    sinks: &mut Vec<Config>,
    get: impl Fn(&str) -> Option<String>,
) -> Result<(), environment::Error> {
    let (service_name, resource) = environment::resource(&get)?;
    for sink in sinks.iter_mut() {
        if let (Some(name), true) =
            (&service_name, sink.service_name == Config::new("", "/".parse().unwrap_or_default()).service_name)
        {
            sink.service_name.clone_from(name);
        }
        let added = resource.iter().filter(|(key, _)| !sink.resource.iter().any(|(known, _)| known == key));
        let added: Vec<_> = added.cloned().collect();
        sink.resource.extend(added);
    }
    if sinks.is_empty() {
        sinks.extend(environment::from_environment(get)?);
    }
    Ok(())
}
