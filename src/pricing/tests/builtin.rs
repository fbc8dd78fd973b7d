//! The built-in table as data.

use super::*;
use crate::pricing::file::parse_builtin;

#[test]
fn the_built_in_table_is_without_fault() {
    let source = parse_builtin(BUILTIN).unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!(source.rows.len(), 108);
    let table = Table::builtin();
    assert_eq!(table.rows().len(), 108);
    assert_eq!(table.date(), Some(jiff::civil::date(2026, 11, 20)));
    assert_eq!(table.timestamp_seconds(), 1_795_132_800);
    let ids: std::collections::HashSet<String> = table.rows().iter().map(Row::id).collect();
    assert_eq!(ids.len(), 108);
}

#[test]
fn every_row_is_found_by_the_name_it_is_shown_under_and_survives_its_json_form() {
    let table = Table::builtin();
    let later = Request { start: at("2027-06-01T12:00:00Z"), ..million() };
    for row in table.rows() {
        let found = row_of(&table, &row.provider, &row.model, &later);
        assert_eq!(found, Some((format!("{}/{}", row.provider, row.model), vec![])));
        let copy = Row::from_json(&row.to_json()).unwrap_or_else(|found| panic!("{found:?}"));
        assert_eq!((copy.to_json(), copy.id()), (row.to_json(), row.id()));
    }
}

#[test]
fn every_row_of_a_maker_is_also_found_where_the_log_names_no_provider() {
    let table = Table::builtin();
    let later = Request { start: at("2027-06-01T12:00:00Z"), ..million() };
    for row in table.rows().iter().filter(|row| row.provider != "zhipuai") {
        let found = row_of(&table, "", &row.model, &later);
        assert_eq!(found, Some((format!("{}/{}", row.provider, row.model), vec!["provider"])));
    }
}

#[test]
fn prices_make_sense() {
    for row in Table::builtin().rows() {
        let price = |kind| row.base.prices.get(kind);
        let input = price(Kind::Input).unwrap();
        assert!(price(Kind::CacheRead).is_none_or(|read| read < input), "{}", row.model);
        assert!(
            price(Kind::CacheWrite1h) >= price(Kind::CacheWrite5m) || price(Kind::CacheWrite1h).is_none(),
            "{}",
            row.model
        );
        for tier in &row.base.tiers {
            assert!(tier.prices.get(Kind::Input).is_some_and(|dearer| dearer > input), "{}", row.model);
        }
        for (tier, card) in &row.variants {
            let varied = card.prices.get(Kind::Input).unwrap();
            assert_eq!(varied > input, *tier == ServiceTier::Priority, "{}", row.model);
        }
    }
}
