//! A provider's invoice in CSV becomes lines: day, model, amount, currency, tokens; or every problem with its place.
//!
//! Columns are found by their names, in English or Chinese, or are named by the user. Pure: the text is read by who asks.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::record::Currency;
use crate::record::money::NANOS;
use crate::wording::{listed, quoted};

/// Most problems that are told.
const MAX_PROBLEMS: usize = 20;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Day of the usage.
    Date,
    /// Model.
    Model,
    /// Amount of money.
    Amount,
    /// Currency of the amount.
    Currency,
    /// Tokens, input and output.
    Tokens,
}

impl Field {
    /// All fields.
    pub const ALL: [Field; 5] = [Field::Date, Field::Model, Field::Amount, Field::Currency, Field::Tokens];

    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Field::Date => "date",
            Field::Model => "model",
            Field::Amount => "amount",
            Field::Currency => "currency",
            Field::Tokens => "tokens",
        }
    }

    /// Headings that mean it, in lower case with letters and digits only, the surest first.
    fn headings(self) -> &'static [&'static str] {
        match self {
            Field::Date => &[
                "date",
                "day",
                "usagedate",
                "chargeperiodstart",
                "usagestarttime",
                "starttime",
                "billingdate",
                "timestamp",
                "time",
                "日期",
                "账单日期",
                "消费时间",
                "消费日期",
                "用量时间",
            ],
            Field::Model => &[
                "model",
                "modelname",
                "modelid",
                "modelversion",
                "xmodel",
                "skuid",
                "sku",
                "lineitem",
                "description",
                "product",
                "productname",
                "模型",
                "模型名称",
                "计费项",
                "产品名称",
            ],
            Field::Amount => &[
                "amount",
                "cost",
                "amountvalue",
                "billedcost",
                "totalcost",
                "costusd",
                "amountusd",
                "costincurrency",
                "charge",
                "total",
                "netamount",
                "金额",
                "应付金额",
                "消费金额",
                "费用",
            ],
            Field::Currency => &["currency", "billingcurrency", "currencycode", "amountcurrency", "币种", "货币"],
            Field::Tokens => &[
                "tokens",
                "totaltokens",
                "tokencount",
                "numtokens",
                "consumedquantity",
                "usagequantity",
                "quantity",
                "用量",
            ],
        }
    }
}

/// Headings that the user names, and what holds where there is no column.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// Heading of a field.
    pub columns: BTreeMap<Field, String>,
    /// Currency of all amounts, where no column says it.
    pub currency: Option<Currency>,
}

/// One line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Line in the file, from 1.
    pub line: usize,
    /// Day of the usage.
    pub day: Date,
    /// Model; empty where the invoice has none.
    pub model: String,
    /// Currency.
    pub currency: Currency,
    /// Amount in nano-units, negative for a credit.
    pub nanos: i128,
    /// Tokens, where the invoice counts them.
    pub tokens: Option<u64>,
}

/// What is wrong at a place of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {message}", if .column.is_empty() { String::new() } else { format!(", column {}", quoted(.column)) })]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Heading of the column; empty for the whole line.
    pub column: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// Records of RFC 4180 with the line on which each begins; a semicolon or a tab may stand for the comma.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, Problem> {
    let text = text.trim_start_matches('\u{feff}');
    let heading = text.lines().next().unwrap_or_default();
    let count = |separator: char| heading.matches(separator).count();
    let separator = [',', ';', '\t'].into_iter().max_by_key(|separator| (count(*separator), *separator == ','));
    let separator = separator.unwrap_or(',');
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begins, mut is_quoted, mut was_quoted) = (1, 1, false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' {
            line += 1;
        }
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            _ if is_quoted => cell.push(c),
            '"' if cell.is_empty() && !was_quoted => (is_quoted, was_quoted) = (true, true),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut cell));
                records.push((begins, std::mem::take(&mut record)));
                (begins, was_quoted) = (line, false);
            }
            c if c == separator => {
                record.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            _ => cell.push(c),
        }
    }
    if is_quoted {
        let message = "a quote that never closes; every \" needs its second".to_owned();
        return Err(Problem { line: begins, column: String::new(), message });
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push((begins, record));
    }
    records.retain(|(_, record)| record.iter().any(|cell| !cell.trim().is_empty()));
    Ok(records)
}

fn plain(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A decimal amount: `1,234.56`, `$1.5`, `-0.25`, `(0.25)`, `1.2e-05`; more than nine digits after the point are cut.
#[must_use]
pub fn parse_amount(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        Some(inner) => (true, inner),
        None => (text.starts_with('-'), text.trim_start_matches('-')),
    };
    let text: String = text.chars().filter(|c| !matches!(c, '$' | '¥' | '￥' | '€' | '£' | ',' | ' ' | '\'')).collect();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa.to_owned(), exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((&mantissa, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || digits.len() > 30 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i128 = digits.parse().ok()?;
    let shift = 9 + exponent - i32::try_from(fraction.len()).ok()?;
    let factor = |shift: u32| 10_i128.checked_pow(shift);
    let nanos = if shift >= 0 {
        value.checked_mul(factor(shift.unsigned_abs())?)?
    } else {
        factor(shift.unsigned_abs()).map_or(0, |factor| value / factor)
    };
    (nanos.abs() < 1_000_000_000_000 * NANOS).then_some(if negative { -nanos } else { nanos })
}

/// A day: `2026-11-20`, with a time behind it, `2026/11/20` or `20261120`. A time keeps its own day.
fn parse_day(text: &str) -> Option<Date> {
    let text = text.trim();
    let head = text.split(['T', ' ']).next().unwrap_or_default().replace('/', "-");
    if let Ok(date) = head.parse::<Date>() {
        return Some(date);
    }
    let mut parts = head.split('-').map(str::parse::<i16>);
    if let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    {
        return Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok();
    }
    None
}

/// Reads an invoice.
///
/// # Errors
/// Every problem with its line and column, at most twenty.
pub fn parse(text: &str, mapping: &Mapping) -> Result<Vec<Line>, Vec<Problem>> {
    let problem = |line, column: &str, message: String| Problem { line, column: column.to_owned(), message };
    let records = records(text).map_err(|problem| vec![problem])?;
    let Some((first, headings)) = records.first() else {
        return Err(vec![problem(1, "", "the file is empty; expected a heading and lines".to_owned())]);
    };
    let places = places(*first, headings, mapping)?;
    let has = |field: Field| places.contains_key(&field);
    let mut problems = Vec::new();
    for field in [Field::Date, Field::Amount] {
        if !has(field) {
            let names = listed(headings.iter().map(|heading| heading.trim()));
            let message = format!("no column is the {0}; name it by --{0}-column, one of {names}", field.label());
            problems.push(problem(*first, "", message));
        }
    }
    if !has(Field::Currency) && mapping.currency.is_none() {
        let message = "no column is the currency; name it by --currency-column, or give --invoice-currency".to_owned();
        problems.push(problem(*first, "", message));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut lines = Vec::new();
    for (number, record) in records.iter().skip(1) {
        let cell = |field: Field| places.get(&field).and_then(|at| record.get(*at)).map_or("", |cell| cell.trim());
        let heading = |field: Field| places.get(&field).and_then(|at| headings.get(*at)).map_or("", |text| text.trim());
        let mut wrong = |field: Field, expected: &str| {
            let message = format!("{} is no {expected}", quoted(cell(field)));
            problems.push(problem(*number, heading(field), message));
        };
        let day = parse_day(cell(Field::Date));
        let nanos = parse_amount(cell(Field::Amount));
        let code = cell(Field::Currency).to_uppercase();
        let currency = if code.is_empty() { mapping.currency } else { Currency::parse(&code) };
        // A line of sums has no day.
        let is_sum = day.is_none() && cell(Field::Date).chars().all(char::is_alphabetic) && nanos.is_some();
        if is_sum {
            continue;
        }
        if day.is_none() {
            wrong(Field::Date, "day such as 2026-11-20");
        }
        if nanos.is_none() {
            wrong(Field::Amount, "amount such as 12.50");
        }
        if currency.is_none() {
            wrong(Field::Currency, "currency such as USD");
        }
        let tokens = cell(Field::Tokens);
        let tokens = if tokens.is_empty() {
            None
        } else {
            let count = parse_amount(tokens).and_then(|nanos| u64::try_from(nanos / NANOS).ok());
            if count.is_none() {
                wrong(Field::Tokens, "count of tokens");
            }
            count
        };
        if let (Some(day), Some(nanos), Some(currency)) = (day, nanos, currency) {
            let model = cell(Field::Model).to_owned();
            lines.push(Line { line: *number, day, model, currency, nanos, tokens });
        }
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    if lines.is_empty() && problems.is_empty() {
        problems.push(problem(*first, "", "there is no line below the heading".to_owned()));
    }
    if problems.is_empty() { Ok(lines) } else { Err(problems) }
}

/// Which column holds each field.
fn places(line: usize, headings: &[String], mapping: &Mapping) -> Result<BTreeMap<Field, usize>, Vec<Problem>> {
    let mut places = BTreeMap::new();
    let mut problems = Vec::new();
    for field in Field::ALL {
        let found = match mapping.columns.get(&field) {
            Some(wanted) => {
                let place = headings.iter().position(|heading| heading.trim() == wanted);
                if place.is_none() {
                    let names = listed(headings.iter().map(|heading| heading.trim()));
                    let message = format!("no such column for the {}; expected one of {names}", field.label());
                    problems.push(Problem { line, column: wanted.clone(), message });
                }
                place
            }
            None => {
                let known: Vec<String> = headings.iter().map(|heading| plain(heading)).collect();
                field.headings().iter().find_map(|name| known.iter().position(|heading| heading == name))
            }
        };
        places.extend(found.map(|place| (field, place)));
    }
    if problems.is_empty() { Ok(places) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_their_names() {
        for text in [
            "Date,Model,Cost (USD),Currency\n2026-11-20,gpt-4o,\"1,234.5\",USD\nTotal,,1234.5,USD\n",
            "\u{feff}usage_date;model_name;amount;currency\r\n2026/11/20;gpt-4o;$1234.50;usd\r\n",
            "日期,模型名称,金额,币种\n2026-11-20 08:00:00,gpt-4o,1234.5,USD\n",
        ] {
            let lines = parse(text, &Mapping::default()).unwrap();
            let want = (lines[0].day.to_string(), lines[0].model.as_str(), lines[0].nanos, lines[0].currency);
            assert_eq!(want, ("2026-11-20".to_owned(), "gpt-4o", 1_234_500_000_000, Currency::USD), "{text}");
            assert_eq!(lines.len(), 1);
        }
    }

    #[test]
    fn a_problem_names_its_line_and_column() {
        let text = "date,model,cost,currency,tokens\n2026-11-20,m,1.5,USD,10\nyesterday 1,m,free,dollars,many\n";
        let problems = parse(text, &Mapping::default()).unwrap_err();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "line 3, column `date`: `yesterday 1` is no day such as 2026-11-20",
                "line 3, column `cost`: `free` is no amount such as 12.50",
                "line 3, column `currency`: `dollars` is no currency such as USD",
                "line 3, column `tokens`: `many` is no count of tokens",
            ]
        );
        let said = |text: &str| parse(text, &Mapping::default()).unwrap_err()[0].to_string();
        assert!(
            said("when,what\n1,2\n").contains("no column is the date; name it by --date-column, one of `when`, `what`")
        );
        assert!(said("").contains("the file is empty"));
        assert!(said("date,cost,currency\n\"2026").starts_with("line 2: a quote that never closes"));
        let mapping = Mapping { columns: [(Field::Amount, "paid".to_owned())].into(), currency: None };
        let missing = parse("date,cost,currency\n2026-11-20,1,USD\n", &mapping).unwrap_err()[0].to_string();
        assert!(missing.starts_with("line 1, column `paid`: no such column for the amount"), "{missing}");
    }

    #[test]
    fn amounts_are_read_exactly() {
        for (text, want) in [
            ("0.000000001", Some(1)),
            ("-1.5", Some(-1_500_000_000)),
            ("(2)", Some(-2_000_000_000)),
            ("1.2e-05", Some(12_000)),
            ("¥ 3,000.10", Some(3_000_100_000_000)),
            ("1.0000000009", Some(1_000_000_000)),
            ("", None),
            ("1.2.3", None),
            ("NaN", None),
        ] {
            assert_eq!(parse_amount(text), want, "{text}");
        }
    }
}
