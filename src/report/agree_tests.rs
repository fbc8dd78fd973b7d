//! One truth: reports, exports, budgets and metrics say the same of random requests, through deletions and reprices.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::Value;

use super::cost::{Answer, Question, adjusted};
use super::exchange::Target;
use super::export::{self, Format};
use super::{Amounts, By, budget, cost, outlook, totals, usage};
use crate::clock::Clock;
use crate::ledger::{
    BLOCK_ROWS, Batch, Context, DataDir, Ledger, Moment, Options, Privacy, ROLLUP_HOUR, Repricing, RequestFilter,
    Retention,
};
use crate::meter::{self, Gauges, Meter};
use crate::pricing::{Budget, BudgetPeriod, BudgetUnit, ExchangeRate};
use crate::record::money::NANOS;
use crate::record::{
    Assumed, Attributes, Cost, CountingFamily, Currency, ErrorReason, Logged, Outcome, Priced, Record, Row, Tokens,
    Usage,
};

const HOUR: i64 = 3_600_000_000;
/// 2026-11-21T10:00:00Z
const NOW: i64 = 1_795_255_200_000_000;
fn open(folder: &Path) -> (Ledger, Arc<Mutex<Meter>>) {
    let meter = Arc::new(Mutex::new(Meter::new(meter::Config::default())));
    let options = Options {
        data_dir: DataDir::Path(folder.to_owned()),
        privacy: Privacy { key: b"key".to_vec(), hash_sessions: false },
        rollup_seconds: ROLLUP_HOUR,
        timezone: TimeZone::UTC,
        sessions: crate::session::Config::default(),
        content: crate::content::Keeping::default(),
        clock: Clock::manual(NOW),
    };
    (Ledger::open(options, Arc::clone(&meter)).unwrap(), meter)
}

/// A request made of a random number, in the order of `n` over thirty days.
fn push(batch: &mut Batch, n: i64, random: u64) {
    let pick = |shift: u32, of: u64| (random >> shift) % of;
    let tokens = Tokens {
        uncached_input: pick(0, 5_000),
        cache_read: pick(7, 3) * 100,
        cache_write_5m: pick(9, 2) * 10,
        visible_output: pick(11, 900),
        reasoning: pick(13, 4) * 7,
        ..Tokens::default()
    };
    let unpriced = pick(17, 9) == 0;
    let missing = pick(19, 11) == 0;
    let record = Record {
        start: NOW - 720 * HOUR + n * 360_000_000,
        duration: Some(1_500_000),
        request_id: format!("id-{n}").into(),
        session_id: if pick(23, 5) == 0 { "".into() } else { format!("session-{}", n / 9).into() },
        route: format!("route-{}", pick(25, 2)).into(),
        model: format!("model-{}", pick(27, 3)).into(),
        consumer: format!("=consumer,\"{}\"", pick(29, 4)).into(),
        user: if pick(43, 4) == 0 { "".into() } else { format!("user-{}", n / 18 % 5).into() },
        outcome: if pick(33, 7) == 0 { Outcome::Error(ErrorReason::Upstream) } else { Outcome::Success },
        status: Some(200),
        usage: if missing {
            Usage::Missing
        } else {
            Usage::Counted { tokens, family: CountingFamily::OpenAi, logged: Logged::default(), cache_ttl_known: false }
        },
        dimensions: vec![["red", "blue", ""][usize::try_from(pick(35, 3)).unwrap()].into()],
        ..Record::default()
    };
    let currency = if pick(37, 2) == 0 { Currency::USD } else { Currency::CNY };
    let nanos = i64::try_from(pick(3, 1 << 40)).unwrap();
    let cost = (!unpriced && !missing).then_some(Cost { nanos, currency });
    let assumed = if pick(41, 3) == 0 { Assumed::PROVIDER } else { Assumed::default() };
    let priced = Priced { cost, cache_savings_nanos: 3, row: None, assumed, unpriced: unpriced && !missing };
    let names = ["colour".to_owned()];
    let context =
        Context { source: 0, provider: "provider", priced, cost, price_row: 0, dimensions: &names, line: b"line" };
    batch.push(&record, &context);
}

fn commit(ledger: &mut Ledger, numbers: std::ops::Range<i64>, seed: u64) {
    let mut batch = Batch::new(&["gateway".to_owned()]);
    let mut state = seed | 1;
    for n in numbers {
        // xorshift64*: any numbers will do.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        push(&mut batch, n, state.wrapping_mul(0x2545_f491_4f6c_dd1d));
    }
    let prepared = ledger.prepare(vec![batch]).unwrap();
    ledger.commit(&prepared, Clock::manual(NOW).instant()).unwrap();
}

fn ask(moment: &Moment, by: Vec<By>, target: Option<Target>) -> Answer {
    let totals = totals::Question {
        by,
        filter: RequestFilter::default(),
        since: i64::MIN,
        until: i64::MAX,
        zone: TimeZone::UTC,
        kinds: true,
    };
    cost::answer(moment, &Question { totals, target }).unwrap()
}

fn target() -> Target {
    let rate =
        |nanos, day: &str| ExchangeRate { from: Currency::CNY, to: Currency::USD, nanos, since: day.parse().unwrap() };
    Target { currency: Currency::USD, rates: vec![rate(138_500_001, "2026-01-01"), rate(140_000_003, "2026-11-01")] }
}

fn plus(a: &Amounts, b: &Amounts) -> Amounts {
    let mut sum = a.clone();
    for (currency, nanos) in b {
        *sum.entry(*currency).or_default() += nanos;
    }
    sum.retain(|_, nanos| *nanos != 0);
    sum
}

/// Nano-units of a decimal text.
fn nanos(text: &str) -> i128 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    sign * (whole.parse::<i128>().unwrap() * NANOS + format!("{fraction:0<9}").parse::<i128>().unwrap())
}

/// Sum by currency of a decimal column of exported lines.
fn column(lines: &[Value], cost: &str, currency: &str) -> Amounts {
    let mut sums = Amounts::new();
    for line in lines {
        if let (Some(code), Some(amount)) = (line[currency].as_str(), line[cost].as_str()) {
            *sums.entry(Currency::parse(code).unwrap()).or_default() += nanos(amount);
        }
    }
    sums.retain(|_, nanos| *nanos != 0);
    sums
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn nonzero(mut amounts: Amounts) -> Amounts {
    amounts.retain(|_, nanos| *nanos != 0);
    amounts
}

/// Every view of a ledger says the same. Returns how many requests are kept.
fn assert_agreement(folder: &Path, meter: &Arc<Mutex<Meter>>) -> u64 {
    let mut moment = Moment::open(folder).unwrap();
    let all = ask(&moment, Vec::new(), Some(target()));
    let total = &all.total.figures;
    let cost = nonzero(total.costs());

    // Groups add up, whatever they are, and so do the kinds of cost and what is converted.
    let dimension = || By::Dimension("colour".to_owned());
    for by in [
        vec![By::Period(crate::session::usage::Period::Day), By::ATTRIBUTES[3].clone()],
        vec![By::EachHour],
        vec![dimension(), By::Currency],
        vec![By::ATTRIBUTES[4].clone(), By::ATTRIBUTES[1].clone(), By::Hour],
    ] {
        let answer = ask(&moment, by, Some(target()));
        let mut sum = totals::Figures::default();
        answer.groups.iter().for_each(|group| sum.add(&group.figures));
        assert_eq!((&sum, &answer.total.figures), (total, total));
        assert_eq!(answer.total.converted, all.total.converted);
    }
    let kinds = totals::KINDS.iter().fold(Amounts::new(), |sum, (_, measure)| plus(&sum, &total.money(*measure)));
    assert_eq!(kinds, cost);

    // Counters = report + adjustments.
    let (counted_requests, counted_cost) = meter.lock().counted();
    let (mut requests, mut counted) = (i128::from(total.requests()), cost.clone());
    for sums in all.adjustments.values() {
        let (more, money) = adjusted(sums);
        requests += more;
        counted = plus(&counted, &money);
    }
    assert_eq!(requests, i128::from(counted_requests));
    assert_eq!(counted, nonzero(counted_cost.clone()));
    let page = meter::encode(meter, Gauges { now: NOW, ..Gauges::default() }, Clock::manual(NOW).instant()).unwrap();
    let sum = |name: &str| -> f64 {
        let samples = page.lines().filter(|line| line.starts_with(name));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    assert_eq!(sum("tokentail_requests_total{"), counted_requests as f64);
    let shown = sum("tokentail_cost_total{");
    let exact: i128 = counted_cost.values().sum();
    assert!((shown - exact as f64 / 1e9).abs() < 1e-3, "{shown} {exact}");

    // Requests that are kept: their export, the report of use, and the totals by user. The rest left as an adjustment.
    let mut bytes = Vec::new();
    let progress = |_| ControlFlow::Continue(());
    let filter = RequestFilter::default();
    let kept = export::requests(&mut moment, &filter, Format::Jsonl, &mut bytes, progress).unwrap();
    let exported = lines(&bytes);
    assert_eq!(exported.len() as u64, kept);
    let by_user = ask(&moment, vec![By::User], None);
    let question = usage::Question { by: vec![By::User], since: i64::MIN, until: i64::MAX, zone: TimeZone::UTC };
    let used = usage::answer(&moment, &question).unwrap().total;
    let kept_cost = column(&exported, "cost", "currency");
    assert_eq!((by_user.total.figures.requests(), used.requests), (kept, kept));
    assert_eq!((nonzero(by_user.total.figures.costs()), nonzero(used.costs)), (kept_cost.clone(), kept_cost.clone()));
    // User by user: a request is of the user that it names, also in a session whose others name somebody.
    let mut named: BTreeMap<String, (u64, Amounts)> = BTreeMap::new();
    for line in &exported {
        let of_user = named.entry(line["user"].as_str().unwrap_or_default().to_owned()).or_default();
        of_user.0 += 1;
        of_user.1 = plus(&of_user.1, &column(std::slice::from_ref(line), "cost", "currency"));
    }
    let groups = by_user.groups.iter().map(|group| (group.values[0].clone(), &group.figures));
    let of_cost: BTreeMap<_, _> = groups.map(|(user, of)| (user, (of.requests(), nonzero(of.costs())))).collect();
    let of_use = usage::answer(&moment, &question).unwrap().groups.into_iter();
    let of_use: BTreeMap<_, _> = of_use.map(|(user, of)| (user[0].clone(), (of.requests, nonzero(of.costs)))).collect();
    assert_eq!((&of_cost, &of_use), (&named, &named));
    let exported_input: u64 = exported.iter().filter_map(|line| line["input_tokens"].as_u64()).sum();
    assert_eq!((by_user.total.figures.tokens().input(), used.tokens.input()), (exported_input, exported_input));
    let removed = by_user.adjustments.get("retention").map(adjusted).unwrap_or_default();
    assert_eq!(i128::from(kept) + removed.0, i128::from(total.requests()));
    assert_eq!(plus(&kept_cost, &removed.1), cost);

    // Charges to the nano-unit, and the sums of sessions and of what belongs to none.
    let mut bytes = Vec::new();
    export::focus(&moment, &filter, &TimeZone::UTC, Format::Jsonl, &mut bytes, progress).unwrap();
    let charges = lines(&bytes);
    for column_name in ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"] {
        assert_eq!(column(&charges, column_name, "BillingCurrency"), cost, "{column_name}");
    }
    let mut bytes = Vec::new();
    export::sessions(&mut moment, &filter, Format::Jsonl, &mut bytes, progress).unwrap();
    let of_sessions: u64 = lines(&bytes).iter().filter_map(|line| line["requests"].as_u64()).sum();
    let of_none = exported.iter().filter(|line| line["session"].is_null()).count() as u64;
    // A part outlives its first rows.
    assert!(of_sessions + of_none >= kept, "{of_sessions} + {of_none} of {kept}");

    // The file for SQL, brought in step from wherever it stood.
    let path = folder.join("views.db");
    export::sql::update(&moment, &crate::ledger::Facts::default(), &TimeZone::UTC, &path, |_| {}).unwrap();
    let number = |sql: &str| {
        let (file, _) = crate::ledger::SqlFile::open(&path, 1, "").unwrap();
        i128::from(file.number(sql, &[]).unwrap().unwrap_or(0))
    };
    for (currency, table, want) in [
        ("USD", "v_usage_daily", &cost),
        ("CNY", "v_usage_daily", &cost),
        ("USD", "v_requests", &kept_cost),
        ("CNY", "v_requests", &kept_cost),
    ] {
        let found = number(&format!("SELECT sum(cost_nanos) FROM {table} WHERE currency = '{currency}'"));
        assert_eq!(found, want.get(&Currency::parse(currency).unwrap()).copied().unwrap_or(0), "{table} {currency}");
    }
    assert_eq!(number("SELECT count(*) FROM v_requests"), i128::from(kept));
    assert_eq!(number("SELECT sum(requests) FROM v_usage_daily"), i128::from(total.requests()));
    assert_eq!(number("SELECT sum(requests) FROM v_sessions"), i128::from(of_sessions));

    // The month's forecast: of all, and by gateway as the metric has it.
    let of_all = outlook::read(&moment, &TimeZone::UTC, &filter, NOW, None).unwrap();
    let of_all: Vec<_> = of_all.into_iter().map(|outlook| (outlook.currency, outlook.forecast)).collect();
    let parts = outlook::by_gateway(&moment, &TimeZone::UTC, NOW).unwrap();
    assert_eq!(parts.into_iter().map(|((_, currency), forecast)| (currency, forecast)).collect::<Vec<_>>(), of_all);

    // Budgets of the month.
    let budget = |unit| Budget {
        name: "b".to_owned(),
        filter: BTreeMap::new(),
        unit,
        limit_nanos: NANOS,
        period: BudgetPeriod::Month,
    };
    let budgets =
        [budget(BudgetUnit::Currency(Currency::USD)), budget(BudgetUnit::Requests), budget(BudgetUnit::Tokens)];
    let standings = budget::read(&moment, &TimeZone::UTC, &budgets, NOW).unwrap();
    let (since, until) = budget::period(&TimeZone::UTC, NOW, BudgetPeriod::Month).unwrap();
    let month = totals::Question { by: Vec::new(), filter, since, until, zone: TimeZone::UTC, kinds: false };
    let month = totals::totals(&moment, &month).unwrap().total;
    let usd = month.costs().get(&Currency::USD).copied().unwrap_or(0);
    let want = [usd, i128::from(month.requests()) * NANOS, i128::from(month.tokens().total()) * NANOS];
    assert_eq!(standings.iter().map(|standing| standing.used_nanos).collect::<Vec<_>>(), want);
    kept
}

/// Every second request becomes dearer, changes its currency or loses its price.
fn reprice(ledger: &mut Ledger, since: i64) {
    let price = |row: &Row, _: &Attributes| {
        let cost = match row.id % 4 {
            0 => row.cost.map(|cost| Cost { nanos: cost.nanos / 2 + 1, ..cost }),
            1 => row.cost.map(|cost| Cost { currency: Currency::USD, ..cost }),
            2 => None,
            _ => row.cost,
        };
        let priced =
            Priced { cost, unpriced: row.counted && cost.is_none(), assumed: row.assumed, ..Priced::default() };
        Repricing { priced, cost, price_row: 0 }
    };
    ledger.reprice(since, false, price, |_, _| {}).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2))]
    /// Retention removes whole blocks only.
    #[test]
    fn every_view_says_the_same_through_deletions_and_reprices(
        seed in any::<u64>(),
        first in 1_i64..300,
        repriced_hours in 0_i64..700,
        fold in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, meter) = open(folder.path());
        commit(&mut ledger, 0..first, seed);
        assert_agreement(folder.path(), &meter);
        reprice(&mut ledger, NOW - repriced_hours * HOUR);
        assert_agreement(folder.path(), &meter);
        commit(&mut ledger, first..2 * BLOCK_ROWS + first, seed.rotate_left(7));
        if fold {
            ledger.write_folds().unwrap();
        }
        let before = assert_agreement(folder.path(), &meter);
        let retention = Retention { requests: Duration::from_secs(500 * 3_600), ..Retention::default() };
        while ledger.retain(&retention).unwrap() {}
        let after = assert_agreement(folder.path(), &meter);
        prop_assert!(after < before, "retention has removed something");
        reprice(&mut ledger, NOW - 720 * HOUR);
        commit(&mut ledger, 2 * BLOCK_ROWS + first..2 * BLOCK_ROWS + 2 * first, seed.rotate_left(13));
        assert_agreement(folder.path(), &meter);
    }
}
