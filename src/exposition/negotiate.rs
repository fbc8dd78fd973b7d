//! An `Accept` header becomes the form of the page.
//!
//! Two forms are offered and no other is ever answered: a scraper that takes neither gets text 0.0.4, which is what
//! Prometheus' content negotiation asks of a target as the last resort.

/// A form of the metrics page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Text,
}

impl Form {
    /// The exact `Content-Type`. Prometheus 3 refuses a page without one.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The form for an `Accept` header (several joined by commas), by RFC 9110: the quality of the most specific matching
/// range counts. OpenMetrics is chosen only where a range names it (or `application/*`) and wins or draws, so that a
/// browser, curl and `*/*` get plain text. Parameters other than `version` (`charset`, `escaping`) are tolerated: all
/// names of the page are valid under every escaping scheme.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Form {
    let mut openmetrics = Quality::default();
    let mut text = Quality::default();
    for range in accept.unwrap_or_default().split(',') {
        let Some(range) = Range::parse(range) else { continue };
        openmetrics.observe(&range, "application", "openmetrics-text", "1.0.0");
        text.observe(&range, "text", "plain", "0.0.4");
    }
    let named = openmetrics.rank > Rank::Anything;
    if named && openmetrics.value > 0.0 && openmetrics.value >= text.value { Form::OpenMetrics } else { Form::Text }
}

/// How closely a range names a form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    #[default]
    Nothing,
    Anything,
    Kind,
    Exact,
    Versioned,
}

/// The quality of one form so far.
#[derive(Clone, Copy, Debug, Default)]
struct Quality {
    rank: Rank,
    value: f32,
}

impl Quality {
    fn observe(&mut self, range: &Range<'_>, kind: &str, subtype: &str, version: &str) {
        let is = |given: &str, own: &str| given.eq_ignore_ascii_case(own);
        let rank = match (range.kind, range.subtype, range.version) {
            ("*", "*", _) => Rank::Anything,
            (given, "*", _) if is(given, kind) => Rank::Kind,
            (given, sub, None) if is(given, kind) && is(sub, subtype) => Rank::Exact,
            (given, sub, Some(asked)) if is(given, kind) && is(sub, subtype) && asked == version => Rank::Versioned,
            _ => return,
        };
        if rank > self.rank {
            *self = Quality { rank, value: range.quality };
        } else if rank == self.rank {
            self.value = self.value.max(range.quality);
        }
    }
}

/// One element of an `Accept` header.
#[derive(Debug)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    version: Option<&'a str>,
    quality: f32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Range<'a>> {
        let mut parts = text.split(';');
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        let mut range = Range { kind, subtype, version: None, quality: 1.0 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "q" | "Q" => range.quality = quality(value),
                name if name.eq_ignore_ascii_case("version") => range.version = Some(value),
                _ => {}
            }
        }
        Some(range)
    }
}

/// A quality value; what is none counts as 1, as in the servers of the Go ecosystem.
pub(super) fn quality(text: &str) -> f32 {
    text.parse().ok().filter(|value| (0.0..=1.0).contains(value)).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scraper_gets_the_form_that_it_prefers() {
        use Form::{OpenMetrics, Text};
        let cases = [
            ("nothing sent", None, Text),
            ("an empty header", Some(""), Text),
            (
                "Prometheus 2.42",
                Some(
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                     text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ),
                OpenMetrics,
            ),
            (
                "Prometheus 3",
                Some(
                    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                     application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                     text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ),
                OpenMetrics,
            ),
            (
                "Prometheus 3 with native histograms",
                Some(
                    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
                     application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                     application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                     text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ),
                OpenMetrics,
            ),
            (
                "Prometheus 3 told to prefer text",
                Some(
                    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,\
                     application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.3",
                ),
                Text,
            ),
            (
                "Prometheus 2.20",
                Some("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
                Text,
            ),
            ("curl", Some("*/*"), Text),
            ("a browser", Some("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"), Text),
            ("OpenMetrics alone", Some("application/openmetrics-text"), OpenMetrics),
            ("the answer's own type", Some("application/openmetrics-text; version=1.0.0; charset=utf-8"), OpenMetrics),
            ("letter case and quotes", Some("Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.5"), OpenMetrics),
            ("OpenMetrics refused", Some("application/openmetrics-text;version=1.0.0;q=0,*/*"), Text),
            ("everything refused", Some("*/*;q=0"), Text),
            ("a form that nobody offers", Some("application/json"), Text),
            ("an OpenMetrics of the future", Some("application/openmetrics-text;version=2.0.0"), Text),
            ("a quality that is none", Some("application/openmetrics-text;q=high,text/plain;q=0.9"), OpenMetrics),
            ("junk", Some(";;q=,/,=,application"), Text),
            ("a draw between both", Some("text/plain,application/openmetrics-text"), OpenMetrics),
        ];
        for (who, accept, want) in cases {
            assert_eq!(negotiate(accept), want, "{who}");
        }
    }
}
