//! Command line flags and the environment are laid over a configuration.
//!
//! The command line is parsed elsewhere, and the environment read elsewhere: here are only their values and what they mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::problem::Report;
use super::reader::suggestion;
use super::source::{self, Source};
use super::{Config, DataDir, Problems, sink, web};
use crate::wording::quoted;
use crate::{format, probe, tail};

/// What flags and the environment say; everything is optional, paths are relative to the working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Each `--log`, as [`split_log`] takes it apart: a format, if given, and a path or glob. Added to the sources of the file.
    pub logs: Vec<(Option<String>, String)>,
    /// Each `--probe`, as [`split_probe`] takes it apart: a name and an address. Added to the targets of the file.
    pub probes: Vec<(String, String)>,
    /// `$SSL_CERT_FILE`: authorities instead of the built-in ones, for probes.
    pub roots_file: Option<PathBuf>,
    /// `--from`, for every source.
    pub from: Option<tail::From>,
    /// Each `--listen`; instead of those of the file.
    pub listen: Vec<String>,
    /// `--data-dir`: a folder or `none`.
    pub data_dir: Option<String>,
    /// `$STATE_DIRECTORY`, as systemd sets it: folders joined by `:`, the first counts. Used where neither flag nor file
    /// name a data directory.
    pub state_directory: Option<String>,
    /// `--web-config`.
    pub web_config: Option<PathBuf>,
    /// The variables of OpenTelemetry that are set: names that begin with `OTEL_`, and their values.
    pub opentelemetry: BTreeMap<String, String>,
}

/// Takes `[FORMAT=]PATH` apart. What stands before the first `=` is a format where it looks like one (letters, digits, `-`
/// and `_`); write `./a=b.log` for a path like that.
#[must_use]
pub fn split_log(text: &str) -> (Option<String>, String) {
    let is_format =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    match text.split_once('=') {
        Some((name, path)) if is_format(name) => (Some(name.to_owned()), path.to_owned()),
        _ => (None, text.to_owned()),
    }
}

/// Takes `NAME=URL` apart; the name is empty where there is none.
#[must_use]
pub fn split_probe(text: &str) -> (String, String) {
    let is_name = |name: &str| !name.contains([':', '/']);
    match text.split_once('=') {
        Some((name, url)) if is_name(name) => (name.to_owned(), url.to_owned()),
        _ => (String::new(), text.to_owned()),
    }
}

impl Config {
    /// Lays flags and environment over the configuration; they win.
    ///
    /// A source from a flag is named by its format, then `format-2` and so on.
    ///
    /// # Errors
    /// Every flag that is wrong, each with its name as the key.
    pub fn apply(mut self, overrides: &Overrides) -> Result<Config, Problems> {
        let mut report = Report::new("");
        for (format, path) in &overrides.logs {
            self.add_log(format.as_deref().unwrap_or("auto"), path, &mut report);
        }
        for (name, url) in &overrides.probes {
            self.add_probe(name, url, &mut report);
        }
        self.probes.roots_file.clone_from(&overrides.roots_file);
        if let Some(from) = overrides.from {
            for source in &mut self.sources {
                (source.tail.from, source.from_given) = (from, true);
            }
        }
        let mut listen = Vec::new();
        for text in &overrides.listen {
            match web::address(text, &listen) {
                Ok(address) => listen.push(address),
                Err((message, remedy)) => report.add(0, "--listen", message, remedy),
            }
        }
        if !listen.is_empty() {
            self.web.listen = listen;
        }
        self.apply_data_dir(overrides, &mut report);
        if let Some(file) = &overrides.web_config {
            if file.as_os_str().is_empty() {
                report.add(0, "--web-config", "is empty", "name a file");
            }
            self.web.config_file = Some(file.clone());
        }
        let variable = |name: &str| overrides.opentelemetry.get(name).cloned();
        if let Err(error) = sink::add_environment(&mut self.sinks, variable) {
            report.add(0, "environment", error.to_string(), "correct the variable, or unset it");
        }
        self.settle_from();
        report.check(self)
    }

    fn add_log(&mut self, format: &str, path: &str, report: &mut Report) {
        if !source::formats().any(|name| name == format) {
            let remedy = suggestion(format, source::formats());
            report.add(0, "--log", format!("unknown format {}", quoted(format)), remedy);
            return;
        }
        if format == "fields" {
            let remedy = "configure the source in a file, with `fields`, and give that as --config";
            report.add(0, "--log", "format `fields` needs a field map", remedy);
            return;
        }
        if path.trim().is_empty() {
            report.add(0, "--log", "the path is empty", "write it as in `--log higress=/var/log/higress/access.log`");
            return;
        }
        if let Err(reason) = source::check_glob(path) {
            let message = format!("{} is not a glob: {reason}", quoted(path));
            report.add(0, "--log", message, "close the bracket, or write `[[]` for a plain one");
            return;
        }
        if let Some(same) = self.sources.iter().find(|source| source.tail.path == path) {
            let message = format!("{} is also the path of source {}", quoted(path), quoted(&same.tail.name));
            report.add(0, "--log", message, "keep one of them");
            return;
        }
        let taken = |name: &str| self.sources.iter().any(|source| source.tail.name == name);
        let mut name = format.to_owned();
        let mut number = 2_u32;
        while taken(&name) {
            name = format!("{format}-{number}");
            number = number.saturating_add(1);
        }
        self.sources.push(Source {
            tail: tail::Source {
                name,
                path: path.to_owned(),
                from: tail::From::default(),
                max_line: tail::Source::MAX_LINE,
                follow: tail::Follow::default(),
            },
            format: format::Config {
                format: format.to_owned(),
                dimensions: self.dimensions.clone(),
                ..format::Config::default()
            },
            from_given: false,
        });
    }

    fn add_probe(&mut self, name: &str, url: &str, report: &mut Report) {
        if name.trim().is_empty() {
            let message = format!("the target {} has no name", quoted(url));
            report.add(0, "--probe", message, "write it as in `--probe chat=http://127.0.0.1:3210/api/v1/health`");
            return;
        }
        if self.probes.targets.iter().any(|target| target.name == name) {
            let message = format!("{} is also the name of another target", quoted(name));
            report.add(0, "--probe", message, "give each a name of its own");
            return;
        }
        let check = match url.strip_prefix("tcp://") {
            Some(address) => probe::Check::Tcp(probe::Tcp { address: address.to_owned(), tls: None }),
            None => probe::Check::Http(probe::Http::get(url)),
        };
        self.probes.targets.push(probe::Target::new(name, check));
    }

    fn apply_data_dir(&mut self, overrides: &Overrides, report: &mut Report) {
        let working = Path::new("");
        match (&overrides.data_dir, &overrides.state_directory) {
            (Some(text), _) if text.trim().is_empty() => {
                report.add(0, "--data-dir", "is empty", "name a folder, or `none` to keep nothing");
            }
            (Some(text), _) => self.data_dir = DataDir::parse(text, working),
            (None, Some(folders)) if self.data_dir == DataDir::Default => {
                let first = folders.split(':').next().unwrap_or("");
                if !first.is_empty() {
                    self.data_dir = DataDir::Path(PathBuf::from(first));
                }
            }
            (None, _) => {}
        }
    }

    /// Where nothing is kept, history would be counted again at each start: then logs are read from their end.
    pub(super) fn settle_from(&mut self) {
        let from = if self.data_dir == DataDir::None { tail::From::End } else { tail::From::Start };
        for source in self.sources.iter_mut().filter(|source| !source.from_given) {
            source.tail.from = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(texts: &[&str]) -> Overrides {
        Overrides { logs: texts.iter().map(|text| split_log(text)).collect(), ..Overrides::default() }
    }

    fn problems(overrides: &Overrides) -> String {
        Config::default().apply(overrides).map(|_| String::new()).unwrap_or_else(|problems| problems.to_string())
    }

    #[test]
    fn a_log_flag_is_a_format_and_a_path() {
        for (text, format, path) in [
            ("higress=/a.log", Some("higress"), "/a.log"),
            ("/a.log", None, "/a.log"),
            ("./a=b.log", None, "./a=b.log"),
            ("auto=x=y", Some("auto"), "x=y"),
            ("=x", None, "=x"),
        ] {
            assert_eq!(split_log(text), (format.map(str::to_owned), path.to_owned()), "{text}");
        }
    }

    #[test]
    fn sources_from_flags_are_named_by_their_format() {
        let text = "sources: [{name: higress-2, path: /x.log}]\ndimensions: [{name: agent, from: session}]\n";
        let config = super::super::parse(Path::new("t.yaml"), text).expect("valid");
        let config = config.apply(&logs(&["higress=/a.log", "higress=/b.log", "/c.log"])).expect("valid");
        let names: Vec<_> = config.sources.iter().map(|source| source.tail.name.as_str()).collect();
        assert_eq!(names, ["higress-2", "higress", "higress-3", "auto"]);
        assert!(config.sources.iter().all(|source| source.format.dimensions.len() == 1));
    }

    #[test]
    fn without_a_data_directory_logs_are_read_from_their_end() {
        let from = |overrides: &Overrides| {
            let config = Config::default().apply(overrides).expect("valid");
            config.sources.first().map(|source| source.tail.from)
        };
        let none = Overrides { data_dir: Some("none".to_owned()), ..logs(&["/a.log"]) };
        assert_eq!(from(&logs(&["/a.log"])), Some(tail::From::Start));
        assert_eq!(from(&none), Some(tail::From::End));
        assert_eq!(from(&Overrides { from: Some(tail::From::Start), ..none }), Some(tail::From::Start));
        let text = "data_dir: none\nsources: [{name: a, path: a.log}, {name: b, path: b.log, from: start}]\n";
        let config = super::super::parse(Path::new("t.yaml"), text).expect("valid");
        let froms: Vec<_> = config.sources.iter().map(|source| source.tail.from).collect();
        assert_eq!(froms, [tail::From::End, tail::From::Start]);
        let config =
            config.apply(&Overrides { data_dir: Some("kept".to_owned()), ..Overrides::default() }).expect("valid");
        assert!(config.sources.iter().all(|source| source.tail.from == tail::From::Start));
    }

    #[test]
    fn the_data_directory_is_the_flag_then_the_file_then_the_state_directory() {
        let state = Overrides { state_directory: Some("/var/lib/tokentail:/other".to_owned()), ..Overrides::default() };
        let flag = Overrides { data_dir: Some("kept".to_owned()), ..state.clone() };
        let file = || super::super::parse(Path::new("/etc/t.yaml"), "data_dir: here\n").expect("valid");
        for (config, overrides, want) in [
            (Config::default(), &Overrides::default(), "data"),
            (Config::default(), &state, "/var/lib/tokentail"),
            (file(), &state, "/etc/here"),
            (file(), &flag, "kept"),
        ] {
            let config = config.apply(overrides).expect("valid");
            assert_eq!(config.data_dir.path(), Some(Path::new(want)));
        }
    }

    #[test]
    fn every_wrong_flag_is_reported_at_once() {
        let overrides = Overrides {
            listen: vec!["localhost".to_owned(), "127.0.0.1:80".to_owned(), "127.0.0.1:80".to_owned()],
            data_dir: Some(String::new()),
            web_config: Some(PathBuf::new()),
            ..logs(&["higres=/a.log", "fields=/a.log", "higress=", "/a[.log", "/a.log", "/a.log"])
        };
        let want = "--log: unknown format `higres`; did you mean `higress`?\n\
            --log: format `fields` needs a field map; configure the source in a file, with `fields`, and give that as --config\n\
            --log: the path is empty; write it as in `--log higress=/var/log/higress/access.log`\n\
            --log: `/a[.log` is not a glob: unclosed character class; missing ']'; close the bracket, or write `[[]` for a plain one\n\
            --log: `/a.log` is also the path of source `auto`; keep one of them\n\
            --listen: `localhost` has no port; write `localhost:13210`\n\
            --listen: `127.0.0.1:80` is given twice; keep one of them\n\
            --data-dir: is empty; name a folder, or `none` to keep nothing\n\
            --web-config: is empty; name a file";
        assert_eq!(problems(&overrides), want);
    }

    #[test]
    fn flags_replace_what_the_file_says() {
        let overrides = Overrides {
            listen: vec!["[::1]:80".to_owned()],
            web_config: Some(PathBuf::from("w.yaml")),
            ..Overrides::default()
        };
        let config = Config::default().apply(&overrides).expect("valid");
        assert_eq!(config.web.listen, ["[::1]:80"]);
        assert_eq!(config.web.config_file, Some(PathBuf::from("w.yaml")));
    }
}
