//! Time of use: sessions, their time and turns, requests, tokens and cost, by group.
//!
//! A request belongs to its start. A session's time is cut: at the borders of the periods, and, where its requests fall
//! into several groups, at each request's start, so that the time from one request to the next belongs to the group of
//! the first. So the time of all groups adds up to that of all sessions. A session counts once in every group that it
//! touches. A request is of the user that it names, whoever else its session names; one that names none is nobody's.
//!
//! A part that lies within one group is taken as a whole, one that does but for time by its hours; of others the rows are read
//! along their chain.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use foldhash::quality::RandomState;
use jiff::tz::TimeZone;

use super::by::By;
use super::time_spans::TimeSpans;
pub use super::usage_groups::{Figures, Page};
use super::usage_groups::{Groups, Who};
use crate::ledger::{Error, Moment, PartHour, PartHours, is_cut};
use crate::record::{Micros, Row};
use crate::session::{Key, Part};

/// Microseconds of an hour.
const HOUR: Micros = 3_600_000_000;

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
    moment.each_attributes(|_, attributes| {
        for (name, _) in &attributes.dimensions {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    })?;
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
/// The ledger cannot be read, or there are more than 1,000,000 groups.
pub fn answer(moment: &Moment, question: &Question) -> Result<Usage, Error> {
    answer_page(moment, question, None)
}

/// The same with the groups of one page only, and none but those in memory. The total is that of all groups.
///
/// # Errors
/// As [`answer`].
pub fn page(moment: &Moment, question: &Question, page: &Page) -> Result<Usage, Error> {
    answer_page(moment, question, Some(page))
}

fn answer_page(moment: &Moment, question: &Question, page: Option<&Page>) -> Result<Usage, Error> {
    if question.by.contains(&By::User) {
        moment.remember_users()?;
    }
    let mut sums = Sums::new(moment, question, page);
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
                sums.row(row)?;
            } else {
                kept.push(*row);
            }
            Ok(())
        })?;
        for row in kept {
            cut.entry(row.part).or_default().push(row);
        }
    }
    let by_time = question.by.iter().any(By::is_time);
    moment.each_part_with_hours(question.since, question.until, by_time, |part, hours| -> Result<(), Error> {
        match if cut.is_empty() { None } else { cut.remove(&part.id) } {
            Some(rows) => sums.rows(part, rows),
            None => sums.part(part, hours),
        }
    })?;
    let Sums { times, groups, total, .. } = sums;
    Ok(Usage { groups: groups.finish(&times), total })
}

struct Sums<'a> {
    moment: &'a Moment,
    question: &'a Question,
    by_user: bool,
    times: TimeSpans<'a>,
    groups: Groups<'a>,
    total: Figures,
    session: Option<Key>,
    /// Room for the hours of a part.
    hours: Vec<PartHour>,
}

impl<'a> Sums<'a> {
    fn new(moment: &'a Moment, question: &'a Question, page: Option<&Page>) -> Sums<'a> {
        Sums {
            moment,
            question,
            by_user: question.by.contains(&By::User),
            times: TimeSpans::new(&question.by, &question.zone),
            groups: Groups::new(moment, &question.by, page),
            total: Figures::default(),
            session: None,
            hours: Vec::new(),
        }
    }

    /// Adds a row of no session.
    fn row(&mut self, row: &Row) -> Result<(), Error> {
        let who = self.groups.who(row.attributes, row.user)?;
        let time = self.times.span(row.start).time;
        if let Some(figures) = self.groups.figures(&self.times, who, time)? {
            figures.row(row);
        }
        self.total.row(row);
        Ok(())
    }

    fn touch(&mut self, who: Who, time: u32, session: Key) -> Result<Option<&mut Figures>, Error> {
        self.groups.touch(&self.times, who, time, session)
    }

    fn touch_total(&mut self, session: Key) {
        if self.session != Some(session) {
            self.session = Some(session);
            self.total.sessions += 1;
        }
    }

    /// Adds the time from `from` to `to` to a group, cut at the borders of periods and of the question.
    fn stretch(&mut self, who: Who, session: Key, from: Micros, to: Micros) -> Result<(), Error> {
        let Question { since, until, .. } = self.question;
        let (since, until) = (*since, *until);
        if from >= until || to < since || (to == since && from < to) {
            return Ok(());
        }
        let (from, to) = (from.max(since), to.min(until));
        self.touch_total(session);
        self.total.time = self.total.time.saturating_add(to - from);
        let mut next = from;
        loop {
            let span = self.times.span(next);
            let end = if span.until > next { span.until.min(to) } else { to };
            if let Some(figures) = self.touch(who, span.time, session)? {
                figures.time = figures.time.saturating_add(end - next);
            }
            if end >= to {
                return Ok(());
            }
            next = end;
        }
    }

    fn part(&mut self, part: &Part, hours: PartHours<'_>) -> Result<(), Error> {
        let user = part.user;
        let of_several = part.mixed_users || (part.unnamed && user != 0);
        let first = self.groups.attributes(part.first_attributes)?;
        let mut single = !(part.more_attributes || self.by_user && of_several);
        for id in &part.attributes {
            single = single && (*id == part.first_attributes || self.groups.attributes(*id)? == first);
        }
        if single && self.question.since <= part.start && part.last_start < self.question.until {
            let (begins, ends) = (self.times.span(part.start), self.times.span(part.last_start));
            if begins == ends || (begins.time == ends.time && self.is_one_stretch(part)) {
                let who = self.groups.who(part.first_attributes, user)?;
                self.stretch(who, part.key, part.start, part.end)?;
                if let Some(figures) = self.touch(who, begins.time, part.key)? {
                    figures.part(part);
                }
                self.total.part(part);
                return Ok(());
            }
        }
        if single {
            hours.read(&mut self.hours);
            if self.hours_tell() {
                let who = self.groups.who(part.first_attributes, user)?;
                return self.part_by_hours(who, part);
            }
        }
        let mut rows = Vec::new();
        self.moment.walk_rows(part, |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        rows.reverse();
        self.rows(part, rows)
    }

    /// Whether the hours of a part are known, and no border of the question or of a period is within one of them.
    fn hours_tell(&mut self) -> bool {
        let Question { since, until, .. } = self.question;
        let (times, mut hours) = (&mut self.times, self.hours.iter());
        !self.hours.is_empty()
            && hours.all(|hour| {
                let (from, to) = hour.span();
                let is_out = to <= *since || from >= *until;
                let span = times.span(from);
                is_out || (from >= *since && to <= *until && span.from <= from && to <= span.until)
            })
    }

    /// Adds a part of one group but for time, by its hours.
    fn part_by_hours(&mut self, who: Who, part: &Part) -> Result<(), Error> {
        let currency = part.costs.0.first().map(|(currency, _)| *currency);
        let hours = std::mem::take(&mut self.hours);
        for hour in &hours {
            let (from, _) = hour.span();
            if (self.question.since..self.question.until).contains(&from) {
                let time = self.times.span(from).time;
                if let Some(figures) = self.touch(who, time, part.key)? {
                    figures.hour(hour, currency);
                }
                self.touch_total(part.key);
                self.total.hour(hour, currency);
            }
        }
        self.hours = hours;
        self.stretch(who, part.key, part.start, part.end)
    }

    /// Whether no column of time changes and comes back between a part's first and last start: with hours of the day that
    /// is only sure within one hour.
    fn is_one_stretch(&self, part: &Part) -> bool {
        !self.question.by.contains(&By::Hour) || part.last_start - part.start < HOUR
    }

    /// Adds a part by its rows, in log order.
    fn rows(&mut self, part: &Part, rows: Vec<Row>) -> Result<(), Error> {
        let question = self.question;
        let mut last_round = 0;
        let mut starts: Vec<(Micros, i64, Who)> = Vec::with_capacity(rows.len());
        for row in &rows {
            let opens_turn = row.chat_round == 0 || row.chat_round != last_round;
            last_round = row.chat_round;
            let who = self.groups.who(row.attributes, row.user)?;
            if (question.since..question.until).contains(&row.start) {
                let time = self.times.span(row.start).time;
                if let Some(figures) = self.touch(who, time, part.key)? {
                    figures.row(row);
                    figures.turns += u64::from(opens_turn);
                }
                self.touch_total(part.key);
                self.total.row(row);
                self.total.turns += u64::from(opens_turn);
            }
            starts.push((row.start, row.id, who));
        }
        starts.sort_unstable_by_key(|(start, id, _)| (*start, *id));
        let Some((_, _, first)) = starts.first().copied() else { return Ok(()) };
        let (mut from, mut who) = (part.start, first);
        for (start, _, next) in starts {
            if next != who {
                self.stretch(who, part.key, from, start)?;
                (from, who) = (start, next);
            }
        }
        self.stretch(who, part.key, from, part.end)
    }
}
