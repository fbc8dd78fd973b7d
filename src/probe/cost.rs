//! What a completion used becomes what it cost, by the price table in force. Its purpose is `probe`: it is looked up and
//! computed as a customer's request is, and never counted among them.

use crate::pricing::{Request, Table};
use crate::record::{Cost, Micros};

use super::Outcome;

/// What the completion of a look cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookCost {
    /// Whose prices counted: as configured, else the maker of the model; empty where neither is known.
    pub provider: String,
    /// `None` where no row fits: unpriced.
    pub cost: Option<Cost>,
    /// Index of the price row that counted, for [`Table::row`].
    pub row: Option<u32>,
}

/// Prices a look that ended as `outcome`; `None` where it used no tokens that are known.
#[must_use]
pub fn cost(table: &Table, outcome: &Outcome) -> Option<LookCost> {
    let (tokens, model) = (outcome.tokens?, outcome.model.as_deref()?);
    let configured = outcome.provider.as_deref().unwrap_or_default();
    let start: Micros = outcome.started;
    let priced = table.price(&table.find(configured, model), &Request { start, tokens, ..Request::default() });
    let row = priced.row.and_then(|row| table.row(row));
    let provider = match row {
        Some(row) if configured.is_empty() => row.provider.clone(),
        _ => table.provider(configured),
    };
    Some(LookCost { provider, cost: priced.cost, row: priced.row })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Currency, Tokens};

    #[test]
    fn a_completion_costs_what_the_table_says_and_an_unknown_model_is_unpriced() {
        let table = Table::builtin();
        let outcome = |provider: Option<&str>, model: &str| Outcome {
            started: 1_795_000_000_000_000,
            model: Some(model.to_owned()),
            provider: provider.map(str::to_owned),
            tokens: Some(Tokens { uncached_input: 1_000_000, visible_output: 100_000, ..Tokens::default() }),
            ..Outcome::default()
        };
        // 2.50 for the input, a tenth of 10 for the output.
        let want = Some(Cost { nanos: 3_500_000_000, currency: Currency::USD });
        for provider in [None, Some("openai"), Some("OpenAI")] {
            let found = cost(&table, &outcome(provider, "gpt-4o")).unwrap();
            assert_eq!((found.provider.as_str(), found.cost), ("openai", want), "{provider:?}");
            assert!(found.row.is_some());
        }
        let unpriced = cost(&table, &outcome(Some("acme"), "no-such-model")).unwrap();
        assert_eq!(unpriced, LookCost { provider: "acme".to_owned(), cost: None, row: None });
        assert_eq!(cost(&table, &Outcome { tokens: None, ..outcome(None, "gpt-4o") }), None);
    }
}
