//! What files are read, and what is said about wrong ones.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn problems(text: &str) -> Vec<String> {
    parse_file("p.yaml", text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn the_example_is_a_price_file_with_every_key() {
    let source = parse_file("example.yaml", EXAMPLE).unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!(source.rows.len(), 3);
    for key in Kind::ALL.map(Kind::label).into_iter().chain(Pattern::FORMS).chain([
        "provider",
        "model",
        "match",
        "exclude",
        "dated",
        "currency",
        "tiers",
        "above",
        "batch",
        "flex",
        "priority",
        "windows",
        "hours",
        "timezone",
        "valid_from",
        "note",
        "aliases",
        "makes",
    ]) {
        assert!(EXAMPLE.contains(&format!("{key}:")), "{key}");
    }
    let table = table(&[EXAMPLE]);
    let (row, assumed) = row_of(&table, "elsewhere", "acme-large-20260115", &million()).unwrap();
    assert_eq!((row.as_str(), assumed), ("acme/acme-large", vec!["provider"]));
    let free = table.price(&table.find("vllm", "qwen3-32b-internal"), &million());
    assert_eq!(free.cost.map(|cost| (cost.nanos, cost.currency.to_string())), Some((0, "CNY".to_owned())));
    let later = Request { start: at("2026-12-31T16:00:00Z"), ..million() };
    let priced = table.price(&table.find("acme", "acme-large"), &later);
    assert_eq!(priced.cost.map(|cost| cost.currency.to_string()).as_deref(), Some("CNY"));
}

#[test]
fn every_problem_is_told_with_its_line_key_and_remedy() {
    for (text, want) in [
        ("", "p.yaml:1: prices: there are no prices in the file; add a list `prices:`"),
        (
            "a: [",
            "p.yaml:2: not valid YAML: while parsing a node, did not find expected node content; look at the indentation, quotes and brackets before column 1",
        ),
        (
            "currency: USD\nprices: []\ncurrency: CNY",
            "p.yaml:3: currency: given twice, first on line 1; keep one of them",
        ),
        (
            "providers: {acme: {},\n acme: {aliases: [a]}}",
            "p.yaml:2: providers.acme: given twice, first on line 1; keep one of them",
        ),
        ("- 1", "p.yaml:1: expected a map, found a list; its keys are date, currency, timezone, providers, prices"),
        ("price: []", "p.yaml:1: price: unknown key; did you mean `prices`?"),
        ("prices: 7", "p.yaml:1: prices: expected a list, found a single value; begin each row with `- `"),
        (
            "currency: usd\nprices: []",
            "p.yaml:1: currency: `usd` is no currency; write three capital letters such as USD or CNY",
        ),
        ("date: 2026\nprices: []", "p.yaml:1: date: `2026` is no date; write a date such as 2026-11-01"),
        (
            "timezone: Asia/Peking\nprices: []",
            "p.yaml:1: timezone: `Asia/Peking` is no time zone; write an IANA name such as UTC or Asia/Shanghai",
        ),
        (
            "providers: {acme: {alias: [a]}}\nprices: []",
            "p.yaml:1: providers.acme.alias: unknown key; did you mean `aliases`?",
        ),
        (
            "providers:\n  a: {makes: [x-]}\n  b: {makes: [x-]}",
            "p.yaml:3: providers.b: models `x-…` are also claimed by `a`; let each belong to one provider",
        ),
        (
            "providers:\n  a: {aliases: [b]}\n  b: {}",
            "p.yaml:3: providers.b: requests of `b` are also claimed by `a`; let each belong to one provider",
        ),
        (
            "prices:\n- {model: m, input: 1, output: 1}",
            "p.yaml:2: prices[0].currency: the row names no currency; add `currency: USD` or another to the row or to the head of the file",
        ),
    ] {
        assert_eq!(problems(text), [want], "{text}");
    }
    for (row, want) in [
        ("{input: 1, output: 1}", "model: the row names no model; add `model:`"),
        ("{model: m, input: 1, input: 2, output: 1}", "input: given twice, first on line 3; keep one of them"),
        ("{model: m, output: 1}", "input: the row has no price for input; add it; write 0 where it is free"),
        ("{model: m, inptu: 1, input: 1, output: 1}", "inptu: unknown key; did you mean `input`?"),
        (
            "{model: m, input: cheap, output: 1}",
            "input: `cheap` cannot be used: expected a decimal number such as 2.50; write what a million tokens cost, such as 2.50",
        ),
        (
            "{model: m, input: -1, output: 1}",
            "input: `-1` cannot be used: a price must not be negative; write what a million tokens cost, such as 2.50",
        ),
        (
            "{model: m, input: 1e400, output: 1}",
            "input: `1e400` cannot be used: a price must be at most 100000000 per million tokens; write what a million tokens cost, such as 2.50",
        ),
        ("{model: m, input: [1], output: 1}", "input: expected a single value, found a list; write one value"),
        (
            "{model: m, currency: Dollar, input: 1, output: 1}",
            "currency: `Dollar` is no currency; write three capital letters such as USD or CNY",
        ),
        ("{model: m, dated: yes, input: 1, output: 1}", "dated: `yes` is neither true nor false; write true or false"),
        (
            "{model: m, valid_from: soon, input: 1, output: 1}",
            "valid_from: `soon` is no date; write a date such as 2026-11-01",
        ),
        ("{model: m, batch: {}, input: 1, output: 1}", "batch: there is no price in it; add one or take it out"),
        (
            "{model: m, batch: 5, input: 1, output: 1}",
            "batch: expected a map, found a single value; its keys are input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, tiers",
        ),
        ("{model: m, match: {prefx: a}, input: 1, output: 1}", "match.prefx: unknown key; did you mean `prefix`?"),
        (
            "{model: m, match: {regex: '(?!x)'}, input: 1, output: 1}",
            "match.regex: `(?!x)` cannot be used: look-around, including look-ahead and look-behind, is not supported; correct the pattern",
        ),
        (
            "{model: m, tiers: [{input: 1}], input: 1, output: 1}",
            "tiers[0].above: the tier has no threshold; write a number of input tokens, such as 200000",
        ),
        (
            "{model: m, tiers: [{above: 200k, input: 1}], input: 1, output: 1}",
            "tiers[0].above: `200k` is no number of tokens; write a number of input tokens, such as 200000",
        ),
        (
            "{model: m, tiers: [{above: 9, input: 1}, {above: 9, input: 2}], input: 1, output: 1}",
            "tiers[1].above: thresholds must ascend; sort the tiers by `above`, each once",
        ),
        (
            "{model: m, windows: [{hours: 1-2, input: 1}], input: 1, output: 1}",
            "windows[0].hours: `1-2` is no span of time; expected a form such as 01:00-04:00; write spans such as `Mon-Fri 01:00-04:00`",
        ),
        (
            "{model: m, windows: [{hours: '01:00-04:00'}, {hours: Fri 03:00-05:00}], input: 1, output: 1}",
            "windows[1].hours: the window overlaps with prices[0].windows[0]; let each minute of the week be in one window",
        ),
    ] {
        assert_eq!(
            problems(&format!("currency: USD\nprices:\n- {row}")),
            [format!("p.yaml:3: prices[0].{want}")],
            "{row}"
        );
    }
}

#[test]
fn a_hostile_file_is_one_problem() {
    for (text, want) in [
        ("- ".repeat(1 << 19), "p.yaml:1: nested deeper than 32 levels; flatten it"),
        ("? ".repeat(1 << 19), "p.yaml:1: nested deeper than 32 levels; flatten it"),
        ("#".repeat((1 << 20) + 1), "p.yaml: larger than 1 MiB; shorten it"),
        ("a: !mine 1".to_owned(), "p.yaml:1: the tag `!mine` means nothing here; remove it"),
    ] {
        assert_eq!(problems(&text), [want]);
    }
}

#[test]
fn all_problems_of_a_file_come_at_once() {
    let text = "currency: USD\nprices:\n- model: a\n  input: x\n  output: y\n- model: b\n  inputs: 1\n  output: 1\n";
    let lines: Vec<u32> = parse_file("p.yaml", text).unwrap_err().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [4, 5, 7, 6]);
    let many = format!("prices:\n{}", "- {}\n".repeat(10_000));
    assert_eq!(parse_file("p.yaml", &many).unwrap_err().len(), 100);
}

#[test]
fn two_prices_of_one_name_for_the_same_time_are_refused() {
    let row = |rest: &str| format!("- {{provider: acme, model: m, input: 1, output: 1{rest}}}\n");
    let file = |rows: &[String]| format!("currency: USD\nprices:\n{}", rows.concat());
    assert_eq!(
        problems(&file(&[row(""), row(", match: [other, M]")])),
        [
            "p.yaml:4: prices[1].match: the row of line 3 prices `m` for the same time; take one out, or give it another `valid_from`"
        ]
    );
    assert!(parse_file("p.yaml", &file(&[row(""), row(", valid_from: 2026-01-01")])).is_ok());
}

#[test]
fn a_configuration_loads_its_files_in_order_or_tells_all_that_is_wrong() {
    let rows = |price: u32| format!("currency: USD\nprices: [{{model: gpt-4o, input: {price}, output: 1}}]");
    let map = r#"{"gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 3e-06, "output_cost_per_token": 0},
        "o3": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 4e-06, "output_cost_per_token": 0}}"#;
    let read = |path: &Path, _: usize| match path.to_str() {
        Some("one.yaml") => Ok(format!("\u{feff}{}", rows(11))),
        Some("two.yaml") => Ok(rows(12)),
        Some("map.json") => Ok(map.to_owned()),
        Some("bad.yaml") => Ok("prices: [{model: m}]".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let config = |prices: &[&str], map: Option<&str>| Config {
        prices: prices.iter().map(PathBuf::from).collect(),
        litellm_map: map.map(PathBuf::from),
        ..Config::default()
    };
    let table = load(&config(&["one.yaml", "two.yaml"], Some("map.json")), read).unwrap();
    let nanos = |model: &str| table.price(&table.find("openai", model), &million()).cost.unwrap().nanos;
    assert_eq!(nanos("gpt-4o"), 12_000_000_000, "the later file");
    assert_eq!(nanos("o3"), 4_000_000_000, "the map before the built-in table");
    assert_eq!(nanos("o1"), 15_000_000_000, "the built-in table");

    let mut wrong = config(&["bad.yaml", "none.yaml"], Some("one.yaml"));
    wrong.aliases.insert("x".into(), "y".into());
    let found: Vec<String> = load(&wrong, read).unwrap_err().iter().map(|problem| problem.file.clone()).collect();
    assert_eq!(found, ["none.yaml", "bad.yaml", "bad.yaml", "bad.yaml", "one.yaml"]);
    let alias = Config { aliases: wrong.aliases, ..Config::default() };
    assert_eq!(load(&alias, read).unwrap_err()[0].key, "cost.aliases.x");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic(from in 0..EXAMPLE.len(), length in 0..200usize, text in "[-a{}:,&*|'\" \n\t0.]{0,20}") {
        let mut damaged: Vec<char> = EXAMPLE.chars().collect();
        let end = (from + length).min(damaged.len());
        damaged.splice(from.min(end)..end, text.chars());
        let damaged: String = damaged.into_iter().collect();
        if let Err(problems) = parse_file("p.yaml", &damaged) {
            prop_assert!(!problems.is_empty());
        }
    }
}
