//! Rows find their part: the open parts in memory, those stored that a late line reopens, and new ones.
//!
//! A part takes a row that starts within the idle timeout of it, and of several that would, the one that starts last:
//! a rule over all parts of the session, open or closed, so that when a part happened to be closed or written changes
//! nothing. Nearly every row goes to the latest open part of its session, which is one look-up. Parts are never merged:
//! a late line that bridges two belongs to the later one.

use std::collections::BTreeMap;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::closure::{Closure, Reason};
use super::config::Config;
use super::part::{Costs, Fit, Key, MAX_SPAN, Part, end};
use super::watermark::{LATENESS, Watermarks};
use crate::record::{Micros, Row};

/// Most parts of one session that are looked at for one row. More than this many within a day need an idle timeout of
/// minutes and a session that hardly ever pauses for less.
const MAX_CANDIDATES: usize = 64;

/// Where a row belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Id of the part: that of its first row in log order. 0 where the row has no session.
    pub part: i64,
    /// The part's row before this one in log order, 0 for the first.
    pub previous: i64,
    /// The row opened a part again that had been closed.
    pub reopened: bool,
}

/// What is stored of a session around a moment.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Parts that start less than [`MAX_SPAN`] before the moment and at most the idle timeout after it, in any order.
    pub parts: Vec<Part>,
    /// Start of the first part that starts later than those.
    pub next: Option<Micros>,
}

#[derive(Debug)]
struct Slot {
    part: Part,
    /// While the part is its session's latest in memory: rows that start before can fit no part that starts later.
    until: Micros,
    dirty: bool,
}

/// The open parts of all sessions. One thread, rows in log order.
#[derive(Debug)]
pub struct Sessions {
    idle: Micros,
    max_open: usize,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    /// The open part of a session that starts last.
    latest: HashMap<Key, usize, RandomState>,
    by_id: HashMap<i64, usize, RandomState>,
    by_start: BTreeMap<(Key, Micros, i64), usize>,
    open: Vec<(u32, usize)>,
    watermarks: Watermarks,
}

impl Sessions {
    /// No sessions. `wall` is the wall clock's time.
    #[must_use]
    pub fn new(config: &Config, wall: Micros) -> Sessions {
        Sessions {
            idle: config.idle(),
            max_open: config.max_open,
            slots: Vec::new(),
            free: Vec::new(),
            latest: HashMap::default(),
            by_id: HashMap::default(),
            by_start: BTreeMap::new(),
            open: Vec::new(),
            watermarks: Watermarks::new(wall),
        }
    }

    /// Changes timeout and bound for what comes; parts stay as they are.
    pub fn set_config(&mut self, config: &Config) {
        (self.idle, self.max_open) = (config.idle(), config.max_open);
        for slot in self.slots.iter_mut().flatten() {
            slot.until = Micros::MIN;
        }
    }

    /// Sets the wall clock's time: at least before each batch and before [`Sessions::due`].
    pub fn set_wall(&mut self, wall: Micros) {
        self.watermarks.set_wall(wall);
    }

    /// Takes back an open part of an earlier process.
    pub fn restore(&mut self, part: Part) {
        if !self.by_id.contains_key(&part.id) {
            self.insert(part);
        }
    }

    /// Takes back a gateway's entry of [`Sessions::watermarks`].
    pub fn restore_watermark(&mut self, gateway: u32, latest: Micros) {
        self.watermarks.observe(gateway, latest);
    }

    /// Gateways and the latest end seen of each.
    #[must_use]
    pub fn watermarks(&self) -> &[(u32, Micros)] {
        self.watermarks.all()
    }

    /// Finds a row's part and folds the row into it. Rows come in log order, each once; one without a session has no
    /// part. `tool_calls` is the number of tools that the row calls. `stored` reads what the ledger has of the session
    /// around the row's start; it is asked only where memory does not decide, and what it says of open parts is ignored.
    ///
    /// # Errors
    /// What `stored` fails with; the row is then not folded in.
    pub fn assign<E>(
        &mut self,
        row: &Row,
        gateway: u32,
        tool_calls: u32,
        stored: impl FnOnce(Key, Micros) -> Result<Stored, E>,
    ) -> Result<Placement, E> {
        if row.session == 0 {
            return Ok(Placement::default());
        }
        let key = Key { gateway, session: row.session };
        if let Some(at) = self.latest.get(&key)
            && let Some(Some(slot)) = self.slots.get_mut(*at)
            && (slot.part.start..slot.until).contains(&row.start)
            && slot.part.fit(row, self.idle) == Fit::Takes
        {
            let placement = Placement { part: slot.part.id, previous: slot.part.last_row, reopened: false };
            slot.part.fold(row, tool_calls);
            slot.dirty = true;
            self.watermarks.observe(gateway, end(row));
            return Ok(placement);
        }
        let in_memory = self.candidate(key, row);
        let found = stored(key, row.start)?;
        let (at, reopened) = self.choose(key, row, in_memory, &found);
        let previous = self.part_at(at).map_or(0, |part| part.last_row);
        self.fold(at, row, tool_calls);
        self.bound_until(at, &found);
        let part = self.part_at(at).map_or(0, |part| part.id);
        Ok(Placement { part, previous, reopened })
    }

    /// Folds a committed row into the part that it names, unless the part already holds it: what is to be done with all
    /// rows above the last written fold, after [`Sessions::restore`]. `stored` reads a part by its id.
    ///
    /// # Errors
    /// What `stored` fails with; the row is then not folded in.
    pub fn replay<E>(
        &mut self,
        row: &Row,
        gateway: u32,
        tool_calls: u32,
        part: i64,
        stored: impl FnOnce(i64) -> Result<Option<Part>, E>,
    ) -> Result<(), E> {
        if part == 0 {
            return Ok(());
        }
        self.watermarks.observe(gateway, end(row));
        let key = Key { gateway, session: row.session };
        let at = match self.by_id.get(&part) {
            Some(at) => *at,
            None => match stored(part)? {
                Some(stored) if stored.last_row >= row.id => return Ok(()),
                Some(stored) => self.insert(Part { closed: None, full: false, ..stored }),
                None => {
                    self.candidate(key, row);
                    self.insert(Part { id: part, ..Part::begin(key, row) })
                }
            },
        };
        if self.part_at(at).is_some_and(|part| part.last_row < row.id) {
            self.fold(at, row, tool_calls);
        }
        Ok(())
    }

    /// What is to be closed now, ordered by id: parts that have been idle for the timeout and [`LATENESS`] by their
    /// gateway's watermark, parts that have reached their bounds, and exactly so many of the rest, idle longest, that no
    /// more than `max_open` stay. `caught_up` says whether the gateway's log is read to its end. Changes nothing: to be
    /// followed by [`Sessions::close`] once it is committed, before the next row.
    #[must_use]
    pub fn due(&self, caught_up: impl Fn(u32) -> bool) -> Vec<Closure> {
        let mut due = Vec::new();
        let mut limit = None;
        for part in self.parts() {
            let gateway = part.key.gateway;
            let latest = match limit {
                Some((known, latest)) if known == gateway => latest,
                _ => {
                    let watermark = self.watermarks.at(gateway, caught_up(gateway));
                    watermark.saturating_sub(self.idle).saturating_sub(LATENESS)
                }
            };
            limit = Some((gateway, latest));
            if part.full {
                due.push(Closure::of(part, Reason::Limit));
            } else if part.end <= latest {
                due.push(Closure::of(part, Reason::Idle));
            }
        }
        let excess = (self.len() - due.len()).saturating_sub(self.max_open);
        due.sort_unstable_by_key(|closure| closure.part);
        if excess > 0 {
            let is_due = |part: &Part| due.binary_search_by_key(&part.id, |closure| closure.part).is_ok();
            let mut rest: Vec<&Part> = self.parts().filter(|part| !is_due(part)).collect();
            if excess < rest.len() {
                rest.select_nth_unstable_by_key(excess, |part| (part.end, part.id));
            }
            let evicted: Vec<Closure> =
                rest.iter().take(excess).map(|part| Closure::of(part, Reason::Evicted)).collect();
            due.extend(evicted);
            due.sort_unstable_by_key(|closure| closure.part);
        }
        due
    }

    /// Forgets parts whose closures, and which themselves as [`Closure::apply`] says, are committed.
    pub fn close(&mut self, closures: &[Closure]) {
        for closure in closures {
            if let Some(at) = self.by_id.get(&closure.part).copied()
                && self.part_at(at).is_some_and(|part| part.last_row == closure.last_row)
            {
                self.remove(at);
            }
        }
    }

    /// Open parts that changed since [`Sessions::written`], to be stored as they are.
    pub fn dirty(&self) -> impl Iterator<Item = &Part> {
        self.slots.iter().flatten().filter(|slot| slot.dirty).map(|slot| &slot.part)
    }

    /// All that was dirty is committed.
    pub fn written(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            slot.dirty = false;
        }
    }

    /// An open part by its id.
    #[must_use]
    pub fn get(&self, part: i64) -> Option<&Part> {
        self.by_id.get(&part).and_then(|at| self.part_at(*at))
    }

    /// Changes what an open part adds up to after its stored form and its rows were changed: a repricing. Times and ids
    /// stay, since parts are found by them.
    pub fn amend(&mut self, part: i64, costs: Costs, unpriced: u64) {
        if let Some(at) = self.by_id.get(&part).copied()
            && let Some(Some(slot)) = self.slots.get_mut(at)
        {
            slot.part.costs = costs;
            slot.part.unpriced = unpriced;
        }
    }

    /// All open parts, in no order.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.slots.iter().flatten().map(|slot| &slot.part)
    }

    /// Number of open parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no part is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether more parts are open than should be: then [`Sessions::due`] is due.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.len() > self.max_open
    }

    /// Gateways and their numbers of open parts.
    #[must_use]
    pub fn open(&self) -> &[(u32, usize)] {
        &self.open
    }

    fn part_at(&self, at: usize) -> Option<&Part> {
        self.slots.get(at)?.as_ref().map(|slot| &slot.part)
    }

    /// The open part that takes the row and starts last; parts that are too full for it are marked so.
    fn candidate(&mut self, key: Key, row: &Row) -> Option<usize> {
        // A part's last end is at most twice the span after its start.
        let earliest = row.start.saturating_sub(self.idle).saturating_sub(2 * MAX_SPAN);
        let near = (key, earliest, i64::MIN)..=(key, row.start.saturating_add(self.idle), i64::MAX);
        for at in self.by_start.range(near).rev().take(MAX_CANDIDATES).map(|(_, at)| *at) {
            let Some(Some(slot)) = self.slots.get_mut(at) else { continue };
            match slot.part.fit(row, self.idle) {
                Fit::Takes => return Some(at),
                Fit::Full => {
                    slot.part.full = true;
                    slot.dirty = true;
                }
                Fit::Apart => {}
            }
        }
        None
    }

    /// The place of the row's part, and whether it was opened again for it: the open one or a stored one, whichever
    /// starts last, else a new one.
    fn choose(&mut self, key: Key, row: &Row, in_memory: Option<usize>, found: &Stored) -> (usize, bool) {
        let best = found
            .parts
            .iter()
            .filter(|part| part.key == key && !self.by_id.contains_key(&part.id))
            .filter(|part| part.fit(row, self.idle) == Fit::Takes)
            .max_by_key(|part| (part.start, part.id));
        let open = in_memory.and_then(|at| Some((at, self.part_at(at)?)));
        match (open, best) {
            (Some((at, open)), best) if best.is_none_or(|best| (best.start, best.id) < (open.start, open.id)) => {
                (at, false)
            }
            (_, Some(best)) => {
                let reopened = best.closed.is_some();
                (self.insert(Part { closed: None, full: false, ..best.clone() }), reopened)
            }
            (_, None) => (self.insert(Part::begin(key, row)), false),
        }
    }

    /// Folds a row in and keeps the order by start.
    fn fold(&mut self, at: usize, row: &Row, tool_calls: u32) {
        let Some(Some(slot)) = self.slots.get_mut(at) else { return };
        let (key, id, before) = (slot.part.key, slot.part.id, slot.part.start);
        slot.part.fold(row, tool_calls);
        slot.dirty = true;
        let start = slot.part.start;
        self.watermarks.observe(key.gateway, end(row));
        if start != before {
            self.by_start.remove(&(key, before, id));
            self.by_start.insert((key, start, id), at);
            self.order(key);
        }
    }

    /// Works out how far rows can be given to a part without asking what is stored.
    fn bound_until(&mut self, at: usize, found: &Stored) {
        let Some(part) = self.part_at(at) else { return };
        let (key, start, id) = (part.key, part.start, part.id);
        let stored = found
            .parts
            .iter()
            .filter(|part| part.key == key && part.id != id && (part.start, part.id) > (start, id))
            .map(|part| part.start)
            .min();
        let next = [stored, found.next].into_iter().flatten().min();
        let idle = self.idle;
        if let Some(Some(slot)) = self.slots.get_mut(at) {
            slot.until = next.map_or(Micros::MAX, |next| next.saturating_sub(idle));
        }
    }

    fn insert(&mut self, part: Part) -> usize {
        let (key, start, id) = (part.key, part.start, part.id);
        let slot = Some(Slot { part, until: Micros::MIN, dirty: false });
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.slots.get_mut(at) {
                    *place = slot;
                }
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.by_id.insert(id, at);
        self.by_start.insert((key, start, id), at);
        match self.open.iter_mut().find(|(gateway, _)| *gateway == key.gateway) {
            Some((_, open)) => *open += 1,
            None => self.open.push((key.gateway, 1)),
        }
        self.order(key);
        at
    }

    fn remove(&mut self, at: usize) {
        let Some(slot) = self.slots.get_mut(at).and_then(Option::take) else { return };
        let Part { key, start, id, .. } = slot.part;
        self.free.push(at);
        self.by_id.remove(&id);
        self.by_start.remove(&(key, start, id));
        if let Some((_, open)) = self.open.iter_mut().find(|(gateway, _)| *gateway == key.gateway) {
            *open -= 1;
        }
        self.order(key);
    }

    /// Keeps which part of a session is the latest, where one came, moved or went. How far a part may take rows is known
    /// only while it is the latest: it is worked out anew for the first row that comes then.
    fn order(&mut self, key: Key) {
        let all = (key, Micros::MIN, i64::MIN)..=(key, Micros::MAX, i64::MAX);
        match self.by_start.range(all).next_back() {
            None => {
                self.latest.remove(&key);
            }
            Some((_, at)) => {
                if self.latest.insert(key, *at) != Some(*at)
                    && let Some(Some(slot)) = self.slots.get_mut(*at)
                {
                    slot.until = Micros::MIN;
                }
            }
        }
    }
}
