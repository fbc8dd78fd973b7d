//! A configuration becomes the JSON that the ledger keeps as its history.
//!
//! Nothing in it could be used to get in anywhere or names a person: keys of lookup tables and consumers in filters, which
//! may be API keys or e-mail addresses, become short hashes. It is not read back into a configuration.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::scalar::{duration_text, size_text};
use super::{Config, DataDir, Privacy, SessionIds, Source, cost, source};
use crate::format::{Dimension, DimensionSource, FieldSource, Unit};
use crate::ledger::{Retention, TargetDefinition};
use crate::pricing::{Budget, BudgetUnit, CostMode, ExchangeRate};
use crate::record::money::format_nanos;
use crate::report::schedule;
use crate::web::Role;
use crate::wording::hex;
use crate::{content, meter, otlp, pricing, probe, relay, session, sla, tail};

// Every struct is taken apart whole, so that a new field does not compile until it is written here too.
impl Config {
    /// The configuration as JSON with sorted keys: equal configurations give equal text. Paths are as they are used, after
    /// the folder of the file was put in front.
    #[must_use]
    pub fn without_secrets(&self) -> String {
        let Config {
            timezone: _,
            timezone_name,
            data_dir,
            sources,
            dimensions,
            pricing,
            sessions,
            sinks,
            probes,
            places: _,
            sla,
            meter,
            retention,
            content,
            privacy,
            reports,
            web,
            relay,
        } = self;
        let crate::web::Config {
            listen,
            config_file,
            external_url,
            allowed_hosts,
            roles,
            trusted_user_header,
            trace_url,
        } = web;
        let roles: BTreeMap<_, _> = roles.iter().map(|(user, role)| (user, name(*role, &Role::ALL))).collect();
        let session::Config { idle_timeout, max_open } = sessions;
        let Retention { requests, content: content_kept, probe_results, max_size } = retention;
        let Privacy { key_file, session_ids } = privacy;
        // The dimensions say themselves whether they are labels.
        let meter::Config { consumer_label, max_lines, new_series_hold, buckets, dimension_labels: _ } = meter;
        json!({
            "timezone": timezone_name,
            "listen": listen,
            "data_dir": match data_dir {
                DataDir::None => Value::from("none"),
                DataDir::Default => Value::Null,
                DataDir::Path(path) => text(path),
            },
            "sources": sources.iter().map(source_value).collect::<Vec<_>>(),
            "dimensions": dimensions.iter().map(dimension_value).collect::<Vec<_>>(),
            "cost": cost_value(pricing),
            "sessions": { "idle_timeout": duration_text(*idle_timeout), "max_open": max_open },
            "sinks": sinks.iter().map(sink_value).collect::<Vec<_>>(),
            "metrics": {
                "consumer_label": consumer_label,
                "max_lines": max_lines,
                "new_series_hold": duration_text(*new_series_hold),
                "buckets": buckets,
            },
            "probes": probes_value(probes),
            "sla": sla_value(sla),
            "retention": {
                "requests": duration_text(*requests),
                "content": duration_text(*content_kept),
                "probe_results": duration_text(*probe_results),
                "max_size": max_size.map(size_text),
            },
            "content": content_value(content),
            "privacy": {
                "key_file": key_file.as_deref().map(text),
                "session_ids": name(*session_ids, &SessionIds::ALL),
            },
            "reports": reports_value(reports),
            "web": {
                "config_file": config_file.as_deref().map(text),
                "external_url": external_url,
                "allowed_hosts": allowed_hosts,
                "roles": roles,
                "trusted_user_header": trusted_user_header,
                "trace_url": trace_url,
            },
            "relay": relay_value(relay),
        })
        .to_string()
    }
}

fn content_value(config: &content::Config) -> Value {
    let content::Config { capture, redact, redact_patterns, max_size, encryption_key_file, index_encrypted } = config;
    let content::Capture { gateways, consumers } = capture;
    let own: BTreeMap<_, _> =
        redact_patterns.iter().map(|content::OwnPattern { name, regex }| (name.as_str(), regex.as_str())).collect();
    json!({
        "capture": {
            "gateways": gateways,
            "consumers": consumers.iter().map(|consumer| veiled(consumer)).collect::<Vec<_>>(),
        },
        "redact": redact.iter().map(|pattern| pattern.label()).collect::<Vec<_>>(),
        "redact_patterns": own,
        "max_size": size_text(*max_size),
        "encryption_key_file": encryption_key_file.as_deref().map(text),
        "index_encrypted": index_encrypted,
    })
}

fn reports_value(reports: &schedule::Config) -> Value {
    let schedule::Config { folder, daily, weekly, monthly, by, formats } = reports;
    let kinds =
        |kinds: &[schedule::Kind]| kinds.iter().map(|kind| name(*kind, &schedule::Kind::ALL)).collect::<Vec<_>>();
    json!({
        "folder": folder.as_deref().map(text),
        "daily": kinds(daily),
        "weekly": kinds(weekly),
        "monthly": kinds(monthly),
        "by": by,
        "formats": formats.iter().map(|form| form.label()).collect::<Vec<_>>(),
    })
}

fn sink_value(sink: &otlp::Config) -> Value {
    let otlp::Config {
        name: sink_name,
        endpoint,
        protocol,
        headers,
        headers_file,
        tls,
        compression,
        batch_size,
        timeout,
        trace,
        from,
        content,
        service_name,
        resource,
    } = sink;
    let otlp::Tls { ca_file, client } = tls;
    json!({
        "name": sink_name,
        "endpoint": endpoint.to_string(),
        "protocol": name(*protocol, &otlp::Protocol::ALL),
        "headers": headers.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(),
        "headers_file": headers_file.as_deref().map(text),
        "tls": {
            "ca_file": ca_file.as_deref().map(text),
            "cert_file": client.as_ref().map(|(cert, _)| text(cert)),
            "key_file": client.as_ref().map(|(_, key)| text(key)),
        },
        "compression": name(*compression, &otlp::Compression::ALL),
        "batch_size": batch_size,
        "timeout": duration_text(*timeout),
        "trace": name(*trace, &otlp::Trace::ALL),
        "from": name(*from, &otlp::From::ALL),
        "content": content,
        "service_name": service_name,
        "resource": resource.iter().cloned().collect::<BTreeMap<_, _>>(),
    })
}

impl Config {
    /// Name and definition of every target that is looked at, without secrets: equal definitions give equal text.
    #[must_use]
    pub fn target_definitions(&self) -> Vec<TargetDefinition> {
        let enabled = self.probes.targets.iter().filter(|target| target.enabled());
        let definition = |target: &probe::Target| TargetDefinition {
            name: target.name.clone(),
            content: target_value(target).to_string(),
            spends: target.check.kind() == probe::Kind::Chat,
        };
        enabled.map(definition).collect()
    }
}

fn source_value(source: &Source) -> Value {
    let Source { tail, format, from_given: _ } = source;
    let tail::Source { name: source_name, path, from, max_line, follow: _ } = tail;
    // Whether content is read is what the section `content` says.
    let crate::format::Config { format, timezone, fields, dimensions: _, content: _ } = format;
    let fields: BTreeMap<_, _> = fields.iter().map(|(field, source)| (field.label(), field_value(source))).collect();
    json!({
        "name": source_name,
        "format": format,
        "path": path,
        "from": name(*from, &source::FROM),
        "max_line": size_text(u64::try_from(*max_line).unwrap_or(u64::MAX)),
        "timezone": timezone.iana_name(),
        "fields": fields,
    })
}

fn field_value(source: &FieldSource) -> Value {
    let FieldSource { paths, unit } = source;
    json!({ "path": paths, "unit": unit.map(|unit| name(unit, &Unit::ALL)) })
}

fn dimension_value(dimension: &Dimension) -> Value {
    let Dimension { name, from, regex, lookup, label } = dimension;
    let from = match from {
        DimensionSource::Field(field) => field.label(),
        DimensionSource::Path(path) => path,
    };
    let lookup =
        lookup.as_ref().map(|table| table.iter().map(|(key, value)| (veiled(key), value)).collect::<BTreeMap<_, _>>());
    json!({ "name": name, "from": from, "regex": regex.as_ref().map(regex::Regex::as_str), "lookup": lookup, "label": label })
}

fn cost_value(config: &pricing::Config) -> Value {
    let pricing::Config { mode, prices, litellm_map, aliases, rates, total_currency, budgets } = config;
    json!({
        "mode": name(*mode, &CostMode::ALL),
        "prices": prices.iter().map(|path| text(path)).collect::<Vec<_>>(),
        "litellm_map": litellm_map.as_deref().map(text),
        "aliases": aliases,
        "rates": rates.iter().map(rate_value).collect::<Vec<_>>(),
        "total_currency": total_currency.as_ref().map(|currency| currency.as_str()),
        "budgets": budgets.iter().map(budget_value).collect::<Vec<_>>(),
    })
}

fn rate_value(rate: &ExchangeRate) -> Value {
    let ExchangeRate { from, to, nanos, since } = rate;
    json!({ "from": from.as_str(), "to": to.as_str(), "rate": format_nanos(*nanos), "since": since.to_string() })
}

fn budget_value(budget: &Budget) -> Value {
    let Budget { name: budget_name, filter, unit, limit_nanos, period } = budget;
    let shown =
        |(key, value): (&String, &String)| (key.clone(), if key == "consumer" { veiled(value) } else { value.clone() });
    let unit = match unit {
        BudgetUnit::Requests => "requests",
        BudgetUnit::Tokens => "tokens",
        BudgetUnit::Currency(currency) => currency.as_str(),
    };
    json!({
        "name": budget_name,
        "filter": filter.iter().map(shown).collect::<BTreeMap<_, _>>(),
        "unit": unit,
        "limit": format_nanos(*limit_nanos),
        "period": name(*period, &cost::PERIODS),
    })
}

fn probes_value(config: &probe::Config) -> Value {
    let probe::Config { targets, roots_file } = config;
    json!({
        "targets": targets.iter().map(target_value).collect::<Vec<_>>(),
        "roots_file": roots_file.as_deref().map(text),
    })
}

/// The definition of a target, as the history keeps it. Addresses lose users, passwords and what follows a `?`, where
/// keys are found; bodies become hashes.
fn target_value(target: &probe::Target) -> Value {
    let probe::Target { name: target_name, interval, timeout, ip_protocol, check } = target;
    let mut value = match check {
        probe::Check::Http(http) => {
            let probe::Http {
                url,
                method,
                headers,
                body,
                expect_status,
                expect_body,
                expect_json,
                follow_redirects,
                tls,
            } = http;
            let expected = expect_body.as_ref().map(|expected| match expected {
                probe::Match::Text(text) => json!({ "text": text }),
                probe::Match::Regex(regex) => json!({ "regex": regex }),
            });
            json!({
                "url": address(url),
                "method": method,
                "headers": headers.iter().map(header_value).collect::<Vec<_>>(),
                "body": body.as_deref().map(veiled),
                "expect_status": expect_status.iter().map(|range| [*range.start(), *range.end()]).collect::<Vec<_>>(),
                "expect_body": expected,
                "expect_json": expect_json
                    .iter()
                    .map(|probe::JsonEquals { path, equals }| json!({ "path": path, "equals": equals }))
                    .collect::<Vec<_>>(),
                "follow_redirects": follow_redirects,
                "tls": tls_value(tls),
            })
        }
        probe::Check::Tcp(probe::Tcp { address, tls }) => {
            json!({ "address": address, "tls": tls.as_ref().map(tls_value) })
        }
        probe::Check::Chat(chat) => {
            let probe::Chat {
                enabled,
                url,
                model,
                provider,
                prompt,
                max_tokens,
                limit,
                api_key,
                headers,
                daily_tokens,
                tls,
            } = chat;
            json!({
                "enabled": enabled,
                "url": address(url),
                "model": model,
                "provider": provider,
                "prompt": prompt,
                "max_tokens": max_tokens,
                "max_tokens_name": limit.label(),
                "api_key": api_key.as_ref().map(secret_value),
                "headers": headers.iter().map(header_value).collect::<Vec<_>>(),
                "daily_tokens": daily_tokens,
                "tls": tls_value(tls),
            })
        }
    };
    if let Some(value) = value.as_object_mut() {
        value.insert("name".to_owned(), target_name.as_str().into());
        value.insert("kind".to_owned(), check.kind().label().into());
        value.insert("interval".to_owned(), duration_text(*interval).into());
        value.insert("timeout".to_owned(), duration_text(*timeout).into());
        value.insert("ip_protocol".to_owned(), name(*ip_protocol, &probe::IpProtocol::ALL).into());
    }
    value
}

fn address(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match path.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
        }
        None => path.to_owned(),
    }
}

fn header_value(header: &probe::Header) -> Value {
    let probe::Header { name, value } = header;
    json!({ "name": name, "value": secret_value(value) })
}

fn secret_value(secret: &probe::Secret) -> Value {
    match secret {
        probe::Secret::Text(text) => veiled(text).into(),
        probe::Secret::File(path) => text(path),
    }
}

fn tls_value(tls: &probe::Tls) -> Value {
    let probe::Tls { ca_file, server_name, cert_file, key_file } = tls;
    json!({
        "ca_file": ca_file.as_deref().map(text),
        "server_name": server_name,
        "cert_file": cert_file.as_deref().map(text),
        "key_file": key_file.as_deref().map(text),
    })
}

fn sla_value(config: &sla::Config) -> Value {
    let sla::Config { objective, objectives, answer_within, judge_whole_answers, maintenance } = config;
    json!({
        "objective": objective,
        "objectives": objectives,
        "answer_within_seconds": answer_within,
        "judge_whole_answers": judge_whole_answers,
        "maintenance": maintenance,
    })
}

fn relay_value(config: &relay::Config) -> Value {
    let relay::Config { listen, token_file, ca_file, timezone, receivers } = config;
    json!({
        "listen": listen,
        "token_file": token_file.as_deref().map(text),
        "ca_file": ca_file.as_deref().map(text),
        "timezone": timezone.iana_name(),
        "receivers": receivers.iter().map(receiver_value).collect::<Vec<_>>(),
    })
}

fn receiver_value(receiver: &relay::Receiver) -> Value {
    let relay::Receiver { name: receiver_name, kind, url_file, secret_file, language, keyword, at_mobiles } = receiver;
    let veiled = |mobiles: &Vec<String>| mobiles.iter().map(|mobile| veiled(mobile)).collect::<Vec<_>>();
    json!({
        "name": receiver_name,
        "kind": kind.label(),
        "url_file": text(url_file),
        "secret_file": secret_file.as_deref().map(text),
        "language": name(*language, &relay::Language::ALL),
        "keyword": keyword,
        "at_mobiles": at_mobiles.iter().map(|(severity, list)| (severity, veiled(list))).collect::<BTreeMap<_, _>>(),
    })
}

fn name<T: PartialEq>(value: T, table: &[(T, &'static str)]) -> &'static str {
    table.iter().find(|(known, _)| *known == value).map_or("", |(_, name)| name)
}

fn text(path: &Path) -> Value {
    Value::from(path.to_string_lossy())
}

/// Enough of a hash to see that a key changed, and nothing of the key.
fn veiled(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("sha256:{}", hex(digest.get(..8).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_names_nobody_and_keeps_everything_else() {
        let text = "\
dimensions: [{name: department, from: consumer, lookup: {alice@example.com: sales}, label: true}]
cost:
  rates: [{from: CNY, to: USD, rate: '0.1385', since: 2026-11-01}]
  budgets: [{name: b, filter: {consumer: sk-secret, department: sales}, unit: USD, limit: 12.5, period: day}]
sources: [{name: s, path: logs/*.log, max_line: 1MiB, timezone: Asia/Shanghai, fields: {duration: {path: d, unit: us}}}]
retention: {requests: 36h, max_size: 10GiB}
probes:
  - {name: a, url: 'https://u:hidden-1@h/p?k=hidden-2', headers: [{name: X, value: hidden-3}], body: hidden-4}
  - {name: b, kind: chat, url: 'http://h/v1/chat/completions', model: m, api_key: hidden-5}
  - {name: c, kind: tcp, address: 'h:1', interval: 1m}
sla: {objectives: {a: 0.9999}}
relay: {receivers: [{name: ops, kind: dingtalk, url_file: ops.url, at_mobiles: {critical: ['13800138000']}}]}
";
        let config = super::super::parse(Path::new("/etc/t.yaml"), text).expect("valid");
        let json: Value = serde_json::from_str(&config.without_secrets()).expect("JSON");
        assert!(!json.to_string().contains("13800138000"), "{json}");
        assert!(!json.to_string().contains("hidden"), "{json}");
        assert!(!json.to_string().contains("alice") && !json.to_string().contains("sk-secret"), "{json}");
        for (pointer, want) in [
            ("/dimensions/0/lookup/sha256:ff8d9819fc0e12bf", json!("sales")),
            ("/dimensions/0/label", json!(true)),
            ("/cost/rates/0/rate", json!("0.1385")),
            ("/cost/budgets/0/limit", json!("12.5")),
            ("/cost/budgets/0/filter/department", json!("sales")),
            ("/sources/0/path", json!("/etc/logs/*.log")),
            ("/sources/0/max_line", json!("1MiB")),
            ("/sources/0/timezone", json!("Asia/Shanghai")),
            ("/sources/0/fields/duration/unit", json!("us")),
            ("/retention/requests", json!("1d12h")),
            ("/retention/max_size", json!("10GiB")),
            ("/retention/probe_results", json!("400d")),
            ("/probes/targets/0/url", json!("https://h/p")),
            ("/probes/targets/2/interval", json!("1m")),
            ("/sla/objectives/a", json!(0.9999)),
            ("/relay/timezone", json!("UTC")),
            ("/relay/receivers/0/url_file", json!("/etc/ops.url")),
        ] {
            assert_eq!(json.pointer(pointer), Some(&want), "{pointer} in {json}");
        }
    }
}
