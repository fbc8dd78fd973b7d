//! What requests cost: worked figures, and what holds for every request.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::record::money::{div_half_even, format_nanos};
use crate::record::{Currency, MAX_TOKENS, Record, Usage};

fn cost(table: &Table, provider: &str, model: &str, request: &Request) -> Option<(String, String)> {
    let priced = table.price(&table.find(provider, model), request);
    priced.cost.map(|cost| (format_nanos(cost.nanos.into()), cost.currency.to_string()))
}

fn usd(text: &str) -> Option<(String, String)> {
    Some((text.to_owned(), "USD".to_owned()))
}

#[test]
fn a_cached_request_of_gpt_4o_costs_what_the_list_says_to_the_last_digit() {
    let table = Table::builtin();
    let tokens = Tokens { uncached_input: 250, cache_read: 400, visible_output: 450, ..Tokens::default() };
    assert_eq!(cost(&table, "openai", "gpt-4o", &request(tokens)), usd("0.005625"));
    let priced = table.price(&table.find("openai", "gpt-4o"), &request(tokens));
    assert_eq!(priced.cache_savings_nanos, 500_000, "400 × (2.50 − 1.25) per million");
    let reasoning = Tokens { visible_output: 50, reasoning: 400, ..tokens };
    assert_eq!(
        cost(&table, "openai", "gpt-4o", &request(reasoning)),
        usd("0.005625"),
        "reasoning costs what output costs"
    );
}

#[test]
fn an_anthropic_request_with_cache_writes_is_priced_by_kind() {
    let table = Table::builtin();
    let tokens = Tokens {
        uncached_input: 12,
        cache_read: 18_218,
        cache_write_5m: 475,
        visible_output: 1_182,
        ..Tokens::default()
    };
    // 12 × 3 + 18,218 × 0.3 + 475 × 3.75 + 1,182 × 15 = 25,012.65 millionths.
    assert_eq!(cost(&table, "anthropic", "claude-sonnet-4-5", &request(tokens)), usd("0.02501265"));
    let hour = Tokens { cache_write_5m: 0, cache_write_1h: 475, ..tokens };
    // 475 × 6 instead of 475 × 3.75.
    assert_eq!(cost(&table, "anthropic", "claude-sonnet-4-5", &request(hour)), usd("0.0260814"));
}

#[test]
fn a_long_context_moves_the_whole_request() {
    let table = Table::builtin();
    for (read, want) in [(100_000, "0.33"), (100_001, "0.6600006")] {
        let tokens = Tokens { uncached_input: 100_000, cache_read: read, ..Tokens::default() };
        assert_eq!(cost(&table, "anthropic", "claude-sonnet-4-5", &request(tokens)), usd(want), "{read}");
    }
}

#[test]
fn deepseek_is_dearer_on_weekday_mornings() {
    let table = Table::builtin();
    for (start, want) in [
        ("2026-11-20T12:00:00Z", "0.15"),
        ("2026-11-20T01:00:00Z", "0.3"),
        ("2026-11-20T04:00:00Z", "0.15"),
        ("2026-11-20T09:59:59Z", "0.3"),
        ("2026-11-21T02:00:00Z", "0.15"),
    ] {
        let request = Request { start: at(start), ..million() };
        assert_eq!(cost(&table, "deepseek", "deepseek-v4-flash", &request), usd(want), "{start}");
    }
}

#[test]
fn yuan_stay_yuan() {
    let table = Table::builtin();
    assert_eq!(cost(&table, "zhipu", "glm-5.2", &million()), Some(("8".into(), "CNY".into())));
    assert_eq!(cost(&table, "z.ai", "GLM-5.2", &million()), usd("1.4"));
}

#[test]
fn what_the_log_cannot_tell_is_assumed_and_said() {
    let table = Table::builtin();
    let written = Tokens { cache_write_5m: 1_000, ..Tokens::default() };
    let names = |model: &str, request: &Request| {
        table.price(&table.find("anthropic", model), request).assumed.names().collect::<Vec<_>>()
    };
    let unknown = Request { cache_ttl_known: false, service_tier: ServiceTier::Unknown, ..request(written) };
    assert_eq!(names("claude-opus-4-5", &unknown), ["cache_ttl", "service_tier"]);
    assert_eq!(names("claude-opus-4-5", &request(written)), [""; 0]);
    assert_eq!(names("claude-opus-4-1", &unknown), ["cache_ttl"], "the row knows no other tier of service");
    let read = Request { cache_ttl_known: false, ..request(Tokens { cache_read: 9, ..Tokens::default() }) };
    assert_eq!(names("claude-opus-4-5", &read), [""; 0]);
}

#[test]
fn no_tokens_cost_nothing_and_no_row_has_no_cost() {
    let table = Table::builtin();
    assert_eq!(cost(&table, "openai", "gpt-4o", &request(Tokens::default())), usd("0"));
    let unpriced = table.price(&table.find("openai", "gpt-99"), &million());
    assert!(unpriced.unpriced && unpriced.cost.is_none() && unpriced.row.is_none());
}

#[test]
fn only_what_was_counted_is_priced() {
    let counted = Usage::Counted {
        tokens: Tokens { uncached_input: 5, ..Tokens::default() },
        family: crate::record::CountingFamily::OpenAi,
        logged: crate::record::Logged::default(),
        cache_ttl_known: true,
    };
    let record = Record { start: 7, service_tier: ServiceTier::Batch, usage: counted, ..Record::default() };
    let request = Request::of(&record).unwrap();
    assert_eq!((request.start, request.service_tier, request.tokens.uncached_input), (7, ServiceTier::Batch, 5));
    assert_eq!(Request::of(&Record { usage: Usage::Missing, ..Record::default() }), None);
    assert_eq!(Request::of(&Record::default()), None);
}

/// A row with everything, whose prices never fall from tier to tier.
const RICH: &str = "
currency: EUR
prices:
  - model: rich
    input: 1.234567891
    cache_read: 0.123456789
    cache_write_5m: 1.5
    cache_write_1h: 2.000000001
    output: 7.7
    reasoning: 9.000000007
    tiers:
      - {above: 1000, input: 2.5, output: 8}
      - {above: 50000, input: 3, cache_read: 0.3, cache_write_5m: 4, cache_write_1h: 5, output: 20, reasoning: 20}
    batch: {input: 0.6, output: 4}
    priority: {input: 3, output: 21, tiers: [{above: 2000, input: 6}]}
    windows: [{hours: ['Mon-Fri 22:00-06:00'], input: 0.1, cache_read: 0.2}]
";

/// Prices without a digit below a nano-unit per token, and no tiers: nothing is ever rounded.
const WHOLE: &str = "
currency: EUR
prices:
  - {model: whole, input: 3000, cache_read: 1000, cache_write_5m: 4000, cache_write_1h: 5000, output: 7000, reasoning: 9000}
  - {model: dear, input: 1000000, output: 1000000}
";

static TABLE: LazyLock<Table> = LazyLock::new(|| table(&[RICH, WHOLE]));

fn nanos(model: &str, tokens: Tokens) -> i128 {
    TABLE.price(&TABLE.find("", model), &request(tokens)).cost.unwrap().nanos.into()
}

prop_compose! {
    fn tokens()(
        uncached_input in 0..=100_000u64, cache_read in 0..=100_000u64, cache_write_5m in 0..=10_000u64,
        cache_write_1h in 0..=10_000u64, visible_output in 0..=100_000u64, reasoning in 0..=100_000u64,
    ) -> Tokens {
        Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning }
    }
}

prop_compose! {
    fn requests()(
        tokens in tokens(), start in 0i64..4_000_000_000, tier in prop::sample::select(ServiceTier::ALL.to_vec()),
        cache_ttl_known: bool,
    ) -> Request {
        Request { start: start * 1_000_000, service_tier: tier, tokens, cache_ttl_known }
    }
}

proptest! {
    #[test]
    fn the_explanation_always_comes_to_the_same_cost(request in requests(), model in prop::sample::select(vec![
        "rich", "gpt-5.4", "claude-sonnet-4-5", "deepseek-v4-pro", "qwen3-coder-plus", "glm-5", "nobody", "gemini-3.6-flash",
    ])) {
        let priced = TABLE.price(&TABLE.find("", model), &request);
        let explained = TABLE.explain("", model, &request);
        prop_assert_eq!(explained.priced, priced);
        prop_assert_eq!(explained.cost.clone(), priced.cost.map(|cost| format_nanos(cost.nanos.into())));
        prop_assert_eq!(explained.unpriced.is_some(), priced.unpriced);
        // The lines are exact products, their sum is exact, and the cost is that sum rounded once.
        let digits = |text: &str| -> i128 {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            format!("{whole}{fraction:0<26}").parse().unwrap()
        };
        if let (Some(sum), Some(cost)) = (&explained.sum, priced.cost) {
            prop_assert_eq!(explained.lines.iter().map(|line| digits(&line.amount)).sum::<i128>(), digits(sum));
            prop_assert_eq!(div_half_even(digits(sum), 10i128.pow(17)), i128::from(cost.nanos));
            for line in &explained.lines {
                let price = Price::parse(&line.price, Per::Million).unwrap();
                prop_assert_eq!(price.to_string(), line.price.clone());
            }
        }
        prop_assert!(!explained.to_string().is_empty());
    }

    #[test]
    fn a_cost_is_never_negative_and_neither_are_savings(request in requests()) {
        let priced = TABLE.price(&TABLE.find("any", "rich"), &request);
        let cost = priced.cost.unwrap();
        prop_assert!(cost.nanos >= 0 && priced.cache_savings_nanos >= 0);
        prop_assert_eq!(cost.currency, Currency::parse("EUR").unwrap());
    }

    #[test]
    fn the_cost_is_the_sum_of_the_costs_of_its_kinds(tokens in tokens()) {
        let zero = Tokens::default();
        let parts = [
            Tokens { uncached_input: tokens.uncached_input, ..zero },
            Tokens { cache_read: tokens.cache_read, ..zero },
            Tokens { cache_write_5m: tokens.cache_write_5m, ..zero },
            Tokens { cache_write_1h: tokens.cache_write_1h, ..zero },
            Tokens { visible_output: tokens.visible_output, ..zero },
            Tokens { reasoning: tokens.reasoning, ..zero },
        ];
        prop_assert_eq!(nanos("whole", tokens), parts.into_iter().map(|part| nanos("whole", part)).sum::<i128>());
    }

    #[test]
    fn the_cost_scales_with_the_tokens(tokens in tokens(), factor in 1u64..1000) {
        let scaled = Tokens {
            uncached_input: tokens.uncached_input * factor,
            cache_read: tokens.cache_read * factor,
            cache_write_5m: tokens.cache_write_5m * factor,
            cache_write_1h: tokens.cache_write_1h * factor,
            visible_output: tokens.visible_output * factor,
            reasoning: tokens.reasoning * factor,
        };
        prop_assert_eq!(nanos("whole", scaled), nanos("whole", tokens) * i128::from(factor));
    }

    #[test]
    fn where_tiers_ascend_more_input_never_costs_less(tokens in tokens(), more in 0..=100_000u64) {
        let larger = Tokens { uncached_input: tokens.uncached_input + more, ..tokens };
        prop_assert!(nanos("rich", larger) >= nanos("rich", tokens));
    }

    #[test]
    fn the_largest_counts_that_are_believed_fit(start in any::<i64>()) {
        let tokens = Tokens {
            uncached_input: MAX_TOKENS, cache_read: MAX_TOKENS, cache_write_5m: MAX_TOKENS, cache_write_1h: MAX_TOKENS,
            visible_output: MAX_TOKENS, reasoning: MAX_TOKENS,
        };
        let priced = TABLE.price(&TABLE.find("", "dear"), &Request { start, ..request(tokens) });
        prop_assert_eq!(i128::from(priced.cost.unwrap().nanos), 6 * i128::from(MAX_TOKENS) * 1_000_000_000);
    }
}
