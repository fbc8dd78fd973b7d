//! A session turn by turn: its requests, page by page from its end, each with what the session had used by then.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::ledger::{Error, Moment, Session, Stored};
use crate::record::{Currency, Row, Tokens};

/// One request of a session.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Its number in the session, from 1; requests that retention has removed have theirs too.
    pub number: u64,
    /// Which part, from 1.
    pub part: usize,
    /// The request.
    pub stored: Stored,
    /// Cost of the session up to and with it.
    pub costs: BTreeMap<Currency, i128>,
    /// Tokens of the session up to and with it.
    pub tokens: Tokens,
}

/// The first request of a page in the order of the log: the page before it ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    part: i64,
    row: i64,
}

/// A page of a session.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// Ordered by their starts.
    pub turns: Vec<Turn>,
    /// Where the requests before these are; `None` where there are none.
    pub next: Option<Place>,
    /// Requests of which retention has left nothing but their share of the sums. Known on the first page of the session.
    pub removed: u64,
}

/// The last `limit` requests of a session, or the last of those before a place.
///
/// # Errors
/// The ledger cannot be read.
pub fn turns(moment: &Moment, session: &Session, before: Option<Place>, limit: usize) -> Result<Turns, Error> {
    let parts = moment.parts_of(session.key)?;
    let mut found: Vec<(usize, i64, Stored)> = Vec::new();
    let (mut costs, mut tokens, mut behind) = (session.costs.clone(), session.tokens, 0_u64);
    let (mut reached, mut more) = (before.is_none(), false);
    for (index, part) in parts.iter().enumerate().rev() {
        moment.walk(part, |row, request_id| {
            if found.len() >= limit && reached {
                more = true;
                return ControlFlow::Break(());
            }
            if reached {
                found.push((index + 1, part.id, Stored { row, request_id }));
            } else {
                take(&mut costs, &mut tokens, &row);
                behind += 1;
                reached = before == Some(Place { part: part.id, row: row.id });
            }
            ControlFlow::Continue(())
        })?;
        if more {
            break;
        }
    }
    let shown = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let first = session.requests.saturating_sub(behind).saturating_sub(shown);
    let next = found.last().filter(|_| more).map(|(_, part, stored)| Place { part: *part, row: stored.row.id });
    // What was used before the page.
    found.iter().for_each(|(_, _, stored)| take(&mut costs, &mut tokens, &stored.row));
    found.sort_by_key(|(_, _, stored)| (stored.row.start, stored.row.id));
    let turn = |(number, (part, _, stored)): (u64, (usize, i64, Stored))| {
        if let Some(cost) = stored.row.cost {
            *costs.entry(cost.currency).or_default() += i128::from(cost.nanos);
        }
        tokens.add(&stored.row.tokens);
        Turn { number, part, stored, costs: costs.clone(), tokens }
    };
    let turns: Vec<Turn> = (first + 1..).zip(found).map(turn).collect();
    Ok(Turns { turns, next, removed: if more { 0 } else { first } })
}

/// Takes a request off.
fn take(costs: &mut BTreeMap<Currency, i128>, tokens: &mut Tokens, row: &Row) {
    if let Some(cost) = row.cost {
        *costs.entry(cost.currency).or_default() -= i128::from(cost.nanos);
    }
    let Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, visible_output, reasoning } = &row.tokens;
    for (sum, count) in [
        (&mut tokens.uncached_input, uncached_input),
        (&mut tokens.cache_read, cache_read),
        (&mut tokens.cache_write_5m, cache_write_5m),
        (&mut tokens.cache_write_1h, cache_write_1h),
        (&mut tokens.visible_output, visible_output),
        (&mut tokens.reasoning, reasoning),
    ] {
        *sum = sum.saturating_sub(*count);
    }
}
