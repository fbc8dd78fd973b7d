//! The section `relay` becomes where the relay listens and which robots it writes to.
//!
//! Files with secrets are named here and read by the relay.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;

use super::problem::Report;
use super::reader::{Item, Section, Unique};
use super::web::address;
use crate::relay::{Config, Kind, Language, Receiver};
use crate::wording::quoted;

/// Keys of the section.
pub(super) const KEYS: &[&str] = &["listen", "token_file", "ca_file", "timezone", "receivers"];

/// Keys of one receiver.
pub(super) const RECEIVER_KEYS: &[&str] =
    &["name", "kind", "url_file", "secret_file", "language", "keyword", "at_mobiles"];

/// Longest name in bytes: it is part of a path and a label.
const MAX_NAME: usize = 64;

/// Longest keyword in bytes: it is in every title.
const MAX_KEYWORD: usize = 64;

const EXAMPLE: &str = "{name: ops, kind: dingtalk, url_file: ops.url}";

/// Reads the section; `timezone` counts where it names none of its own.
pub(super) fn read(item: &Item<'_>, folder: &Path, timezone: &TimeZone, report: &mut Report) -> Config {
    let section = item.section(report, KEYS, &[], "{token_file: relay.token}");
    let own_zone = section.optional("timezone").and_then(|item| item.zone(report));
    let mut config = Config {
        token_file: section.optional("token_file").and_then(|item| item.file(report, folder, "relay.token")),
        ca_file: section.optional("ca_file").and_then(|item| item.file(report, folder, "ca.pem")),
        timezone: own_zone.unwrap_or_else(|| timezone.clone()),
        ..Config::default()
    };
    section.fill(report, "listen", &mut config.listen, |item, report| {
        let text = item.text(report, "\"127.0.0.1:13211\"")?;
        address(text, &[]).map_err(|(message, remedy)| item.problem(report, message, remedy)).ok()
    });
    section.fill(report, "receivers", &mut config.receivers, |item, report| Some(receivers(item, folder, report)));
    config
}

/// A receiver that is wrong is left out.
fn receivers(item: &Item<'_>, folder: &Path, report: &mut Report) -> Vec<Receiver> {
    let mut receivers = Vec::new();
    let mut names = Unique::default();
    for item in item.list(report, &format!("[{EXAMPLE}]")) {
        let section = item.section(report, RECEIVER_KEYS, &[], EXAMPLE);
        receivers.extend(receiver(&section, folder, report));
        names.check(&item, "name", section.get("name"), report);
    }
    receivers
}

fn receiver(section: &Section<'_>, folder: &Path, report: &mut Report) -> Option<Receiver> {
    let name = section.required(report, "name", "ops").and_then(|item| name(item, report));
    let kind = section.required(report, "kind", "dingtalk").and_then(|item| item.choice(report, &Kind::ALL));
    let url_file =
        section.required(report, "url_file", "ops.url").and_then(|item| item.file(report, folder, "ops.url"));
    let secret = section.optional("secret_file");
    let secret_file = secret.and_then(|item| item.file(report, folder, "ops.secret"));
    if let (Some(secret), Some(Kind::WeCom)) = (secret, kind) {
        secret.problem(report, "robots of WeCom sign nothing", "remove it; the key is in the address");
    }
    let mut language = Language::default();
    section.fill(report, "language", &mut language, |item, report| item.choice(report, &Language::ALL));
    let keyword = section.optional("keyword").and_then(|item| keyword(item, report));
    let mobiles = section.optional("at_mobiles");
    let at_mobiles = mobiles.map(|item| at_mobiles(item, report)).unwrap_or_default();
    if let (Some(mobiles), Some(Kind::WeCom | Kind::Feishu)) = (mobiles, kind) {
        mobiles.problem(report, "only robots of DingTalk mention people by their number", "remove it");
    }
    Some(Receiver { name: name?, kind: kind?, url_file: url_file?, secret_file, language, keyword, at_mobiles })
}

fn name(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "ops")?;
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if is_plain && text.len() <= MAX_NAME {
        return Some(text.to_owned());
    }
    item.problem(
        report,
        format!("{} is not a name", quoted(text)),
        format!(
            "use at most {MAX_NAME} letters, digits, `-` and `_`: it is the end of the path that Alertmanager posts to"
        ),
    );
    None
}

fn keyword(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "alert")?;
    if text.len() <= MAX_KEYWORD {
        return Some(text.to_owned());
    }
    item.problem(report, format!("longer than {MAX_KEYWORD} bytes"), "shorten it: it is in every title");
    None
}

fn at_mobiles(item: &Item<'_>, report: &mut Report) -> BTreeMap<String, Vec<String>> {
    let mut severities = BTreeMap::new();
    for (severity, item) in item.entries(report, "{critical: [\"13800138000\"]}") {
        let items = item.one_or_list(report, "[\"13800138000\"]");
        let mobiles = items.iter().filter_map(|item| mobile(item, report)).collect();
        severities.insert(severity.to_owned(), mobiles);
    }
    severities
}

fn mobile(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "\"13800138000\"")?;
    let digits = text.strip_prefix('+').unwrap_or(text);
    if (5..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Some(text.to_owned());
    }
    item.problem(report, format!("{} is not a mobile number", quoted(text)), "write it as in `\"13800138000\"`");
    None
}
