//! Money by currency, as text and as shares.

use std::collections::BTreeMap;

use crate::record::Currency;
use crate::record::money::format_nanos;

/// Amounts by currency in nano-units.
pub type Amounts = BTreeMap<Currency, i128>;

/// A ratio of two amounts; 0 where the whole is 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a ratio for people, not money")]
pub fn ratio(part: i128, whole: i128) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Amounts as text: `1.5 USD + 2 CNY`, `–` for none.
#[must_use]
pub fn amounts_text(amounts: &Amounts) -> String {
    let texts: Vec<String> =
        amounts.iter().map(|(currency, nanos)| format!("{} {currency}", format_nanos(*nanos))).collect();
    if texts.is_empty() { "–".to_owned() } else { texts.join(" + ") }
}

/// The share of each amount that a part of it has, 0 to 1. Currencies without an amount are left out.
#[must_use]
pub(super) fn shares(parts: &Amounts, wholes: &Amounts) -> BTreeMap<Currency, f64> {
    let share = |(currency, whole): (&Currency, &i128)| {
        let part = parts.get(currency).copied().unwrap_or(0);
        (*whole > 0).then(|| (*currency, ratio(part, *whole)))
    };
    wholes.iter().filter_map(share).collect()
}
