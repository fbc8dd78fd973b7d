//! The last minutes, one by one, from the requests themselves.

use super::totals::Figures;
use crate::ledger::{Error, Moment};
use crate::pricing::CostKinds;
use crate::record::{Micros, Row};

/// Microseconds of a minute.
const MINUTE: Micros = 60_000_000;

/// What the last minutes add up to.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// The first moment of each minute and its figures, oldest first; the last minute is not over. Costs are not taken apart by
    /// kind.
    pub minutes: Vec<(Micros, Figures)>,
    /// The last five times 60 seconds.
    pub last_5_minutes: Figures,
    /// The last sixty times 60 seconds.
    pub last_60_minutes: Figures,
}

/// Sums the hour before `now` up.
///
/// # Errors
/// The ledger cannot be read.
pub fn recent(moment: &Moment, now: Micros) -> Result<Recent, Error> {
    let last = now.div_euclid(MINUTE) * MINUTE;
    let first = last - 59 * MINUTE;
    let mut recent = Recent {
        minutes: (0..60).map(|minute| (first + minute * MINUTE, Figures::default())).collect(),
        ..Recent::default()
    };
    let since = first.min(now - 60 * MINUTE);
    moment.each_row(
        since,
        now.saturating_add(1),
        |_| true,
        |row| -> Result<(), Error> {
            let minute = usize::try_from((row.start - first).div_euclid(MINUTE)).ok();
            if let Some((_, figures)) = minute.and_then(|minute| recent.minutes.get_mut(minute)) {
                add(figures, row);
            }
            if row.start > now - 60 * MINUTE {
                add(&mut recent.last_60_minutes, row);
            }
            if row.start > now - 5 * MINUTE {
                add(&mut recent.last_5_minutes, row);
            }
            Ok(())
        },
    )?;
    Ok(recent)
}

fn add(figures: &mut Figures, row: &Row) {
    let kinds = CostKinds::other(row.cost);
    figures.change(row.cost.map(|cost| cost.currency), |sums| sums.observe(row, &kinds));
}
