//! Lists of requests: filtered, ordered, page by page; one by its id; all of them as a stream.
//!
//! A page is the first `limit` of an order. Blocks are visited in the order of the best that they can hold, and only as
//! long as that beats the worst of the page so far; within a block only the columns that the question names are read. The
//! rows of the page are read at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::{ControlFlow, Range};

use super::columns::{Block, Column, Stat};
use super::fold::BLOCK_ROWS;
use super::moment::Moment;
use super::open::Error;
use super::request_filter::Matcher;
use super::request_view::{NO_VALUE, Order, PageEnd, RequestFilter, RequestList, RequestPage, RequestSort, Stored};
use super::row;
use crate::record::{Micros, Row};

/// A place in a list: value and id. Greater comes first.
type Place = (i64, i64);

/// The best places so far.
struct Best {
    limit: usize,
    order: Order,
    /// Only what comes after it.
    after: Option<Place>,
    /// The worst on top.
    heap: BinaryHeap<Reverse<Place>>,
}

impl Best {
    /// Turns a value and an id so that the greater comes first in the list.
    fn turn(&self, (value, id): Place) -> Place {
        match self.order {
            Order::Descending => (value, id),
            // Not the negative, which the least number has none of.
            Order::Ascending => (!value, !id),
        }
    }

    fn offer(&mut self, value: i64, id: i64) {
        let place = self.turn((value, id));
        if self.after.is_some_and(|after| place >= after) {
            return;
        }
        if self.heap.len() < self.limit {
            self.heap.push(Reverse(place));
        } else if let Some(mut worst) = self.heap.peek_mut().filter(|worst| worst.0 < place) {
            *worst = Reverse(place);
        }
    }

    /// Whether something can still be among the best whose places lie between these. Ids tell equal values apart: where
    /// many requests have the least value, the first blocks of them suffice.
    fn admits(&self, least: Place, largest: Place) -> bool {
        let (worst, best) = match self.order {
            Order::Descending => (least, largest),
            Order::Ascending => (self.turn(largest), self.turn(least)),
        };
        let best = self.after.map_or(best, |after| best.min(after));
        // All of it is on the pages before.
        let passed = self.after.is_some_and(|after| worst >= after);
        let beaten = self.heap.len() >= self.limit && self.heap.peek().is_some_and(|Reverse(place)| best < *place);
        !passed && !beaten && self.limit > 0
    }

    /// What blocks are visited in the order of: the best first.
    fn promise(&self, least: Place, largest: Place) -> Place {
        match self.order {
            Order::Descending => largest,
            Order::Ascending => self.turn(least),
        }
    }

    fn into_places(self) -> Vec<Place> {
        let order = self.order;
        let places = self.heap.into_sorted_vec();
        let turned = |Reverse((value, id)): Reverse<Place>| match order {
            Order::Descending => (value, id),
            Order::Ascending => (!value, !id),
        };
        places.into_iter().map(turned).collect()
    }
}

/// A block that has rows within the filter's time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) block: i64,
    pub(super) first: Micros,
    pub(super) last: Micros,
    /// Its columns are kept.
    pub(super) full: bool,
}

impl Moment {
    /// A page of requests.
    ///
    /// # Errors
    /// The ledger cannot be read, takes too long, or the page's end is that of another order.
    pub fn requests(&self, list: &RequestList) -> Result<RequestPage, Error> {
        let RequestList { filter, sort, order, limit, after } = list;
        let mut best = Best { limit: *limit, order: *order, after: None, heap: BinaryHeap::new() };
        if let Some(end) = after {
            let end = end.check(PageEnd::order(*sort, *order))?;
            best.after = Some(best.turn((end.value, end.id)));
        }
        if let Some(matcher) = Matcher::resolve(self, filter)? {
            if matcher.sessions.is_some() {
                self.each_of_sessions(&matcher, |row, _| best.offer(sort.value(&row), row.id))?;
            } else {
                self.rank(&matcher, *sort, &mut best)?;
            }
        }
        let full = best.heap.len() == *limit && *limit > 0;
        let places = best.into_places();
        let next = places.last().filter(|_| full).map(|last| PageEnd::new(*sort, *order, *last));
        let requests = places.iter().filter_map(|(_, id)| self.request(*id).transpose());
        Ok(RequestPage { requests: requests.collect::<Result<_, _>>()?, next })
    }

    /// A request by its id.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn request(&self, id: i64) -> Result<Option<Stored>, Error> {
        row::read(&self.connection, id, |row, request_id| Stored { row, request_id: request_id.text() })
    }

    /// The price row of an id as the JSON of a price file; `None` for 0.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn price_row(&self, id: u32) -> Result<Option<String>, Error> {
        super::kinds::price_row(&self.connection, id)
    }

    /// Calls `found` with every request behind the row `after` that fits, in the order of the log, until it breaks. One row is
    /// held at a time.
    ///
    /// # Errors
    /// The ledger cannot be read, or what `found` fails with.
    pub fn each_request<E: From<Error>>(
        &self,
        filter: &RequestFilter,
        after: i64,
        found: impl FnMut(&Stored) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        self.each_request_of(filter, after..self.last, found)
    }

    /// The same of the rows behind the range's start, up to and with its end: a step of a stream, which may have a moment of its
    /// own. A stream in steps begins behind row 0 and ends at the last row of its first moment.
    ///
    /// # Errors
    /// The ledger cannot be read, or what `found` fails with.
    pub fn each_request_of<E: From<Error>>(
        &self,
        filter: &RequestFilter,
        rows: Range<i64>,
        mut found: impl FnMut(&Stored) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let (after, to) = (rows.start, rows.end);
        let Some(matcher) = Matcher::resolve(self, filter)? else { return Ok(()) };
        if matcher.sessions.is_some() {
            let mut ids = Vec::new();
            self.each_of_sessions(&matcher, |row, _| ids.push(row.id))?;
            ids.sort_unstable();
            ids.dedup();
            for id in ids.into_iter().filter(|id| *id > after && *id <= to) {
                let Some(stored) = self.request(id)? else { continue };
                if found(&stored)?.is_break() {
                    return Ok(());
                }
            }
            return Ok(());
        }
        let mut ranges = Vec::new();
        let spans = self.spans(&matcher)?;
        for span in spans.into_iter().filter(|span| span.block < self.tail_block()) {
            ranges.push((span.block * BLOCK_ROWS - 1, (span.block + 1) * BLOCK_ROWS - 1, span.full.then_some(span)));
        }
        ranges.push((self.tail_block() * BLOCK_ROWS - 1, self.last, None));
        for (begin, until, full) in ranges.into_iter().filter(|(begin, until, _)| *until > after && *begin < to) {
            let mut places = None;
            if let Some(span) = full {
                let block = Block::new(&self.connection, span.block);
                let selected = matcher.select(&block, (span.first, span.last))?;
                if selected.is_empty() {
                    continue;
                }
                let first = block.first();
                let ids = selected.into_iter().map(move |place| first + i64::from(place));
                places = Some(ids.filter(|id| *id > after).collect::<Vec<i64>>());
            }
            let mut failure: Result<ControlFlow<()>, E> = Ok(ControlFlow::Continue(()));
            let mut next = 0;
            row::each_while(&self.connection, begin.max(after), until.min(to), |id, bytes| {
                if let Some(places) = &places {
                    let Some(wanted) = places.get(next) else { return Ok(ControlFlow::Break(())) };
                    if *wanted != id {
                        return Ok(ControlFlow::Continue(()));
                    }
                    next += 1;
                }
                let (row, request_id) = row::decode_stored(id, bytes)?;
                if matcher.fits(&row) {
                    failure = found(&Stored { row, request_id: request_id.text() });
                }
                Ok(if matches!(failure, Ok(ControlFlow::Continue(()))) {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                })
            })?;
            if failure?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The first block that is not full: its rows and those behind are read themselves.
    pub(super) fn tail_block(&self) -> i64 {
        (self.mark + 1) / BLOCK_ROWS
    }

    /// Blocks that have rows within the filter's time, in the order of the log. Rows behind the mark are in none of them.
    pub(super) fn spans(&self, matcher: &Matcher) -> Result<Vec<Span>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT block, first_start, last_start, EXISTS (SELECT 1 FROM columns WHERE id = block * 32)
             FROM blocks WHERE first_start < ?1 AND last_start >= ?2 ORDER BY block",
        )?;
        let spans = statement.query_map([matcher.until, matcher.since], |row| {
            Ok(Span { block: row.get(0)?, first: row.get(1)?, last: row.get(2)?, full: row.get(3)? })
        })?;
        Ok(spans.collect::<Result<_, _>>()?)
    }

    /// Offers the requests that fit, but for what cannot be among the best.
    fn rank(&self, matcher: &Matcher, sort: RequestSort, best: &mut Best) -> Result<(), Error> {
        let tail = self.tail_block();
        row::each(&self.connection, tail * BLOCK_ROWS - 1, self.last, |row, _| {
            if matcher.fits(&row) {
                best.offer(sort.value(&row), row.id);
            }
            Ok(())
        })?;
        let stat = match sort {
            RequestSort::Start => Stat::Start,
            RequestSort::Duration => Stat::Duration,
            RequestSort::FirstToken => Stat::FirstToken,
            RequestSort::Tokens => Stat::Tokens,
            RequestSort::Cost(_) => Stat::Cost,
        };
        let mut blocks = Vec::new();
        for span in self.spans(matcher)?.into_iter().filter(|span| span.block < tail) {
            let (least, largest) = match sort {
                RequestSort::Start => (span.first, span.last),
                _ if !span.full => (i64::MIN, i64::MAX),
                _ => Block::new(&self.connection, span.block).stat(stat)?,
            };
            // Another currency's cost is no value at all.
            let least = if matches!(sort, RequestSort::Cost(_)) { NO_VALUE } else { least };
            let (least, largest) = ((least, span.block * BLOCK_ROWS), (largest, (span.block + 1) * BLOCK_ROWS - 1));
            blocks.push((best.promise(least, largest), span, least, largest));
        }
        blocks.sort_unstable_by_key(|(promise, ..)| Reverse(*promise));
        for (_, span, least, largest) in blocks {
            if !best.admits(least, largest) {
                continue;
            }
            let block = Block::new(&self.connection, span.block);
            if span.full {
                self.rank_block(matcher, sort, &block, (span.first, span.last), best)?;
            } else {
                row::each(
                    &self.connection,
                    span.block * BLOCK_ROWS - 1,
                    (span.block + 1) * BLOCK_ROWS - 1,
                    |row, _| {
                        if matcher.fits(&row) {
                            best.offer(sort.value(&row), row.id);
                        }
                        Ok(())
                    },
                )?;
            }
        }
        Ok(())
    }

    fn rank_block(
        &self,
        matcher: &Matcher,
        sort: RequestSort,
        block: &Block<'_>,
        span: (Micros, Micros),
        best: &mut Best,
    ) -> Result<(), Error> {
        let places = matcher.select(block, span)?;
        if places.is_empty() {
            return Ok(());
        }
        let first = block.first();
        let column = match sort {
            RequestSort::Start => Column::Start,
            RequestSort::Duration => Column::Duration,
            RequestSort::FirstToken => Column::FirstToken,
            RequestSort::Tokens => {
                let tokens = block.tokens()?;
                for place in places {
                    best.offer(tokens.total(place as usize), first + i64::from(place));
                }
                return Ok(());
            }
            RequestSort::Cost(currency) => {
                let (costs, classes) = (block.column(Column::Cost)?, block.column(Column::Class)?);
                let priced: Vec<bool> =
                    block.classes()?.into_iter().map(|class| class.currency() == Some(currency)).collect();
                for place in places {
                    let class = usize::try_from(classes.get(place as usize)).unwrap_or(usize::MAX);
                    let is_priced = priced.get(class).is_some_and(|priced| *priced);
                    let value = if is_priced { costs.get(place as usize) } else { NO_VALUE };
                    best.offer(value, first + i64::from(place));
                }
                return Ok(());
            }
        };
        let values = block.column(column)?;
        for place in places {
            best.offer(values.get(place as usize), first + i64::from(place));
        }
        Ok(())
    }

    /// Calls `found` with the rows of the filter's sessions that fit, along the chains of their parts.
    fn each_of_sessions(&self, matcher: &Matcher, mut found: impl FnMut(Row, String)) -> Result<(), Error> {
        for session in matcher.sessions.iter().flatten() {
            for part in self.parts_of_session(*session)? {
                self.walk(&part, |row, request_id| {
                    if matcher.fits(&row) {
                        found(row, request_id);
                    }
                    ControlFlow::Continue(())
                })?;
            }
        }
        Ok(())
    }
}
