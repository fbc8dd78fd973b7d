//! The section `sla` becomes what was promised and when it may be interrupted.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::probe::Places;
use super::problem::Report;
use super::reader::Item;
use crate::record::Micros;
use crate::sla::{Config, Objective, Planned, Span};

/// Keys of the section.
pub(super) const KEYS: &[&str] = &["objective", "objectives", "answer_within", "judge_whole_answers", "maintenance"];

/// Keys of one window.
pub(super) const WINDOW_KEYS: &[&str] = &["target", "from", "to", "reason"];

/// Range of `answer_within`.
const WITHIN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(600));

const EXAMPLE: &str = "{target: chat, from: \"2026-12-01T01:00:00Z\", to: \"2026-12-01T02:00:00Z\", reason: upgrade}";

/// Reads the section. Times without an offset are of `zone`.
pub(super) fn read(item: &Item<'_>, zone: &TimeZone, places: &mut Places, report: &mut Report) -> Config {
    places.remember(item);
    let section = item.section(report, KEYS, &[], "{objective: 0.999}");
    let mut config = Config::default();
    section.fill(report, "objective", &mut config.objective, objective);
    if let Some(item) = section.optional("objectives") {
        for (name, item) in item.entries(report, "{chat: 0.9995}") {
            if let Some(objective) = objective(&item, report) {
                config.objectives.insert(name.to_owned(), objective);
            }
            places.named.push((item.path.clone(), name.to_owned()));
        }
    }
    section.fill(report, "answer_within", &mut config.answer_within, |item, report| {
        let within = item.duration(report, WITHIN.0, WITHIN.1, "1.5s")?;
        Some(Span::from_micros(i64::try_from(within.as_micros()).ok()?))
    });
    section.fill(report, "judge_whole_answers", &mut config.judge_whole_answers, |item, report| item.boolean(report));
    if let Some(item) = section.optional("maintenance") {
        let items = item.list(report, &format!("[{EXAMPLE}]"));
        config.maintenance = items.iter().filter_map(|item| window(item, zone, places, report)).collect();
    }
    config
}

fn objective(item: &Item<'_>, report: &mut Report) -> Option<Objective> {
    let what = "a share above 0 and at most 1, with at most 9 digits after the point";
    item.parsed(report, what, "0.999", Objective::parse)
}

fn window(item: &Item<'_>, zone: &TimeZone, places: &mut Places, report: &mut Report) -> Option<Planned> {
    let section = item.section(report, WINDOW_KEYS, &[], EXAMPLE);
    let target = section.optional("target");
    let name = target.and_then(|item| item.text(report, "chat")).map(str::to_owned);
    if let (Some(item), Some(name)) = (target, &name) {
        places.named.push((item.path.clone(), name.clone()));
    }
    let mut time = |key: &str, example: &str| {
        section.required(report, key, example).cloned().and_then(|item| moment(&item, zone, example, report))
    };
    let from = time("from", "\"2026-12-01T01:00:00Z\"");
    let to = time("to", "\"2026-12-01T02:00:00Z\"");
    let mut reason = String::new();
    section.fill(report, "reason", &mut reason, |item, report| item.text(report, "upgrade").map(str::to_owned));
    let (from, to) = (from?, to?);
    if from >= to {
        let at = section.get("to").unwrap_or(item);
        at.problem(report, "not after `from`", "a window ends after it begins");
        return None;
    }
    // A target that is wrong must not become a window for all.
    if target.is_some() && name.is_none() {
        return None;
    }
    Some(Planned { target: name, from, to, reason })
}

/// RFC 3339, or without an offset in the zone.
fn moment(item: &Item<'_>, zone: &TimeZone, example: &str, report: &mut Report) -> Option<Micros> {
    item.parsed(report, "a time", example, |text| {
        let stamped = text.parse::<Timestamp>().ok();
        let local = || text.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
        stamped.or_else(local).map(Timestamp::as_microsecond)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_section_becomes_promises_and_windows() {
        let text = "\
timezone: Asia/Shanghai
sla:
  objective: 0.9995
  objectives: {chat: 0.99}
  answer_within: 2s
  judge_whole_answers: true
  maintenance:
    - {from: 2026-12-01T01:00:00Z, to: 2026-12-01T10:00:00, reason: upgrade}
    - {target: chat, from: 2026-12-02T01:00:00+08:00, to: 2026-12-02T02:00:00+08:00}
";
        let config = super::super::parse(Path::new("t.yaml"), text).unwrap_or_else(|problems| panic!("{problems}"));
        let sla = config.sla;
        let shown = |target| sla.objective_of(target).to_string();
        assert_eq!([shown("chat"), shown("other")], ["99 %", "99.95 %"]);
        assert_eq!((sla.answer_within, sla.judge_whole_answers), (Span::from_seconds(2), true));
        let hours: Vec<_> =
            sla.maintenance.iter().map(|w| (w.target.as_deref(), (w.to - w.from) / 3_600_000_000)).collect();
        assert_eq!(hours, [(None, 1), (Some("chat"), 1)]);
    }
}
