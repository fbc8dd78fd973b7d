//! Notifications become one message in a robot's dialect that is never larger than the robot takes.
//!
//! Firing alerts come first, the gravest of them at the top; each is written in full while there is room, then in short,
//! and the rest is counted. Several notifications become one message where they had to wait for each other; an alert that
//! two of them tell of is shown as the later one says.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::tz::TimeZone;

use super::alert::{Alert, Labels, Notification, Status};
use super::config::{Kind, Language};
use super::dialect::{plain, query_value};
use super::language::time;

/// Longest title in bytes, without the keyword.
const MAX_TITLE: usize = 200;

/// Longest severity in bytes.
const MAX_SEVERITY: usize = 40;

/// Most people that one message mentions.
const MAX_MOBILES: usize = 50;

/// How a receiver wants its messages.
#[derive(Clone, Debug)]
pub(super) struct Style<'a> {
    pub(super) kind: Kind,
    pub(super) language: Language,
    /// Of the times in the text.
    pub(super) zone: &'a TimeZone,
    /// Must be in title and text.
    pub(super) keyword: Option<&'a str>,
    /// Severity → who is mentioned.
    pub(super) at_mobiles: &'a BTreeMap<String, Vec<String>>,
}

/// A message without its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Plain text on one line, at most 200 bytes and the keyword.
    pub(super) title: String,
    /// In the robot's dialect, at most [`Kind::room`] bytes on the wire.
    pub(super) text: String,
    /// Of the gravest firing alert, 0 to 3; `None` where all are resolved.
    pub(super) gravity: Option<u8>,
    /// Who is mentioned, in the text too.
    pub(super) mobiles: Vec<String>,
}

/// An alert with what its notification says of it.
struct Entry<'a> {
    alert: &'a Alert,
    external_url: &'a str,
    /// Labels that are said already.
    said: &'a Labels,
}

static NO_LABELS: Labels = Labels::new();

/// Writes a message about all of `notifications`.
pub(super) fn compose(notifications: &[Notification], style: &Style<'_>) -> Message {
    let entries = entries(notifications);
    let title = title(notifications, &entries, style.language);
    let firing = || entries.iter().map(|entry| entry.alert).filter(|alert| alert.status == Status::Firing);
    let mobiles: BTreeSet<&String> =
        firing().filter_map(|alert| style.at_mobiles.get(alert.label("severity"))).flatten().collect();
    let mobiles: Vec<String> = mobiles.into_iter().take(MAX_MOBILES).cloned().collect();
    let gravity = firing().map(Alert::gravity).max();
    let keyword = style.keyword.filter(|keyword| !title.contains(keyword));
    let text = text(notifications, &entries, &title, &mobiles, style);
    let title = keyword.map_or_else(|| title.clone(), |keyword| format!("{keyword} · {title}"));
    Message { title, text, gravity, mobiles }
}

fn entries(notifications: &[Notification]) -> Vec<Entry<'_>> {
    let single = notifications.len() == 1;
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for notification in notifications {
        let said = if single { &notification.group_labels } else { &NO_LABELS };
        for alert in &notification.alerts {
            let entry = Entry { alert, external_url: &notification.external_url, said };
            let key = alert.fingerprint.as_str();
            match places.get(key).and_then(|place| entries.get_mut(*place)) {
                Some(earlier) => *earlier = entry,
                None => {
                    if !key.is_empty() {
                        places.insert(key, entries.len());
                    }
                    entries.push(entry);
                }
            }
        }
    }
    entries.sort_by_key(|entry| (entry.alert.status, std::cmp::Reverse(entry.alert.gravity())));
    entries
}

fn title(notifications: &[Notification], entries: &[Entry<'_>], language: Language) -> String {
    let mut parts = Vec::new();
    for status in [Status::Firing, Status::Resolved] {
        let count = entries.iter().filter(|entry| entry.alert.status == status).count();
        if count > 0 {
            parts.push(format!("{} {count}", language.status(status)));
        }
    }
    let name = entries.first().map_or("", |entry| entry.alert.label("alertname"));
    if notifications.len() > 1 {
        parts.push(language.groups(notifications.len()));
    } else if !name.is_empty() && entries.iter().all(|entry| entry.alert.label("alertname") == name) {
        parts.push(name.to_owned());
    }
    plain(&parts.join(" · "), MAX_TITLE)
}

fn text(
    notifications: &[Notification],
    entries: &[Entry<'_>],
    title: &str,
    mobiles: &[String],
    style: &Style<'_>,
) -> String {
    let Style { kind, language, .. } = *style;
    let mentions: String = mobiles.iter().map(|mobile| format!(" @{mobile}")).collect();
    let mentions = if mentions.is_empty() { mentions } else { format!("\n\n{}", mentions.trim_start()) };
    let mut left_out: u64 = notifications.iter().map(|notification| notification.truncated_alerts).sum();
    let more = |count: u64| format!("\n\n{}", language.more(count));
    let reserved = kind.wire(&mentions) + kind.wire(&more(u64::MAX));
    let room = kind.room().saturating_sub(reserved);
    let mut text = head(notifications, title, style);
    let mut used = kind.wire(&text);
    // With several alerts a long one must leave some room to the next.
    let share = room / entries.len().clamp(2, 6);
    for (index, entry) in entries.iter().enumerate() {
        let fits = |block: &String| used + kind.wire(block) <= room;
        let full = format!("\n\n{}", block(entry, share, style));
        let block = Some(full).filter(fits).or_else(|| Some(format!("\n\n{}", brief(entry, style))).filter(fits));
        let Some(block) = block else {
            let rest = entries.len().saturating_sub(index);
            left_out = left_out.saturating_add(u64::try_from(rest).unwrap_or(u64::MAX));
            break;
        };
        used += kind.wire(&block);
        text.push_str(&block);
    }
    if left_out > 0 {
        text.push_str(&more(left_out));
    }
    text.push_str(&mentions);
    // Feishu has the title above the text already.
    text.trim_start().to_owned()
}

fn head(notifications: &[Notification], title: &str, style: &Style<'_>) -> String {
    let Style { kind, language, .. } = *style;
    let eighth = kind.room() / 8;
    let keyword = style.keyword.filter(|keyword| !title.contains(keyword));
    let mut lines = Vec::new();
    if kind == Kind::Feishu {
        lines.extend(keyword.map(str::to_owned));
    } else {
        let title = kind.text(title, MAX_TITLE + MAX_TITLE / 2);
        lines.push(keyword.map_or_else(|| format!("### {title}"), |keyword| format!("### {keyword} · {title}")));
    }
    if let [notification] = notifications {
        let words = language.words();
        let group = labels(&notification.group_labels, |name| name != "alertname", kind, eighth);
        if !group.is_empty() {
            lines.push(format!("{}{}{group}", words.group, words.colon));
        }
        lines.extend(kind.link("Alertmanager", &notification.external_url, eighth));
    }
    // A heading is a paragraph of its own.
    lines.join("\n\n")
}

/// An alert with everything that is known of it; each part gets its part of `share` bytes.
fn block(entry: &Entry<'_>, share: usize, style: &Style<'_>) -> String {
    let Style { kind, language, .. } = *style;
    let alert = entry.alert;
    let words = language.words();
    let mut lines = vec![first_line(alert, style)];
    let summary = alert.annotation("summary");
    let description = Some(alert.annotation("description")).filter(|text| *text != summary).unwrap_or_default();
    for (text, most) in [(summary, share / 4), (description, share / 3)] {
        if !text.is_empty() {
            lines.push(line(text, most, kind));
        }
    }
    let shown = |name: &str| !matches!(name, "alertname" | "severity") && !entry.said.contains_key(name);
    let labels = labels(&alert.labels, shown, kind, share / 4);
    if !labels.is_empty() {
        lines.push(format!("{}{}{labels}", words.labels, words.colon));
    }
    lines.extend(times(alert, style));
    let most = kind.room() / 8;
    let silence = (alert.status == Status::Firing).then(|| silence_url(entry)).flatten();
    let links = [
        kind.link(words.board, alert.annotation("dashboard_url"), most),
        kind.link(words.runbook, alert.annotation("runbook_url"), most),
        silence.and_then(|url| kind.link(words.silence, &url, most)),
    ];
    let links: Vec<String> = links.into_iter().flatten().collect();
    if !links.is_empty() {
        lines.push(links.join(" · "));
    }
    lines.join(kind.line_end())
}

/// An alert's name and summary.
fn brief(entry: &Entry<'_>, style: &Style<'_>) -> String {
    let kind = style.kind;
    let summary = line(entry.alert.annotation("summary"), kind.room() / 32, kind);
    let mut lines = vec![first_line(entry.alert, style)];
    if !summary.is_empty() {
        lines.push(summary);
    }
    lines.join(kind.line_end())
}

/// A harmless text as a line of its own: it begins no list and underlines no heading either.
fn line(text: &str, most: usize, kind: Kind) -> String {
    let text = kind.text(text, most);
    for (mark, twin) in [('-', '－'), ('+', '＋'), ('=', '＝')] {
        if let Some(rest) = text.strip_prefix(mark) {
            return format!("{twin}{rest}");
        }
    }
    text
}

fn first_line(alert: &Alert, style: &Style<'_>) -> String {
    let Style { kind, language, .. } = *style;
    let status = kind.coloured(language.status(alert.status), alert.status == Status::Firing);
    let name = match alert.label("alertname") {
        "" => String::new(),
        name => format!(" {}", kind.bold(&kind.text(name, MAX_TITLE))),
    };
    let severity = alert.label("severity");
    let severity = language.severity(severity).map_or_else(|| kind.text(severity, MAX_SEVERITY), str::to_owned);
    if severity.is_empty() { format!("{status}{name}") } else { format!("{status}{name} · {severity}") }
}

fn times(alert: &Alert, style: &Style<'_>) -> Option<String> {
    let words = style.language.words();
    let start = alert.starts_at?;
    let mut line = format!("{}{}{}", words.since, words.colon, time(start, style.zone));
    if let (Status::Resolved, Some(end)) = (alert.status, alert.ends_at) {
        let lasted = style.language.duration(end.duration_since(start));
        line.push_str(&format!(" · {}{}{lasted}", words.lasted, words.colon));
    }
    Some(line)
}

/// Labels that `shown` lets through, as `name=value`, harmless, at most `most` bytes.
fn labels(labels: &Labels, shown: impl Fn(&str) -> bool, kind: Kind, most: usize) -> String {
    // Longer than is shown of them all; a label may be very long.
    let pairs: Vec<String> = labels
        .iter()
        .filter(|(name, _)| shown(name))
        .take(64)
        .map(|(name, value)| format!("{}={}", plain(name, most), plain(value, most)))
        .collect();
    kind.text(&pairs.join(", "), most)
}

/// Alertmanager's page for a new silence of just this alert.
fn silence_url(entry: &Entry<'_>) -> Option<String> {
    let external = entry.external_url.trim_end_matches('/');
    if external.is_empty() || entry.alert.labels.is_empty() {
        return None;
    }
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> =
        entry.alert.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
    Some(format!("{external}/#/silences/new?filter={}", query_value(&format!("{{{}}}", labels.join(",")))))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
