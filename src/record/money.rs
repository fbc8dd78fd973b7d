//! Money as integers: currencies, amounts in nano-units, and what a request costs.
//!
//! An amount is a count of 10^-9 currency units ("nanos"). One request's cost fits 64 bits (9.2 × 10^9 units); sums are
//! kept in 128 bits. Nothing is ever a floating-point number except where a metric is written out.

use std::fmt;

/// Nano-units in one currency unit.
pub const NANOS: i128 = 1_000_000_000;

/// An ISO 4217 code, or any three capital letters that a user prices in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollar.
    pub const USD: Currency = Currency(*b"USD");
    /// Chinese yuan.
    pub const CNY: Currency = Currency(*b"CNY");

    /// Reads three ASCII capital letters; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Currency> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Currency(bytes))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// The code as a number for storage: three letters, big-endian.
    #[must_use]
    pub fn code(self) -> i64 {
        let [a, b, c] = self.0;
        (i64::from(a) << 16) | (i64::from(b) << 8) | i64::from(c)
    }

    /// The inverse of [`Currency::code`]; `None` for a number that is no code.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Currency> {
        let byte = |shift: u32| u8::try_from((code >> shift) & 0xff).unwrap_or(0);
        let currency = Currency([byte(16), byte(8), byte(0)]);
        (currency.code() == code && currency.0.iter().all(u8::is_ascii_uppercase)).then_some(currency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Nano-units; never negative for a request.
    pub nanos: i64,
    /// Of which currency.
    pub currency: Currency,
}

/// What was assumed to price a request, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Assumed(u8);

impl Assumed {
    /// The provider is unknown or has no row for the model: the maker's row counts.
    pub const PROVIDER: Assumed = Assumed(1);
    /// Cache writes are priced as 5-minute writes.
    pub const CACHE_TTL: Assumed = Assumed(2);
    /// Priced as the standard tier although the row knows others and the log does not tell.
    pub const SERVICE_TIER: Assumed = Assumed(4);

    /// All flags with the names that users see.
    pub const ALL: [(Assumed, &'static str); 3] =
        [(Self::PROVIDER, "provider"), (Self::CACHE_TTL, "cache_ttl"), (Self::SERVICE_TIER, "service_tier")];

    /// The set with these bits.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        Assumed(bits & 7)
    }

    /// The bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Both sets.
    #[must_use]
    pub fn union(self, other: Assumed) -> Assumed {
        Assumed(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    #[must_use]
    pub fn contains(self, other: Assumed) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing was assumed.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Names of what was assumed.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }
}

/// What pricing says about one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// Computed cost; `None` where no row fits the model (unpriced) or nothing was counted.
    pub cost: Option<Cost>,
    /// What cache reads would have cost as uncached input, less what they did cost, in the cost's currency; never negative.
    pub cache_savings_nanos: i64,
    /// Index of the row in the price table in force (`pricing::Table::row`).
    pub row: Option<u32>,
    /// What had to be assumed.
    pub assumed: Assumed,
    /// Tokens were counted, but no row fits the model.
    pub unpriced: bool,
}

/// Nano-units of a decimal amount without a sign, such as `12` or `0.05`: up to `whole` digits, then up to 9.
#[must_use]
pub fn parse_nanos(text: &str, whole: usize) -> Option<i128> {
    let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number =
        |text: &str, most| !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(units, whole) || !is_number(decimals, 9) {
        return None;
    }
    let nanos: i128 = format!("{decimals:0<9}").parse().ok()?;
    Some(units.parse::<i128>().ok()? * NANOS + nanos)
}

/// Writes nano-units as a plain decimal number without trailing zeros: `0.005625`, `12`, `-0.5`.
#[must_use]
pub fn format_nanos(nanos: i128) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    let unit = NANOS.unsigned_abs();
    let (whole, fraction) = (magnitude / unit, magnitude % unit);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{fraction:09}");
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

/// Divides and rounds half to even, the rounding of [IEEE 754 §4.3.1] and of most ledgers.
///
/// `divisor` must be positive; 0 is taken as 1.
///
/// [IEEE 754 §4.3.1]: https://standards.ieee.org/ieee/754/6210/
#[must_use]
pub fn div_half_even(value: i128, divisor: i128) -> i128 {
    let divisor = divisor.max(1);
    let quotient = value.div_euclid(divisor);
    let twice = value.rem_euclid(divisor) * 2;
    if twice > divisor || (twice == divisor && quotient % 2 != 0) { quotient + 1 } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_without_trailing_zeros() {
        for (nanos, want) in
            [(0, "0"), (5_625_000, "0.005625"), (12 * NANOS, "12"), (-500_000_000, "-0.5"), (1, "0.000000001")]
        {
            assert_eq!(format_nanos(nanos), want);
        }
    }

    #[test]
    fn halves_round_to_the_even_neighbour() {
        for (value, want) in [(5, 0), (15, 2), (25, 2), (26, 3), (35, 4), (-5, 0), (-15, -2), (-25, -2)] {
            assert_eq!(div_half_even(value, 10), want, "{value}");
        }
    }

    #[test]
    fn currency_codes_survive_storage() {
        assert_eq!(Currency::from_code(Currency::CNY.code()), Some(Currency::CNY));
        for bad in ["usd", "US", "USDX", "", "U$D"] {
            assert_eq!(Currency::parse(bad), None, "{bad}");
        }
        assert_eq!(Currency::from_code(7), None);
    }
}
