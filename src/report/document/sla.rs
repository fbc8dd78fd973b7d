//! A target's month becomes a table for people, Markdown, CSV or JSON. Computes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Form, harmless, plain_table, quoted, time_text, zone_name};
use crate::record::{Micros, PROBE_PURPOSE, money};
use crate::report::sla::{Question, reports};
use crate::sla::{Ratio, Report, ShareLine, Span, Verdict};
use crate::wording::{grouped, one_line};

/// The month of every target, or of the one that is asked for.
#[must_use]
pub fn sla(question: &Question<'_>, only: Option<&str>, form: Form) -> String {
    let Question { month, zone, now, .. } = question;
    let reports = reports(question, only);
    match form {
        Form::Json => {
            let all = json!({
                "month": month.to_string(), "timezone": zone_name(zone), "as_of": time_text(*now), "targets": reports,
            });
            serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
        }
        Form::Table if reports.is_empty() => {
            format!("{month}: no target was looked at; configure one under `probes`\n")
        }
        Form::Table => reports.iter().map(|report| table(report, zone)).collect::<Vec<_>>().join("\n\n"),
        Form::Markdown => reports.iter().map(|report| markdown(report, zone)).collect::<Vec<_>>().join("\n"),
        Form::Csv => csv(&reports),
    }
}

/// Digits of a percentage after the point: 0.0001 % of a month are 2.6 s.
const DIGITS: u32 = 4;

/// A list of a report.
struct List {
    title: &'static str,
    header: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

fn percent(ratio: Option<Ratio>) -> String {
    ratio.map_or_else(|| "no data".to_owned(), |ratio| format!("{} %", ratio.percent(DIGITS)))
}

fn moment(at: Micros, zone: &TimeZone) -> String {
    Timestamp::from_microsecond(at)
        .map_or_else(|_| at.to_string(), |at| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn verdict(verdict: Verdict) -> String {
    verdict.label().replace('_', " ")
}

fn share(line: &ShareLine) -> String {
    match line.ratio {
        None => "none".to_owned(),
        Some(ratio) => format!("{} % of {}, {}", ratio.percent(2), grouped(line.total), verdict(line.verdict)),
    }
}

/// The figures, each with its name.
fn figures(report: &Report, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let figures = &report.figures;
    let mut lines = vec![(
        "verdict",
        match figures.verdict {
            Verdict::InProgress => format!("in progress; so far {}", verdict(figures.so_far)),
            reached => verdict(reached),
        },
    )];
    match report.objectives.as_slice() {
        [] => lines.push(("objective", "none".to_owned())),
        [only] => lines.push(("objective", only.objective.to_string())),
        several => {
            let each: Vec<String> =
                several.iter().map(|line| format!("{} since {}", line.objective, moment(line.since, zone))).collect();
            lines.push(("objectives", each.join(", ")));
        }
    }
    lines.push(("availability", percent(figures.availability)));
    lines.push(("strict", format!("{} (unknown time counted as down)", percent(figures.strict))));
    lines.push(("coverage", percent(figures.coverage)));
    lines.push(("downtime", figures.down.to_string()));
    lines.push(("unknown", figures.unknown.to_string()));
    lines.push(("maintenance", format!("{}, deducted", figures.maintenance)));
    if let Some(budget) = figures.budget {
        lines.push(("error budget", format!("{}; used {}; left {}", budget.total, budget.used, budget.left)));
    }
    if let Some(projection) = figures.projection {
        lines.push((
            "projection",
            format!(
                "no measurement: if it goes on like this, {} % at the month's end, downtime {}, budget left {}, {}; \
                 if nothing fails any more, {} %",
                projection.availability.percent(DIGITS),
                projection.down,
                projection.budget_left,
                verdict(projection.verdict),
                projection.availability_at_best.percent(DIGITS),
            ),
        ));
    }
    let level = report.answer_within.seconds();
    lines.push(("answers", format!("of probes within {level} s: {}", share(&report.probes))));
    lines
}

fn lists(report: &Report, zone: &TimeZone) -> Vec<List> {
    let span = |span: Option<Span>| span.map_or_else(|| "–".to_owned(), |span| span.to_string());
    let outages = report.outages.iter().map(|outage| {
        let failures: Vec<String> =
            outage.failures.iter().map(|(reason, count)| format!("{} {}", reason.label(), grouped(*count))).collect();
        let notes: Vec<&str> = outage.notes.iter().map(|note| note.text.as_str()).collect();
        vec![
            outage.number.to_string(),
            moment(outage.start, zone),
            match outage.end {
                None => "lasts".to_owned(),
                Some(end) if outage.end_unobserved => format!("{} or earlier", moment(end, zone)),
                Some(end) => moment(end, zone),
            },
            outage.duration.to_string(),
            outage.counted.to_string(),
            span(outage.recovery),
            outage.cause.label().to_owned(),
            failures.join(", "),
            notes.join("; "),
        ]
    });
    let isolated =
        report.isolated_failures.iter().map(|line| vec![moment(line.at, zone), line.reason.label().to_owned()]);
    let maintenance = report.maintenance.iter().map(|window| {
        let standing = match window.withdrawn {
            Some(at) => format!("{}, withdrawn {}", window.standing.label(), moment(at, zone)),
            None => window.standing.label().to_owned(),
        };
        let (from, to) = (moment(window.from, zone), moment(window.to, zone));
        vec![from, to, window.reason.clone(), moment(window.announced, zone), standing]
    });
    let gateways = report.gateways.iter().map(|line| {
        vec![
            line.gateway.clone(),
            grouped(line.requests),
            grouped(line.judged),
            grouped(line.failed),
            percent(line.availability),
            verdict(line.verdict),
            share(&line.answers),
        ]
    });
    let costs = report.probe_costs.iter().map(|line| {
        vec![
            if line.provider.is_empty() { "–".to_owned() } else { line.provider.clone() },
            line.model.clone(),
            grouped(line.looks),
            grouped(line.input_tokens),
            grouped(line.output_tokens),
            match line.currency {
                Some(currency) => format!("{} {currency}", money::format_nanos(line.nanos)),
                None if line.usage_missing == line.looks => "not known".to_owned(),
                None => "unpriced".to_owned(),
            },
            grouped(line.usage_missing),
        ]
    });
    let list = |title, header, rows: Vec<Vec<String>>| List { title, header, rows };
    let all = [
        list(
            "outages",
            &["no", "start", "end", "duration", "counted", "recovery", "cause", "failures", "notes"],
            outages.collect(),
        ),
        list("isolated failures, not counted", &["time", "reason"], isolated.collect()),
        list("maintenance", &["from", "to", "reason", "announced", "standing"], maintenance.collect()),
        list(
            "requests of gateways, beside it and never added",
            &["gateway", "requests", "judged", "failed", "availability", "errors", "first tokens in time"],
            gateways.collect(),
        ),
        list(
            "what looking cost, no part of what customers cost",
            &["provider", "model", "looks", "input", "output", "cost", "usage missing"],
            costs.collect(),
        ),
    ];
    all.into_iter().filter(|list| !list.rows.is_empty() || list.title == "outages").collect()
}

fn title(report: &Report, zone: &TimeZone) -> String {
    format!("{} · {} · {} · as of {}", report.target, report.month, report.timezone, moment(report.as_of, zone))
}

/// Text for people.
fn table(report: &Report, zone: &TimeZone) -> String {
    let mut text = format!("{}\n\n", one_line(&title(report, zone)));
    for (name, value) in figures(report, zone) {
        // Writing to a text does not fail.
        let _ = writeln!(text, "  {name:<14}{}", one_line(&value));
    }
    for list in lists(report, zone) {
        let _ = writeln!(text, "\n{}", list.title);
        if list.rows.is_empty() {
            text.push_str("  none\n");
            continue;
        }
        let rows = plain_table(list.header, list.header.len(), list.rows.into_iter());
        for line in rows.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// Markdown: a heading, a list of figures, tables.
fn markdown(report: &Report, zone: &TimeZone) -> String {
    let mut text = format!("## {}\n\n| figure | {} |\n|---|---|\n", cell(&title(report, zone)), cell(&report.target));
    for (name, value) in figures(report, zone) {
        let _ = writeln!(text, "| {name} | {} |", cell(&value));
    }
    for list in lists(report, zone) {
        let _ = writeln!(text, "\n### {}\n", list.title);
        if list.rows.is_empty() {
            text.push_str("none\n");
            continue;
        }
        let _ = writeln!(text, "| target | {} |\n|---|{}", list.header.join(" | "), "---|".repeat(list.header.len()));
        for row in list.rows {
            let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
            let _ = writeln!(text, "| {} | {} |", cell(&report.target), cells.join(" | "));
        }
    }
    text
}

/// Text that stays within its cell and is no markup.
fn cell(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        if matches!(c, '|' | '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']') {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

/// Columns of the CSV form; a row leaves those empty that it has nothing for.
const COLUMNS: &[&str] = &[
    "record",
    "target",
    "month",
    "timezone",
    "start",
    "end",
    "verdict",
    "so_far",
    "objective",
    "availability",
    "strict",
    "coverage",
    "up_seconds",
    "down_seconds",
    "unknown_seconds",
    "maintenance_seconds",
    "budget_seconds",
    "budget_left_seconds",
    "answers_within",
    "answers_total",
    "number",
    "duration_seconds",
    "counted_seconds",
    "recovery_seconds",
    "cause",
    "reason",
    "announced",
    "standing",
    "gateway",
    "requests",
    "judged",
    "failed",
    "purpose",
    "provider",
    "model",
    "looks",
    "usage_missing",
    "input_tokens",
    "output_tokens",
    "cost",
    "currency",
    "notes",
];

/// One table: a row a target, outage, isolated failure, window, gateway and cost of looking. Times are UTC, lengths seconds, shares 0 to 1.
fn csv(reports: &[Report]) -> String {
    let mut text = COLUMNS.join(",");
    text.push_str("\r\n");
    for report in reports {
        for row in records(report) {
            let cells: Vec<String> = COLUMNS
                .iter()
                .map(|column| row.get(column).map_or_else(String::new, |value| quoted(value.clone())))
                .collect();
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        }
    }
    text
}

type Record = BTreeMap<&'static str, String>;

fn records(report: &Report) -> Vec<Record> {
    let figures = &report.figures;
    let seconds = |span: Span| number(&span);
    let begin = |record: &'static str| -> Record {
        [
            ("record", record.to_owned()),
            ("target", harmless(&report.target)),
            ("month", report.month.clone()),
            ("timezone", report.timezone.clone()),
        ]
        .into()
    };
    let mut target = begin("target");
    target.extend([
        ("start", time_text(report.from)),
        ("end", time_text(report.to)),
        ("verdict", figures.verdict.label().to_owned()),
        ("so_far", figures.so_far.label().to_owned()),
        ("objective", number(&figures.objective)),
        ("availability", number(&figures.availability)),
        ("strict", number(&figures.strict)),
        ("coverage", number(&figures.coverage)),
        ("up_seconds", seconds(figures.up)),
        ("down_seconds", seconds(figures.down)),
        ("unknown_seconds", seconds(figures.unknown)),
        ("maintenance_seconds", seconds(figures.maintenance)),
        ("budget_seconds", number(&figures.budget.map(|budget| budget.total))),
        ("budget_left_seconds", number(&figures.budget.map(|budget| budget.left))),
        ("answers_within", report.probes.within.to_string()),
        ("answers_total", report.probes.total.to_string()),
    ]);
    let mut rows = vec![target];
    rows.extend(report.outages.iter().map(|outage| {
        let mut row = begin("outage");
        let notes: Vec<&str> = outage.notes.iter().map(|note| note.text.as_str()).collect();
        row.extend([
            ("number", outage.number.to_string()),
            ("start", time_text(outage.start)),
            ("end", outage.end.map(time_text).unwrap_or_default()),
            ("duration_seconds", seconds(outage.duration)),
            ("counted_seconds", seconds(outage.counted)),
            ("recovery_seconds", number(&outage.recovery)),
            ("cause", outage.cause.label().to_owned()),
            ("notes", harmless(&notes.join("; "))),
        ]);
        row
    }));
    rows.extend(report.isolated_failures.iter().map(|failure| {
        let mut row = begin("isolated_failure");
        row.extend([("start", time_text(failure.at)), ("cause", failure.reason.label().to_owned())]);
        row
    }));
    rows.extend(report.maintenance.iter().map(|window| {
        let mut row = begin("maintenance");
        row.extend([
            ("start", time_text(window.from)),
            ("end", time_text(window.to)),
            ("reason", harmless(&window.reason)),
            ("announced", time_text(window.announced)),
            ("standing", window.standing.label().to_owned()),
        ]);
        row
    }));
    rows.extend(report.gateways.iter().map(|line| {
        let mut row = begin("gateway");
        row.extend([
            ("gateway", harmless(&line.gateway)),
            ("requests", line.requests.to_string()),
            ("judged", line.judged.to_string()),
            ("failed", line.failed.to_string()),
            ("availability", number(&line.availability)),
            ("verdict", line.verdict.label().to_owned()),
            ("answers_within", line.answers.within.to_string()),
            ("answers_total", line.answers.total.to_string()),
        ]);
        row
    }));
    rows.extend(report.probe_costs.iter().map(|line| {
        let mut row = begin("probe_cost");
        row.extend([
            ("purpose", PROBE_PURPOSE.to_owned()),
            ("provider", harmless(&line.provider)),
            ("model", harmless(&line.model)),
            ("looks", line.looks.to_string()),
            ("usage_missing", line.usage_missing.to_string()),
            ("input_tokens", line.input_tokens.to_string()),
            ("output_tokens", line.output_tokens.to_string()),
            ("cost", line.currency.map(|_| money::format_nanos(line.nanos)).unwrap_or_default()),
            ("currency", line.currency.map(|currency| currency.to_string()).unwrap_or_default()),
        ]);
        row
    }));
    rows
}

/// A number without an exponent, which spreadsheets read as they like; nothing for an absent one.
fn number(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(fraction)) => fraction.to_string(),
            (None, None) => String::new(),
        },
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Currency, Failure, ProbeCost};
    use crate::sla::{
        InForce, Input, Isolated, Month, Note, Objective, Outage, Planned, Segment, Share, State, Windows,
    };

    fn report(notes: &[Note]) -> Report {
        let month = Month::parse("2026-11", &TimeZone::UTC).unwrap();
        let at = |seconds: i64| month.from() + seconds * 1_000_000;
        let mut windows = Windows::default();
        let planned = Planned { target: None, from: at(7_200), to: at(10_800), reason: "a|b, \"c\"".to_owned() };
        windows.load(&[planned], at(8_000));
        let outage = Outage {
            number: 1,
            start: at(600),
            confirmed: at(630),
            end: Some(at(1_200)),
            end_unobserved: false,
            first: Failure::Refused,
            failures: [(Failure::Refused, 40)].into(),
        };
        let segment = |state, from, to| Segment { state, from: at(from), to: at(to) };
        Report::build(&Input {
            target: "=chat",
            month: &month,
            timezone: "UTC",
            now: month.to(),
            segments: &[
                segment(State::Up, 0, 600),
                segment(State::Down, 600, 1_200),
                segment(State::Up, 1_200, 30 * 86_400),
            ],
            outages: &[outage],
            isolated: &[Isolated { at: at(300), reason: Failure::Timeout }],
            windows: &windows,
            objectives: &[InForce { since: 0, objective: Objective::USUAL }],
            notes,
            answer_within: Span::from_micros(1_500_000),
            probes: Share { within: 98, total: 100 },
            costs: &[ProbeCost {
                provider: "openai".to_owned(),
                model: "gpt-4o".to_owned(),
                currency: Some(Currency::USD),
                looks: 12,
                usage_missing: 1,
                input_tokens: 1_200,
                output_tokens: 34,
                nanos: 3_340_000,
            }],
            requests: &[],
        })
    }

    #[test]
    fn a_table_says_everything_that_was_asked_for() {
        let note = Note { outage: 1, at: 0, text: "disk\u{1b}[2J full".to_owned() };
        let text = table(&report(&[note]), &TimeZone::UTC);
        for part in [
            "verdict       met\n",
            "availability  99.9768 %",
            "error budget  43 min 12 s; used 10 min; left 33 min 12 s",
            "98.00 % of 100, met",
            "2026-11-01 00:10:00",
            "refused 40",
            "late",
            "timeout",
            "disk\\u{1b}[2J full",
            "0.00334 USD",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn a_number_of_a_table_is_written_out() {
        let found = [number(&Ratio::of(4_473, 1_000_000_000)), number(&Span::from_seconds(-7)), number(&None::<Ratio>)];
        assert_eq!(found, ["0.000004473", "-7", ""]);
        assert_eq!(number(&Span::from_micros(2_588_400_000)), "2588.4");
    }

    #[test]
    fn what_users_wrote_stays_in_its_cell_and_is_no_formula() {
        let note = Note { outage: 1, at: 0, text: "=1+1".to_owned() };
        let report = report(&[note]);
        let md = markdown(&report, &TimeZone::UTC);
        assert!(md.contains("a\\|b, \"c\""), "{md}");
        let csv = csv(&[report]);
        let rows: Vec<&str> = csv.trim_end().split("\r\n").collect();
        assert_eq!(rows.len(), 6, "{csv}");
        assert!(csv.contains(",probe,openai,gpt-4o,12,1,1200,34,0.00334,USD,\r\n"), "{csv}");
        assert!(rows.iter().skip(1).all(|row| row.contains(",'=chat,2026-11,UTC,")), "{csv}");
        assert!(csv.contains(",'=1+1\r\n") && csv.contains(",\"a|b, \"\"c\"\"\","), "{csv}");
        let columns = |row: &str| row.matches(',').count() - row.matches("b, ").count();
        assert!(rows.iter().all(|row| columns(row) == COLUMNS.len() - 1), "{csv}");
    }
}
