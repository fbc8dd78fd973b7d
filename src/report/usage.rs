//! Time of use: sessions, their time and turns, requests, tokens and cost, by group.
//!
//! A request belongs to its start. A session's time is cut: at the borders of the periods, and, where its requests fall
//! into several groups, at each request's start, so that the time from one request to the next belongs to the group of
//! the first. So the time of all groups adds up to that of all sessions. A session counts once in every group that it
//! touches. A request is of the user that it names, whoever else its session names; one that names none is nobody's.
//!
//! A part that lies within one group is taken as a whole; of others the rows are read along their chain.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use foldhash::quality::RandomState;
use jiff::tz::TimeZone;

use super::by::{By, slice_at};
use crate::ledger::{Error, Moment, is_cut};
use crate::record::{Currency, Micros, Row, Tokens};
use crate::session::usage::slices;
use crate::session::{Key, Part};

/// Moments whose day and hour are remembered.
const MAX_REMEMBERED: usize = 65_536;
/// Microseconds of the shortest time between two changes of day or hour anywhere: a quarter of an hour.
const QUARTER: Micros = 900_000_000;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The columns of a group, in order.
    pub by: Vec<By>,
    /// From then.
    pub since: Micros,
    /// Before then.
    pub until: Micros,
    /// Whose days and hours.
    pub zone: TimeZone,
}

/// The figures of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sessions that touch it.
    pub sessions: u64,
    /// Microseconds of session time within it.
    pub time: Micros,
    /// Turns of sessions.
    pub turns: u64,
    /// Requests, also those of no session.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests whose usage should have been logged and was not.
    pub usage_missing: u64,
    /// Requests that no price row fits: the cost does not hold them.
    pub unpriced: u64,
    /// Tokens.
    pub tokens: Tokens,
    /// Cost by currency in nano-units.
    pub costs: BTreeMap<Currency, i128>,
}

impl Figures {
    /// Mean time of a session within the group, in microseconds.
    #[must_use]
    pub fn mean(&self) -> Micros {
        i64::try_from(self.sessions).ok().and_then(|sessions| self.time.checked_div(sessions)).unwrap_or(0)
    }

    fn row(&mut self, row: &Row) {
        self.requests += 1;
        self.errors += u64::from(row.outcome.error().is_some());
        self.usage_missing += u64::from(row.usage_missing);
        self.unpriced += u64::from(row.unpriced);
        self.tokens.add(&row.tokens);
        if let Some(cost) = row.cost {
            *self.costs.entry(cost.currency).or_default() += i128::from(cost.nanos);
        }
    }

    fn part(&mut self, part: &Part) {
        self.requests += part.requests;
        self.turns += part.turns;
        self.errors += part.errors;
        self.usage_missing += part.usage_missing;
        self.unpriced += part.unpriced;
        self.tokens.add(&part.tokens);
        for (currency, nanos) in &part.costs.0 {
            *self.costs.entry(*currency).or_default() += nanos;
        }
    }
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Values of the columns, and figures; ordered by the values.
    pub groups: Vec<(Vec<String>, Figures)>,
    /// Figures of everything: each session counts once.
    pub total: Figures,
}

/// Names of the dimensions that some request ever had, in the order in which they came up.
///
/// # Errors
/// The ledger cannot be read.
pub fn dimensions(moment: &Moment) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for (_, attributes) in moment.attribute_sets()? {
        for (name, _) in &attributes.dimensions {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    Ok(names)
}

/// Opens one moment of a ledger.
///
/// # Errors
/// There is no ledger, or it cannot be read.
pub fn open(folder: &Path) -> Result<Moment, Error> {
    Moment::open(folder)
}

/// Answers a question.
///
/// # Errors
/// The ledger cannot be read.
pub fn answer(moment: &Moment, question: &Question) -> Result<Usage, Error> {
    if question.by.contains(&By::User) {
        moment.remember_users()?;
    }
    let mut sums = Sums::new(moment, question);
    let removed = moment.removed()?;
    let mut cut: HashMap<i64, Vec<Row>, RandomState> = HashMap::default();
    if !removed.is_empty() {
        // Their chains may be broken.
        moment.each_part(question.since, question.until, |part| -> Result<(), Error> {
            if is_cut(part, &removed) {
                cut.insert(part.id, Vec::new());
            }
            Ok(())
        })?;
    }
    if !cut.is_empty() || moment.has_rows_of_no_session()? {
        let mut kept: Vec<Row> = Vec::new();
        let wanted = |part: i64| part == 0 || cut.contains_key(&part);
        moment.each_row(question.since, question.until, wanted, |row| -> Result<(), Error> {
            if row.part == 0 {
                sums.row(row)?.row(row);
                sums.total.row(row);
            } else {
                kept.push(*row);
            }
            Ok(())
        })?;
        for row in kept {
            cut.entry(row.part).or_default().push(row);
        }
    }
    moment.each_part(question.since, question.until, |part| -> Result<(), Error> {
        match cut.remove(&part.id) {
            Some(rows) => sums.rows(part, rows),
            None => sums.part(part),
        }
    })?;
    Ok(sums.finish())
}

/// A group: numbers of its values, in the order of the columns.
type Group = Box<[u32]>;

/// A group's figures, and the session that it counted last.
#[derive(Default)]
struct Cell {
    figures: Figures,
    session: Option<Key>,
}

struct Sums<'a> {
    moment: &'a Moment,
    question: &'a Question,
    by_time: bool,
    by_user: bool,
    /// Values of all columns, each once.
    values: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32, RandomState>,
    /// The columns of attributes by their id, with 0 in the others.
    of_attributes: HashMap<u32, Group, RandomState>,
    of_user: HashMap<u32, u32, RandomState>,
    /// The columns of time by quarter of an hour.
    of_time: HashMap<Micros, Group, RandomState>,
    /// By the places of their groups.
    cells: Vec<Cell>,
    places: HashMap<Group, usize, RandomState>,
    /// The cells of attributes and users, where no column is of time.
    of_who: HashMap<(u32, u32), usize, RandomState>,
    none: Cell,
    total: Figures,
    session: Option<Key>,
}

impl<'a> Sums<'a> {
    fn new(moment: &'a Moment, question: &'a Question) -> Sums<'a> {
        let mut sums = Sums {
            moment,
            question,
            by_time: question.by.iter().any(By::is_time),
            by_user: question.by.contains(&By::User),
            values: Vec::new(),
            numbers: HashMap::default(),
            of_attributes: HashMap::default(),
            of_user: HashMap::default(),
            of_time: HashMap::default(),
            cells: Vec::new(),
            places: HashMap::default(),
            of_who: HashMap::default(),
            none: Cell::default(),
            total: Figures::default(),
            session: None,
        };
        sums.number("");
        sums
    }

    fn number(&mut self, value: &str) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let value: Arc<str> = value.into();
        self.values.push(Arc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    fn attributes(&mut self, id: u32) -> Result<Group, Error> {
        if let Some(known) = self.of_attributes.get(&id) {
            return Ok(known.clone());
        }
        let attributes = self.moment.attributes(id)?;
        let by = &self.question.by;
        let group: Group = by.iter().map(|by| self.number(by.of_attributes(&attributes))).collect();
        self.of_attributes.insert(id, group.clone());
        Ok(group)
    }

    fn user(&mut self, id: u32) -> Result<u32, Error> {
        if let Some(known) = self.of_user.get(&id) {
            return Ok(*known);
        }
        let name = self.moment.name(id)?;
        let number = self.number(&name);
        self.of_user.insert(id, number);
        Ok(number)
    }

    /// The columns of time at a moment.
    fn time(&mut self, at: Micros) -> Group {
        let quarter = at.div_euclid(QUARTER);
        if let Some(known) = self.of_time.get(&quarter) {
            return known.clone();
        }
        let question = self.question;
        let slice = slice_at(at, &question.zone);
        let of = |by: &By| slice.as_ref().map_or_else(String::new, |slice| by.of_slice(slice, &question.zone));
        let group: Group = question.by.iter().map(|by| self.number(&of(by))).collect();
        if self.of_time.len() >= MAX_REMEMBERED {
            self.of_time.clear();
        }
        // A zone whose clock once changed within a quarter gets no entry for it.
        let ends = [quarter * QUARTER, (quarter + 1) * QUARTER - 1].map(|end| slice_at(end, &question.zone));
        let [first, last] = ends.map(|end| end.map(|slice| (slice.date, slice.hour)));
        if first == last {
            self.of_time.insert(quarter, group.clone());
        }
        group
    }

    /// The group of who asked for what, without time.
    fn who(&mut self, attributes: u32, user: u32) -> Result<Group, Error> {
        let mut group = self.attributes(attributes)?;
        if self.by_user {
            let user = self.user(user)?;
            for (slot, by) in group.iter_mut().zip(&self.question.by) {
                if *by == By::User {
                    *slot = user;
                }
            }
        }
        Ok(group)
    }

    fn at(&mut self, who: &Group, moment: Micros) -> Group {
        let mut group = who.clone();
        if self.by_time {
            let time = self.time(moment);
            for ((slot, time), by) in group.iter_mut().zip(time).zip(&self.question.by) {
                if by.is_time() {
                    *slot = time;
                }
            }
        }
        group
    }

    fn row(&mut self, row: &Row) -> Result<&mut Figures, Error> {
        let who = self.who(row.attributes, row.user)?;
        let group = self.at(&who, row.start);
        let place = self.place(group);
        Ok(&mut self.cell(place).figures)
    }

    fn cell(&mut self, place: usize) -> &mut Cell {
        // Every place that was given is there.
        self.cells.get_mut(place).unwrap_or(&mut self.none)
    }

    fn place(&mut self, group: Group) -> usize {
        let next = self.cells.len();
        let place = *self.places.entry(group).or_insert(next);
        if place == next {
            self.cells.push(Cell::default());
        }
        place
    }

    /// A cell that a session touches.
    fn touch(&mut self, group: Group, session: Key) -> &mut Figures {
        let place = self.place(group);
        self.touch_at(place, session)
    }

    fn touch_at(&mut self, place: usize, session: Key) -> &mut Figures {
        let cell = self.cell(place);
        if cell.session != Some(session) {
            cell.session = Some(session);
            cell.figures.sessions += 1;
        }
        &mut cell.figures
    }

    fn touch_total(&mut self, session: Key) {
        if self.session != Some(session) {
            self.session = Some(session);
            self.total.sessions += 1;
        }
    }

    /// Adds the time from `from` to `to` to a group, cut at the borders of periods and of the question.
    fn stretch(&mut self, who: &Group, session: Key, from: Micros, to: Micros) {
        let Question { since, until, zone, .. } = self.question;
        let (since, until) = (*since, *until);
        if from >= until || to < since || (to == since && from < to) {
            return;
        }
        let (from, to) = (from.max(since), to.min(until));
        self.touch_total(session);
        self.total.time = self.total.time.saturating_add(to - from);
        if !self.by_time {
            let figures = self.touch(who.clone(), session);
            figures.time = figures.time.saturating_add(to - from);
            return;
        }
        for slice in slices(from, to, zone) {
            let group = self.at(who, slice.from);
            let figures = self.touch(group, session);
            figures.time = figures.time.saturating_add(slice.until - slice.from);
        }
    }

    fn part(&mut self, part: &Part) -> Result<(), Error> {
        let user = part.user;
        let of_several = part.mixed_users || (part.unnamed && user != 0);
        let mixed = part.more_attributes || (self.by_user && of_several);
        let within = self.question.since <= part.start && part.last_start < self.question.until;
        if !self.by_time && within && !mixed && part.attributes == [part.first_attributes] {
            // Most parts are of this kind: all of it is of one group.
            let key = (part.first_attributes, if self.by_user { user } else { 0 });
            let place = match self.of_who.get(&key) {
                Some(place) => *place,
                None => {
                    let who = self.who(part.first_attributes, user)?;
                    let place = self.place(who);
                    self.of_who.insert(key, place);
                    place
                }
            };
            let time = part.end.min(self.question.until) - part.start;
            self.touch_total(part.key);
            self.total.time = self.total.time.saturating_add(time);
            self.total.part(part);
            let figures = self.touch_at(place, part.key);
            figures.time = figures.time.saturating_add(time);
            figures.part(part);
            return Ok(());
        }
        let who = self.who(part.first_attributes, user)?;
        let mut single = !mixed;
        for id in &part.attributes {
            single = single
                && (*id == part.first_attributes || self.attributes(*id)? == self.attributes(part.first_attributes)?);
        }
        let whole = single && within && self.at(&who, part.start) == self.at(&who, part.last_start);
        if whole && self.is_one_stretch(part) {
            self.stretch(&who, part.key, part.start, part.end);
            let group = self.at(&who, part.start);
            self.touch(group, part.key).part(part);
            self.total.part(part);
            return Ok(());
        }
        let mut rows = Vec::new();
        self.moment.walk(part, |row, _| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        rows.reverse();
        self.rows(part, rows)
    }

    /// Whether no column of time changes and comes back between a part's first and last start: with hours of the day that
    /// is only sure within one hour.
    fn is_one_stretch(&self, part: &Part) -> bool {
        !self.question.by.contains(&By::Hour) || part.last_start - part.start < 4 * QUARTER
    }

    /// Adds a part by its rows, in log order.
    fn rows(&mut self, part: &Part, rows: Vec<Row>) -> Result<(), Error> {
        let question = self.question;
        let mut last_round = 0;
        let mut starts: Vec<(Micros, i64, Group)> = Vec::with_capacity(rows.len());
        for row in &rows {
            let opens_turn = row.chat_round == 0 || row.chat_round != last_round;
            last_round = row.chat_round;
            let who = self.who(row.attributes, row.user)?;
            if (question.since..question.until).contains(&row.start) {
                let group = self.at(&who, row.start);
                let figures = self.touch(group, part.key);
                figures.row(row);
                figures.turns += u64::from(opens_turn);
                self.touch_total(part.key);
                self.total.row(row);
                self.total.turns += u64::from(opens_turn);
            }
            starts.push((row.start, row.id, who));
        }
        starts.sort_unstable_by_key(|(start, id, _)| (*start, *id));
        let Some((_, _, first)) = starts.first().cloned() else { return Ok(()) };
        let (mut from, mut who) = (part.start, first);
        for (start, _, next) in starts {
            if next != who {
                self.stretch(&who, part.key, from, start);
                (from, who) = (start, next);
            }
        }
        self.stretch(&who, part.key, from, part.end);
        Ok(())
    }

    fn finish(self) -> Usage {
        let Sums { values, mut cells, places, total, .. } = self;
        let text = |number: &u32| values.get(*number as usize).map_or_else(String::new, ToString::to_string);
        let mut groups: Vec<(Vec<String>, Figures)> = places
            .into_iter()
            .map(|(group, place)| {
                let figures = cells.get_mut(place).map(|cell| std::mem::take(&mut cell.figures)).unwrap_or_default();
                (group.iter().map(text).collect(), figures)
            })
            .collect();
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        Usage { groups, total }
    }
}
