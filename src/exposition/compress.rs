//! A page becomes a gzip stream where the client takes one. No other coding is offered: Prometheus asks for gzip.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::negotiate::quality;

/// Whether an `Accept-Encoding` header (several joined by commas) allows gzip and does not prefer the plain page.
/// Without the header the page stays plain.
#[must_use]
pub fn accepts_gzip(accept_encoding: Option<&str>) -> bool {
    let (mut gzip, mut identity, mut rest) = (None, None, None);
    for coding in accept_encoding.unwrap_or_default().split(',') {
        let mut parts = coding.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let value = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(1.0, |(_, value)| quality(value.trim()));
        let slot = match name {
            "*" => &mut rest,
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => &mut gzip,
            name if name.eq_ignore_ascii_case("identity") => &mut identity,
            _ => continue,
        };
        *slot = Some(value);
    }
    let gzip = gzip.or(rest).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// Compresses a page at the fast level: a page is read once, a few milliseconds later.
///
/// # Errors
///
/// None in practice, since the stream is written to memory.
pub fn gzip(page: &[u8]) -> std::io::Result<Vec<u8>> {
    // Metrics shrink to about a tenth; growing from there costs less than reserving the whole.
    let mut encoder = GzEncoder::new(Vec::with_capacity(page.len() / 8), Compression::fast());
    encoder.write_all(page)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn gzip_is_used_where_it_is_allowed_and_not_liked_less() {
        let cases = [
            (None, false),
            (Some(""), false),
            (Some("gzip"), true),
            (Some("gzip, deflate, br, zstd"), true),
            (Some("GZIP;q=0.5"), true),
            (Some("x-gzip"), true),
            (Some("*"), true),
            (Some("deflate, *;q=0.1"), true),
            (Some("identity"), false),
            (Some("gzip;q=0"), false),
            (Some("gzip; q=0.0, *"), false),
            (Some("br"), false),
            (Some("identity, gzip;q=0.5"), false),
            (Some("identity;q=0.5, gzip"), true),
        ];
        for (header, want) in cases {
            assert_eq!(accepts_gzip(header), want, "{header:?}");
        }
    }

    #[test]
    fn a_compressed_page_unpacks_to_itself() {
        let page = "tokentail_requests_total{model=\"m\"} 1\n".repeat(1_000);
        let packed = gzip(page.as_bytes()).expect("memory takes every byte");
        assert!(packed.len() < page.len() / 10);
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut unpacked).expect("a gzip stream");
        assert_eq!(unpacked, page);
    }
}
