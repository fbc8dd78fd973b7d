//! A report as columns and rows becomes a table for people, Markdown, CSV or JSON: the same for commands and for files that
//! are written on a schedule.
//!
//! A table fits its width: long text is wrapped, and where the numbers alone do not fit, the columns that matter least are
//! left out and said. CSV is RFC 4180 with plain numbers; text that a spreadsheet would run as a formula gets an apostrophe
//! in front.

mod cost;
mod json;
mod money;
mod sla;
mod usage;

use comfy_table::{Cell as TableCell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde_json::Value;

pub use self::cost::{cost, cost_json};
pub use self::json::{
    amounts_json, figures_json, group_json, money_json, time_json, time_text, tokens_json, zone_name,
};
pub use self::money::{anomalies, anomalies_json, budgets, budgets_json, forecast, forecast_json};
pub use self::sla::sla;
pub use self::usage::{usage, usage_figures_json, usage_json};
use crate::record::money::{NANOS, div_half_even, format_nanos};
use crate::wording::{grouped, one_line};

/// Columns that a terminal has at least.
pub const WIDTH: usize = 80;
/// The least room of a column of text.
const LEAST_TEXT: usize = 18;
/// Between two columns.
const GAP: usize = 2;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// For people, as wide as a terminal.
    Table,
    /// One JSON document.
    Json,
    /// Comma-separated (RFC 4180).
    Csv,
    /// A table in Markdown.
    Markdown,
}

impl Form {
    /// All forms.
    pub const ALL: [Form; 4] = [Form::Table, Form::Json, Form::Csv, Form::Markdown];

    /// The name that users give.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Form::Table => "table",
            Form::Json => "json",
            Form::Csv => "csv",
            Form::Markdown => "md",
        }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing to say.
    None,
    /// Text, perhaps a stranger's.
    Text(String),
    /// Text for people, plain text for machines.
    Shown(String, String),
    /// A count.
    Count(u64),
    /// Money in nano-units.
    Money(i128),
    /// Microseconds: for people as `people` says, for machines in seconds.
    Span(i64),
    /// A part of a whole, 0 to 1.
    Share(f64),
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Heading for people.
    pub title: String,
    /// Heading for machines.
    pub key: String,
    /// Text stands left, numbers right.
    pub is_text: bool,
    /// What does not fit is left out from the largest rank on; 0 always stays. `None`: not for people at all.
    pub rank: Option<u8>,
}

impl Column {
    /// A column of text.
    #[must_use]
    pub fn text(title: impl Into<String>) -> Column {
        let title = title.into();
        Column { key: title.clone(), title, is_text: true, rank: Some(0) }
    }

    /// A column of numbers.
    #[must_use]
    pub fn number(title: impl Into<String>, key: impl Into<String>, rank: u8) -> Column {
        Column { title: title.into(), key: key.into(), is_text: false, rank: Some(rank) }
    }

    /// A column of numbers for machines only.
    #[must_use]
    pub fn machine(key: impl Into<String>) -> Column {
        let key = key.into();
        Column { title: key.clone(), key, is_text: false, rank: None }
    }
}

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// What it is, a heading of Markdown.
    pub title: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// Rows, each as long as the columns.
    pub rows: Vec<Vec<Cell>>,
    /// Sums below, for people.
    pub total: Option<Vec<Cell>>,
    /// What has to be said besides, for people.
    pub notes: Vec<String>,
    /// What is said where there is no row.
    pub empty: String,
    /// The whole as JSON.
    pub json: Value,
}

/// The columns of a group in the row of sums.
fn total_values(columns: usize) -> Vec<Cell> {
    let mut values = vec![Cell::Text("total".to_owned())];
    values.resize(columns.max(1), Cell::None);
    values.truncate(columns);
    values
}

/// A long time for people: `2 h 05 min`, `3 min 20 s`, `12.5 s`.
#[must_use]
pub fn span(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    if seconds >= 3600 {
        format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60)
    } else if seconds >= 60 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{}.{} s", seconds, micros % 1_000_000 / 100_000)
    }
}

/// Microseconds as seconds in decimal.
fn seconds(micros: i64) -> String {
    format_nanos(i128::from(micros) * 1_000)
}

/// A share in per cent with one digit: `12.3 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Money with so many digits after the point, rounded half to even, thousands apart.
#[must_use]
pub fn rounded(nanos: i128, digits: u32) -> String {
    let unit = 10_i128.pow(9_u32.saturating_sub(digits));
    let value = div_half_even(nanos, unit) * unit;
    let sign = if value < 0 { "-" } else { "" };
    let value = value.abs();
    let whole = grouped(value / NANOS);
    let places = usize::try_from(digits).unwrap_or(0);
    if places == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{:0places$}", value % NANOS / unit)
}

/// Digits after the point with which the amounts of a column are shown: few, unless all are small.
fn digits<'a>(amounts: impl Iterator<Item = &'a Cell>) -> u32 {
    let largest = amounts.filter_map(|cell| if let Cell::Money(nanos) = cell { Some(nanos.abs()) } else { None }).max();
    match largest.unwrap_or(0) {
        0 => 2,
        large if large >= 1_000 * NANOS => 2,
        medium if medium >= NANOS / 100 => 4,
        _ => 9,
    }
}

impl Cell {
    fn for_people(&self, digits: u32) -> String {
        match self {
            Cell::None => String::new(),
            Cell::Text(text) if text.is_empty() => "–".to_owned(),
            Cell::Text(text) | Cell::Shown(text, _) => one_line(text),
            Cell::Count(count) => grouped(*count),
            Cell::Money(0) => "0".to_owned(),
            Cell::Money(nanos) => rounded(*nanos, digits),
            Cell::Span(micros) => span(*micros),
            Cell::Share(share) => percent(*share),
        }
    }

    fn for_machines(&self) -> String {
        match self {
            Cell::None => String::new(),
            Cell::Text(text) | Cell::Shown(_, text) => text.clone(),
            Cell::Count(count) => count.to_string(),
            Cell::Money(nanos) => format_nanos(*nanos),
            Cell::Span(micros) => seconds(*micros),
            Cell::Share(share) => format!("{share:.6}"),
        }
    }
}

/// One record of CSV without its end. `is_text` says which cells are text.
#[must_use]
pub fn csv_record<'a>(cells: impl Iterator<Item = (&'a str, bool)>) -> String {
    let cells: Vec<String> = cells.map(|(text, is_text)| csv_cell(text, is_text)).collect();
    cells.join(",")
}

/// One cell of CSV: text is made harmless, a number stays as it is.
#[must_use]
pub fn csv_cell(text: &str, is_text: bool) -> String {
    if is_text { quoted(harmless(text)) } else { text.to_owned() }
}

/// Text that no spreadsheet runs: what it would take for a formula gets an apostrophe in front, control characters are
/// escaped. The full-width signs are those that a Chinese or Japanese keyboard writes, which some spreadsheets take too.
fn harmless(text: &str) -> String {
    let runs = text
        .trim_start_matches([' ', '\u{a0}', '\u{3000}', '\u{feff}'])
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let shown = one_line(text);
    if runs { format!("'{shown}") } else { shown }
}

/// As RFC 4180 has it, also for readers that part cells by semicolons.
fn quoted(text: String) -> String {
    if text.contains(['"', ',', ';', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A table without lines, as wide as it gets; columns after `left` are numbers and stand right.
pub fn plain_table(header: &[&str], left: usize, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|text| TableCell::new(one_line(text))));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index >= left {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

impl Document {
    /// Writes it.
    #[must_use]
    pub fn render(&self, form: Form) -> String {
        match form {
            Form::Table => self.table(WIDTH),
            Form::Json => serde_json::to_string_pretty(&self.json).unwrap_or_default() + "\n",
            Form::Csv => self.csv(),
            Form::Markdown => self.markdown(),
        }
    }

    /// For each column how many digits its money has.
    fn digits(&self) -> Vec<u32> {
        let rows = || self.rows.iter().chain(&self.total);
        (0..self.columns.len()).map(|at| digits(rows().filter_map(|row| row.get(at)))).collect()
    }

    fn for_people(&self) -> Vec<Vec<String>> {
        let digits = self.digits();
        let line = |row: &Vec<Cell>| row.iter().zip(&digits).map(|(cell, digits)| cell.for_people(*digits)).collect();
        self.rows.iter().chain(&self.total).map(line).collect()
    }

    /// The columns that fit, and the titles of those that do not.
    fn fitting(&self, rows: &[Vec<String>], width: usize) -> (Vec<usize>, Vec<&str>) {
        let room = |at: usize| {
            let column = self.columns.get(at);
            let title = column.map_or(0, |column| column.title.chars().count());
            let widest = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
            let natural = widest.max(title);
            if column.is_some_and(|column| column.is_text) { natural.min(LEAST_TEXT.max(title)) } else { natural }
        };
        let mut shown: Vec<usize> =
            (0..self.columns.len()).filter(|at| self.columns.get(*at).is_some_and(|c| c.rank.is_some())).collect();
        let mut left_out = Vec::new();
        while shown.iter().map(|at| room(*at) + GAP).sum::<usize>() > width + GAP {
            let rank = |at: usize| self.columns.get(at).and_then(|column| column.rank).unwrap_or(0);
            // Of equal ranks the last one.
            let Some(at) = shown.iter().copied().filter(|at| rank(*at) > 0).max_by_key(|at| (rank(*at), *at)) else {
                break;
            };
            shown.retain(|kept| *kept != at);
            left_out.extend(self.columns.get(at).map(|column| column.title.as_str()));
        }
        left_out.reverse();
        (shown, left_out)
    }

    /// For people, at most so wide as long as the columns that always stay fit.
    #[must_use]
    pub fn table(&self, width: usize) -> String {
        if self.rows.is_empty() {
            return format!("{}\n", self.empty);
        }
        let rows = self.for_people();
        let (shown, left_out) = self.fitting(&rows, width);
        let columns: Vec<&Column> = shown.iter().filter_map(|at| self.columns.get(*at)).collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width + GAP).unwrap_or(u16::MAX));
        table.set_header(columns.iter().map(|column| column.title.as_str()));
        for row in &rows {
            table.add_row(shown.iter().map(|at| TableCell::new(row.get(*at).map_or("", String::as_str))));
        }
        for (column, drawn) in columns.iter().zip(table.column_iter_mut()) {
            drawn.set_padding((0, 2));
            if column.is_text {
                drawn.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(6)));
            } else {
                drawn.set_cell_alignment(CellAlignment::Right);
                drawn.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let mut text: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
        let notes = self.notes.iter().map(|note| wrapped(note, width));
        let left_out = (!left_out.is_empty()).then(|| {
            wrapped(&format!("left out to fit: {}; --output csv or json has them", left_out.join(", ")), width)
        });
        let notes: Vec<String> = notes.chain(left_out).collect();
        if !notes.is_empty() {
            text.push('\n');
            notes.iter().for_each(|note| text.push_str(note));
        }
        text
    }

    /// A table in Markdown, with title and notes.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        if !self.title.is_empty() {
            text.push_str(&format!("# {}\n\n", self.title));
        }
        let escape = |cell: &str| cell.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;");
        let shown: Vec<usize> =
            (0..self.columns.len()).filter(|at| self.columns.get(*at).is_some_and(|c| c.rank.is_some())).collect();
        let mut line = |cells: Vec<String>| text.push_str(&format!("| {} |\n", cells.join(" | ")));
        let columns: Vec<&Column> = shown.iter().filter_map(|at| self.columns.get(*at)).collect();
        line(columns.iter().map(|column| escape(&column.title)).collect());
        line(columns.iter().map(|column| if column.is_text { "---" } else { "---:" }.to_owned()).collect());
        for row in self.for_people() {
            line(shown.iter().map(|at| escape(row.get(*at).map_or("", String::as_str))).collect());
        }
        for note in &self.notes {
            text.push_str(&format!("\n{}\n", escape(note)));
        }
        text
    }

    /// One record a row without sums.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = csv_record(self.columns.iter().map(|column| (column.key.as_str(), true))) + "\r\n";
        for row in &self.rows {
            let cells: Vec<(String, bool)> =
                row.iter().map(|cell| (cell.for_machines(), matches!(cell, Cell::Text(_) | Cell::Shown(..)))).collect();
            text.push_str(&csv_record(cells.iter().map(|(cell, is_text)| (cell.as_str(), *is_text))));
            text.push_str("\r\n");
        }
        text
    }
}

/// Text broken into lines of a width at its spaces.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let word_length = word.chars().count();
        if length > 0 && length + 1 + word_length > width {
            lines.push('\n');
            length = 0;
        }
        if length > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += word_length;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_out_of_its_cell_or_runs_as_a_formula() {
        for (text, is_text, want) in [
            ("a,b", true, "\"a,b\""),
            ("say \"x\"", true, "\"say \"\"x\"\"\""),
            ("=1+1", true, "'=1+1"),
            (" @SUM(A1)", true, "' @SUM(A1)"),
            ("-2", true, "'-2"),
            ("+cmd|' /C calc'!A0", true, "'+cmd|' /C calc'!A0"),
            ("\t=1", true, "'\\t=1"),
            ("\rx", true, "'\\rx"),
            ("\n=1", true, "'\\n=1"),
            ("＝1+1", true, "'＝1+1"),
            ("＋1", true, "'＋1"),
            ("－1", true, "'－1"),
            ("＠SUM(A1)", true, "'＠SUM(A1)"),
            ("\u{3000}=1", true, "'\u{3000}=1"),
            ("\u{feff}=1;2", true, "\"'\u{feff}=1;2\""),
            ("a\nb", true, "a\\nb"),
            ("-1.5", false, "-1.5"),
            ("plain", true, "plain"),
        ] {
            assert_eq!(csv_cell(text, is_text), want, "{text:?}");
        }
    }

    #[test]
    fn money_is_rounded_for_people_and_exact_for_machines() {
        for (nanos, digits, want) in [
            (1_234_567_890_123, 2, "1,234.57"),
            (-500_000_000, 4, "-0.5000"),
            (125_000_000, 2, "0.12"),
            (999_999_999, 0, "1"),
            (1, 9, "0.000000001"),
        ] {
            assert_eq!(rounded(nanos, digits), want);
        }
        assert_eq!(Cell::Money(1_234_567_890_123).for_machines(), "1234.567890123");
        assert_eq!(Cell::Span(1_500_000).for_machines(), "1.5");
    }

    fn wide() -> Document {
        let mut columns =
            vec![Column::text("consumer"), Column::text("model"), Column::number("requests", "requests", 1)];
        columns.extend((0..8).map(|n| Column::number(format!("tokens {n}"), format!("t{n}"), 2)));
        columns.push(Column::number("USD", "cost_USD", 0));
        columns.push(Column::machine("exact"));
        let long = "a-rather-long-consumer-name-with-中文-in-it-and-more-of-it-still";
        let row = |name: &str| {
            let mut row = vec![Cell::Text(name.to_owned()), Cell::Text("m".to_owned()), Cell::Count(1_234_567)];
            row.extend((0..8).map(|_| Cell::Count(123_456_789)));
            row.extend([Cell::Money(12_345_678_901_234), Cell::Count(7)]);
            row
        };
        Document {
            columns,
            rows: vec![row(long), row("")],
            total: Some(row("total")),
            notes: vec!["word ".repeat(40).trim_end().to_owned()],
            ..Document::default()
        }
    }

    #[test]
    fn a_table_fits_eighty_columns_and_says_what_it_leaves_out() {
        let text = wide().table(WIDTH);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= WIDTH, "{widest}\n{text}");
        assert!(text.contains("12,345.68") && text.contains("left out to fit: tokens"), "{text}");
        assert!(text.contains('–') && !text.contains("exact"), "{text}");
        let header = text.lines().next().unwrap();
        assert!(header.ends_with("USD"), "{text}");
        assert!(wide().table(400).contains("tokens 7"));
    }

    #[test]
    fn csv_and_markdown_have_every_column_in_its_place() {
        let csv = wide().csv();
        assert!(csv.starts_with("consumer,model,requests,t0,") && csv.contains(",12345.678901234,7\r\n"), "{csv}");
        assert_eq!(csv.lines().count(), 3);
        let markdown = wide().markdown();
        assert!(markdown.starts_with("| consumer | model | requests |"), "{markdown}");
        assert!(markdown.lines().nth(1).unwrap().starts_with("| --- | --- | ---: |"), "{markdown}");
    }
}
