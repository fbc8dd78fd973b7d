//! OpenMetrics 1.0 text becomes Prometheus text 0.0.4.
//!
//! Works on the text, line by line, and copies whatever needs no change in runs. Every sample keeps its name, labels and
//! value; series keep their identity whichever form a scraper takes, so `le="1.0"` stays as it is. What 0.0.4 cannot say
//! is left out: `# EOF`, `# UNIT`, exemplars and `_created` samples. It does not check its input; a page that is no
//! OpenMetrics gives some text, never an error.

use std::borrow::Cow;
use std::fmt::Write as _;

use memchr::memmem;

/// Appends the text 0.0.4 form of an OpenMetrics page to `out`.
///
/// Metadata names what the samples are called (`x_total`, `x_info`), `info` and `stateset` become gauges, `unknown` and
/// `gaugehistogram` become untyped, times become milliseconds, and HELP loses the escaped quotes that 0.0.4 does not
/// know while a lone backslash is escaped.
pub fn downgrade(openmetrics: &str, out: &mut String) {
    out.reserve(openmetrics.len());
    let mut family = Family::default();
    let mut marks = memmem::find_iter(openmetrics.as_bytes(), EXEMPLAR);
    let mut mark = marks.next();
    // Where the run begins that was read and not yet copied.
    let mut run = 0;
    let mut start = 0;
    while start < openmetrics.len() {
        let rest = openmetrics.as_bytes().get(start..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).map_or(openmetrics.len(), |length| start + length);
        let line = openmetrics.get(start..end).unwrap_or_default();
        let next = (end + 1).min(openmetrics.len());
        while mark.is_some_and(|at| at < start) {
            mark = marks.next();
        }
        let kept = if let Some(comment) = line.strip_prefix("# ") {
            copy(openmetrics, run, start, out);
            family.observe(comment, out);
            false
        } else {
            if !family.written {
                copy(openmetrics, run, start, out);
                run = start;
                family.write(out);
            }
            match sample(line, mark.is_some_and(|at| at < end), &family) {
                Sample::Same => true,
                Sample::Dropped => {
                    copy(openmetrics, run, start, out);
                    false
                }
                Sample::Changed { head, timestamp } => {
                    copy(openmetrics, run, start, out);
                    out.push_str(head);
                    if let Some(timestamp) = timestamp {
                        push_milliseconds(timestamp, out);
                    }
                    out.push('\n');
                    false
                }
            }
        };
        if !kept {
            run = next;
        }
        start = next;
    }
    copy(openmetrics, run, openmetrics.len(), out);
    family.write(out);
}

/// What begins an exemplar, outside of quotes.
const EXEMPLAR: &[u8] = b" # {";

fn copy(page: &str, from: usize, to: usize, out: &mut String) {
    out.push_str(page.get(from..to).unwrap_or_default());
}

/// The metadata of one family, held back until its first sample since HELP may stand before TYPE.
#[derive(Debug)]
struct Family<'a> {
    name: &'a str,
    kind: Option<&'a str>,
    help: Option<&'a str>,
    written: bool,
}

impl Default for Family<'_> {
    fn default() -> Self {
        Family { name: "", kind: None, help: None, written: true }
    }
}

impl<'a> Family<'a> {
    /// Takes a comment line without its `# `.
    fn observe(&mut self, comment: &'a str, out: &mut String) {
        let Some((word, rest)) = comment.split_once(' ') else { return };
        let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
        if !matches!(word, "HELP" | "TYPE") {
            return;
        }
        if self.written || self.name != name {
            self.write(out);
            *self = Family { name, kind: None, help: None, written: false };
        }
        match word {
            "HELP" => self.help = Some(text),
            _ => self.kind = Some(text),
        }
    }

    fn write(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        let (suffix, kind) = match self.kind {
            Some("counter") => ("_total", "counter"),
            Some("info") => ("_info", "gauge"),
            Some("stateset") => ("", "gauge"),
            Some(kind @ ("gauge" | "histogram" | "summary")) => ("", kind),
            _ => ("", "untyped"),
        };
        if let Some(help) = self.help {
            for part in ["# HELP ", self.name, suffix, " ", &help_text(help), "\n"] {
                out.push_str(part);
            }
        }
        if self.kind.is_some() {
            for part in ["# TYPE ", self.name, suffix, " ", kind, "\n"] {
                out.push_str(part);
            }
        }
    }

    fn has_created(&self) -> bool {
        matches!(self.kind, Some("counter" | "histogram" | "gaugehistogram" | "summary"))
    }
}

/// HELP text of 0.0.4 knows `\\` and `\n`; a parser refuses every other escape.
fn help_text(help: &str) -> Cow<'_, str> {
    if !help.contains('\\') {
        return Cow::Borrowed(help);
    }
    let mut text = String::with_capacity(help.len() + 8);
    let mut chars = help.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next_if(|next| matches!(next, '\\' | 'n' | '"')) {
            Some('"') => text.push('"'),
            Some('n') => text.push_str("\\n"),
            _ => text.push_str("\\\\"),
        }
    }
    Cow::Owned(text)
}

/// What becomes of a sample line.
#[derive(Debug, PartialEq)]
enum Sample<'a> {
    Same,
    Dropped,
    /// `head` is name, labels and value; `timestamp` is in seconds.
    Changed {
        head: &'a str,
        timestamp: Option<&'a str>,
    },
}

/// `marked`: the line holds [`EXEMPLAR`] somewhere, perhaps in a label value.
fn sample<'a>(line: &'a str, marked: bool, family: &Family<'_>) -> Sample<'a> {
    let bytes = line.as_bytes();
    if family.has_created() {
        let name = line.strip_prefix(family.name).and_then(|rest| rest.strip_prefix("_created"));
        if name.is_some_and(|rest| rest.starts_with(['{', ' '])) {
            return Sample::Dropped;
        }
    }
    let labels_end = if marked {
        labels_end(bytes)
    } else {
        // Without an exemplar the last brace closes the labels: a number has none.
        memchr::memrchr(b'}', bytes).map(|at| at + 1)
    };
    let labels_end = labels_end.or_else(|| memchr::memchr(b' ', bytes)).unwrap_or(bytes.len());
    let rest = bytes.get(labels_end..).unwrap_or_default();
    let cut = if marked { memmem::find(rest, EXEMPLAR) } else { None };
    let rest = cut.map_or(rest, |at| rest.get(..at).unwrap_or_default());
    // `rest` is ` value` or ` value time`.
    let time = memchr::memrchr(b' ', rest).filter(|at| *at > 0);
    if cut.is_none() && time.is_none() {
        return Sample::Same;
    }
    let head_end = labels_end + time.unwrap_or(rest.len());
    let timestamp = time.and_then(|at| line.get(labels_end + at + 1..labels_end + rest.len()));
    Sample::Changed { head: line.get(..head_end).unwrap_or(line), timestamp }
}

/// The byte behind the brace that closes the labels of a sample, if it has labels.
fn labels_end(line: &[u8]) -> Option<usize> {
    let open = memchr::memchr2(b'{', b' ', line).filter(|at| line.get(*at) == Some(&b'{'))?;
    let mut at = open + 1;
    let mut quoted = false;
    loop {
        let found = memchr::memchr3(b'"', b'\\', b'}', line.get(at..)?)?;
        at += found + 1;
        match line.get(at - 1) {
            Some(b'"') => quoted = !quoted,
            Some(b'\\') => at += 1,
            _ if !quoted => return Some(at),
            _ => {}
        }
    }
}

/// OpenMetrics counts seconds, 0.0.4 whole milliseconds. A time that is no number is left out.
fn push_milliseconds(seconds: &str, out: &mut String) {
    if let Some(seconds) = seconds.parse::<f64>().ok().filter(|seconds| seconds.is_finite()) {
        // Writing to a string cannot fail.
        let _ = write!(out, " {:.0}", seconds * 1_000.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(openmetrics: &str) -> String {
        let mut out = String::new();
        downgrade(openmetrics, &mut out);
        out
    }

    #[test]
    fn each_construct_becomes_its_older_form() {
        let cases = [
            ("the end mark goes", "# EOF\n", ""),
            (
                "a counter is named as its samples",
                "# HELP x Things.\n# TYPE x counter\nx_total 1\nx_created 1.5e9\n# EOF\n",
                "# HELP x_total Things.\n# TYPE x_total counter\nx_total 1\n",
            ),
            (
                "units go, whatever the order of the metadata",
                "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds Age.\na_seconds{b=\"c\"} 0.5\n",
                "# HELP a_seconds Age.\n# TYPE a_seconds gauge\na_seconds{b=\"c\"} 0.5\n",
            ),
            (
                "info is a gauge",
                "# TYPE build info\nbuild_info{version=\"1\"} 1\n",
                "# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n",
            ),
            ("unknown is untyped", "# TYPE x unknown\nx 1\n", "# TYPE x untyped\nx 1\n"),
            ("a stateset is a gauge", "# TYPE x stateset\nx{x=\"a\"} 1\n", "# TYPE x gauge\nx{x=\"a\"} 1\n"),
            (
                "exemplars go",
                "# TYPE h histogram\nh_bucket{le=\"1.0\"} 2 # {trace_id=\"ab\"} 0.5 1520879607.789\nh_count 2\nh_sum 1.5\n",
                "# TYPE h histogram\nh_bucket{le=\"1.0\"} 2\nh_count 2\nh_sum 1.5\n",
            ),
            (
                "an exemplar of a series without labels goes",
                "# TYPE x counter\nx_total 2 # {trace_id=\"}\"} 1\n",
                "# TYPE x_total counter\nx_total 2\n",
            ),
            (
                "what looks like an exemplar inside a label stays",
                "x{a=\" # {b=\\\"\",c=\"}\"} 2\nx{a=\" # {\\\\\"} 2 # {t=\" # {\"} 1\n",
                "x{a=\" # {b=\\\"\",c=\"}\"} 2\nx{a=\" # {\\\\\"} 2\n",
            ),
            (
                "seconds become milliseconds",
                "x 1 1520879607.789\nx{a=\"b\"} 2 -1\n",
                "x 1 1520879607789\nx{a=\"b\"} 2 -1000\n",
            ),
            ("a time and an exemplar", "x_total 1 2.5 # {t=\"u\"} 1 2\n", "x_total 1 2500\n"),
            ("a time that is none goes", "x 1 soon\nx 2 NaN\n", "x 1\nx 2\n"),
            ("a gauge may be called created", "# TYPE x gauge\nx_created 1\n", "# TYPE x gauge\nx_created 1\n"),
            ("values stay as they are", "x NaN\nx +Inf\nx -1.5e-9\n", "x NaN\nx +Inf\nx -1.5e-9\n"),
            (
                "help is escaped as 0.0.4 knows it",
                "# HELP x a \\\"b\\\" c\\\\d e\\nf g\\h \"i\" \\\n# TYPE x gauge\nx 1\n",
                "# HELP x a \"b\" c\\\\d e\\nf g\\\\h \"i\" \\\\\n# TYPE x gauge\nx 1\n",
            ),
            (
                "families without samples keep their metadata",
                "# HELP a A.\n# TYPE a counter\n# HELP b B.\n# TYPE b gauge\n# EOF\n",
                "# HELP a_total A.\n# TYPE a_total counter\n# HELP b B.\n# TYPE b gauge\n",
            ),
            ("a last line without newline", "x 1", "x 1"),
        ];
        for (what, openmetrics, want) in cases {
            assert_eq!(text(openmetrics), want, "{what}");
        }
    }

    #[test]
    fn a_page_of_the_encoder_becomes_a_page_of_0_0_4() {
        use prometheus_client::metrics::{
            counter::Counter, exemplar::HistogramWithExemplars, family::Family, info::Info,
        };
        use prometheus_client::registry::{Registry, Unit};
        let mut registry = Registry::with_prefix("tokentail");
        registry.register("build", "The build", Info::new(vec![("version", "0.1")]));
        let requests = Family::<Vec<(&str, &str)>, Counter>::default();
        registry.register("requests", "Requests", requests.clone());
        requests.get_or_create(&vec![("model", "a # {\"b\\\n}")]).inc_by(3);
        let duration = HistogramWithExemplars::<Vec<(&str, &str)>>::new([1.0].into_iter());
        registry.register_with_unit("duration", "How long", Unit::Seconds, duration.clone());
        duration.observe(0.5, Some(vec![("trace_id", "ab")]), None);
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry).expect("a string takes every byte");
        assert!(page.contains(" # {trace_id=\"ab\"} 0.5"), "{page}");
        let want = "# HELP tokentail_build_info The build.\n\
                    # TYPE tokentail_build_info gauge\n\
                    tokentail_build_info{version=\"0.1\"} 1\n\
                    # HELP tokentail_requests_total Requests.\n\
                    # TYPE tokentail_requests_total counter\n\
                    tokentail_requests_total{model=\"a # {\\\"b\\\\\\n}\"} 3\n\
                    # HELP tokentail_duration_seconds How long.\n\
                    # TYPE tokentail_duration_seconds histogram\n\
                    tokentail_duration_seconds_sum 0.5\n\
                    tokentail_duration_seconds_count 1\n\
                    tokentail_duration_seconds_bucket{le=\"1.0\"} 1\n\
                    tokentail_duration_seconds_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(text(&page), want);
    }

    /// A sample as both forms know it; the time is in milliseconds.
    #[derive(Clone, Debug, PartialEq)]
    struct Point {
        name: String,
        labels: Vec<(String, String)>,
        value: String,
        time: Option<i64>,
    }

    fn escape(value: &str) -> String {
        value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
    }

    fn openmetrics(point: &Point, exemplar: Option<&str>) -> String {
        let labels: Vec<String> =
            point.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let time = point.time.map_or(String::new(), |time| format!(" {}.{:03}", time / 1_000, time % 1_000));
        let exemplar = exemplar.map_or(String::new(), |value| format!(" # {{trace_id=\"{}\"}} 1 2.5", escape(value)));
        format!("{}{labels} {}{time}{exemplar}\n", point.name, point.value)
    }

    /// A strict reader of 0.0.4, written from its specification and sharing nothing with the code above.
    fn parse(line: &str) -> Option<Point> {
        let name_end = line.find(['{', ' '])?;
        let name = line[..name_end].to_owned();
        let mut rest = &line[name_end..];
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (label, tail) = rest.split_once("=\"")?;
                let mut value = String::new();
                let mut chars = tail.char_indices();
                let end = loop {
                    match chars.next()? {
                        (at, '"') => break at + 1,
                        (_, '\\') => value.push(match chars.next()?.1 {
                            'n' => '\n',
                            c @ ('"' | '\\') => c,
                            _ => return None,
                        }),
                        (_, c) => value.push(c),
                    }
                };
                labels.push((label.to_owned(), value));
                rest = tail[end..].strip_prefix(',').unwrap_or(&tail[end..]);
            }
            rest = &rest[1..];
        }
        let mut words = rest.strip_prefix(' ')?.split(' ');
        let value = words.next()?.to_owned();
        value.parse::<f64>().ok()?;
        let time = words.next().map(|time| time.parse().ok());
        (words.next().is_none() && time != Some(None)).then_some(Point { name, labels, value, time: time.flatten() })
    }

    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof!["[ #{}\"\\\\\n,=a]{0,12}", Just(" # {trace_id=\"x\"} 1".to_owned()), "\\PC{0,8}"]
    }

    fn point() -> impl Strategy<Value = Point> {
        let labels = prop::collection::vec(("[a-z_]{1,5}", hostile()), 0..4);
        let value = prop_oneof![
            any::<f64>().prop_map(|value| value.to_string()),
            any::<u64>().prop_map(|value| value.to_string())
        ];
        let time = prop::option::of(0..4_000_000_000_000_i64);
        ("[a-z]{1,6}", labels, value, time).prop_map(|(name, labels, value, time)| Point { name, labels, value, time })
    }

    proptest! {
        #[test]
        fn every_sample_survives_with_its_labels_value_and_time(
            points in prop::collection::vec((point(), prop::option::of(hostile()), 0..5_usize), 0..20),
        ) {
            let kinds = ["counter", "gauge", "histogram", "unknown", "info"];
            let mut page = String::new();
            for (point, exemplar, kind) in &points {
                page.push_str(&format!("# HELP {} h\n# TYPE {} {}\n", point.name, point.name, kinds[*kind]));
                page.push_str(&openmetrics(point, exemplar.as_deref()));
            }
            page.push_str("# EOF\n");
            let text = text(&page);
            let read: Vec<_> = text.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#')).map(parse).collect();
            let want: Vec<_> = points.into_iter().map(|(point, ..)| Some(point)).collect();
            prop_assert_eq!(read, want);
        }

        #[test]
        fn no_text_panics(page in "[# {}\"\\\\\nxHELPTYE_created0-9é]{0,200}") {
            let _ = text(&page);
        }
    }
}
