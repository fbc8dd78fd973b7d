//! The key `listen` and the section `web` become where to listen and who may do what.
//!
//! The web configuration file is named here and read by the web server.

use std::collections::BTreeMap;
use std::path::Path;

use super::problem::Report;
use super::reader::Item;
use super::scalar;
use crate::web::{Config, Role, TRACE_ID};
use crate::wording::quoted;

/// Keys of the section.
pub(super) const KEYS: &[&str] =
    &["config_file", "external_url", "allowed_hosts", "roles", "trusted_user_header", "trace_url"];

/// Reads `listen`.
pub(super) fn read_listen(item: &Item<'_>, report: &mut Report) -> Option<Vec<String>> {
    let example = "[\"127.0.0.1:13210\"]";
    let items = item.one_or_list(report, example);
    if items.is_empty() && !item.is_map() {
        item.problem(report, "names no address", format!("write one, as in `listen: {example}`"));
    }
    let mut addresses = Vec::new();
    for item in items {
        let Some(text) = item.text(report, "\"127.0.0.1:13210\"") else { continue };
        match address(text, &addresses) {
            Ok(address) => addresses.push(address),
            Err((message, remedy)) => item.problem(report, message, remedy),
        }
    }
    (!addresses.is_empty()).then_some(addresses)
}

/// Checks an address to listen on against those before it. The error is a message and a remedy.
pub(super) fn address(text: &str, before: &[String]) -> Result<String, (String, String)> {
    if let Err((reason, remedy)) = scalar::listen_address(text) {
        return Err((format!("{} {reason}", quoted(text)), remedy));
    }
    let address = text.to_ascii_lowercase();
    // Port 0 is a free port each time.
    if before.contains(&address) && !address.ends_with(":0") {
        return Err((format!("{} is given twice", quoted(text)), "keep one of them".to_owned()));
    }
    Ok(address)
}

/// Reads `web`; `listen` is left at its default.
pub(super) fn read(item: &Item<'_>, folder: &Path, report: &mut Report) -> Config {
    let section = item.section(report, KEYS, &[], "{allowed_hosts: [tokentail.example.com]}");
    let mut config = Config {
        config_file: section.optional("config_file").and_then(|item| item.file(report, folder, "web.yaml")),
        external_url: section.optional("external_url").and_then(|item| external_url(item, report)),
        trusted_user_header: section.optional("trusted_user_header").and_then(|item| header(item, report)),
        trace_url: section.optional("trace_url").and_then(|item| trace_url(item, report)),
        ..Config::default()
    };
    for item in
        section.get("allowed_hosts").map(|item| item.one_or_list(report, "[tokentail.example.com]")).unwrap_or_default()
    {
        config.allowed_hosts.extend(host(&item, report));
    }
    section.fill(report, "roles", &mut config.roles, |item, report| Some(roles(item, report)));
    config
}

fn external_url(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "https://example.com/tokentail")?;
    let reason = match text.parse::<hyper::Uri>() {
        _ if text.contains(['?', '#']) => "has a query or a fragment",
        Err(_) => "is not a URL",
        Ok(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) => "does not begin with http:// or https://",
        Ok(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            "has a user or a password"
        }
        Ok(uri) if uri.host().unwrap_or("").is_empty() => "has no host",
        Ok(_) => return Some(text.trim_end_matches('/').to_owned()),
    };
    item.problem(
        report,
        // A password must not get into a log.
        if text.contains('@') { reason.to_owned() } else { format!("{} {reason}", quoted(text)) },
        "write the address that people use, as in `external_url: https://example.com/tokentail`",
    );
    None
}

/// An address of a page about one trace. Only its beginning is judged: what follows may hold braces and other signs that
/// are no part of a URL before a browser has encoded them.
fn trace_url(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "\"https://tempo.example.com/trace/{trace_id}\"")?;
    let host = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let reason = match host.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default()) {
        None => "does not begin with http:// or https://",
        Some(host) if host.contains('@') => "has a user or a password",
        Some(host) if host.is_empty() || host.contains(TRACE_ID) => "has no host",
        Some(_) if !text.contains(TRACE_ID) => "does not say where the id belongs",
        Some(_) if text.chars().any(|sign| sign.is_control() || sign.is_whitespace()) => {
            "has a space or a control character"
        }
        Some(_) => return Some(text.to_owned()),
    };
    item.problem(
        report,
        // A password must not get into a log.
        if text.contains('@') { reason.to_owned() } else { format!("{} {reason}", quoted(text)) },
        "write the address of a trace, as in `trace_url: \"https://tempo.example.com/trace/{trace_id}\"`",
    );
    None
}

fn host(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "tokentail.example.com")?;
    let reason = if scalar::is_host(text) {
        return Some(text.to_ascii_lowercase());
    } else if text.contains("://") {
        "has a scheme"
    } else if text.contains('/') {
        "has a path"
    } else if text.contains(':') {
        "has a port"
    } else {
        "is not a host name"
    };
    item.problem(
        report,
        format!("{} {reason}", quoted(text)),
        "write the host name alone, as in `allowed_hosts: [tokentail.example.com]`",
    );
    None
}

fn roles(item: &Item<'_>, report: &mut Report) -> BTreeMap<String, Role> {
    let table = Role::ALL;
    let entries = item.entries(report, "{prometheus: metrics, ops: admin}");
    entries.into_iter().filter_map(|(user, item)| Some((user.to_owned(), item.choice(report, &table)?))).collect()
}

/// A header name as RFC 9110 section 5.6.2 has it, less the odd punctuation.
fn header(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "X-Forwarded-User")?;
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return Some(text.to_owned());
    }
    item.problem(
        report,
        format!("{} is not a header name", quoted(text)),
        "write it as in `trusted_user_header: X-Forwarded-User`",
    );
    None
}
