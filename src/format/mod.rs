//! One logical line becomes records: one file per gateway, a table of them, `auto` detection, user formats.
//!
//! ```text
//! line ─▶ a gateway's file ─▶ Draft ─▶ the user's own fields ─▶ finish: outcome, usage, bounds ─▶ dimensions ─▶ Parsed
//! ```
//!
//! Pure: no IO, no clock, cannot fail; a line that cannot be used is a value with its reason. Wrappers of container
//! runtimes were taken off before. What is common to all gateways (what a status means, how providers count tokens,
//! which number is believed, how long a label may be) is decided once, behind the draft.
//!
//! # To add a gateway
//!
//! 1. Write `format/<gateway>.rs` with `detect` (a key that no other row's lines have; how it shows, as half a
//!    sentence) and `parse`, which hands a `Reading` to `emit` for each record of the line: a `Draft` with whatever the
//!    line has, `Skipped` or `Rejected` with the reason. `json::read_object` gives keys and raw values, `scalar::Scalar` turns
//!    these into text, counts, spans and times, `said` into what was said (only where [`Config::content`] asks for it), and
//!    `usage::Details` knows the providers' names of token counts.
//! 2. Add its row to [`TABLE`], before rows that could take its lines.
//! 3. Put real lines into `tests/golden/<gateway>/<case>/input.log`, run the tests once with `TOKENTAIL_BLESS=1`, and read
//!    the `expected.json` that this wrote.

mod config;
mod dimension;
mod draft;
mod field_map;
#[cfg(test)]
mod golden;
mod higress;
mod json;
mod label;
mod number;
mod outcome;
mod said;
mod scalar;
#[cfg(test)]
mod tests;
mod time;
mod usage;

pub use config::{Config, Dimension, DimensionSource, Field, FieldSource, Unit};

use serde::de::IgnoredAny;

use draft::{Draft, Reading};
use field_map::Document;

use crate::record::{Micros, Parsed, Reject, Skip};
use crate::wording;

/// Finds a gateway's mark in a line: half a sentence that says what it is.
type Detect = fn(&[u8]) -> Option<&'static str>;
/// Reads a line's records; times without a zone are in the configuration's.
type Parse = fn(&[u8], &Config, &mut dyn FnMut(Reading<'_>));

/// One row of the table of formats.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name in the configuration.
    pub name: &'static str,
    /// One sentence for lists and help.
    pub describe: &'static str,
    detect: Detect,
    parse: Parse,
}

/// All formats; `auto` takes the first row that finds its mark in a line.
pub const TABLE: &[Format] = &[
    Format {
        name: "higress",
        describe: "Higress's access log with the AI plugins' data in `ai_log`.",
        detect: higress::detect,
        parse: |line, config, emit| higress::parse(line, config, emit),
    },
    Format {
        name: FIELDS,
        describe: "Any JSON log, read by the field map of the configuration.",
        // No line shows that it is meant by a field map: see `Decoder::detect_row`.
        detect: |_| None,
        parse: |line, _, emit| field_map::parse(line, emit),
    },
];

/// The name that stands for detection line by line.
pub const AUTO: &str = "auto";
const FIELDS: &str = "fields";

/// A format that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No row of the table has the name.
    #[error("find format `{name}`: expected one of {known}; did you mean `{nearest}`?")]
    UnknownFormat {
        /// As configured.
        name: String,
        /// The known name that it most likely means; `auto` where it is like none.
        nearest: &'static str,
        /// All known names.
        known: String,
    },
}

/// Which format a line has, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    /// Name of the format, empty where none fits.
    pub format: &'static str,
    /// Why, as what follows on "the line": `begins with the key …`.
    pub why: String,
}

/// Reads the lines of one source.
#[derive(Clone, Debug)]
pub struct Decoder {
    config: Config,
    /// The configured row; none for `auto`.
    fixed: Option<&'static Format>,
    /// The row that took the last line, tried first: a source's lines are nearly always alike.
    last: Option<&'static Format>,
    has_paths: bool,
}

impl Decoder {
    /// Makes a decoder of one source's configuration.
    ///
    /// # Errors
    /// Where no format has the configured name.
    pub fn build(config: &Config) -> Result<Decoder, Error> {
        let fixed = TABLE.iter().find(|format| format.name == config.format);
        if fixed.is_none() && config.format != AUTO {
            return Err(unknown_format(&config.format));
        }
        let from_path = |dimension: &Dimension| matches!(dimension.from, DimensionSource::Path(_));
        Ok(Decoder {
            has_paths: !config.fields.is_empty() || config.dimensions.iter().any(from_path),
            config: config.clone(),
            fixed,
            last: None,
        })
    }

    /// Reads one line and calls `out` once for each of its records.
    ///
    /// `now` is the wall clock in microseconds, used only to flag requests of the future. Memory is bounded by a small
    /// multiple of the line.
    pub fn parse(&mut self, line: &[u8], now: Micros, out: &mut dyn FnMut(Parsed<'_>)) {
        let format = match self.fixed {
            Some(format) => format,
            None => {
                if line.trim_ascii().is_empty() {
                    return out(Parsed::Skipped(Skip::Empty));
                }
                let Some((format, _)) = self.detect_row(line) else {
                    return out(Parsed::Rejected(Reject::UnknownFormat));
                };
                self.last = Some(format);
                format
            }
        };
        (format.parse)(line, &self.config, &mut |reading| self.conclude(reading, format, now, out));
    }

    /// Says which format a line has and why.
    #[must_use]
    pub fn detect(&self, line: &[u8]) -> Detection {
        if let Some(format) = self.fixed {
            return Detection { format: format.name, why: "the configuration names it".to_owned() };
        }
        match self.detect_row(line) {
            Some((format, why)) => Detection { format: format.name, why: why.to_owned() },
            None if line.trim_ascii().is_empty() => Detection { format: "", why: "is blank".to_owned() },
            None => Detection { format: "", why: why_unknown(line) },
        }
    }

    fn detect_row(&self, line: &[u8]) -> Option<(&'static Format, &'static str)> {
        let fits = |format: &'static Format| Some((format, (format.detect)(line)?));
        if let Some(found) = self.last.and_then(fits).or_else(|| TABLE.iter().find_map(fits)) {
            return Some(found);
        }
        // A field map that can tell the time is meant to read whole lines, not only to correct a gateway's.
        let mapped = self.config.fields.contains_key(&Field::Time) && matches!(line.trim_ascii(), [b'{' | b'[', ..]);
        let row = TABLE.iter().find(|format| mapped && format.name == FIELDS)?;
        Some((row, "is JSON, and the configuration's field map names a time"))
    }

    /// What every format's readings go through.
    fn conclude(&self, reading: Reading<'_>, format: &Format, now: Micros, out: &mut dyn FnMut(Parsed<'_>)) {
        let mut draft = match reading {
            Reading::Skipped(skip) => return out(Parsed::Skipped(skip)),
            Reading::Rejected(reject) => return out(Parsed::Rejected(reject)),
            Reading::Draft(draft) => draft,
        };
        let source = std::mem::take(&mut draft.source);
        // From here on the draft may borrow from its source too.
        let mut draft: Draft<'_> = draft;
        let document = self.has_paths.then(|| Document::parse(&source));
        if let Some(document) = &document {
            field_map::overlay(&mut draft, document, &self.config);
        }
        draft.without_usage = format.name == FIELDS && !field_map::has_tokens(&self.config);
        if let Err(reject) = draft.finish(now) {
            return out(Parsed::Rejected(reject));
        }
        if !self.config.dimensions.is_empty() {
            draft.record.dimensions = dimension::read(&self.config.dimensions, &draft, document.as_ref());
        }
        out(Parsed::Request(draft.record));
    }
}

fn why_unknown(line: &[u8]) -> String {
    if line.trim_ascii().first() != Some(&b'{') {
        return "is no JSON object".to_owned();
    }
    if serde_json::from_slice::<IgnoredAny>(line).is_err() {
        return "begins like a JSON object, but is none".to_owned();
    }
    let names: Vec<_> = TABLE.iter().map(|format| format.name).filter(|name| *name != FIELDS).collect();
    format!("is a JSON object without the mark of a known gateway ({}); a field map can read it", names.join(", "))
}

fn unknown_format(name: &str) -> Error {
    let known = || TABLE.iter().map(|format| format.name).chain([AUTO]);
    let nearest = wording::nearest(name, known()).unwrap_or(AUTO);
    Error::UnknownFormat { name: name.to_owned(), nearest, known: wording::listed(known()) }
}
