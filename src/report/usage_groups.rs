//! Groups of time of use: their figures while they are summed up, all of them or those of a page.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::by::By;
use super::time_spans::TimeSpans;
use crate::ledger::{Error, Moment, PartHour};
use crate::record::{Currency, Micros, Row, Tokens};
use crate::session::{Key, Part};

/// Groups that are held at most where no page is asked for.
const MAX_GROUPS: usize = 1_000_000;

/// Some groups of the answer, in the order of their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Those behind these values.
    pub after: Option<Vec<String>>,
    /// How many at most.
    pub most: usize,
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

    pub(super) fn row(&mut self, row: &Row) {
        self.requests += 1;
        self.errors += u64::from(row.outcome.error().is_some());
        self.usage_missing += u64::from(row.usage_missing);
        self.unpriced += u64::from(row.unpriced);
        self.tokens.add(&row.tokens);
        if let Some(cost) = row.cost {
            *self.costs.entry(cost.currency).or_default() += i128::from(cost.nanos);
        }
    }

    pub(super) fn hour(&mut self, hour: &PartHour, currency: Option<Currency>) {
        self.requests += hour.requests;
        self.turns += hour.turns;
        self.errors += hour.errors;
        self.usage_missing += hour.usage_missing;
        self.unpriced += hour.unpriced;
        self.tokens.add(&hour.tokens);
        if let (Some(nanos), Some(currency)) = (hour.nanos, currency) {
            *self.costs.entry(currency).or_default() += nanos;
        }
    }

    pub(super) fn part(&mut self, part: &Part) {
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

/// Who asked for what: numbers of the values of attributes, and of the user, 0 where users are not told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Who {
    pub(super) attributes: u32,
    pub(super) user: u32,
}

/// A group: who, and the number of a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Group {
    who: Who,
    time: u32,
}

/// A group's figures, and the session that it counted last.
#[derive(Debug, Default)]
struct Cell {
    figures: Figures,
    session: Option<Key>,
}

/// Sets the number at a place of a list that grows.
fn remember(numbers: &mut Vec<Option<u32>>, place: usize, number: u32) {
    if numbers.len() <= place {
        numbers.resize(place + 1, None);
    }
    if let Some(slot) = numbers.get_mut(place) {
        *slot = Some(number);
    }
}

/// The groups of a question.
pub(super) struct Groups<'a> {
    moment: &'a Moment,
    by: &'a [By],
    by_user: bool,
    page: Page,
    /// By id of the attributes.
    of_attributes: Vec<Option<u32>>,
    /// By number: values of all columns, empty in those of other things.
    attributes: Vec<Arc<[String]>>,
    attribute_numbers: HashMap<Arc<[String]>, u32, RandomState>,
    /// By id of the user.
    of_user: Vec<Option<u32>>,
    users: Vec<Arc<str>>,
    user_numbers: HashMap<Arc<str>, u32, RandomState>,
    cells: Vec<(Group, Cell)>,
    places: HashMap<Group, usize, RandomState>,
    /// The group that was asked for last.
    last: Option<(Group, usize)>,
    /// Of a page: a group behind which none is of it.
    bound: Option<Group>,
    /// By number of what the first column says: whether no group of it is of the page. None will become so.
    refused: Vec<bool>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(moment: &'a Moment, by: &'a [By], page: Option<&Page>) -> Groups<'a> {
        Groups {
            moment,
            by,
            by_user: by.contains(&By::User),
            page: page.cloned().unwrap_or(Page { after: None, most: usize::MAX }),
            of_attributes: Vec::new(),
            attributes: Vec::new(),
            attribute_numbers: HashMap::default(),
            of_user: Vec::new(),
            users: vec!["".into()],
            user_numbers: HashMap::from_iter([("".into(), 0)]),
            cells: Vec::new(),
            places: HashMap::default(),
            last: None,
            bound: None,
            refused: Vec::new(),
        }
    }

    /// The number of the values that a set of attributes has.
    pub(super) fn attributes(&mut self, id: u32) -> Result<u32, Error> {
        let place = id as usize;
        if let Some(known) = self.of_attributes.get(place).copied().flatten() {
            return Ok(known);
        }
        let attributes = self.moment.attributes(id)?;
        let values: Arc<[String]> = self.by.iter().map(|by| by.of_attributes(&attributes).to_owned()).collect();
        let next = u32::try_from(self.attributes.len()).unwrap_or(u32::MAX);
        let number = *self.attribute_numbers.entry(Arc::clone(&values)).or_insert(next);
        if number == next {
            self.attributes.push(values);
        }
        remember(&mut self.of_attributes, place, number);
        Ok(number)
    }

    /// Who asked for what, by the ids of the attributes and of the user.
    pub(super) fn who(&mut self, attributes: u32, user: u32) -> Result<Who, Error> {
        let attributes = self.attributes(attributes)?;
        if !self.by_user {
            return Ok(Who { attributes, user: 0 });
        }
        let place = user as usize;
        if let Some(user) = self.of_user.get(place).copied().flatten() {
            return Ok(Who { attributes, user });
        }
        let name = self.moment.name(user)?;
        let next = u32::try_from(self.users.len()).unwrap_or(u32::MAX);
        let number = *self.user_numbers.entry(Arc::clone(&name)).or_insert(next);
        if number == next {
            self.users.push(name);
        }
        remember(&mut self.of_user, place, number);
        Ok(Who { attributes, user: number })
    }

    fn value<'b>(&'b self, times: &'b TimeSpans<'_>, group: Group, (column, by): (usize, &By)) -> &'b str {
        match by {
            By::User => self.users.get(group.who.user as usize).map_or("", AsRef::as_ref),
            _ if by.is_time() => times.value(group.time, column),
            _ => {
                let values = self.attributes.get(group.who.attributes as usize);
                values.and_then(|values| values.get(column)).map_or("", String::as_str)
            }
        }
    }

    fn values<'b>(&'b self, times: &'b TimeSpans<'_>, group: Group) -> impl Iterator<Item = &'b str> {
        self.by.iter().enumerate().map(move |column| self.value(times, group, column))
    }

    /// Whether a group may be of the page.
    fn is_wanted(&self, times: &TimeSpans<'_>, group: Group) -> bool {
        let behind = |after: &Vec<String>| self.values(times, group).gt(after.iter().map(String::as_str));
        self.page.after.as_ref().is_none_or(behind)
            && self.bound.is_none_or(|bound| self.values(times, group).le(self.values(times, bound)))
    }

    /// The place of a group; `None` where it is not of the page.
    fn place(&mut self, times: &TimeSpans<'_>, group: Group) -> Result<Option<usize>, Error> {
        if let Some((_, place)) = self.last.filter(|(last, _)| *last == group) {
            return Ok(Some(place));
        }
        if self.refused.get(self.first(group)) == Some(&true) {
            return Ok(None);
        }
        let place = match self.places.get(&group) {
            Some(place) => *place,
            None => {
                if !self.is_wanted(times, group) {
                    self.refuse(times, group);
                    return Ok(None);
                }
                if self.cells.len() >= MAX_GROUPS {
                    return Err(Error::TooManyGroups(MAX_GROUPS));
                }
                if self.cells.len() / 2 >= self.page.most {
                    self.shrink(times);
                    if !self.is_wanted(times, group) {
                        self.refuse(times, group);
                        return Ok(None);
                    }
                }
                self.places.insert(group, self.cells.len());
                self.cells.push((group, Cell::default()));
                self.cells.len() - 1
            }
        };
        self.last = Some((group, place));
        Ok(Some(place))
    }

    /// The number of what the first column says of a group.
    fn first(&self, group: Group) -> usize {
        let number = match self.by.first() {
            Some(By::User) => group.who.user,
            Some(by) if by.is_time() => group.time,
            _ => group.who.attributes,
        };
        number as usize
    }

    /// Remembers of a group that is not of the page whether its first column is enough to tell.
    fn refuse(&mut self, times: &TimeSpans<'_>, group: Group) {
        let first = |group: Group| self.values(times, group).next();
        let is_before = self.page.after.as_ref().is_some_and(|after| first(group) < after.first().map(String::as_str));
        let is_behind = self.bound.is_some_and(|bound| first(group) > first(bound));
        let place = self.first(group);
        if self.refused.len() <= place {
            self.refused.resize(place + 1, false);
        }
        if let Some(refused) = self.refused.get_mut(place) {
            *refused = is_before || is_behind;
        }
    }

    fn sort(&mut self, times: &TimeSpans<'_>) {
        let mut cells = std::mem::take(&mut self.cells);
        let order = |a: Group, b: Group| -> Ordering { self.values(times, a).cmp(self.values(times, b)) };
        cells.sort_unstable_by(|(a, _), (b, _)| order(*a, *b));
        self.cells = cells;
    }

    /// Keeps the first groups, as many as the page has.
    fn shrink(&mut self, times: &TimeSpans<'_>) {
        self.sort(times);
        self.cells.truncate(self.page.most);
        self.bound = self.cells.last().map(|(group, _)| *group);
        self.places = self.cells.iter().enumerate().map(|(place, (group, _))| (*group, place)).collect();
        self.last = None;
    }

    /// The figures of a group; `None` where it is not of the page.
    pub(super) fn figures(
        &mut self,
        times: &TimeSpans<'_>,
        who: Who,
        time: u32,
    ) -> Result<Option<&mut Figures>, Error> {
        let place = self.place(times, Group { who, time })?;
        Ok(place.and_then(|place| self.cells.get_mut(place)).map(|(_, cell)| &mut cell.figures))
    }

    /// The same of a group that a session touches.
    pub(super) fn touch(
        &mut self,
        times: &TimeSpans<'_>,
        who: Who,
        time: u32,
        session: Key,
    ) -> Result<Option<&mut Figures>, Error> {
        let place = self.place(times, Group { who, time })?;
        let Some((_, cell)) = place.and_then(|place| self.cells.get_mut(place)) else { return Ok(None) };
        if cell.session != Some(session) {
            cell.session = Some(session);
            cell.figures.sessions += 1;
        }
        Ok(Some(&mut cell.figures))
    }

    /// Values and figures, in the order of the values.
    pub(super) fn finish(mut self, times: &TimeSpans<'_>) -> Vec<(Vec<String>, Figures)> {
        self.sort(times);
        self.cells.truncate(self.page.most);
        let cells = std::mem::take(&mut self.cells);
        let values = |group: Group| self.values(times, group).map(str::to_owned).collect();
        cells.into_iter().map(|(group, cell)| (values(group), cell.figures)).collect()
    }
}
