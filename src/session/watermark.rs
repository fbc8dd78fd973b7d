//! How far a gateway's log has come: the time against which its parts are idle.
//!
//! Each gateway has its own, so that one whose old files are still being read is not measured by another's present.

use crate::record::Micros;

/// How late a line may be, in microseconds, before its part closes without it, and how far beyond the wall clock a
/// log's time is believed: 5 minutes.
pub const LATENESS: Micros = 5 * 60 * 1_000_000;

/// Watermarks by gateway. Few gateways, so that looking one up is a short walk.
#[derive(Debug)]
pub(super) struct Watermarks {
    latest: Vec<(u32, Micros)>,
    wall: Micros,
}

impl Watermarks {
    pub(super) fn new(wall: Micros) -> Watermarks {
        Watermarks { latest: Vec::new(), wall }
    }

    /// Sets the wall clock; it may go backwards.
    pub(super) fn set_wall(&mut self, wall: Micros) {
        self.wall = wall;
    }

    /// Sees the end of a request.
    pub(super) fn observe(&mut self, gateway: u32, end: Micros) {
        let end = end.min(self.wall.saturating_add(LATENESS));
        match self.latest.iter_mut().find(|(known, _)| *known == gateway) {
            Some((_, latest)) => *latest = end.max(*latest),
            None => self.latest.push((gateway, end)),
        }
    }

    /// The watermark of a gateway: its latest end, never beyond the wall clock and [`LATENESS`]; never behind the wall
    /// clock once its log is read to the end.
    pub(super) fn at(&self, gateway: u32, caught_up: bool) -> Micros {
        let latest = self.latest.iter().find(|(known, _)| *known == gateway).map_or(Micros::MIN, |(_, latest)| *latest);
        let latest = latest.min(self.wall.saturating_add(LATENESS));
        if caught_up { latest.max(self.wall) } else { latest }
    }

    /// Gateways and their latest ends.
    pub(super) fn all(&self) -> &[(u32, Micros)] {
        &self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Micros = 60_000_000;

    #[test]
    fn the_watermark_is_the_latest_end_within_five_minutes_of_the_wall_clock() {
        for (wall, ends, caught_up, want) in [
            (100 * MINUTE, vec![10 * MINUTE, 7 * MINUTE], false, 10 * MINUTE),
            (100 * MINUTE, vec![10 * MINUTE], true, 100 * MINUTE),
            (100 * MINUTE, vec![103 * MINUTE], true, 103 * MINUTE),
            (100 * MINUTE, vec![i64::MAX], false, 105 * MINUTE),
            (100 * MINUTE, vec![], false, i64::MIN),
            (100 * MINUTE, vec![], true, 100 * MINUTE),
        ] {
            let mut watermarks = Watermarks::new(wall);
            ends.iter().for_each(|end| watermarks.observe(1, *end));
            assert_eq!(watermarks.at(1, caught_up), want, "{ends:?} {caught_up}");
        }
    }

    #[test]
    fn a_gateway_does_not_move_another_ones_and_a_clock_set_back_lowers_it() {
        let mut watermarks = Watermarks::new(100 * MINUTE);
        watermarks.observe(1, 90 * MINUTE);
        watermarks.observe(2, 20 * MINUTE);
        assert_eq!((watermarks.at(1, false), watermarks.at(2, false)), (90 * MINUTE, 20 * MINUTE));
        watermarks.set_wall(50 * MINUTE);
        assert_eq!(watermarks.at(1, false), 55 * MINUTE);
    }
}
