//! The section `probes` becomes the targets to look at; building them tells what else is wrong, by line.
//!
//! What a single key means to a look is checked where it is used, in `probe`: here are shapes, and which keys go with which
//! kind. [`Config::build_probes`] puts both together.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::problem::Report;
use super::reader::{Item, Section, Unique};
use super::{Config, Problems};
use crate::clock::Clock;
use crate::probe::{
    self, Chat, Check, Header, Http, IpProtocol, JsonEquals, Kind, Limit, Match, Probe, Secret, Target, Tcp, Tls,
};
use crate::wording::quoted;

/// Keys of one target.
pub(super) const KEYS: &[&str] = &[
    "name",
    "kind",
    "interval",
    "timeout",
    "ip_protocol",
    "tls",
    "headers",
    "url",
    "method",
    "body",
    "expect_status",
    "expect_body",
    "expect_json",
    "follow_redirects",
    "address",
    "enabled",
    "model",
    "provider",
    "prompt",
    "max_tokens",
    "max_tokens_name",
    "api_key",
    "api_key_file",
    "daily_tokens",
];

/// Keys that every kind has.
const COMMON: &[&str] = &["name", "kind", "interval", "timeout", "ip_protocol", "tls"];

/// Keys of an HTTP request.
const HTTP: &[&str] =
    &["url", "method", "headers", "body", "expect_status", "expect_body", "expect_json", "follow_redirects"];

/// Keys of a connection.
const TCP: &[&str] = &["address"];

/// Keys of a completion.
const CHAT: &[&str] = &[
    "enabled",
    "url",
    "model",
    "provider",
    "prompt",
    "max_tokens",
    "max_tokens_name",
    "api_key",
    "api_key_file",
    "headers",
    "daily_tokens",
];

/// Keys of `tls`.
pub(super) const TLS_KEYS: &[&str] = &["ca_file", "server_name", "cert_file", "key_file"];

/// Keys of a header.
pub(super) const HEADER_KEYS: &[&str] = &["name", "value", "value_file"];

/// Keys of an item of `expect_json`.
pub(super) const JSON_KEYS: &[&str] = &["path", "equals"];

const EXAMPLE: &str = "{name: chat, url: \"http://127.0.0.1:3210/api/v1/health\"}";

/// What to do about a target that cannot be built; its message says what was expected.
const REMEDY: &str = "see the examples of `tokentail check --print-default`";

/// Where targets, and what names them, stand in a file: what building them finds is reported there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Places {
    file: PathBuf,
    lines: BTreeMap<String, usize>,
    /// Targets of the file; those of flags come after.
    in_file: usize,
    /// Path of a value that names a target, and the name.
    pub(super) named: Vec<(String, String)>,
}

/// They are no part of what is configured.
impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

impl Places {
    pub(super) fn of(report: &Report) -> Places {
        Places { file: report.file().to_owned(), ..Places::default() }
    }

    pub(super) fn remember(&mut self, item: &Item<'_>) {
        self.lines.extend(item.lines());
    }

    /// The line of a path, or of what is around it.
    fn line(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            let Some(end) = path.rfind(['.', '[']) else { return 0 };
            path = path.get(..end).unwrap_or_default();
        }
    }
}

impl Config {
    /// Builds the targets: reads the files that they name, and checks that what the section `sla` names exists.
    ///
    /// # Errors
    /// Every problem, with the line where there is one; `--probe` for a target of a flag.
    pub fn build_probes(&self, clock: &Clock) -> Result<Vec<Probe>, Problems> {
        let mut report = Report::new(&self.places.file);
        let mut flags = Report::new("");
        let probes = probe::build(&self.probes, clock).unwrap_or_else(|problems| {
            for problem in problems {
                let index = problem.key.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(index, _)| index);
                let index = index.and_then(|index| index.parse::<usize>().ok());
                match index {
                    None if problem.key == "roots_file" => {
                        flags.add(0, "SSL_CERT_FILE", problem.message, "name a file of certificates in PEM form");
                    }
                    Some(index) if index >= self.places.in_file => {
                        flags.add(
                            0,
                            "--probe",
                            problem.message,
                            "write it as in `--probe chat=http://127.0.0.1:3210/`",
                        );
                    }
                    _ => {
                        let key = format!("probes{}", problem.key);
                        report.add(self.places.line(&key), &key, problem.message, REMEDY);
                    }
                }
            }
            Vec::new()
        });
        for (path, name) in &self.places.named {
            if !self.probes.targets.iter().any(|target| target.name == *name) {
                let message = format!("no probe has the name {}", quoted(name));
                report.add(self.places.line(path), path, message, "name one of `probes`, or add it there");
            }
        }
        flags.check(())?;
        report.check(probes)
    }
}

/// Reads the section; a target that is wrong is left out.
pub(super) fn read(item: &Item<'_>, folder: &Path, places: &mut Places, report: &mut Report) -> Vec<Target> {
    places.remember(item);
    let mut targets = Vec::new();
    let mut names = Unique::default();
    for item in item.list(report, &format!("[{EXAMPLE}]")) {
        let section = item.section(report, KEYS, &[], EXAMPLE);
        targets.extend(target(&section, folder, report));
        names.check(&item, "name", section.get("name"), report);
    }
    places.in_file = targets.len();
    targets
}

fn target(section: &Section<'_>, folder: &Path, report: &mut Report) -> Option<Target> {
    let name = section.required(report, "name", "chat").and_then(|item| item.text(report, "chat"));
    let kinds = Kind::ALL.map(|kind| (kind, kind.label()));
    let mut kind = Some(Kind::Http);
    if let Some(item) = section.get("kind") {
        kind = item.choice(report, &kinds);
    }
    let check = kind.and_then(|kind| {
        let (own, needs): (&[&str], _) = match kind {
            Kind::Http => (HTTP, "url"),
            Kind::Tcp => (TCP, "address"),
            Kind::Chat => (CHAT, "url"),
        };
        for key in KEYS.iter().filter(|key| !COMMON.contains(key) && !own.contains(key)) {
            if let Some(item) = section.get(key) {
                let message = format!("a probe of kind `{}` has no such key", kind.label());
                item.problem(report, message, format!("remove it; it needs `{needs}`"));
            }
        }
        match kind {
            Kind::Http => http(section, folder, report).map(Check::Http),
            Kind::Tcp => tcp(section, folder, report).map(Check::Tcp),
            Kind::Chat => chat(section, folder, report).map(Check::Chat),
        }
    });
    let mut target = Target::new(name?, check?);
    let most = Duration::from_secs(86_400);
    section.fill(report, "interval", &mut target.interval, |item, report| {
        item.duration(report, Duration::from_secs(1), most, "15s")
    });
    section.fill(report, "timeout", &mut target.timeout, |item, report| {
        item.duration(report, Duration::from_millis(1), most, "5s")
    });
    // A short interval alone is no mistake: then a look may take as long as that.
    if section.get("timeout").is_none() {
        target.timeout = target.timeout.min(target.interval);
    }
    section.fill(report, "ip_protocol", &mut target.ip_protocol, |item, report| item.choice(report, &IpProtocol::ALL));
    Some(target)
}

fn http(section: &Section<'_>, folder: &Path, report: &mut Report) -> Option<Http> {
    let url = section.required(report, "url", "\"http://127.0.0.1:3210/\"");
    let mut http = Http::get(url.and_then(|item| item.text(report, "\"http://127.0.0.1:3210/\""))?);
    section.fill(report, "method", &mut http.method, |item, report| item.text(report, "GET").map(str::to_owned));
    http.headers = headers(section, folder, report);
    http.body = section.optional("body").and_then(|item| long_text(item, report));
    section.fill(report, "expect_status", &mut http.expect_status, |item, report| {
        Some(item.one_or_list(report, "[200]").iter().filter_map(|item| status(item, report)).collect())
    });
    http.expect_body = section.optional("expect_body").and_then(|item| expect_body(item, report));
    section.fill(report, "expect_json", &mut http.expect_json, |item, report| {
        Some(item.list(report, "[{path: status, equals: ok}]").iter().filter_map(|item| json(item, report)).collect())
    });
    section.fill(report, "follow_redirects", &mut http.follow_redirects, |item, report| item.boolean(report));
    http.tls = tls(section, folder, report).unwrap_or_default();
    Some(http)
}

fn tcp(section: &Section<'_>, folder: &Path, report: &mut Report) -> Option<Tcp> {
    let address = section.required(report, "address", "\"127.0.0.1:6379\"");
    let address = address.and_then(|item| item.text(report, "\"127.0.0.1:6379\""))?.to_owned();
    Some(Tcp { address, tls: tls(section, folder, report) })
}

fn chat(section: &Section<'_>, folder: &Path, report: &mut Report) -> Option<Chat> {
    let example = "\"https://example.com/v1/chat/completions\"";
    let url = section.required(report, "url", example).and_then(|item| item.text(report, example));
    let model = section.required(report, "model", "qwen-plus").and_then(|item| item.text(report, "qwen-plus"));
    let mut chat = Chat::new(url?, model?);
    section.fill(report, "enabled", &mut chat.enabled, |item, report| item.boolean(report));
    chat.provider = section.optional("provider").and_then(|item| item.text(report, "openai")).map(str::to_owned);
    section.fill(report, "prompt", &mut chat.prompt, long_text);
    section.fill(report, "max_tokens", &mut chat.max_tokens, |item, report| {
        item.integer(report, 1, 1_000_000).and_then(|tokens| u32::try_from(tokens).ok())
    });
    section.fill(report, "max_tokens_name", &mut chat.limit, |item, report| item.choice(report, &Limit::ALL));
    chat.api_key = secret(section, "api_key", folder, report);
    chat.headers = headers(section, folder, report);
    section.fill(report, "daily_tokens", &mut chat.daily_tokens, |item, report| {
        item.integer(report, 1, 1_000_000_000_000)
    });
    chat.tls = tls(section, folder, report).unwrap_or_default();
    Some(chat)
}

/// Text that may have line ends, at most 64 KiB.
fn long_text(item: &Item<'_>, report: &mut Report) -> Option<String> {
    item.parsed(report, "text of at most 64 KiB", "\"{}\"", |text| (text.len() <= 64 << 10).then(|| text.to_owned()))
}

fn status(item: &Item<'_>, report: &mut Report) -> Option<RangeInclusive<u16>> {
    item.parsed(report, "a status or a range of them", "200-299", |text| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    })
}

/// A text, or `{regex: …}`.
fn expect_body(item: &Item<'_>, report: &mut Report) -> Option<Match> {
    if !item.is_map() {
        return item.text(report, "\"ok\"").map(|text| Match::Text(text.to_owned()));
    }
    let section = item.section(report, &["regex"], &[], "{regex: \"^ok\"}");
    let regex = section.required(report, "regex", "\"^ok\"")?.text(report, "\"^ok\"")?;
    Some(Match::Regex(regex.to_owned()))
}

fn json(item: &Item<'_>, report: &mut Report) -> Option<JsonEquals> {
    let section = item.section(report, JSON_KEYS, &[], "{path: status, equals: ok}");
    let path = section.required(report, "path", "status").and_then(|item| item.text(report, "status"));
    let equals = section.required(report, "equals", "ok").map(Item::json);
    Some(JsonEquals { path: path?.to_owned(), equals: equals? })
}

fn headers(section: &Section<'_>, folder: &Path, report: &mut Report) -> Vec<Header> {
    let example = "{name: X-Probe, value: tokentail}";
    let Some(item) = section.get("headers") else { return Vec::new() };
    let items = item.list(report, &format!("[{example}]"));
    let header = |item: &Item<'_>| {
        let section = item.section(report, HEADER_KEYS, &[], example);
        let name = section.required(report, "name", "X-Probe").and_then(|item| item.text(report, "X-Probe"));
        if section.get("value_file").is_none() {
            section.required(report, "value", "tokentail")?;
        }
        let value = secret(&section, "value", folder, report);
        Some(Header { name: name?.to_owned(), value: value? })
    };
    items.iter().filter_map(header).collect()
}

/// `key` as text, or the file that `key_file` names.
fn secret(section: &Section<'_>, key: &str, folder: &Path, report: &mut Report) -> Option<Secret> {
    let file_key = format!("{key}_file");
    match (section.optional(key), section.optional(&file_key)) {
        (Some(_), Some(item)) => {
            item.problem(report, format!("given beside `{key}`"), "keep one of them");
            None
        }
        (Some(item), None) => item.text(report, "secret").map(|text| Secret::Text(text.to_owned())),
        (None, Some(item)) => item.file(report, folder, "probe.secret").map(Secret::File),
        (None, None) => None,
    }
}

/// `None` where the key is not given.
fn tls(section: &Section<'_>, folder: &Path, report: &mut Report) -> Option<Tls> {
    let section = section.get("tls")?.section(report, TLS_KEYS, &[], "{ca_file: ca.pem}");
    let mut file = |key: &str, example: &str| section.optional(key).and_then(|item| item.file(report, folder, example));
    let (ca_file, cert_file, key_file) =
        (file("ca_file", "ca.pem"), file("cert_file", "client.pem"), file("key_file", "client.key"));
    let name = section.optional("server_name").and_then(|item| item.text(report, "chat.example.com"));
    Some(Tls { ca_file, server_name: name.map(str::to_owned), cert_file, key_file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn problems(text: &str, flags: &[(&str, &str)]) -> String {
        let config = super::super::parse(Path::new("t.yaml"), text).unwrap_or_else(|problems| panic!("{problems}"));
        let probes = flags.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned())).collect();
        let built = config
            .apply(&Overrides { probes, ..Overrides::default() })
            .and_then(|config| config.build_probes(&Clock::manual(0)));
        built.err().map(|problems| problems.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_building_finds_is_told_by_line_and_key() {
        let text = "\
probes:
  - name: a
    url: ftp://x
    interval: 10s
    timeout: 11s
  - {name: b, kind: tcp, address: nowhere}
  - name: c
    url: http://127.0.0.1/
    expect_json:
      - {path: ok, equals: true}
      - {path: 'a[', equals: 1}
  - name: d
    url: https://127.0.0.1/
    tls:
      ca_file: /nowhere/ca.pem
sla: {objectives: {e: 0.99}, maintenance: [{target: f, from: 2026-12-01T01:00:00Z, to: 2026-12-01T02:00:00Z}]}
";
        let found = problems(text, &[("g", "x:/y")]);
        let starts = ["--probe: "];
        assert!(starts.iter().zip(found.lines()).all(|(start, line)| line.starts_with(start)), "{found}");
        let found = problems(text, &[]);
        let starts = [
            "t.yaml:3: probes[0].url: ",
            "t.yaml:5: probes[0].timeout: ",
            "t.yaml:6: probes[1].address: ",
            "t.yaml:11: probes[2].expect_json[1].path: ",
            "t.yaml:15: probes[3].tls.ca_file: ",
            "t.yaml:16: sla.objectives.e: no probe has the name `e`; ",
            "t.yaml:16: sla.maintenance[0].target: no probe has the name `f`; ",
        ];
        assert_eq!(found.lines().count(), starts.len(), "{found}");
        for (start, line) in starts.iter().zip(found.lines()) {
            assert!(line.starts_with(start), "{line} is not {start}");
        }
    }

    #[test]
    fn a_target_of_a_flag_is_one_of_the_file_too() {
        assert_eq!(problems("sla: {objectives: {a: 0.99}}", &[("a", "http://127.0.0.1:1/")]), "");
        assert!(
            problems("probes: [{name: a, url: 'http://h/'}]", &[("a", "http://h/")])
                .starts_with("--probe: `a` is also the name of another target; "),
        );
        assert!(problems("", &[("", "http://h/")]).starts_with("--probe: "), "a name is needed");
    }
}
