//! Which part of a stored request's cost each kind of token has: from the price row that the request names.

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension as _};

use super::open::Error;
use crate::pricing::{self, CostKinds, Request, Splitter};
use crate::record::{Row, ServiceTier};

/// The price rows that were looked up, ready for arithmetic. There are as many as price lists have had rows in use.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    /// By id of the price row; `None` for one that this program cannot read.
    known: HashMap<u32, Option<Splitter>, RandomState>,
}

impl Kinds {
    /// Looks a price row up, if it is new.
    pub(super) fn know(&mut self, connection: &Connection, price_row: u32) -> Result<(), Error> {
        if price_row == 0 || self.known.contains_key(&price_row) {
            return Ok(());
        }
        let json = self::price_row(connection, price_row)?;
        let row = json.and_then(|json| pricing::Row::from_json(&json).ok());
        self.known.insert(price_row, row.as_ref().map(Splitter::new));
        Ok(())
    }

    /// Takes a row's cost apart; its price row is known.
    pub(super) fn split(&self, row: &Row, service_tier: ServiceTier) -> CostKinds {
        let (Some(cost), Some(Some(splitter))) = (row.cost, self.known.get(&row.price_row)) else {
            return CostKinds::other(row.cost);
        };
        let request =
            Request { start: row.start, service_tier, tokens: row.tokens, cache_ttl_known: row.cache_ttl_known };
        splitter.split(&request, cost)
    }

    /// Both.
    pub(super) fn of(
        &mut self,
        connection: &Connection,
        row: &Row,
        service_tier: ServiceTier,
    ) -> Result<CostKinds, Error> {
        self.know(connection, row.price_row)?;
        Ok(self.split(row, service_tier))
    }
}

/// The stored JSON of a price row.
pub(super) fn price_row(connection: &Connection, id: u32) -> Result<Option<String>, Error> {
    let mut statement = connection.prepare_cached("SELECT row FROM price_rows WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?)
}
