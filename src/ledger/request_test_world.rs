//! A made-up ledger with a model of it in memory, and random questions about it: for the tests of lists and sums.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use parking_lot::Mutex;
use proptest::prelude::*;

use super::tests::{commit, options};
use super::*;
use crate::meter::{self, Meter};
use crate::pricing::{self, Table};
use crate::record::{
    Cost, CountingFamily, Currency, ErrorReason, Logged, Micros, Mode, Outcome, Priced, Record, Row, Tokens,
    Usage as TokenUsage,
};
use crate::report::totals::{self, Figures, Question};
use crate::report::{Attribute, By};

pub(super) const BEGIN: Micros = 1_789_000_000_000_000;
pub(super) const HOUR: Micros = 3_600_000_000;
pub(super) const MODELS: [&str; 4] = ["gpt-4o", "claude-sonnet-4-5", "deepseek-chat", "nobody-prices-this"];

/// A request as the model knows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) row: Row,
    pub(super) model: &'static str,
    pub(super) consumer: String,
    pub(super) user: String,
    pub(super) session: String,
    pub(super) team: String,
    pub(super) mode: Mode,
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

pub(super) struct World {
    pub(super) folder: tempfile::TempDir,
    pub(super) ledger: Option<Ledger>,
    pub(super) table: Table,
    pub(super) ids: Vec<u32>,
    random: Random,
    pub(super) known: BTreeMap<i64, Known>,
    pub(super) next: i64,
    pub(super) clock: Micros,
    pub(super) zone: TimeZone,
}

pub(super) fn open_in(folder: &Path, zone: &TimeZone) -> Ledger {
    let options = Options { timezone: zone.clone(), ..options(folder) };
    Ledger::open(options, Arc::new(Mutex::new(Meter::new(meter::Config::default())))).unwrap()
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let folder = tempfile::tempdir().unwrap();
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let mut ledger = open_in(folder.path(), &zone);
        let table = Table::builtin();
        let rows: Vec<(String, String)> = table.rows().iter().map(|row| (row.id(), row.to_json())).collect();
        let ids = ledger.keep_price_rows(rows.iter().map(|(digest, json)| (digest.as_str(), json.clone()))).unwrap();
        World {
            folder,
            ledger: Some(ledger),
            table,
            ids,
            random: Random(seed),
            known: BTreeMap::new(),
            next: 1,
            clock: BEGIN,
            zone,
        }
    }

    pub(super) fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().unwrap()
    }

    pub(super) fn moment(&self) -> Moment {
        Moment::open(self.folder.path()).unwrap()
    }

    pub(super) fn add(&mut self, count: u64) {
        let mut batch = Batch::new(&["gateway".to_owned()]);
        for _ in 0..count {
            self.push(&mut batch);
        }
        commit(self.ledger(), batch);
    }

    /// Packs all that can be.
    pub(super) fn pack(&mut self) {
        while self.ledger().pack().unwrap() {}
    }

    fn push(&mut self, batch: &mut Batch) {
        let random = &mut self.random;
        // Now and then a request comes late.
        self.clock += i64::try_from(random.below(240_000_000)).unwrap();
        let late = if random.below(50) == 0 { i64::try_from(random.below(20)).unwrap() * HOUR } else { 0 };
        let start = self.clock - late;
        let place = usize::try_from(random.below(4) * random.below(4) / 3).unwrap();
        let model = MODELS[place];
        let consumer = format!("app-{}", random.below(5));
        let user = if random.below(7) == 0 {
            String::new()
        } else {
            format!("user-{}", random.below(30) * random.below(30) / 30)
        };
        let session = if random.below(9) == 0 { String::new() } else { format!("chat-{}", random.below(40)) };
        let team = ["", "sales", "support"][usize::try_from(random.below(3)).unwrap()].to_owned();
        let mode = Mode::ALL[usize::try_from(random.below(3)).unwrap()];
        let reason = ErrorReason::ALL[usize::try_from(random.below(6)).unwrap()];
        let failed = random.below(12) == 0;
        let tokens = Tokens {
            uncached_input: random.below(2_000),
            cache_read: random.below(3) * random.below(500),
            cache_write_5m: random.below(2) * random.below(100),
            cache_write_1h: if random.below(200) == 0 { 7 } else { 0 },
            visible_output: random.below(900),
            reasoning: random.below(3) * random.below(80),
        };
        let counted = !failed && random.below(20) > 0;
        let usage = if counted {
            TokenUsage::Counted {
                tokens,
                family: CountingFamily::OpenAi,
                logged: Logged::default(),
                cache_ttl_known: true,
            }
        } else if failed {
            TokenUsage::None
        } else {
            TokenUsage::Missing
        };
        let status = if failed { [429, 400, 502, 504, 499, 500][reason.index()] } else { 200 };
        let duration = (random.below(10) > 0).then(|| i64::try_from(random.below(9_000_000)).unwrap());
        let first_token = (random.below(3) == 0).then(|| i64::try_from(random.below(900_000)).unwrap());
        let logged = (random.below(40) == 0).then(|| Cost { nanos: 77_000, currency: Currency::parse("EUR").unwrap() });
        let record = Record {
            start,
            duration,
            first_token,
            request_id: format!("request-{}", self.next).into(),
            session_id: session.as_str().into(),
            model: model.into(),
            consumer: consumer.as_str().into(),
            user: user.as_str().into(),
            status: Some(status),
            outcome: if failed { Outcome::Error(reason) } else { Outcome::Success },
            mode,
            dimensions: vec![team.as_str().into()],
            usage,
            logged_cost: logged,
            ..Record::default()
        };
        let priced = match pricing::Request::of(&record) {
            Some(request) => self.table.price(&self.table.find("", model), &request),
            None => Priced::default(),
        };
        let price_row = priced.row.map_or(0, |row| self.ids[usize::try_from(row).unwrap()]);
        // Some costs are the gateway's own: no kind accounts for them.
        let cost = logged.or(priced.cost);
        let dimensions = ["team".to_owned()];
        let context = Context { source: 0, provider: "", priced, cost, price_row, dimensions: &dimensions, line: b"" };
        batch.push(&record, &context);
        let row = Row {
            id: self.next,
            start,
            duration,
            first_token,
            status,
            outcome: record.outcome,
            tokens: if counted { tokens } else { Tokens::default() },
            usage_missing: !counted && !failed,
            unpriced: priced.unpriced,
            assumed: priced.assumed,
            cost,
            savings_nanos: priced.cache_savings_nanos,
            ..Row::default()
        };
        let privacy = options(Path::new("")).privacy;
        let user = if user.is_empty() { user } else { privacy.pseudonym(&user) };
        self.known.insert(self.next, Known { row, model, consumer, user, session, team, mode });
        self.next += 1;
    }

    /// Forgets what the ledger has removed.
    pub(super) fn forget(&mut self) {
        let moment = self.moment();
        let mut kept = std::collections::BTreeSet::new();
        row::each(&moment.connection, i64::MIN, i64::MAX, |row, _| {
            kept.insert(row.id);
            Ok(())
        })
        .unwrap();
        self.known.retain(|id, _| kept.contains(id));
    }

    fn fits(&self, filter: &RequestFilter, known: &Known) -> bool {
        let any = |list: &[String], value: &str| list.is_empty() || list.iter().any(|wanted| wanted == value);
        let row = &known.row;
        filter.since.is_none_or(|since| row.start >= since)
            && filter.until.is_none_or(|until| row.start < until)
            && any(&filter.models, known.model)
            && any(&filter.consumers, &known.consumer)
            && any(&filter.users, &known.user)
            && any(&filter.sessions, &known.session)
            && (filter.modes.is_empty() || filter.modes.contains(&known.mode))
            && (filter.dimensions.is_empty() || filter.dimensions.iter().any(|(_, value)| *value == known.team))
            && (filter.statuses.is_empty()
                || filter.statuses.iter().any(|status| match status {
                    StatusFilter::Exactly(wanted) => row.status == *wanted,
                    StatusFilter::Class(digit) => row.status / 100 == *digit,
                }))
            && (filter.errors.is_empty()
                || filter.errors.iter().any(|error| match error {
                    ErrorFilter::Any => row.outcome.error().is_some(),
                    ErrorFilter::None => row.outcome.error().is_none(),
                    ErrorFilter::Reason(reason) => row.outcome.error() == Some(*reason),
                }))
            && filter.min_tokens.is_none_or(|least| row.tokens.total() >= least)
            && filter.min_cost.is_none_or(|least| {
                row.cost.is_some_and(|cost| cost.currency == least.currency && cost.nanos >= least.nanos)
            })
    }

    pub(super) fn listed(&self, list: &RequestList) -> Vec<i64> {
        let fitting = self.known.values().filter(|known| self.fits(&list.filter, known));
        let mut found: Vec<(Option<i128>, i64)> = fitting
            .map(|Known { row, .. }| {
                let value = match list.sort {
                    RequestSort::Start => Some(row.start.into()),
                    RequestSort::Duration => row.duration.map(i128::from),
                    RequestSort::FirstToken => row.first_token.map(i128::from),
                    RequestSort::Tokens => Some(row.tokens.total().into()),
                    RequestSort::Cost(currency) => {
                        row.cost.filter(|cost| cost.currency == currency).map(|cost| cost.nanos.into())
                    }
                };
                (value, row.id)
            })
            .collect();
        found.sort_unstable();
        if list.order == Order::Descending {
            found.reverse();
        }
        found.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn check_list(&self, moment: &Moment, list: &RequestList) -> Result<(), TestCaseError> {
        let want = self.listed(list);
        let mut got = Vec::new();
        let mut list = list.clone();
        loop {
            let page = moment.requests(&list).unwrap();
            prop_assert!(page.requests.len() <= list.limit);
            for stored in &page.requests {
                let known = &self.known[&stored.row.id];
                prop_assert_eq!((stored.row.cost, stored.row.tokens), (known.row.cost, known.row.tokens));
                prop_assert_eq!(&stored.request_id, &format!("request-{}", stored.row.id));
            }
            got.extend(page.requests.iter().map(|stored| stored.row.id));
            // Pages of pages would take the test too long.
            let Some(next) = page.next.filter(|_| got.len() < 150) else { break };
            list.after = Some(PageEnd::decode(&next.encode()).unwrap());
        }
        prop_assert_eq!(&got, &want.iter().copied().take(got.len()).collect::<Vec<i64>>(), "{:?}", list);
        prop_assert!(got.len() == want.len() || got.len() >= 150, "{} of {}: {:?}", got.len(), want.len(), list);
        Ok(())
    }

    pub(super) fn check_stream(&self, moment: &Moment, filter: &RequestFilter) -> Result<(), TestCaseError> {
        let list = RequestList { filter: filter.clone(), ..RequestList::default() };
        let mut want = self.listed(&list);
        want.sort_unstable();
        let (mut got, mut after) = (Vec::new(), 0);
        loop {
            let mut step = 0;
            moment
                .each_request(filter, after, |stored| -> Result<_, Error> {
                    got.push(stored.row.id);
                    step += 1;
                    Ok(if step == 3_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                })
                .unwrap();
            if step < 3_000 {
                break;
            }
            after = got.last().copied().unwrap_or(0);
        }
        prop_assert_eq!(got, want);
        Ok(())
    }

    pub(super) fn check_sums(&self, moment: &Moment, question: &Question, whole: bool) -> Result<(), TestCaseError> {
        let answer = totals::totals(moment, question).unwrap();
        let filter =
            RequestFilter { since: Some(question.since), until: Some(question.until), ..question.filter.clone() };
        let mut want: BTreeMap<Vec<String>, [i128; 9]> = BTreeMap::new();
        let mut costs: BTreeMap<(Vec<String>, Currency), i128> = BTreeMap::new();
        for known in self.known.values().filter(|known| self.fits(&filter, known)) {
            let row = &known.row;
            let at = jiff::Timestamp::from_microsecond(row.start).unwrap().to_zoned(question.zone.clone());
            let group: Vec<String> = question
                .by
                .iter()
                .map(|by| match by {
                    By::User => known.user.clone(),
                    By::Attribute(Attribute::Model) => known.model.to_owned(),
                    By::Attribute(Attribute::Consumer) => known.consumer.clone(),
                    By::Dimension(_) => known.team.clone(),
                    By::Period(_) => at.date().to_string(),
                    By::Hour => format!("{:02}", at.hour()),
                    By::Currency => row.cost.map_or_else(String::new, |cost| cost.currency.to_string()),
                    other => format!("{other:?}"),
                })
                .collect();
            let success = row.outcome == Outcome::Success;
            let sums = want.entry(group.clone()).or_default();
            for (sum, value) in sums.iter_mut().zip([
                1,
                i128::from(!success),
                row.tokens.input().into(),
                row.tokens.output().into(),
                row.usage_missing.into(),
                row.unpriced.into(),
                if row.cost.is_some() { row.savings_nanos.into() } else { 0 },
                if success { row.duration.unwrap_or(0).into() } else { 0 },
                if success { row.first_token.unwrap_or(0).into() } else { 0 },
            ]) {
                *sum += value;
            }
            if let Some(cost) = row.cost {
                *costs.entry((group, cost.currency)).or_default() += i128::from(cost.nanos);
            }
        }
        let numbers = |figures: &Figures| -> [i128; 9] {
            [
                figures.requests().into(),
                figures.errors().into(),
                figures.tokens().input().into(),
                figures.tokens().output().into(),
                figures.count(Measure::UsageMissing).into(),
                figures.count(Measure::UnpricedRequests).into(),
                figures.count(Measure::Savings).into(),
                figures.count(Measure::DurationSum).into(),
                figures.count(Measure::FirstTokenSum).into(),
            ]
        };
        let mut got_costs = BTreeMap::new();
        let mut got = BTreeMap::new();
        let groups = if question.by.is_empty() { vec![(Vec::new(), answer.total.clone())] } else { answer.groups };
        for (group, figures) in groups.iter().filter(|(_, figures)| figures.requests() > 0) {
            got.insert(group.clone(), numbers(figures));
            for (currency, nanos) in figures.costs() {
                got_costs.insert((group.clone(), currency), nanos);
                if whole || question.kinds {
                    let of = |measure: Measure| figures.money(measure).get(&currency).copied().unwrap_or(0);
                    let kinds: i128 = totals::KINDS.iter().map(|(_, measure)| of(*measure)).sum();
                    prop_assert_eq!(kinds, nanos, "{:?} {:?}", group, question);
                    if currency == Currency::USD {
                        prop_assert_eq!(of(Measure::CostOther), 0);
                    }
                }
            }
        }
        prop_assert_eq!(&got, &want, "{:?}", question);
        prop_assert_eq!(&got_costs, &costs, "{:?}", question);
        prop_assert_eq!(answer.total.requests(), got.values().map(|sums| u64::try_from(sums[0]).unwrap()).sum::<u64>());
        Ok(())
    }
}

fn some_of<T: Clone + std::fmt::Debug + 'static>(values: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    let most = values.len().min(3);
    prop_oneof![3 => Just(Vec::new()), 1 => proptest::sample::subsequence(values, 1..=most)]
}

pub(super) fn filters(first: Micros, last: Micros) -> impl Strategy<Value = RequestFilter> {
    let time = move || prop_oneof![2 => Just(None), 1 => (first..last).prop_map(Some)];
    let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<String>>();
    let privacy = options(Path::new("")).privacy;
    let users: Vec<String> = [0, 3, 25, 29]
        .iter()
        .map(|number| privacy.pseudonym(&format!("user-{number}")))
        .chain([String::new(), "nobody".to_owned()])
        .collect();
    let statuses =
        vec![StatusFilter::Exactly(200), StatusFilter::Exactly(418), StatusFilter::Class(4), StatusFilter::Class(5)];
    let errors = vec![ErrorFilter::Any, ErrorFilter::None, ErrorFilter::Reason(ErrorReason::Timeout)];
    let teams = ["sales", "support", ""].map(|team| ("team".to_owned(), team.to_owned())).to_vec();
    let min_cost = [(Currency::USD, 3_000_000), (Currency::CNY, 100_000), (Currency::USD, i64::MAX)];
    let min_cost = min_cost.map(|(currency, nanos)| Some(Cost { nanos, currency }));
    (
        (time(), time()),
        some_of(MODELS.map(str::to_owned).to_vec()),
        some_of(texts(&["app-0", "app-4", "nobody"])),
        some_of(users),
        prop_oneof![9 => Just(Vec::new()), 1 => some_of(texts(&["chat-3", "chat-17", "chat-none"]))],
        some_of(statuses),
        some_of(errors),
        some_of(teams),
        some_of(Mode::ALL.to_vec()),
        (
            prop_oneof![4 => Just(None), 1 => Just(Some(2_500)), 1 => Just(Some(u64::MAX))],
            prop_oneof![4 => Just(None), 1 => proptest::sample::select(min_cost.to_vec())],
        ),
    )
        .prop_map(
            |(
                (since, until),
                models,
                consumers,
                users,
                sessions,
                statuses,
                errors,
                dimensions,
                modes,
                (min_tokens, min_cost),
            )| {
                RequestFilter {
                    since,
                    until,
                    models,
                    consumers,
                    users,
                    sessions,
                    statuses,
                    errors,
                    dimensions,
                    modes,
                    min_tokens,
                    min_cost,
                    ..RequestFilter::default()
                }
            },
        )
}
