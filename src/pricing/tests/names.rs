//! Which row a provider and a model come to.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

#[test]
fn names_come_to_the_row_that_covers_them_and_to_no_other() {
    let table = Table::builtin();
    for (provider, model, want, assumed) in [
        ("openai", "gpt-4o", Some("openai/gpt-4o"), false),
        ("OpenAI", "GPT-4O", Some("openai/gpt-4o"), false),
        ("openai", "openai/gpt-4o", Some("openai/gpt-4o"), false),
        ("openai", "gpt-4o-2024-08-06", Some("openai/gpt-4o"), false),
        ("openai", "gpt-4o-2024-05-13", None, false),
        ("openai", "gpt-4o-mini", Some("openai/gpt-4o-mini"), false),
        ("openai", "gpt-4o-audio-preview", None, false),
        ("openai", "gpt-5-nano-2025-08-07", Some("openai/gpt-5-nano"), false),
        ("openai", "gpt-6-sol-2026-10-01", Some("openai/gpt-6-sol"), false),
        ("openai", "gpt-6-sol-max", None, false),
        ("anthropic", "claude-sonnet-4-5-20250929", Some("anthropic/claude-sonnet-4-5"), false),
        ("anthropic", "claude-sonnet-4-20250514", None, false),
        ("claude", "claude-sonnet-5-20260101", Some("anthropic/claude-sonnet-5"), false),
        ("anthropic", "claude-sonnet-5-5", Some("anthropic/claude-sonnet-5-5"), false),
        ("anthropic", "claude-opus-5@20260101", Some("anthropic/claude-opus-5"), false),
        ("google", "gemini-2.5-pro", Some("google/gemini-2.5-pro"), false),
        ("google", "gemini-2.5-pro-preview-TTS", None, false),
        ("google", "gemini-2.5-flash-lite-preview-09", Some("google/gemini-2.5-flash-lite"), false),
        ("vertex_ai", "publishers/google/models/gemini-2.5-pro", Some("google/gemini-2.5-pro"), false),
        ("gcp.gemini", "models/gemini-2.5-pro", Some("google/gemini-2.5-pro"), false),
        ("aliyun", "qwen-turbo", Some("dashscope/qwen-turbo"), false),
        ("dashscope", "qwen3-max-preview", None, false),
        ("bailian", "qwen3-max", Some("dashscope/qwen3-max"), false),
        ("minimax", "MiniMax-M2.5", Some("minimax/MiniMax-M2"), false),
        ("xai", "grok-4.3-20260901", Some("x-ai/grok-4.3"), false),
        ("doubao", "doubao-seed-2-1-pro-260915", Some("volcengine/doubao-seed-2-1-pro-260915"), false),
        // The maker's row, assumed.
        ("azure", "gpt-4o", Some("openai/gpt-4o"), true),
        ("azure", "azure/eu/gpt-4o", Some("openai/gpt-4o"), true),
        ("llm-cluster-7.internal", "gpt-4o", Some("openai/gpt-4o"), true),
        ("", "gpt-4o", Some("openai/gpt-4o"), true),
        ("-", "glm-4.7", Some("zai/GLM-4.7"), true),
        ("zhipuai", "glm-4.7", Some("zai/GLM-4.7"), true),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", Some("anthropic/claude-sonnet-4-5"), true),
        ("bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", None, false),
        ("aliyun", "deepseek-v4-flash", Some("deepseek/deepseek-v4-flash"), true),
        ("openrouter", "deepseek/deepseek-v4-flash", Some("deepseek/deepseek-v4-flash"), true),
        ("openrouter", "deepseek/deepseek-v4-flash:free", None, false),
        ("openrouter", "someone/gpt-4o", None, false),
        // The name itself tells the provider.
        ("", "dashscope/qwen-max", Some("dashscope/qwen-max"), false),
        ("", "zhipu/glm-5", Some("zhipuai/GLM-5"), false),
        // Nobody's.
        ("ollama", "llama-4", None, false),
        ("", "", None, false),
        ("openai", "", None, false),
    ] {
        let found = row_of(&table, provider, model, &million());
        assert_eq!(found.as_ref().map(|(row, _)| row.as_str()), want, "{provider} {model}");
        let names = found.map(|(_, assumed)| assumed).unwrap_or_default();
        assert_eq!(names.contains(&"provider"), assumed, "{provider} {model}");
    }
}

#[test]
fn a_users_row_wins_over_every_other_source_and_the_first_file_over_the_second() {
    let first = "currency: USD\nprices: [{model: gpt-, match: {prefix: [gpt-]}, input: 7, output: 7}]";
    let second = "currency: USD\nprices: [{model: gpt-4o, input: 9, output: 9}, {provider: openai, model: o3, input: 1, output: 1}]";
    let table = table(&[first, second]);
    for (provider, model, want) in [
        ("openai", "gpt-4o", "/gpt-"),
        ("anyone", "gpt-4o", "/gpt-"),
        ("openai", "gpt-99", "/gpt-"),
        ("openai", "o3", "openai/o3"),
        ("openai", "o1", "openai/o1"),
    ] {
        assert_eq!(row_of(&table, provider, model, &million()).map(|(row, _)| row).as_deref(), Some(want), "{model}");
    }
    let (row, assumed) = row_of(&table, "elsewhere", "o3", &million()).unwrap();
    assert_eq!(
        (row.as_str(), assumed.contains(&"provider")),
        ("openai/o3", true),
        "a user's row of the maker counts too"
    );
    let row = table.row(table.find("elsewhere", "o3").row_at(0).unwrap()).unwrap();
    assert_eq!(row.source, Source::File("user.yaml".into(), 2));
}

#[test]
fn the_better_match_wins_within_a_source() {
    let rows = "
currency: USD
prices:
  - {model: any, match: {contains: [large]}, input: 1, output: 1}
  - {model: regex, match: {regex: ['^acme-.*$']}, input: 2, output: 2}
  - {model: short, match: {prefix: [acme-]}, input: 3, output: 3}
  - {model: long, match: {prefix: [acme-large]}, input: 4, output: 4}
  - {model: acme-large, dated: true, input: 5, output: 5}
  - {model: acme-large-20260101, input: 6, output: 6}
  - {provider: acme, model: acme-large-20260101, input: 7, output: 7}
  - {model: x, match: {contains: [acme-x]}, exclude: {contains: [xx]}, input: 8, output: 8}
";
    let table = table(&[rows]);
    for (provider, model, want) in [
        ("", "x-large", "1"),
        ("", "acme-tiny", "3"),
        ("", "acme-large-2", "4"),
        ("", "acme-large", "5"),
        ("", "acme-large-20260202", "5"),
        ("", "acme-large-20260101", "6"),
        ("acme", "acme-large-20260101", "7"),
        ("", "my-acme-x1", "8"),
    ] {
        let priced = table.price(&table.find(provider, model), &million());
        let nanos = priced.cost.unwrap_or_else(|| panic!("{model}")).nanos;
        assert_eq!(crate::record::money::format_nanos(nanos.into()), want, "{provider} {model}");
    }
    assert!(table.find("", "my-acme-xx").is_unpriced());
}

#[test]
fn the_row_in_force_at_the_start_counts() {
    let rows = "
currency: USD
timezone: Asia/Shanghai
prices:
  - {provider: acme, model: m, valid_from: 2026-06-01, input: 3, output: 0}
  - {provider: acme, model: m, valid_from: 2026-03-01, input: 4, output: 0}
  - {provider: acme, model: m, match: {prefix: [m]}, valid_from: 2026-01-01, input: 5, output: 0}
";
    let table = table(&[rows]);
    let matched = table.find("acme", "m");
    for (start, want) in [
        ("2025-12-31T15:59:59.999999Z", None),
        ("2025-12-31T16:00:00Z", Some(5_000_000_000)),
        ("2026-02-28T15:59:59Z", Some(5_000_000_000)),
        ("2026-02-28T16:00:00Z", Some(4_000_000_000)),
        ("2026-05-31T15:59:59Z", Some(4_000_000_000)),
        ("2026-05-31T16:00:00Z", Some(3_000_000_000)),
        ("2099-01-01T00:00:00Z", Some(3_000_000_000)),
    ] {
        let priced = table.price(&matched, &Request { start: at(start), ..million() });
        assert_eq!(priced.cost.map(|cost| cost.nanos), want, "{start}");
        assert_eq!(priced.unpriced, want.is_none());
    }
}

#[test]
fn the_users_own_names_of_providers_lead_to_the_table() {
    let aliases =
        BTreeMap::from([("llm-aliyun".to_owned(), "Tongyi".to_owned()), ("llm-gpt".to_owned(), "azure".to_owned())]);
    let table = Table::build(vec![builtin_rows()], &aliases).unwrap();
    assert_eq!(row_of(&table, "LLM_Aliyun", "qwen-max", &million()), Some(("dashscope/qwen-max".into(), vec![])));
    assert_eq!(table.provider("llm-aliyun"), "dashscope");
    let (_, assumed) = row_of(&table, "llm-gpt", "gpt-4o", &million()).unwrap();
    assert_eq!(assumed, ["provider"]);
    let wrong = BTreeMap::from([("a".to_owned(), "dashscop".to_owned()), ("b".to_owned(), "zzzzzzzzz".to_owned())]);
    let problems: Vec<String> =
        Table::build(vec![builtin_rows()], &wrong).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "cost.aliases.a: `dashscop` is no provider of the price table; did you mean `dashscope`?",
            "cost.aliases.b: `zzzzzzzzz` is no provider of the price table; see `tokentail prices list` for its providers",
        ]
    );
}

#[test]
fn an_explanation_says_why() {
    let aliases = BTreeMap::from([("llm-claude".to_owned(), "anthropic".to_owned())]);
    let table = Table::build(vec![builtin_rows()], &aliases).unwrap();
    let tokens = Tokens {
        uncached_input: 12,
        cache_read: 18_218,
        cache_write_5m: 475,
        visible_output: 1_182,
        ..Tokens::default()
    };
    let request = Request { service_tier: ServiceTier::Unknown, cache_ttl_known: false, ..request(tokens) };
    let text = table.explain("llm-claude", "anthropic/claude-sonnet-4-5-20250929", &request).to_string();
    let (head, rest) = text.split_once('\n').unwrap();
    assert!(head.starts_with("price row: anthropic claude-sonnet-4-5 ("), "{head}");
    let rest = rest.lines().filter(|line| !line.contains("note:")).collect::<Vec<_>>().join("\n");
    assert_eq!(
        rest,
        "  the provider `llm-claude` is an alias of `anthropic`
  the row is the provider's own (anthropic)
  the model matches by the prefix `claude-sonnet-4-5`, with what stands around `claude-sonnet-4-5-20250929` taken off
  the row comes from builtin
  the input of 18705 tokens is below the first context tier
  assumed: cache writes are kept for 5 minutes: the log does not tell
  assumed: the standard tier of service: the log does not tell
  input             12 ×    3 per million = 0.000036   (standard)
  cache_read     18218 ×  0.3 per million = 0.0054654  (standard)
  cache_write_5m   475 × 3.75 per million = 0.00178125 (standard)
  output          1182 ×   15 per million = 0.01773    (standard)
  cost           0.02501265 USD
  cache savings  0.0491886 USD"
    );
}

#[test]
fn an_explanation_says_why_not() {
    let table = Table::builtin();
    for (provider, model, want) in [
        (
            "openai",
            "gpt-4p",
            "openai has no row for the model `gpt-4p`; similar names are `gpt-4`, `gpt-4o`, `gpt-4.1`, which are other models; add a row of your own",
        ),
        (
            "azure",
            "gpt-unheard-of",
            "neither azure nor the maker openai has a row for the model `gpt-unheard-of`; add a row of your own",
        ),
        (
            "ollama",
            "llama-unheard-of",
            "ollama has no row for the model `llama-unheard-of`; the maker is not known; add a row of your own",
        ),
        (
            "",
            "claude-unheard-of",
            "the log names no provider, and no row of the maker anthropic matches the model `claude-unheard-of`; add a row of your own",
        ),
        (
            "-",
            "x-unheard-of",
            "no row matches the model `x-unheard-of`; the log names no provider, and the maker is not known; add a row of your own",
        ),
        (
            "bedrock",
            "us.anthropic.Claude-Unheard-Of-v1:0",
            "neither bedrock nor the maker anthropic has a row for the model `us.anthropic.Claude-Unheard-Of-v1:0`, also looked up as `claude-unheard-of`; add a row of your own",
        ),
        ("", "", "the log names no model that can be looked up"),
        (
            "google",
            "gemini-3.6-flash",
            "the first row for `gemini-3.6-flash` is in force only since 2027-01-01; what it cost before is not known",
        ),
    ] {
        let explanation = table.explain(provider, model, &million());
        assert_eq!(explanation.unpriced.as_deref(), Some(want), "{provider} {model}");
        assert_eq!(explanation.to_string(), format!("unpriced: {want}\n"));
    }
}

#[test]
fn an_explanation_says_whose_row_stands_in_for_which_provider() {
    let table = Table::builtin();
    let request = Request { service_tier: ServiceTier::Standard, cache_ttl_known: true, ..million() };
    for (provider, want) in [
        ("", "the maker's prices: the log names no provider"),
        ("unknown", "the maker's prices: the log names no provider"),
        ("aliyun", "the maker's prices: `aliyun` has no row of its own for this model"),
    ] {
        assert_eq!(table.explain(provider, "gpt-4o", &request).assumed, [want], "{provider}");
    }
}

#[test]
fn an_explanation_names_the_tier_the_window_and_the_variant() {
    let table = table(&["
currency: EUR
prices:
  - model: m
    valid_from: 2026-01-01
    input: 1
    output: 2
    tiers: [{above: 100, input: 3}]
    flex: {output: 1}
    windows: [{hours: ['Fri 12:00-13:00'], cache_read: 0.5}]
"]);
    let tokens = Tokens { uncached_input: 100, cache_read: 100, reasoning: 1, ..Tokens::default() };
    let request = Request { service_tier: ServiceTier::Flex, ..request(tokens) };
    let explanation = table.explain("any", "m", &request);
    assert_eq!(
        explanation.why,
        [
            "the row counts for every provider",
            "the model matches exactly `m`",
            "the row is in force since 2026-01-01 (UTC)",
            "the row comes from user.yaml:4",
            "the tier of service is flex",
            "the input of 200 tokens is above 100",
            "the request starts in the window Fri 12:00-13:00 UTC",
        ]
    );
    let from: Vec<&str> = explanation.lines.iter().map(|line| line.from.as_str()).collect();
    assert_eq!(from, ["standard above 100", "window", "flex price of output"]);
    assert_eq!(explanation.cost.as_deref(), Some("0.000351"));
}

#[test]
fn an_explanation_is_one_json_document() {
    let table = Table::builtin();
    let json = serde_json::to_value(table.explain("openai", "gpt-4o", &million())).unwrap();
    assert_eq!(json["cost"], "2.5");
    assert_eq!(json["row"]["batch"]["input"], "1.25");
    assert_eq!(json["lines"][0]["price"], "2.5");
    assert_eq!(json["row_id"].as_str().map(str::len), Some(32));
}

static BUILTIN_TABLE: LazyLock<Table> = LazyLock::new(Table::builtin);

proptest! {
    #[test]
    fn no_name_makes_the_look_up_fail(provider in ".{0,40}", model in ".{0,300}") {
        let priced = BUILTIN_TABLE.price(&BUILTIN_TABLE.find(&provider, &model), &million());
        prop_assert_eq!(priced.unpriced, priced.row.is_none());
        let _ = BUILTIN_TABLE.explain(&provider, &model, &million()).to_string();
    }
}
