//! Rows of one session become the figures of a part.
//!
//! Knows which rows fit into it, not which other parts there are.

use super::closure::Reason;
use crate::record::{Currency, Micros, Row, Tokens};

/// Longest time in microseconds from a part's first start to its last: 24 h. Also the most that one request's duration
/// counts for, since a log may claim any.
pub const MAX_SPAN: Micros = 24 * 3600 * 1_000_000;
/// Most turns of a part.
pub const MAX_TURNS: u64 = 5_000;
/// Most attribute sets that a part remembers; [`Part::more_attributes`] tells that there were others.
pub const MAX_ATTRIBUTES: usize = 64;

/// A session: which gateway, and which name there. Two gateways never share a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The caller's number of the gateway.
    pub gateway: u32,
    /// Dictionary id of the session's name; 0 is no session.
    pub session: u32,
}

/// Amounts by currency in nano-units, in the order in which the currencies were first seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs(pub Vec<(Currency, i128)>);

impl Costs {
    /// Adds to a currency's amount.
    pub fn add(&mut self, currency: Currency, nanos: i128) {
        match self.0.iter_mut().find(|(known, _)| *known == currency) {
            Some((_, total)) => *total = total.saturating_add(nanos),
            None => self.0.push((currency, nanos)),
        }
    }
}

/// How a row stands to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It belongs to the part.
    Takes,
    /// It would belong to it, but for the bounds of a part.
    Full,
    /// It is too early or too late for it.
    Apart,
}

/// One part of a session: a fold over its rows in log order.
///
/// Times are microseconds since the Unix epoch. All figures are those of the rows up to and including `last_row`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Id of its first row in log order; also the part's own id.
    pub id: i64,
    /// Whose part it is.
    pub key: Key,
    /// The first row's duplicate key, from which the session span's id follows.
    pub first_key: [u8; 16],
    /// The first row's attributes; its consumer stands for the part's.
    pub first_attributes: u32,
    /// Earliest start of a request.
    pub start: Micros,
    /// Latest start of a request.
    pub last_start: Micros,
    /// Latest end of a request; a request counts for [`MAX_SPAN`] at most.
    pub end: Micros,
    /// The last row folded in. The rows are chained: each names the one before it.
    pub last_row: i64,
    /// The last row's `chat_round`, 0 where unknown.
    pub last_round: u32,
    /// Requests.
    pub requests: u64,
    /// Requests that begin a new question: all but those whose known `chat_round` is that of the row before.
    pub turns: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests whose usage should have been logged and was not.
    pub usage_missing: u64,
    /// Requests that no price row fits: the cost does not hold them.
    pub unpriced: u64,
    /// Tools called.
    pub tool_calls: u64,
    /// Tokens in disjoint kinds.
    pub tokens: Tokens,
    /// What it cost.
    pub costs: Costs,
    /// Attribute ids of the rows, ascending, at most [`MAX_ATTRIBUTES`]: models, consumers and dimensions.
    pub attributes: Vec<u32>,
    /// There were more attribute ids than `attributes` holds.
    pub more_attributes: bool,
    /// The first user, 0 where none is known.
    pub user: u32,
    /// There were other users too.
    pub mixed_users: bool,
    /// A request may have named no user.
    pub unnamed: bool,
    /// A request was turned away because the part had reached its bounds.
    pub full: bool,
    /// How often it was closed.
    pub revision: u32,
    /// Why it is closed; `None` while it is open.
    pub closed: Option<Reason>,
    /// Microseconds of its duration that closures have counted so far.
    pub counted: Micros,
}

impl Part {
    /// An empty part that begins with a row, which is still to be folded in.
    #[must_use]
    pub fn begin(key: Key, row: &Row) -> Part {
        Part {
            id: row.id,
            key,
            first_key: row.key,
            first_attributes: row.attributes,
            start: row.start,
            last_start: row.start,
            end: end(row),
            ..Part::default()
        }
    }

    /// First start to last end, in microseconds.
    #[must_use]
    pub fn duration(&self) -> Micros {
        self.end.saturating_sub(self.start)
    }

    /// Whether a request of that `chat_round` begins a new question. Without a round every request does.
    fn opens_turn(&self, chat_round: u32) -> bool {
        chat_round == 0 || chat_round != self.last_round
    }

    /// How a row of the part's session stands to it. Closed parts take rows as open ones do.
    pub(super) fn fit(&self, row: &Row, idle: Micros) -> Fit {
        let near = self.start.saturating_sub(idle)..=self.end.saturating_add(idle);
        if !near.contains(&row.start) {
            return Fit::Apart;
        }
        if row.start < self.start {
            // A part does not grow beyond its bounds into the past; that says nothing about its future.
            let span = self.last_start.saturating_sub(row.start);
            return if span < MAX_SPAN && self.turns < MAX_TURNS { Fit::Takes } else { Fit::Apart };
        }
        let is_long = row.start.saturating_sub(self.start) >= MAX_SPAN;
        if is_long || (self.turns >= MAX_TURNS && self.opens_turn(row.chat_round)) { Fit::Full } else { Fit::Takes }
    }

    /// Adds a row that belongs to the part and comes after [`Part::last_row`]. `tool_calls` is the number of tools that it
    /// called.
    pub fn fold(&mut self, row: &Row, tool_calls: u32) {
        self.start = self.start.min(row.start);
        self.last_start = self.last_start.max(row.start);
        self.end = self.end.max(end(row));
        self.turns += u64::from(self.opens_turn(row.chat_round));
        self.last_round = row.chat_round;
        self.last_row = row.id;
        self.requests += 1;
        self.errors += u64::from(row.outcome.error().is_some());
        self.usage_missing += u64::from(row.usage_missing);
        self.unpriced += u64::from(row.unpriced);
        self.tool_calls += u64::from(tool_calls);
        self.tokens.add(&row.tokens);
        if let Some(cost) = row.cost {
            self.costs.add(cost.currency, i128::from(cost.nanos));
        }
        if let Err(at) = self.attributes.binary_search(&row.attributes) {
            if self.attributes.len() < MAX_ATTRIBUTES {
                self.attributes.insert(at, row.attributes);
            } else {
                self.more_attributes = true;
            }
        }
        self.unnamed |= row.user == 0;
        if self.user == 0 {
            self.user = row.user;
        } else {
            self.mixed_users |= row.user != 0 && row.user != self.user;
        }
    }
}

/// End of a row's request, at most [`MAX_SPAN`] after its start.
pub(super) fn end(row: &Row) -> Micros {
    row.start.saturating_add(row.duration.unwrap_or(0).clamp(0, MAX_SPAN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Cost, ErrorReason, Outcome};

    const MINUTE: Micros = 60_000_000;
    const IDLE: Micros = 30 * MINUTE;

    fn row(id: i64, start: Micros, chat_round: u32) -> Row {
        Row { id, start, chat_round, duration: Some(MINUTE), attributes: 1, ..Row::default() }
    }

    fn part_of(rows: &[Row]) -> Part {
        let mut part = Part::begin(Key { gateway: 1, session: 1 }, &rows[0]);
        for row in rows {
            part.fold(row, 0);
        }
        part
    }

    #[test]
    fn a_repeated_round_is_the_same_turn_and_no_round_is_always_a_new_one() {
        for (rounds, want) in [
            (vec![1, 2, 3], 3),
            (vec![1, 1, 1, 2], 2),
            (vec![0, 0, 0], 3),
            (vec![1, 0, 1], 3),
            (vec![3, 3, 1, 1], 2),
            (vec![7], 1),
        ] {
            let rows: Vec<Row> = (1..).zip(&rounds).map(|(id, round)| row(id, id * MINUTE, *round)).collect();
            assert_eq!(part_of(&rows).turns, want, "{rounds:?}");
        }
    }

    #[test]
    fn a_row_fits_within_the_idle_time_of_the_latest_end_and_of_the_start() {
        // From 100 min to 111 min.
        let part = part_of(&[row(1, 100 * MINUTE, 1), row(2, 110 * MINUTE, 2)]);
        for (start, want) in [
            (111 * MINUTE + IDLE, Fit::Takes),
            (111 * MINUTE + IDLE + 1, Fit::Apart),
            (105 * MINUTE, Fit::Takes),
            (100 * MINUTE - IDLE, Fit::Takes),
            (100 * MINUTE - IDLE - 1, Fit::Apart),
            (i64::MAX, Fit::Apart),
            (i64::MIN, Fit::Apart),
        ] {
            assert_eq!(part.fit(&row(3, start, 3), IDLE), want, "{start}");
        }
    }

    #[test]
    fn a_part_is_full_after_24_hours_or_5000_turns() {
        let day = Part { start: 0, last_start: MAX_SPAN - 1, end: MAX_SPAN + MINUTE, turns: 9, ..Part::default() };
        let turns = Part { end: MINUTE, turns: MAX_TURNS, last_round: 5_000, ..Part::default() };
        for (part, start, round, want) in [
            (&day, MAX_SPAN - 1, 1, Fit::Takes),
            (&day, MAX_SPAN, 1, Fit::Full),
            (&day, -1, 1, Fit::Apart),
            (&day, 5, 1, Fit::Takes),
            (&turns, 1, 5_000, Fit::Takes),
            (&turns, 1, 5_001, Fit::Full),
            (&turns, 1, 0, Fit::Full),
        ] {
            assert_eq!(part.fit(&row(9, start, round), IDLE), want, "{start} {round}");
        }
        let almost = Part { turns: MAX_TURNS - 1, ..turns };
        assert_eq!(almost.fit(&row(9, 1, 0), IDLE), Fit::Takes);
    }

    #[test]
    fn the_figures_are_the_sums_of_the_rows() {
        let tokens = Tokens { uncached_input: 1, cache_read: 2, visible_output: 3, ..Tokens::default() };
        let cost = |nanos, currency| Some(Cost { nanos, currency });
        let rows = [
            Row { tokens, cost: cost(5, Currency::USD), user: 0, ..row(10, 2 * MINUTE, 1) },
            Row { tokens, cost: cost(7, Currency::CNY), user: 4, attributes: 9, ..row(12, 3 * MINUTE, 1) },
            Row { outcome: Outcome::Error(ErrorReason::Timeout), user: 4, usage_missing: true, ..row(15, MINUTE, 2) },
            Row { cost: cost(1, Currency::USD), user: 5, unpriced: true, ..row(16, 2 * MINUTE, 2) },
        ];
        let mut part = part_of(&rows);
        part.fold(&row(20, 2 * MINUTE, 3), 2);
        assert_eq!((part.start, part.last_start, part.end), (MINUTE, 3 * MINUTE, 4 * MINUTE));
        assert_eq!((part.id, part.last_row, part.requests, part.turns), (10, 20, 5, 3));
        assert_eq!((part.errors, part.usage_missing, part.unpriced, part.tool_calls), (1, 1, 1, 2));
        assert_eq!(part.costs.0, [(Currency::USD, 6), (Currency::CNY, 7)]);
        assert_eq!((part.tokens.uncached_input, part.tokens.cache_read, part.tokens.visible_output), (2, 4, 6));
        assert_eq!((part.attributes, part.user, part.mixed_users), (vec![1, 9], 4, true));
    }

    #[test]
    fn hostile_rows_keep_a_part_within_bounds() {
        let rows: Vec<Row> =
            (1..=100).map(|id| Row { attributes: 101 - u32::try_from(id).unwrap(), ..row(id, 0, 0) }).collect();
        let part = part_of(&rows);
        assert_eq!((part.attributes.len(), part.more_attributes), (MAX_ATTRIBUTES, true));
        assert!(part.attributes.is_sorted());
        let endless = Row { duration: Some(i64::MAX), ..row(1, 5, 1) };
        assert_eq!(part_of(&[endless]).end, 5 + MAX_SPAN);
        let negative = Row { duration: Some(-7), ..row(1, 5, 1) };
        assert_eq!(part_of(&[negative]).end, 5);
    }
}
