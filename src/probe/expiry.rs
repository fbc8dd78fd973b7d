//! A certificate becomes the moment at which it expires.
//!
//! Walks the outermost fields of the DER form (RFC 5280, 4.1) as far as the validity and no further: whether the
//! certificate may be believed is rustls's matter.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::record::Micros;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The optional field `version` has a context tag of its own.
const VERSION: u8 = 0xa0;

/// The end of a certificate's validity; `None` where it is no certificate.
pub(super) fn not_after(certificate: &[u8]) -> Option<Micros> {
    let (fields, _) = value(certificate, SEQUENCE)?;
    let (mut rest, _) = value(fields, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = any(rest)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = any(rest)?.2;
    }
    let (validity, _) = value(rest, SEQUENCE)?;
    let (tag, text, _) = any(any(validity)?.2)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// `YYMMDDHHMMSSZ` within 1950 to 2049, or `YYYYMMDDHHMMSSZ`: the only two forms that RFC 5280 allows.
fn time(tag: u8, text: &str) -> Option<Micros> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let (year, rest) = digits.split_at(2);
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at(4);
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let pair = |index: usize| rest.get(index * 2..index * 2 + 2)?.parse::<i8>().ok();
    // A second 60 is legal and has no moment of its own.
    let second = pair(4)?.min(59);
    let moment = DateTime::new(year, pair(0)?, pair(1)?, pair(2)?, pair(3)?, second, 0).ok()?;
    Some(TimeZone::UTC.to_timestamp(moment).ok()?.as_microsecond())
}

/// The content of the value at the front, which has this tag, and what follows it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any(bytes)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content and what follows the value at the front.
fn any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Up to four bytes of length: more would be no certificate that rustls accepts.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;

    use super::*;

    fn certificate() -> CertificateDer<'static> {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/testdata/server.pem");
        CertificateDer::from_pem_file(file).expect("a certificate")
    }

    fn moment(text: &str) -> Micros {
        text.parse::<jiff::Timestamp>().expect("a moment").as_microsecond()
    }

    #[test]
    fn a_certificate_tells_its_end() {
        assert_eq!(not_after(&certificate()), Some(moment("2126-10-28T02:18:27Z")));
    }

    #[test]
    fn both_forms_of_a_time_are_read() {
        let cases = [
            (UTC_TIME, "261121000000Z", Some("2026-11-21T00:00:00Z")),
            (UTC_TIME, "500101000000Z", Some("1950-01-01T00:00:00Z")),
            (GENERALIZED_TIME, "20500101235960Z", Some("2050-01-01T23:59:59Z")),
            (UTC_TIME, "20500101235959Z", None),
            (UTC_TIME, "261321000000Z", None),
            (UTC_TIME, "2611210000+1Z", None),
            (UTC_TIME, "261121000000", None),
        ];
        for (tag, text, want) in cases {
            assert_eq!(time(tag, text), want.map(moment), "{text}");
        }
    }

    #[test]
    fn half_a_certificate_has_no_end() {
        let whole = certificate();
        for length in 0..whole.len() {
            assert_eq!(not_after(&whole[..length]), None, "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(0_u8.., 0..64)) {
            let _ = not_after(&bytes);
        }
    }
}
