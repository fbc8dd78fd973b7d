//! Decimal text becomes an exact price, and exact amounts become text again.
//!
//! A price is an integer count of 10^-20 currency units per million tokens. That holds every price of every list that is
//! published, including the seventeen digits that a floating-point number of 10^-9 per token prints; a price with more
//! digits is refused, never rounded. What does not happen here: choosing a price, rounding a cost.

use std::fmt;

/// Decimal digits after the point of a price per million tokens.
const PRICE_DIGITS: u32 = 20;

/// Decimal digits after the point of an [`amount`](Price::times): a price per million times a token count.
const AMOUNT_DIGITS: u32 = PRICE_DIGITS + 6;

/// Largest price: 10^8 units per million tokens, so that six amounts of 10^9 tokens each sum within 128 bits.
const LARGEST: i128 = 10i128.pow(8 + PRICE_DIGITS);

/// Amount units in a nano-unit of money.
pub(super) const AMOUNT_PER_NANO: i128 = 10i128.pow(AMOUNT_DIGITS - 9);

/// The longest text that is read as a number.
const LONGEST: usize = 100;

/// An exact price per million tokens, 0 to 10^8 currency units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Price(i128);

/// Why a text is no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// It is no decimal number.
    #[error("expected a decimal number such as 2.50")]
    NotANumber,
    /// It is below zero.
    #[error("a price must not be negative")]
    Negative,
    /// It is above 10^8 per million tokens.
    #[error("a price must be at most 100000000 per million tokens")]
    TooLarge,
    /// It has more digits than can be held exactly.
    #[error("a price per million tokens must have at most 20 digits after the point")]
    TooPrecise,
}

/// What a number in a file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Price of a million tokens.
    Million,
    /// Price of one token.
    Token,
}

impl Price {
    /// Free.
    pub const ZERO: Price = Price(0);

    /// Reads a decimal number such as `2.50` or `1.5e-07`, digit by digit: no floating-point number is involved.
    ///
    /// # Errors
    /// When the text is no decimal number, is negative, or cannot be held exactly.
    pub fn parse(text: &str, per: Per) -> Result<Price, PriceError> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(PriceError::NotANumber);
        }
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(PriceError::NotANumber);
        }
        let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
        let mut value: i128 = 0;
        for digit in digits.iter().take(digits.len() - zeros) {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(i128::from(digit - b'0')))
                .ok_or(PriceError::TooPrecise)?;
        }
        if value == 0 {
            return Ok(Price::ZERO);
        }
        if negative {
            return Err(PriceError::Negative);
        }
        let unit = match per {
            Per::Million => PRICE_DIGITS,
            Per::Token => AMOUNT_DIGITS,
        };
        let shift = i64::from(unit) + exponent + to_i64(zeros) - to_i64(fraction.len());
        let shift = u32::try_from(shift).map_err(|_| PriceError::TooPrecise)?;
        let value = 10i128.checked_pow(shift).and_then(|factor| value.checked_mul(factor));
        match value {
            Some(value) if value <= LARGEST => Ok(Price(value)),
            _ => Err(PriceError::TooLarge),
        }
    }

    /// The exact amount for so many tokens, in 10^-26 currency units; saturates far beyond any bill.
    #[must_use]
    pub(super) fn times(self, tokens: u64) -> i128 {
        self.0.saturating_mul(i128::from(tokens))
    }

    /// How much more this price is than another, 0 where it is not more.
    #[must_use]
    pub(super) fn above(self, other: Price) -> Price {
        Price((self.0 - other.0).max(0))
    }
}

impl fmt::Display for Price {
    /// The price per million tokens as a plain decimal number without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format_decimal(self.0, PRICE_DIGITS))
    }
}

/// Writes an amount (10^-26 units, never negative) as a plain decimal number without trailing zeros.
pub(super) fn format_amount(amount: i128) -> String {
    format_decimal(amount, AMOUNT_DIGITS)
}

fn format_decimal(value: i128, digits: u32) -> String {
    let unit = 10i128.pow(digits);
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = usize::try_from(digits).unwrap_or(0);
    let fraction = format!("{fraction:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

fn parse_exponent(text: &str) -> Result<i64, PriceError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PriceError::NotANumber);
    }
    text.parse().map_err(|_| PriceError::NotANumber)
}

/// Lengths of texts of at most [`LONGEST`] bytes.
fn to_i64(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_are_read_exactly_from_their_decimal_text() {
        for (text, per, want) in [
            ("2.50", Per::Million, "2.5"),
            ("0", Per::Million, "0"),
            ("-0.0", Per::Million, "0"),
            ("0.00000000000000000001", Per::Million, "0.00000000000000000001"),
            ("1.0000000000000000000000000000000000", Per::Million, "1"),
            ("100000000", Per::Million, "100000000"),
            ("1.5e-07", Per::Token, "0.15"),
            ("1E-6", Per::Token, "1"),
            ("0.0000025", Per::Token, "2.5"),
            ("3.0000000000000004e-07", Per::Token, "0.30000000000000004"),
            ("3.7499999999999996e-09", Per::Token, "0.0037499999999999996"),
            ("+3", Per::Million, "3"),
            (".5", Per::Million, "0.5"),
            ("5.", Per::Million, "5"),
        ] {
            assert_eq!(Price::parse(text, per).map(|price| price.to_string()), Ok(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_held_exactly_is_refused() {
        for (text, want) in [
            ("", PriceError::NotANumber),
            (".", PriceError::NotANumber),
            ("1,5", PriceError::NotANumber),
            ("0x10", PriceError::NotANumber),
            ("NaN", PriceError::NotANumber),
            ("1e", PriceError::NotANumber),
            ("1e--5", PriceError::NotANumber),
            ("1e9999999", PriceError::NotANumber),
            ("--1", PriceError::NotANumber),
            ("-2", PriceError::Negative),
            ("100000000.1", PriceError::TooLarge),
            ("1e400", PriceError::TooLarge),
            ("1e-400", PriceError::TooPrecise),
            ("0.000000000000000000001", PriceError::TooPrecise),
            ("1.00000000000000000000000000000000000000000001", PriceError::TooPrecise),
        ] {
            assert_eq!(Price::parse(text, Per::Million), Err(want), "{text}");
        }
        assert_eq!(Price::parse(&"1".repeat(200), Per::Million), Err(PriceError::NotANumber));
    }

    proptest! {
        #[test]
        fn a_price_survives_being_written_and_read(whole in 0u64..100_000_000, fraction in 0u64..1_000_000_000) {
            let text = format!("{whole}.{fraction:09}");
            let price = Price::parse(&text, Per::Million).unwrap();
            prop_assert_eq!(Price::parse(&price.to_string(), Per::Million), Ok(price));
            prop_assert_eq!(price.times(1_000_000), i128::from(whole) * 10i128.pow(26) + i128::from(fraction) * 10i128.pow(17));
        }

        #[test]
        fn no_text_makes_the_reader_fail_otherwise(text in "[-+0-9.eE]{0,40}") {
            if let Ok(price) = Price::parse(&text, Per::Token) {
                prop_assert!(price >= Price::ZERO);
            }
        }
    }
}
