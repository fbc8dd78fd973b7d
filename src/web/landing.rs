//! Plain figures become the landing page.
//!
//! One page without scripts and without anything fetched from elsewhere, so that its content security policy can forbid
//! both. Everything that is not ours is escaped: names in it come from logs. Reads no state; the daemon provides it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::record::Micros;
use crate::wording::grouped;

/// What the landing page shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Landing {
    /// The program's version.
    pub version: String,
    /// When the figures were read.
    pub now: Micros,
    /// How things stand.
    pub state: State,
    /// The logs that are followed, in the configuration's order.
    pub sources: Vec<Source>,
    /// Totals since the ledger began.
    pub figures: Figures,
}

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything read is counted and stored.
    Ready,
    /// History is still being read; the text says how far.
    CatchingUp(String),
    /// The ledger cannot commit; the text says why.
    Failing(String),
}

/// One log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its configured name.
    pub name: String,
    /// Its path or glob.
    pub path: String,
    /// Bytes written and not yet read.
    pub lag_bytes: u64,
    /// Logical lines read.
    pub lines: u64,
    /// Records read; requests, skipped, rejected and duplicates together.
    pub records: u64,
    /// Records that are no AI request.
    pub skipped: u64,
    /// Records of requests that were counted before.
    pub duplicates: u64,
    /// Records that could not be used.
    pub rejected: u64,
}

/// Totals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests counted.
    pub requests: u64,
    /// Requests that failed, for whatever reason.
    pub errors: u64,
    /// Requests of models that nobody prices.
    pub unpriced: u64,
    /// Input tokens, cache reads and writes included.
    pub input_tokens: u64,
    /// Output tokens, reasoning included.
    pub output_tokens: u64,
    /// Currency and exact decimal amount, as in `("USD", "0.011925")`.
    pub cost: Vec<(String, String)>,
}

/// The page's only style; its hash is in the content security policy.
const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2330;--dim:#5b6575;--line:#dfe3e9;--back:#f6f7f9;--card:#fff;--link:#1257b8;
--good:#14773f;--warn:#8f5a00;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#9aa4b2;--line:#2b323d;--back:#12161c;--card:#1a2029;
--link:#7db2ff;--good:#5fd08f;--warn:#f0b64d;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1rem 3rem}
h1{margin:0;font-size:1.6rem}h1 small{font-size:.9rem;font-weight:400;color:var(--dim)}
h2{margin:2rem 0 .6rem;font-size:1.05rem}
p{margin:.4rem 0}
a{color:var(--link)}
.dim,dt,th{color:var(--dim)}
.state{display:inline-block;margin-top:1rem;padding:.35rem .8rem;border:1px solid currentColor;border-radius:.5rem;
overflow-wrap:anywhere}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
dl{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:.6rem;margin:0}
dl div{padding:.7rem .9rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
dt{font-size:.85rem}
dd{margin:0;font-size:1.2rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
dd small{font-size:.8rem;color:var(--dim)}
.table{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
table{width:100%;border-collapse:collapse;font-size:.92rem}
th,td{padding:.5rem .8rem;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
th{font-weight:500;font-size:.85rem}
th:first-child,td:first-child{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:12rem}
td:first-child i{display:inline-block;max-width:100%;font-style:normal}
tbody tr{border-top:1px solid var(--line)}
@media (max-width:45rem){
dl{grid-template-columns:repeat(2,minmax(0,1fr))}
.table{overflow:visible;background:none;border:0;border-radius:0}
thead{display:none}
table,tbody,tr,td{display:block}
tr{margin-top:.6rem;padding:.7rem .9rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
td,td:first-child{padding:.1rem 0;min-width:0}
td:first-child{padding-bottom:.4rem}
td[data-label]::before{content:attr(data-label);float:left;margin-right:1rem;color:var(--dim)}
}
ul{margin:0;padding-left:1.2rem}
";

/// The content security policy of the page: nothing but its own style.
pub(super) fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// The page. `prefix` stands before our paths (empty, or `/a/b`); `links` are paths with what they are.
pub(super) fn page(landing: &Landing, prefix: &str, links: &[(&str, &str)]) -> String {
    let (class, state) = match &landing.state {
        State::Ready => ("good", "Ready: everything read is counted and stored.".to_owned()),
        State::CatchingUp(how) => ("warn", format!("Catching up: {how}")),
        State::Failing(why) => ("bad", format!("Failing: {why}")),
    };
    let links: String = links
        .iter()
        .map(|(path, about)| {
            let (path, about) = (escape(&format!("{prefix}{path}")), escape(about));
            format!("<li><a href=\"{path}\">{path}</a> <span class=\"dim\">{about}</span></li>\n")
        })
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"30\">\n\
         <title>tokentail</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>tokentail <small>{version}</small></h1>\n\
         <p>Turns an LLM gateway’s log into exact, priced, durable metrics.</p>\n\
         <p class=\"state {class}\" role=\"status\">{state}</p>\n\
         <p class=\"dim\">As of {now}; this page renews itself every 30 seconds.</p>\n\
         {figures}{sources}<h2>Paths</h2>\n<ul>\n{links}</ul>\n</main>\n</body>\n</html>\n",
        version = escape(&landing.version),
        state = escape(&state),
        now = time(landing.now),
        figures = figures(&landing.figures),
        sources = sources(&landing.sources),
    )
}

/// `2026-02-01 09:31:37 UTC`.
fn time(micros: Micros) -> String {
    Timestamp::from_microsecond(micros)
        .map_or_else(|_| "an unknown time".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Six cards, whatever the number of currencies: they fill rows of two and of three.
fn figures(figures: &Figures) -> String {
    let card = |name: &str, values: &str| format!("<div><dt>{name}</dt>{values}</div>\n");
    let count = |name: &str, count: u64| card(name, &format!("<dd>{}</dd>", grouped(count)));
    let unpriced = match figures.unpriced {
        0 => count("Unpriced requests", 0),
        unpriced => card("Unpriced requests", &format!("<dd class=\"warn\">{}</dd>", grouped(unpriced))),
    };
    let costs: String = figures
        .cost
        .iter()
        .map(|(currency, exact)| {
            let (currency, exact, short) = (escape(currency), escape(exact), escape(&rounded(exact)));
            format!("<dd title=\"{exact} {currency}\">{short} <small>{currency}</small></dd>")
        })
        .collect();
    let cells = [
        count("Requests", figures.requests),
        count("Failed requests", figures.errors),
        unpriced,
        count("Input tokens", figures.input_tokens),
        count("Output tokens", figures.output_tokens),
        card("Cost", if costs.is_empty() { "<dd>0</dd>" } else { &costs }),
    ];
    format!("<h2>Totals</h2>\n<dl>\n{}</dl>\n", cells.concat())
}

fn sources(sources: &[Source]) -> String {
    if sources.is_empty() {
        return "<h2>Sources</h2>\n<p class=\"dim\">No log is followed.</p>\n".to_owned();
    }
    let heads: String =
        cells(&Source::default()).iter().map(|(label, _)| format!("<th scope=\"col\">{label}</th>")).collect();
    let rows: String = sources
        .iter()
        .map(|source| {
            let cells: String =
                cells(source).iter().map(|(label, value)| format!("<td data-label=\"{label}\">{value}</td>")).collect();
            format!(
                "<tr><td>{}<br><span class=\"dim\">{}</span></td>{cells}</tr>\n",
                escape(&source.name),
                path(&source.path)
            )
        })
        .collect();
    format!(
        "<h2>Sources</h2>\n<div class=\"table\">\n<table>\n<thead><tr><th scope=\"col\">Log</th>{heads}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}

/// A source's columns after its name. On narrow screens each value shows its label beside it.
fn cells(source: &Source) -> [(&'static str, String); 6] {
    let lag = if source.lag_bytes == 0 { "0".to_owned() } else { format!("{} B", grouped(source.lag_bytes)) };
    [
        ("Unread", lag),
        ("Lines", grouped(source.lines)),
        ("Records", grouped(source.records)),
        ("Skipped", grouped(source.skipped)),
        ("Duplicates", grouped(source.duplicates)),
        ("Rejected", grouped(source.rejected)),
    ]
}

/// A path that wraps after its slashes only, as long as each of its parts fits on a line.
fn path(path: &str) -> String {
    path.split_inclusive('/').map(|part| format!("<i>{}</i>", escape(part))).collect()
}

/// A decimal number for people: 2 digits after the point, 4 where it is under 1, rounded half up. What is no decimal
/// number stays as it is.
fn rounded(exact: &str) -> String {
    round(exact).unwrap_or_else(|| exact.to_owned())
}

fn round(exact: &str) -> Option<String> {
    let (sign, magnitude) = exact.strip_prefix('-').map_or(("", exact), |magnitude| ("-", magnitude));
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let round_to = |places: usize, unit: u128| -> Option<(u128, u128)> {
        let mut digits = fraction.bytes().map(|byte| u128::from(byte - b'0')).chain(std::iter::repeat(0));
        let kept = digits.by_ref().take(places).fold(0, |kept, digit| kept * 10 + digit);
        let kept = kept + u128::from(digits.next()? >= 5);
        Some((whole.checked_add(kept / unit)?, kept % unit))
    };
    let is_zero = whole == 0 && fraction.bytes().all(|byte| byte == b'0');
    let (small_whole, small) = round_to(4, 10_000)?;
    Some(match small_whole {
        0 if is_zero => "0".to_owned(),
        // Something that was paid does not look like nothing.
        0 if small == 0 => format!("{}0.0001", if sign.is_empty() { "< " } else { "> -" }),
        0 => format!("{sign}0.{small:04}"),
        _ => {
            let (whole, cents) = round_to(2, 100)?;
            format!("{sign}{}.{cents:02}", grouped(whole))
        }
    })
}

/// Text for element content and quoted attributes. Control characters and those that turn the direction of writing
/// become visible, since a log can hold them.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn landing() -> Landing {
        Landing {
            version: "0.1.0".to_owned(),
            now: 1_769_938_297_123_456,
            state: State::Ready,
            sources: vec![Source {
                name: "higress".to_owned(),
                path: "/var/log/access*.log".to_owned(),
                lag_bytes: 2_048,
                lines: 1_234_567,
                records: 1_234_000,
                skipped: 34_000,
                duplicates: 5,
                rejected: 3,
            }],
            figures: Figures {
                requests: 1_000,
                errors: 12,
                unpriced: 0,
                input_tokens: 18_446_744_073_709_551_615,
                output_tokens: 999,
                cost: vec![("USD".to_owned(), "0.011925".to_owned()), ("CNY".to_owned(), "1234567.895".to_owned())],
            },
        }
    }

    #[test]
    fn the_page_shows_what_it_is_given() {
        let page = page(&landing(), "/t", &[("/metrics", "the metrics")]);
        for want in [
            "<small>0.1.0</small>",
            "class=\"state good\"",
            "As of 2026-02-01 09:31:37 UTC;",
            "<i>/</i><i>var/</i><i>log/</i><i>access*.log</i>",
            "<th scope=\"col\">Unread</th>",
            "<td data-label=\"Unread\">2,048 B</td><td data-label=\"Lines\">1,234,567</td>",
            "<td data-label=\"Records\">1,234,000</td><td data-label=\"Skipped\">34,000</td>",
            "<td data-label=\"Duplicates\">5</td><td data-label=\"Rejected\">3</td>",
            "<dt>Requests</dt><dd>1,000</dd>",
            "<dd>18,446,744,073,709,551,615</dd>",
            "<dt>Unpriced requests</dt><dd>0</dd>",
            "<dd title=\"0.011925 USD\">0.0119 <small>USD</small></dd>",
            "<dd title=\"1234567.895 CNY\">1,234,567.90 <small>CNY</small></dd>",
            "<a href=\"/t/metrics\">/t/metrics</a>",
        ] {
            assert!(page.contains(want), "{want} in {page}");
        }
    }

    #[test]
    fn what_is_not_there_is_shown_as_nothing_and_unpriced_requests_stand_out() {
        let figures = Figures { unpriced: 1_200, cost: Vec::new(), ..landing().figures };
        let sources = vec![Source::default()];
        let page = page(&Landing { figures, sources, now: i64::MAX, ..landing() }, "", &[]);
        for want in [
            "<dt>Unpriced requests</dt><dd class=\"warn\">1,200</dd>",
            "<dt>Cost</dt><dd>0</dd>",
            "<td data-label=\"Unread\">0</td>",
            "As of an unknown time;",
        ] {
            assert!(page.contains(want), "{want} in {page}");
        }
    }

    #[test]
    fn an_amount_is_rounded_for_people() {
        for (exact, short) in [
            ("0", "0"),
            ("0.000", "0"),
            ("0.000049999", "< 0.0001"),
            ("0.00005", "0.0001"),
            ("0.000000001", "< 0.0001"),
            ("-0.000000001", "> -0.0001"),
            ("0.011925", "0.0119"),
            ("0.5", "0.5000"),
            ("0.99994", "0.9999"),
            ("0.99996", "1.00"),
            ("1", "1.00"),
            ("1.004999999", "1.00"),
            ("1.005", "1.01"),
            ("-12.5", "-12.50"),
            ("999.995", "1,000.00"),
            ("4018.123456789", "4,018.12"),
            ("170141183460469231731687303715.884105727", "170,141,183,460,469,231,731,687,303,715.88"),
            ("", ""),
            (".5", ".5"),
            ("1.", "1."),
            ("1.2.3", "1.2.3"),
            ("1e3", "1e3"),
            ("9999999999999999999999999999999999999999", "9999999999999999999999999999999999999999"),
        ] {
            assert_eq!(rounded(exact), short, "{exact}");
        }
    }

    #[test]
    fn the_state_says_what_is_the_matter() {
        let failing = Landing { state: State::Failing("disk full".to_owned()), ..landing() };
        assert!(page(&failing, "", &[]).contains("class=\"state bad\" role=\"status\">Failing: disk full<"));
        let behind = Landing { state: State::CatchingUp("40 %".to_owned()), ..landing() };
        assert!(page(&behind, "", &[]).contains("class=\"state warn\" role=\"status\">Catching up: 40 %<"));
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let evil = "<script>alert('&\"')</script>\u{202e}\u{1b}[2J";
        let hostile = Landing {
            version: evil.to_owned(),
            now: 0,
            state: State::Failing(evil.to_owned()),
            sources: vec![Source { name: evil.to_owned(), path: evil.to_owned(), ..Source::default() }],
            figures: Figures { cost: vec![(evil.to_owned(), evil.to_owned())], ..Figures::default() },
        };
        let page = page(&hostile, "/\"><script>", &[("/x", evil)]);
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains(['\u{202e}', '\u{1b}']));
        assert_eq!(page.matches("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;").count(), 8);
        assert!(page.contains("<i>&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/</i><i>script&gt;"));
        assert!(page.contains("href=\"/&quot;&gt;&lt;script&gt;/x\""));
    }

    #[test]
    fn the_policy_allows_the_style_and_nothing_else() {
        let page = page(&landing(), "", &[]);
        let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
        assert!(policy().contains(&format!("'sha256-{}'", STANDARD.encode(Sha256::digest(style)))));
        assert!(policy().starts_with("default-src 'none';"));
        for forbidden in ["<script", "style=\"", "http://", "https://", "onload", "@import", "url("] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}
