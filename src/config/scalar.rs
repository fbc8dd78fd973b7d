//! Text becomes durations, sizes, exact decimals, zones, regular expressions and addresses, and back where needed.
//!
//! Pure functions from text to a value or a reason. They do not know where the text stood.

use std::net::Ipv6Addr;
use std::time::Duration;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::record::money::NANOS;

const SECOND: u128 = 1_000_000_000;

/// Units of durations in nanoseconds, largest first.
const DURATION_UNITS: [(&str, u128); 5] =
    [("d", 86_400 * SECOND), ("h", 3_600 * SECOND), ("m", 60 * SECOND), ("s", SECOND), ("ms", SECOND / 1_000)];

/// Units of sizes in bytes. `k` and `K` are both common for 1,000.
const SIZE_UNITS: [(&str, u64); 11] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
    ("", 1),
];

/// Most bytes that one compiled regular expression may take; 16 dimensions then stay under 32 MiB.
const REGEX_BYTES: usize = 1 << 20;

/// Reads `250ms`, `30s`, `1h30m`, `1.5s`, `90d` or `0`: units from large to small, each at most once.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = DURATION_UNITS.iter();
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let (_, nanos) = units.find(|(name, _)| *name == unit)?;
        let number = u128::try_from(decimal(number).ok()?).ok()?;
        total = total.checked_add(number.checked_mul(*nanos)? / NANOS.unsigned_abs())?;
        rest = after;
    }
    if text.is_empty() {
        return None;
    }
    let seconds = u64::try_from(total / SECOND).ok()?;
    Some(Duration::new(seconds, u32::try_from(total % SECOND).ok()?))
}

/// Writes a duration as [`duration`] reads it; less than a millisecond is cut.
pub(super) fn duration_text(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, nanos) in DURATION_UNITS {
        if rest >= nanos {
            text.push_str(&format!("{}{unit}", rest / nanos));
            rest %= nanos;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads `16MiB`, `1.5 GB` or plain bytes; fractions of a byte are cut.
pub(super) fn size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    let nanos = decimal(number.trim_end_matches(' ')).ok()?;
    u64::try_from(nanos.checked_mul(i128::from(*bytes))? / NANOS).ok()
}

/// Writes a size in the largest binary unit that divides it.
pub(super) fn size_text(bytes: u64) -> String {
    let binary = SIZE_UNITS.iter().take(4).find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    binary.map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// Reads a decimal number exactly, in 10^-9 units: at most 18 digits before the point and 9 after it.
pub(super) fn decimal(text: &str) -> Result<i128, &'static str> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return Err("not a decimal number");
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 9 {
        return Err("finer than 9 decimals");
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > 18 {
        return Err("too large");
    }
    let number = |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse::<i128>() };
    let nanos = number(whole)
        .and_then(|whole| Ok(whole * NANOS + number(&format!("{fraction:0<9}"))?))
        .map_err(|_| "not a decimal number")?;
    Ok(if negative { -nanos } else { nanos })
}

/// Writes a whole number with thousands set apart: `50,000`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Finds an IANA time zone: the machine's own database first, because it is kept current, then the one in the binary,
/// because a container often has none or only a part.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("utc") {
        return Some(TimeZone::UTC);
    }
    jiff::tz::db().get(name).or_else(|_| TimeZoneDatabase::bundled().get(name)).ok()
}

/// All zone names of the binary's own database, for suggestions.
pub(super) fn zone_names() -> Vec<String> {
    TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
}

/// Reads a day such as `2026-11-01`.
pub(super) fn date(text: &str) -> Option<jiff::civil::Date> {
    let shape = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if shape { text.parse().ok() } else { None }
}

/// Compiles a regular expression within 1 MiB; the error is one line.
pub(super) fn regex(text: &str) -> Result<regex::Regex, String> {
    let built = regex::RegexBuilder::new(text).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "larger than 1 MiB when compiled".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("not understood");
            last.trim().trim_start_matches("error: ").to_owned()
        }
    })
}

/// Whether this is a host name or an address, without port: letters, digits, `.`, `-`, `_`, or an IPv6 address.
pub(super) fn is_host(text: &str) -> bool {
    let name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    !text.is_empty() && text.len() <= 253 && (name(text) || text.parse::<Ipv6Addr>().is_ok())
}

/// Checks `host:port` with an IPv6 address in brackets; the error is a message and a remedy.
pub(super) fn listen_address(text: &str) -> Result<(), (String, String)> {
    let err = |message: &str, remedy: String| Err((message.to_owned(), remedy));
    if text.contains('/') {
        return err("has a scheme or a path", "write host and port alone, as in `127.0.0.1:13210`".to_owned());
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return err("has no port", format!("write `{text}:13210`"));
    };
    if host.contains(':') && !host.starts_with('[') {
        return err("is ambiguous", "write an IPv6 address in brackets, as in `[::1]:13210`".to_owned());
    }
    if host.is_empty() {
        return err("has no host", format!("write `127.0.0.1:{port}`, or `0.0.0.0:{port}` for every interface"));
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let known = bare.map_or_else(|| is_host(host), |host| host.parse::<Ipv6Addr>().is_ok());
    if !known {
        return err("has no valid host", "write host and port, as in `127.0.0.1:13210`".to_owned());
    }
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err() {
        return err("has no valid port", "use a port from 0 to 65535, as in `127.0.0.1:13210`".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_name_their_units_from_large_to_small() {
        for (text, millis) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("90d", 7_776_000_000),
            ("1.5s", 1_500),
            ("1d2h3m4s5ms", 93_784_005),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for bad in
            ["", "30", "s", "5 m", "1m1h", "1h1h", "-5s", "1e3s", "5M", "1w", "99999999999999999999d", "1s ", "½s"]
        {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_know_decimal_and_binary_units() {
        for (text, bytes) in
            [("16MiB", 16 << 20), ("1GB", 1_000_000_000), ("1.5 KiB", 1536), ("4096", 4096), ("1kB", 1000), ("7B", 7)]
        {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for bad in ["", "MiB", "16M", "16mib", "-1", "1 2", "1e6", "999999999999TiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        for (text, nanos) in [
            ("0.1385", 138_500_000),
            ("500", 500 * NANOS),
            ("-0.5", -500_000_000),
            ("0.000000001", 1),
            ("1.10", 1_100_000_000),
        ] {
            assert_eq!(decimal(text), Ok(nanos), "{text}");
        }
        assert_eq!(decimal("999999999999999999.999999999"), Ok(10_i128.pow(27) - 1));
        for bad in
            ["", ".", "1.", ".5", "1,5", "1e3", "+1", "NaN", "0.0000000001", "1234567890123456789", "0x10", "--1"]
        {
            assert!(decimal(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, want) in [(0, "0"), (999, "999"), (1_000, "1,000"), (10_000_000, "10,000,000")] {
            assert_eq!(grouped(number), want);
        }
    }

    #[test]
    fn the_bundled_zones_serve_a_container_without_any() {
        assert!(TimeZoneDatabase::bundled().get("Asia/Shanghai").is_ok());
        for name in ["UTC", "utc", "Asia/Shanghai", "Europe/Berlin"] {
            assert!(zone(name).is_some(), "{name}");
        }
        for bad in ["", "Asia/Shangai", "../../etc/passwd", "/etc/localtime", "GMT+25", "\0"] {
            assert!(zone(bad).is_none(), "{bad}");
        }
        assert!(zone_names().iter().any(|name| name == "Asia/Shanghai"));
    }

    #[test]
    fn days_are_written_in_full() {
        assert_eq!(date("2026-11-01"), Some(jiff::civil::date(2026, 11, 1)));
        for bad in ["", "2026-11-1", "2026-13-01", "2026-11-01T00:00:00Z", "20261101", "01-11-2026"] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_regular_expression_is_bounded() {
        assert!(regex("^agent:([^:]+):").is_ok());
        assert_eq!(regex("(").expect_err("unclosed"), "unclosed group");
        assert_eq!(regex(r"\w{1000}{1000}").expect_err("huge"), "larger than 1 MiB when compiled");
    }

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for good in ["127.0.0.1:13210", "[::1]:80", "localhost:0", "my-host.example:65535", "0.0.0.0:1"] {
            assert_eq!(listen_address(good), Ok(()), "{good}");
        }
        for bad in
            ["", "localhost", ":80", "::1:80", "[::1]", "[x]:80", "a b:80", "http://x:80", "x:", "x:65536", "x:+1"]
        {
            assert!(listen_address(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_is_read_back(millis in 0_u64..10_000_000_000_000) {
            let want = Duration::from_millis(millis);
            prop_assert_eq!(duration(&duration_text(want)), Some(want));
        }

        #[test]
        fn a_written_size_is_read_back(bytes in 0_u64..1 << 59) {
            prop_assert_eq!(size(&size_text(bytes)), Some(bytes));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = (duration(&text), size(&text), decimal(&text), date(&text), listen_address(&text), is_host(&text));
        }
    }
}
