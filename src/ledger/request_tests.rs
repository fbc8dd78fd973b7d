//! Lists and sums against a model that has every request in memory, through folds, restarts, deletions and repricing.

use std::ops::ControlFlow;
use std::path::Path;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::request_test_world::{BEGIN, HOUR, Known, World, filters, open_in};
use super::tests::{assert_sound, options};
use super::*;
use crate::pricing;
use crate::record::{Attributes, Cost, Currency, Micros, Priced, Row};
use crate::report::export;
use crate::report::totals::{self, Of, Question};
use crate::report::{Attribute, By};
use crate::session::usage::Period;

fn questions(world: &World) {
    let moment = world.moment();
    let (first, last) = (BEGIN - 30 * HOUR, world.clock + HOUR);
    let sorts = vec![
        RequestSort::Start,
        RequestSort::Duration,
        RequestSort::FirstToken,
        RequestSort::Tokens,
        RequestSort::Cost(Currency::USD),
        RequestSort::Cost(Currency::CNY),
    ];
    let lists = (
        filters(first, last),
        proptest::sample::select(sorts),
        proptest::sample::select(vec![Order::Descending, Order::Ascending]),
        10_usize..120,
    );
    let runner =
        |cases| TestRunner::new(Config { cases, max_shrink_iters: 40, failure_persistence: None, ..Config::default() });
    runner(60)
        .run(&lists, |(filter, sort, order, limit)| {
            world.check_list(&moment, &RequestList { filter, sort, order, limit, after: None })
        })
        .unwrap();
    runner(25).run(&filters(first, last), |filter| world.check_stream(&moment, &filter)).unwrap();
    let bys = vec![
        vec![],
        vec![By::Attribute(Attribute::Model)],
        vec![By::User],
        vec![By::Period(Period::Day)],
        vec![By::Hour, By::Attribute(Attribute::Consumer)],
        vec![By::Currency, By::Dimension("team".to_owned())],
        vec![By::Period(Period::Day), By::User],
    ];
    let zones = ["Asia/Shanghai", "UTC", "America/New_York"].map(|name| TimeZone::get(name).unwrap()).to_vec();
    let sums = (
        prop_oneof![filters(first, last), Just(RequestFilter::default())],
        proptest::sample::select(bys),
        proptest::sample::select(zones),
        (first..last, first..last),
        any::<bool>(),
    );
    runner(40)
        .run(&sums, |(filter, by, zone, (one, other), kinds)| {
            let (since, until) = (one.min(other), one.max(other));
            let whole = filter.is_of_attributes() && !by.contains(&By::User);
            world.check_sums(&moment, &Question { by, filter, since, until, zone, kinds }, whole)
        })
        .unwrap();
}

#[test]
fn every_list_stream_and_sum_is_what_a_model_in_memory_says() {
    let mut world = World::new(0x1234_5678_9abc_def1);
    for _ in 0..9 {
        world.add(500);
    }
    world.ledger().write_folds().unwrap();
    world.pack();
    world.add(175);
    // Two full blocks, one that is being filled, and rows that are not folded.
    questions(&world);
    world.ledger().write_folds().unwrap();
    assert_sound(world.folder.path());

    let since = world.clock - 90 * HOUR;
    let price = |row: &Row, _: &Attributes| {
        let cost = row.cost.map(|cost| Cost { nanos: cost.nanos / 3 + 1, ..cost }).filter(|_| row.id % 5 != 0);
        Repricing {
            priced: Priced { cost, cache_savings_nanos: 5, ..Priced::default() },
            cost,
            price_row: row.price_row,
        }
    };
    world.ledger().reprice(since, false, price, |_, _| {}).unwrap();
    for known in world.known.values_mut().filter(|known| known.row.start >= since) {
        let cost = known.row.cost.map(|cost| Cost { nanos: cost.nanos / 3 + 1, ..cost });
        known.row.cost = cost.filter(|_| known.row.id % 5 != 0);
        known.row.savings_nanos = 5;
        known.row.unpriced = false;
        known.row.assumed = crate::record::Assumed::default();
    }
    world.add(75);
    assert_sound_after_folds(&mut world);
    // What was repriced has no kinds any more: its cost is not that of its row.
    let moment = world.moment();
    for known in world.known.values().rev().take(200) {
        assert_eq!(moment.request(known.row.id).unwrap().unwrap().row.cost, known.row.cost);
    }
    let list = RequestList { limit: 70, sort: RequestSort::Cost(Currency::USD), ..RequestList::default() };
    world.check_list(&moment, &list).unwrap();
    drop(moment);

    let before = world.known[&2_250].row.start;
    while world.ledger().delete_step(before).unwrap().is_some() {}
    let deleted = world.ledger().delete_done(before, "admin", 2_047).unwrap();
    world.forget();
    let left = world.known.values().filter(|known| known.row.start < before).count();
    assert_eq!(deleted.left, u64::try_from(left).unwrap());
    assert_sound_after_folds(&mut world);
    let moment = world.moment();
    world.check_list(&moment, &RequestList { limit: 100, ..RequestList::default() }).unwrap();
    let audit: String = moment.connection.query_row("SELECT detail FROM audit", [], |row| row.get(0)).unwrap();
    assert!(audit.contains("\"by\":\"admin\"") && audit.contains("2047"), "{audit}");
    drop(moment);

    // After a restart with another time zone its days are those that are summed.
    world.ledger = None;
    let zone = TimeZone::get("America/New_York").unwrap();
    world.ledger = Some(open_in(world.folder.path(), &zone));
    world.zone = zone.clone();
    world.add(2_250);
    assert_sound_after_folds(&mut world);
    world.check_stream(&world.moment(), &RequestFilter::default()).unwrap();
    let (since, until) = (world.known[&4_250].row.start, world.clock);
    let by = vec![By::Period(Period::Day)];
    let question = Question { by, filter: RequestFilter::default(), since, until, zone, kinds: true };
    let kept = |known: &Known| known.row.start >= since && known.row.start < until;
    let want = world.known.values().filter(|known| kept(known)).count();
    let total = totals::totals(&world.moment(), &question).unwrap().total;
    assert_eq!(total.requests(), u64::try_from(want).unwrap());
}

fn assert_sound_after_folds(world: &mut World) {
    world.ledger().write_folds().unwrap();
    assert_sound(world.folder.path());
    world.pack();
    assert_sound(world.folder.path());
}

#[test]
fn pages_go_on_rightly_while_requests_are_added() {
    let mut world = World::new(77);
    world.add(750);
    world.ledger().write_folds().unwrap();
    for sort in [RequestSort::Start, RequestSort::Cost(Currency::USD), RequestSort::Duration] {
        let list = RequestList { sort, limit: 40, ..RequestList::default() };
        let before = world.listed(&list);
        let first = world.moment().requests(&list).unwrap();
        world.add(500);
        let added = world.next - 500;
        let second = world.moment().requests(&RequestList { after: first.next, ..list.clone() }).unwrap();
        let old: Vec<i64> = second.requests.iter().map(|stored| stored.row.id).filter(|id| *id < added).collect();
        assert_eq!(old, before[40..40 + old.len()], "{sort:?}");
        let wrong = RequestList { after: first.next, order: Order::Ascending, ..list };
        assert!(matches!(world.moment().requests(&wrong), Err(Error::Cursor)));
    }
}

#[test]
fn a_question_is_cut_at_its_deadline() {
    let mut world = World::new(5);
    world.add(750);
    world.ledger().write_folds().unwrap();
    let clock = crate::clock::Clock::manual(0);
    let at = clock.instant();
    let moment = Moment::open_until(world.folder.path(), Deadline { clock: clock.clone(), at });
    let cut = moment.and_then(|moment| moment.requests(&RequestList { limit: 5, ..RequestList::default() }));
    assert!(matches!(cut, Err(Error::TooSlow)), "{cut:?}");
    let deadline = Deadline { clock: clock.clone(), at };
    let cut =
        AvailabilityQuery::open_until(world.folder.path(), deadline).and_then(|query| query.requests(0, i64::MAX));
    assert!(matches!(cut, Err(Error::TooSlow)), "{cut:?}");
    let at = at + std::time::Duration::from_secs(10);
    let moment = Moment::open_until(world.folder.path(), Deadline { clock, at }).unwrap();
    assert_eq!(moment.requests(&RequestList { limit: 5, ..RequestList::default() }).unwrap().requests.len(), 5);
}

#[test]
fn an_export_ends_with_the_last_row_of_its_first_moment() {
    let mut world = World::new(61);
    world.add(875);
    world.ledger().write_folds().unwrap();
    let mut moment = world.moment();
    let last = moment.last_row();
    let sessions =
        SessionQuery::at(world.moment()).page(&SessionList { limit: 1_000, ..SessionList::default() }).unwrap();
    let mut bytes = Vec::new();
    let filter = RequestFilter::default();
    let written = export::requests(&mut moment, &filter, export::Format::Jsonl, &mut bytes, |rows| {
        if rows.is_multiple_of(700) {
            world.add(40);
            world.ledger().write_folds().unwrap();
        }
        ControlFlow::Continue(())
    });
    assert_eq!(written.unwrap(), last.unsigned_abs());
    let ids = |bytes: &[u8]| -> Vec<i64> {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let id = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).unwrap()["id"].as_i64().unwrap();
        lines.map(id).collect()
    };
    assert_eq!(ids(&bytes), (1..=last).collect::<Vec<i64>>());
    // What was added is seen by the moment, which has gone on.
    assert!(moment.last_row() > last);
    let mut moment = world.moment();
    let mut out = Vec::new();
    let written = export::sessions(&mut moment, &filter, export::Format::Jsonl, &mut out, |rows| {
        if rows == 5 {
            world.add(500);
        }
        ControlFlow::Continue(())
    });
    assert!(written.unwrap() >= sessions.sessions.len() as u64);
}

#[test]
fn what_a_moment_remembers_of_new_rows_changes_no_answer() {
    let mut world = World::new(83);
    world.add(400);
    let starts: Vec<Micros> = world.known.values().map(|known| known.row.start).collect();
    let (first, last) = (*starts.iter().min().unwrap(), *starts.iter().max().unwrap());
    let (mut moment, all) = (world.moment(), Micros::MIN..Micros::MAX);
    let count = |moment: &Moment, span: std::ops::Range<Micros>| {
        let mut count = 0;
        let found = |row: &Row| {
            assert!(span.contains(&row.start));
            count += 1;
            Ok(())
        };
        moment.each_unfolded_row(span.clone(), found).unwrap();
        count
    };
    assert_eq!(count(&moment, all.clone()), 400);
    for span in [first..first + 1, last..last + 1, first - 5..first, last + 1..last + 9, first + HOUR..last - HOUR] {
        let want = starts.iter().filter(|start| span.contains(start)).count();
        assert_eq!(count(&moment, span), want);
    }
    // A later moment of the same reader knows what was added since, also with attributes that were never seen.
    let sets = |moment: &Moment| {
        let mut sets = Vec::new();
        moment.each_attributes(|id, attributes| sets.push((id, attributes.clone()))).unwrap();
        sets
    };
    let known = sets(&moment);
    assert_eq!(sets(&moment), known);
    world.add(3_000);
    assert_eq!((count(&moment, all.clone()), sets(&moment).len()), (400, known.len()));
    moment.renew().unwrap();
    assert_eq!((count(&moment, all.clone()), sets(&moment)), (count(&world.moment(), all), sets(&world.moment())));
    assert!(sets(&moment).len() > known.len());
}

#[test]
fn a_price_row_is_given_as_it_was_when_it_counted() {
    let mut world = World::new(9);
    world.add(50);
    let moment = world.moment();
    let priced = world.known.values().find(|known| known.model == "gpt-4o" && known.row.cost.is_some()).unwrap();
    let stored = moment.request(priced.row.id).unwrap().unwrap();
    let json = moment.price_row(stored.row.price_row).unwrap().unwrap();
    assert_eq!(pricing::Row::from_json(&json).unwrap().model, "gpt-4o");
    assert_eq!((moment.price_row(0).unwrap(), moment.request(10_000).unwrap()), (None, None));
}

#[test]
fn a_group_is_seen_to_the_microsecond_also_in_the_first_block() {
    let mut world = World::new(22);
    world.add(3);
    world.ledger().write_folds().unwrap();
    let starts = || world.known.values().map(|known| known.row.start);
    let want = (starts().min().unwrap(), starts().max().unwrap());
    assert_eq!(world.moment().seen(|_| 0).unwrap()[&0], want);
}

#[test]
fn groups_are_seen_from_their_first_request_to_their_last() {
    let mut world = World::new(21);
    for _ in 0..6 {
        world.add(750);
    }
    world.ledger().write_folds().unwrap();
    world.add(10);
    let mut names: Vec<String> = Vec::new();
    let mut number = |attributes: &Attributes| {
        let place = names.iter().position(|name| *name == attributes.consumer).unwrap_or(names.len());
        if place == names.len() {
            names.push(attributes.consumer.clone());
        }
        u32::try_from(place).unwrap()
    };
    let seen = world.moment().seen(&mut number).unwrap();
    for (place, name) in names.iter().enumerate() {
        let starts = || world.known.values().filter(|known| known.consumer == *name).map(|known| known.row.start);
        let want = (starts().min().unwrap(), starts().max().unwrap());
        assert_eq!(seen[&u32::try_from(place).unwrap()], want, "{name}");
    }
}

#[test]
fn tops_and_trends_add_up_to_the_total() {
    let mut world = World::new(31);
    world.add(1_000);
    world.ledger().write_folds().unwrap();
    world.add(100);
    let moment = world.moment();
    let question = Question {
        by: vec![By::Attribute(Attribute::Consumer)],
        filter: RequestFilter::default(),
        since: BEGIN - 30 * HOUR,
        until: world.clock + HOUR,
        zone: world.zone.clone(),
        kinds: false,
    };
    let all = totals::totals(&moment, &question).unwrap();
    let top = totals::top(all.groups.clone(), Of::Tokens, 2);
    assert_eq!((top.top.len(), top.others), (2, 3));
    assert!(Of::Tokens.measure(&top.top[0].1) >= Of::Tokens.measure(&top.top[1].1));
    let mut sum = top.rest.clone();
    top.top.iter().for_each(|(_, figures)| sum.add(figures));
    assert_eq!(sum, all.total);
    for by in [By::Attribute(Attribute::Consumer), By::User] {
        let question = Question { by: vec![by.clone()], ..question.clone() };
        let step = totals::step("day").unwrap();
        let by_step = Question { by: vec![by, step.clone()], ..question.clone() };
        let groups = totals::totals(&moment, &by_step).unwrap().groups;
        let (series, total) = totals::trend(&moment, &question, step, Of::Requests, 2).unwrap();
        assert_eq!(series.len(), 3);
        assert_eq!(series.last().unwrap().group, None);
        let requests =
            |series: &totals::Series| series.points.iter().map(|(_, figures)| figures.requests()).sum::<u64>();
        assert_eq!(series.iter().map(requests).sum::<u64>(), total.requests());
        assert_eq!(total.requests(), all.total.requests());
        assert!(requests(&series[0]) >= requests(&series[1]));
        for series in &series[..2] {
            let group = series.group.clone().unwrap();
            let of_group = groups.iter().filter(|(values, _)| values[0] == group);
            let points: Vec<_> = of_group.map(|(values, figures)| (values[1].clone(), figures.clone())).collect();
            assert_eq!(series.points, points);
        }
    }
}

fn names(page: &SessionPage) -> Vec<String> {
    page.sessions.iter().map(|session| session.name.clone()).collect()
}

#[test]
fn pages_of_sessions_together_are_the_whole_list_in_every_order() {
    let mut world = World::new(41);
    for _ in 0..3 {
        world.add(750);
    }
    world.ledger().write_folds().unwrap();
    world.add(200);
    let moment = SessionQuery::at(world.moment());
    let privacy = options(Path::new("")).privacy;
    let requests = |change: fn(&mut RequestFilter)| {
        let mut requests = RequestFilter::default();
        change(&mut requests);
        requests
    };
    let of = |requests: RequestFilter| SessionFilter { requests, ..SessionFilter::default() };
    let filters = [
        of(requests(|_| {})),
        SessionFilter { counted: true, ..SessionFilter::default() },
        of(RequestFilter { since: Some(world.clock - 20 * HOUR), ..RequestFilter::default() }),
        of(RequestFilter { until: Some(world.clock - 60 * HOUR), ..RequestFilter::default() }),
        of(requests(|filter| filter.consumers = vec!["app-0".to_owned(), "app-1".to_owned()])),
        of(RequestFilter { users: vec![privacy.pseudonym("user-3")], ..RequestFilter::default() }),
        SessionFilter { prefix: Some("chat-1".to_owned()), ..SessionFilter::default() },
        SessionFilter { prefix: Some("derived:".to_owned()), ..SessionFilter::default() },
        SessionFilter { errors: true, min_turns: Some(5), ..SessionFilter::default() },
        SessionFilter { open: true, min_tokens: Some(5_000), min_duration: Some(HOUR), ..SessionFilter::default() },
        SessionFilter {
            min_cost: Some(Cost { nanos: 9_000_000, currency: Currency::USD }),
            ..SessionFilter::default()
        },
    ];
    for filter in filters {
        for (sort, order) in
            Sort::ALL.into_iter().flat_map(|sort| [(sort, Order::Descending), (sort, Order::Ascending)])
        {
            let list = SessionList { filter: filter.clone(), sort, order, limit: 100_000, after: None };
            let all = moment.page(&list).unwrap();
            assert!(all.found.is_none_or(|found| found == all.sessions.len() as u64), "{sort:?} {filter:?}");
            let currency = all.currency;
            let value = |session: &Session| -> i128 {
                match sort {
                    Sort::Updated => session.end.into(),
                    Sort::Start => session.start.into(),
                    Sort::Duration => session.duration.into(),
                    Sort::Turns => session.turns.into(),
                    Sort::Tokens => session.tokens.total().into(),
                    Sort::Cost => currency.and_then(|currency| session.costs.get(&currency).copied()).unwrap_or(0),
                }
            };
            let sorted = all.sessions.is_sorted_by(|a, b| match order {
                Order::Descending => value(a) >= value(b),
                Order::Ascending => value(a) <= value(b),
            });
            assert!(sorted, "{sort:?} {order:?}");
            for session in &all.sessions {
                let fits = session.name.starts_with(filter.prefix.as_deref().unwrap_or_default())
                    && (!filter.errors || session.errors > 0)
                    && (!filter.open || session.open)
                    && session.turns >= filter.min_turns.unwrap_or(0)
                    && session.tokens.total() >= filter.min_tokens.unwrap_or(0)
                    && session.duration >= filter.min_duration.unwrap_or(0)
                    && filter.min_cost.is_none_or(|least| session.costs[&least.currency] >= least.nanos.into());
                assert!(fits, "{filter:?} {session:?}");
            }
            let (mut paged, mut next) = (Vec::new(), None);
            for _ in 0..4 {
                let page = moment.page(&SessionList { limit: 17, after: next, ..list.clone() }).unwrap();
                paged.extend(names(&page));
                let Some(end) = page.next else { break };
                next = Some(PageEnd::decode(&end.encode()).unwrap());
            }
            let want: Vec<String> = names(&all).into_iter().take(paged.len()).collect();
            assert_eq!(paged, want, "{sort:?} {order:?} {filter:?}");
            assert!(paged.len() == all.sessions.len() || paged.len() == 4 * 17);
        }
    }
    // Told by the sums of each session, not by the list itself.
    let all = moment.page(&SessionList { limit: 100_000, ..SessionList::default() }).unwrap();
    let named: std::collections::BTreeSet<&str> = world.known.values().map(|known| known.session.as_str()).collect();
    assert_eq!(all.sessions.iter().filter(|session| !session.derived).count(), named.len() - 1);
    let some = all.sessions.iter().find(|session| session.name == "chat-3").unwrap();
    let requests = world.known.values().filter(|known| known.session == "chat-3").count();
    assert_eq!(some.requests, requests as u64);
    assert_eq!(moment.of_key(some.key).unwrap().unwrap().requests, some.requests);
    let counts = moment.moment().session_counts(Micros::MIN, Micros::MAX, |_| 0).unwrap();
    assert_eq!(counts[&0], all.sessions.len() as u64);
}

#[test]
fn requests_are_deleted_between_batches_and_whoever_asked_is_told() {
    let mut world = World::new(51);
    for _ in 0..5 {
        world.add(1_000);
    }
    let before = world.known[&4_500].row.start;
    let ledger = world.ledger.take().unwrap();
    let retention = Retention { requests: std::time::Duration::from_secs(1 << 30), ..Retention::default() };
    let writer = writer::Writer::start(ledger, retention).unwrap();
    let deleted = writer.handle().delete_before(before, "jane").unwrap();
    let (ledger, _) = writer.stop().unwrap();
    world.ledger = Some(ledger);
    world.forget();
    assert_eq!(deleted.requests, 5_000 - world.known.len() as u64);
    assert!(deleted.requests >= 2_047 && deleted.left > 0, "{deleted:?}");
    assert_sound(world.folder.path());
}
