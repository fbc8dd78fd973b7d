//! Text of a number becomes an exact integer in a given unit; nothing passes through floating point.
//!
//! Reads JSON numbers and the same digits inside a string, so that `1e400`, `NaN` and `10.5` are told apart from a count.
//! Decides nothing about what a number means: a caller turns `None` into a missing value and an anomaly.

/// Exact decimal: `mantissa` × 10^`exponent`, negative where `negative`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    mantissa: u128,
    exponent: i32,
}

/// Digits beyond this many are not kept: `u128` holds 38.
const MAX_DIGITS: u32 = 36;

impl Decimal {
    /// Reads `-12.5e3`; a leading `+`, a bare `.5` and `5.` are taken too. `None` for anything else, blanks included.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let (negative, rest) = match text.as_bytes() {
            [b'-', ..] => (true, text.get(1..)?),
            [b'+', ..] => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (digits, power) = match rest.split_once(['e', 'E']) {
            // An exponent of more digits than i32 holds is as unusable as none; `parse` refuses it.
            Some((digits, power)) => (digits, power.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (mut mantissa, mut kept, mut exponent) = (0_u128, 0_u32, power);
        for (digit, is_fraction) in whole.bytes().map(|b| (b, false)).chain(fraction.bytes().map(|b| (b, true))) {
            if !digit.is_ascii_digit() {
                return None;
            }
            if kept < MAX_DIGITS {
                mantissa = mantissa * 10 + u128::from(digit - b'0');
                kept += u32::from(mantissa != 0);
                exponent = exponent.checked_sub(i32::from(is_fraction))?;
            } else {
                exponent = exponent.checked_add(i32::from(!is_fraction))?;
            }
        }
        Some(Decimal { negative: negative && mantissa != 0, mantissa, exponent })
    }

    /// Whether it is below zero; `-0` is not.
    pub(crate) fn is_negative(self) -> bool {
        self.negative
    }

    /// The magnitude × 10^`power`, and whether nothing was cut off; `None` where it does not fit 128 bits.
    fn scale(self, power: i32) -> Option<(u128, bool)> {
        if self.mantissa == 0 {
            return Some((0, true));
        }
        let shift = self.exponent.checked_add(power)?;
        if shift >= 0 {
            let factor = 10_u128.checked_pow(shift.unsigned_abs())?;
            return Some((self.mantissa.checked_mul(factor)?, true));
        }
        match 10_u128.checked_pow(shift.unsigned_abs()) {
            Some(divisor) => Some((self.mantissa / divisor, self.mantissa.is_multiple_of(divisor))),
            None => Some((0, false)),
        }
    }

    /// The value × 10^`power`, cut towards zero; `None` where it does not fit.
    pub(crate) fn scaled(self, power: i32) -> Option<i64> {
        let magnitude = i64::try_from(self.scale(power)?.0).ok()?;
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// A whole number, not negative; `None` for a fraction or one that does not fit.
    pub(crate) fn whole(self) -> Option<u64> {
        match self.scale(0)? {
            (value, true) if !self.negative => u64::try_from(value).ok(),
            _ => None,
        }
    }
}

/// Reads a whole number of at most `max`; `10`, `"10"`, `10.0` and `1e1` are ten.
pub(crate) fn parse_count(text: &str, max: u64) -> Option<u64> {
    let bytes = text.as_bytes();
    let value = if bytes.len() <= 18 && !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) {
        bytes.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    } else {
        Decimal::parse(text)?.whole()?
    };
    (value <= max).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_bounded_and_never_negative() {
        for (text, want) in [
            ("0", Some(0)),
            ("18218", Some(18_218)),
            ("1e3", Some(1_000)),
            ("10.0", Some(10)),
            ("000000000000000000000012", Some(12)),
            ("-0", Some(0)),
            ("1000000000", Some(1_000_000_000)),
            ("1000000001", None),
            ("10.5", None),
            ("-5", None),
            ("1e400", None),
            ("1e-400", None),
            ("1e99999999999", None),
            ("NaN", None),
            ("Infinity", None),
            ("", None),
            (".", None),
            ("-", None),
            ("1 ", None),
            ("0x10", None),
            ("１", None),
        ] {
            assert_eq!(parse_count(text, 1_000_000_000), want, "{text:?}");
        }
    }

    #[test]
    fn scaling_is_exact_and_cuts_towards_zero() {
        for (text, power, want) in [
            ("1769938215.123456", 6, Some(1_769_938_215_123_456)),
            ("1.5", 6, Some(1_500_000)),
            ("0.0119250004", 9, Some(11_925_000)),
            ("-2.5", 0, Some(-2)),
            ("123456789", -3, Some(123_456)),
            ("5", -60, Some(0)),
            ("9223372036854775807", 0, Some(i64::MAX)),
            ("9223372036854775808", 0, None),
            ("1", 400, None),
        ] {
            assert_eq!(Decimal::parse(text).and_then(|d| d.scaled(power)), want, "{text} {power}");
        }
    }
}
