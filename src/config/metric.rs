//! The section `metrics` becomes the bounds of the exposition.

use std::collections::BTreeMap;
use std::time::Duration;

use super::problem::Report;
use super::reader::Item;
use crate::meter::{CATALOGUE, Config, Kind, Metric};
use crate::wording::quoted;

/// Keys of the section.
pub(super) const KEYS: &[&str] = &["consumer_label", "max_lines", "new_series_hold", "buckets"];

/// Histograms whose buckets can be set.
pub(super) fn histograms() -> impl Iterator<Item = &'static str> + Clone {
    CATALOGUE.iter().filter(|metric| metric.kind == Kind::Histogram).map(Metric::short_name)
}

/// Most buckets of one histogram: each is a line of every series.
const MOST_BUCKETS: usize = 64;

/// Reads the section.
pub(super) fn read(item: &Item<'_>, report: &mut Report) -> Config {
    let section = item.section(report, KEYS, &[], "{max_lines: 50000}");
    let mut config = Config::default();
    section.fill(report, "consumer_label", &mut config.consumer_label, |item, report| item.boolean(report));
    section.fill(report, "max_lines", &mut config.max_lines, |item, report| {
        item.integer(report, 1_000, 10_000_000).and_then(|lines| usize::try_from(lines).ok())
    });
    section.fill(report, "new_series_hold", &mut config.new_series_hold, |item, report| {
        item.duration(report, Duration::ZERO, Duration::from_secs(3_600), "30s")
    });
    section.fill(report, "buckets", &mut config.buckets, |item, report| Some(buckets(item, report)));
    config
}

fn buckets(item: &Item<'_>, report: &mut Report) -> BTreeMap<String, Vec<f64>> {
    let mut buckets = BTreeMap::new();
    for (name, item) in item.entries(report, "{request_duration_seconds: [0.5, 1, 5]}") {
        if !histograms().any(|known| known == name) {
            item.unknown(report, "histogram", name, histograms());
        } else if let Some(bounds) = bounds(&item, report) {
            buckets.insert(name.to_owned(), bounds);
        }
    }
    buckets
}

fn bounds(item: &Item<'_>, report: &mut Report) -> Option<Vec<f64>> {
    let items = item.list(report, "[0.5, 1, 5]");
    if items.is_empty() {
        item.problem(report, "has no buckets", "list upper bounds, as in `[0.5, 1, 5]`, or remove it");
        return None;
    }
    if items.len() > MOST_BUCKETS {
        item.problem(report, format!("more than {MOST_BUCKETS} buckets"), "use fewer: each is a line of every series");
        return None;
    }
    let mut bounds: Vec<f64> = Vec::new();
    for item in &items {
        let bound =
            item.parsed(report, "a number", "0.5", |text| text.parse::<f64>().ok().filter(|bound| bound.is_finite()))?;
        let shown = quoted(&bound.to_string());
        if bound <= 0.0 {
            item.problem(report, format!("{shown} is not above 0"), "use bounds above 0");
            return None;
        }
        if bounds.last().is_some_and(|last| *last >= bound) {
            item.problem(report, format!("{shown} is not above the bound before it"), "sort the bounds, each once");
            return None;
        }
        bounds.push(bound);
    }
    Some(bounds)
}
