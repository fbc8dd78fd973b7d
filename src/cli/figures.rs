//! Sums of several requests as commands print them: money and long times, for people.

use std::collections::BTreeMap;

use crate::record::{Currency, money};

/// Amounts of all currencies.
pub(super) fn costs(costs: &BTreeMap<Currency, i128>) -> String {
    let amounts: Vec<String> =
        costs.iter().map(|(currency, nanos)| format!("{} {currency}", money::format_nanos(*nanos))).collect();
    if amounts.is_empty() { "–".to_owned() } else { amounts.join(" + ") }
}

/// A long time for people: `2 h 05 min`, `3 min 20 s`, `12.5 s`.
pub(super) fn span(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    if seconds >= 3600 {
        format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60)
    } else if seconds >= 60 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{}.{} s", seconds, micros % 1_000_000 / 100_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_are_written_for_people() {
        for (micros, want) in
            [(0, "0.0 s"), (12_540_000, "12.5 s"), (200_000_000, "3 min 20 s"), (7_500_000_000, "2 h 05 min")]
        {
            assert_eq!(span(micros), want);
        }
    }
}
