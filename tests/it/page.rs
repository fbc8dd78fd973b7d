//! A page of metrics, read back.

use std::collections::{BTreeMap, BTreeSet};

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// As it was written.
    pub(crate) value: String,
}

/// A page in either form.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) samples: Vec<Sample>,
}

impl Page {
    /// Reads a page; a line that is no sample fails the test.
    pub(crate) fn parse(text: &str) -> Page {
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
            let sample = parse_sample(line);
            assert!(sample.is_some(), "no sample: {line:?}");
            sample
        });
        Page { text: text.to_owned(), samples: samples.flatten().collect() }
    }

    /// All samples of that name with those labels.
    pub(crate) fn select<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| {
            let has = |(key, wanted): &(&str, &str)| sample.labels.get(*key).is_some_and(|value| value == wanted);
            sample.name == name && labels.iter().all(has)
        })
    }

    /// The sum over those samples, which are whole numbers; 0 without any.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let number = |sample: &Sample| sample.value.parse::<u64>().expect("a whole number");
        self.select(name, labels).map(number).sum()
    }

    /// The one sample's value as it was written.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<String> {
        let mut found = self.select(name, labels);
        let first = found.next();
        assert!(found.next().is_none(), "{name} {labels:?} is more than one sample");
        first.map(|sample| sample.value.clone())
    }

    /// Label value → count, over all samples of that name, without zeros.
    pub(crate) fn by(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for sample in self.select(name, &[]) {
            let value = sample.labels.get(label).cloned().unwrap_or_default();
            *counts.entry(value).or_default() += sample.value.parse::<u64>().expect("a whole number");
        }
        counts.retain(|_, count| *count > 0);
        counts
    }

    /// Families that have a `# TYPE` line, with their type.
    pub(crate) fn families(&self) -> BTreeSet<(String, String)> {
        let typed = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        typed.filter_map(|rest| rest.split_once(' ')).map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
    }

    /// Every counter's value by name and labels, but of those that tell of the process alone.
    pub(crate) fn counters(&self) -> BTreeMap<String, String> {
        let counts = |sample: &&Sample| {
            let name = sample.name.as_str();
            name.ends_with("_total") && !name.starts_with("process_")
        };
        self.samples
            .iter()
            .filter(counts)
            .map(|sample| (format!("{}{:?}", sample.name, sample.labels), sample.value.clone()))
            .collect()
    }
}

fn parse_sample(line: &str) -> Option<Sample> {
    let line = line.split(" # ").next()?;
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at_checked(name_end)?;
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            if let Some(after) = inside.strip_prefix('}') {
                rest = after;
                break;
            }
            inside = inside.strip_prefix(',').unwrap_or(inside);
            let (key, after) = inside.split_once("=\"")?;
            let mut value = String::new();
            let mut characters = after.char_indices();
            loop {
                match characters.next()? {
                    (end, '"') => {
                        inside = after.get(end + 1..)?;
                        break;
                    }
                    (_, '\\') => value.push(match characters.next()?.1 {
                        'n' => '\n',
                        other => other,
                    }),
                    (_, other) => value.push(other),
                }
            }
            labels.insert(key.to_owned(), value);
        }
    }
    let value = rest.trim_start().split(' ').next()?.to_owned();
    value.parse::<f64>().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}
