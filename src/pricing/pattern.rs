//! Model names and the patterns of price rows: which forms of a name are tried, and how well a pattern fits one.
//!
//! Names are compared without regard to ASCII case. A name is tried as it stands and then without what gateways put
//! around it: a provider (`openai/`, `anthropic.`), a region (`us.`, `us-east-1/`), the path words of Google's API
//! (`models/`) and Bedrock's version (`-v1:0`). Nothing else is ever taken off a name: a name that is not covered has no
//! price.

use regex::{Regex, RegexBuilder};

/// Names longer than this have no price: no model is called so, and hostile text should cost nothing.
const LONGEST_NAME: usize = 256;

/// Parts that are taken off a name at most; `publishers/google/models/…` has three.
const MOST_FORMS: usize = 8;

/// Memory that one compiled pattern may take.
const REGEX_LIMIT: usize = 1 << 20;

/// Regions that stand before a model's name, followed by a dot or a slash.
const REGIONS: [&str; 13] = ["us", "eu", "apac", "ap", "jp", "au", "ca", "sa", "me", "af", "global", "us-gov", "il"];

/// Words of a path that say nothing about the model.
const PATH_WORDS: [&str; 3] = ["models", "publishers", "foundation-model"];

/// For which names a row counts. Text is lower case, except in regular expressions.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// This name.
    Equals(String),
    /// Names that begin so.
    Prefix(String),
    /// Names that hold this.
    Contains(String),
    /// Names that a regular expression finds a match in, without regard to case.
    Regex(Box<Regex>),
}

/// How well a pattern fits: an exact name before a dated one, that before the longest prefix, that before a regular
/// expression, that before a longer contained text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quality {
    class: u8,
    length: usize,
}

impl Quality {
    pub(super) const EXACT: Quality = Quality { class: 5, length: 0 };

    /// How it fits, for people.
    pub(super) fn label(self) -> &'static str {
        match self.class {
            5 => "exactly",
            4 => "as a dated name of",
            3 => "by the prefix",
            2 => "by the regular expression",
            _ => "by the contained text",
        }
    }
}

impl Pattern {
    /// The keys of the forms in a price file.
    pub const FORMS: [&'static str; 4] = ["equals", "prefix", "contains", "regex"];

    /// Makes a pattern of a form of [`Pattern::FORMS`].
    ///
    /// # Errors
    /// A text that says what is wrong, lower case.
    pub fn parse(form: &str, text: &str) -> Result<Pattern, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("an empty pattern would match every model".to_owned());
        }
        match form {
            "prefix" => Ok(Pattern::Prefix(text.to_ascii_lowercase())),
            "contains" => Ok(Pattern::Contains(text.to_ascii_lowercase())),
            "regex" => RegexBuilder::new(text)
                .case_insensitive(true)
                .size_limit(REGEX_LIMIT)
                .build()
                .map(|regex| Pattern::Regex(Box::new(regex)))
                .map_err(|error| last_line(&error.to_string())),
            _ => Ok(Pattern::Equals(text.to_ascii_lowercase())),
        }
    }

    /// Its key in a price file.
    #[must_use]
    pub fn form(&self) -> &'static str {
        match self {
            Pattern::Equals(_) => "equals",
            Pattern::Prefix(_) => "prefix",
            Pattern::Contains(_) => "contains",
            Pattern::Regex(_) => "regex",
        }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Pattern::Equals(text) | Pattern::Prefix(text) | Pattern::Contains(text) => text,
            Pattern::Regex(regex) => regex.as_str(),
        }
    }

    /// How well it fits one form of a name, lower case; `None` where it does not.
    pub(super) fn fits(&self, name: &str, dated: bool) -> Option<Quality> {
        let (class, length) = match self {
            Pattern::Equals(text) if name == text => return Some(Quality::EXACT),
            Pattern::Equals(text) => (4, text.len()),
            Pattern::Prefix(text) => (3, text.len()),
            Pattern::Regex(_) => (2, 0),
            Pattern::Contains(text) => (1, text.len()),
        };
        let fits = match self {
            Pattern::Equals(text) => dated && name.strip_prefix(text.as_str()).is_some_and(is_date_suffix),
            // A router's free offer of a model is another product: only a pattern that says so covers it.
            Pattern::Prefix(text) => {
                name.starts_with(text.as_str()) && (text.ends_with(":free") || !name.ends_with(":free"))
            }
            Pattern::Contains(text) => {
                name.contains(text.as_str()) && (text.ends_with(":free") || !name.ends_with(":free"))
            }
            Pattern::Regex(regex) => regex.is_match(name),
        };
        fits.then_some(Quality { class, length })
    }
}

/// `-20250514`, `@20250514` or `-2025-05-14`: four digits of a year from 2000 on, a month and a day.
fn is_date_suffix(text: &str) -> bool {
    let Some(date) = text.strip_prefix(['-', '@']) else { return false };
    let digits: Vec<u8> = match (date.len(), date.split('-').map(str::len).collect::<Vec<_>>().as_slice()) {
        (8, [8]) | (10, [4, 2, 2]) => date.bytes().filter(|byte| *byte != b'-').collect(),
        _ => return false,
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0u32, |sum, byte| sum * 10 + u32::from(byte.wrapping_sub(b'0')));
    digits.len() == 8
        && digits.iter().all(u8::is_ascii_digit)
        && digits.first() == Some(&b'2')
        && digits.get(4..6).is_some_and(|month| (1..=12).contains(&number(month)))
        && digits.get(6..8).is_some_and(|day| (1..=31).contains(&number(day)))
}

/// The forms in which a model's name is tried, the fullest first, and what stood before it that names a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    /// Lower case; empty for a name that cannot have a price.
    pub(super) forms: Vec<String>,
    /// The first provider that the name itself gives, as it was written in lower case.
    pub(super) provider: Option<String>,
}

impl Name {
    /// Takes a name apart. `is_provider` tells whether a word in lower case names a provider.
    pub(super) fn parse(model: &str, is_provider: impl Fn(&str) -> bool) -> Name {
        let mut name = Name::default();
        let full = model.trim().to_ascii_lowercase();
        if full.is_empty() || full.len() > LONGEST_NAME {
            return name;
        }
        let mut rest = full.as_str();
        name.forms.push(rest.to_owned());
        while name.forms.len() < MOST_FORMS
            && let Some((head, tail)) = split_head(rest, &is_provider)
        {
            if name.provider.is_none() && is_provider(head) {
                name.provider = Some(head.to_owned());
            }
            rest = tail;
            name.forms.push(rest.to_owned());
        }
        if let Some(bare) = strip_version(rest) {
            name.forms.push(bare.to_owned());
        }
        name
    }
}

/// Splits off a first part that is no part of the model's name.
fn split_head(name: &str, is_provider: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    let known =
        |head: &str| REGIONS.contains(&head) || PATH_WORDS.contains(&head) || is_aws_region(head) || is_provider(head);
    let (head, tail) = match name.split_once('/') {
        Some((head, tail)) if known(head) => (head, tail),
        Some(_) => return None,
        None => name.split_once('.').filter(|(head, _)| REGIONS.contains(head) || is_provider(head))?,
    };
    (!tail.is_empty()).then_some((head, tail))
}

/// `us-east-1`, `us-gov-west-1`, `ap-southeast-2` …
fn is_aws_region(text: &str) -> bool {
    let mut parts = text.rsplit('-');
    let number = parts.next().is_some_and(|part| part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_digit()));
    let rest: Vec<&str> = parts.collect();
    number
        && (2..=3).contains(&rest.len())
        && rest.last().is_some_and(|area| area.len() == 2)
        && rest.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// Takes Bedrock's version off: `-v1:0`.
fn strip_version(name: &str) -> Option<&str> {
    let (head, minor) = name.rsplit_once(':')?;
    let (head, major) = head.rsplit_once("-v")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(minor) && digits(major) && !head.is_empty()).then_some(head)
}

/// The regex crate draws the pattern with a caret under it; its last line says what is wrong.
fn last_line(error: &str) -> String {
    let line = error.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(model: &str) -> Vec<String> {
        Name::parse(model, |head| matches!(head, "openai" | "anthropic" | "bedrock" | "google" | "vertex_ai")).forms
    }

    #[test]
    fn names_are_tried_with_and_without_what_gateways_put_around_them() {
        for (model, want) in [
            ("GPT-4o", vec!["gpt-4o"]),
            (" openai/gpt-4o ", vec!["openai/gpt-4o", "gpt-4o"]),
            ("gpt-4.1", vec!["gpt-4.1"]),
            (
                "us.anthropic.claude-opus-4-5-20251101-v1:0",
                vec![
                    "us.anthropic.claude-opus-4-5-20251101-v1:0",
                    "anthropic.claude-opus-4-5-20251101-v1:0",
                    "claude-opus-4-5-20251101-v1:0",
                    "claude-opus-4-5-20251101",
                ],
            ),
            (
                "bedrock/us-east-1/anthropic.claude-x",
                vec![
                    "bedrock/us-east-1/anthropic.claude-x",
                    "us-east-1/anthropic.claude-x",
                    "anthropic.claude-x",
                    "claude-x",
                ],
            ),
            (
                "publishers/google/models/gemini-2.5-pro",
                vec![
                    "publishers/google/models/gemini-2.5-pro",
                    "google/models/gemini-2.5-pro",
                    "models/gemini-2.5-pro",
                    "gemini-2.5-pro",
                ],
            ),
            ("someone/gpt-4o", vec!["someone/gpt-4o"]),
            ("openai/", vec!["openai/"]),
            ("", vec![]),
        ] {
            assert_eq!(forms(model), want, "{model}");
        }
        assert!(forms(&"x".repeat(300)).is_empty());
        assert_eq!(Name::parse("models/x", |_| false).provider, None);
        assert_eq!(Name::parse("openai/x", |head| head == "openai").provider.as_deref(), Some("openai"));
    }

    #[test]
    fn patterns_fit_what_they_say() {
        for (form, text, dated, name, want) in [
            ("equals", "GPT-4o", false, "gpt-4o", true),
            ("equals", "gpt-4o", true, "gpt-4o-mini", false),
            ("equals", "gpt-4o", false, "gpt-4o-2024-05-13", false),
            ("equals", "gpt-4o", true, "gpt-4o-2024-05-13", true),
            ("equals", "claude-x", true, "claude-x-20250514", true),
            ("equals", "claude-x", true, "claude-x@20250514", true),
            ("equals", "claude-x", true, "claude-x-20251314", false),
            ("equals", "claude-x", true, "claude-x-2025051", false),
            ("equals", "claude-x", true, "claude-x-10250514", false),
            ("prefix", "deepseek-v4", false, "deepseek-v4-pro", true),
            ("prefix", "deepseek-v4", false, "deepseek-v4-pro:free", false),
            ("prefix", "ft:gpt-4", false, "ft:gpt-4-0613:org::id", true),
            ("contains", "flash", false, "gemini-flash-x", true),
            ("contains", "flash", false, "gemini-pro", false),
            ("regex", r"^o\d(-mini)?$", false, "o3-mini", true),
            ("regex", r"^O\d$", false, "o3", true),
            ("regex", r"^o\d$", false, "o3x", false),
        ] {
            let pattern = Pattern::parse(form, text).unwrap();
            assert_eq!(pattern.fits(name, dated).is_some(), want, "{form} {text} {name}");
            assert_eq!(pattern.form(), form);
        }
    }

    #[test]
    fn an_exact_name_is_better_than_a_dated_one_and_a_long_prefix_than_a_short_one() {
        let quality = |form, text, name| Pattern::parse(form, text).unwrap().fits(name, true).unwrap();
        let ranked = [
            quality("equals", "a-b-20250514", "a-b-20250514"),
            quality("equals", "a-b", "a-b-20250514"),
            quality("prefix", "a-b-", "a-b-20250514"),
            quality("prefix", "a-", "a-b-20250514"),
            quality("regex", "a-b", "a-b-20250514"),
            quality("contains", "b-2025", "a-b-20250514"),
            quality("contains", "b", "a-b-20250514"),
        ];
        assert!(ranked.windows(2).all(|pair| pair[0] > pair[1]), "{ranked:?}");
    }

    #[test]
    fn bad_patterns_say_what_is_wrong() {
        assert_eq!(Pattern::parse("equals", " ").unwrap_err(), "an empty pattern would match every model");
        assert!(Pattern::parse("regex", "(?!x)").unwrap_err().contains("look-around"));
        assert!(Pattern::parse("regex", "a{1000}{1000}{1000}").is_err());
    }
}
