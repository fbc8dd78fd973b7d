//! Cells of sums in one piece of bytes, column by column: what tells each from the others, and its measures.

use std::collections::BTreeMap;

use super::measure::{Measure, Measures};
use super::packed::{Packed, join, split};

/// Packs cells of so many keys each, in the order in which they come.
pub(super) fn pack<'a, const KEYS: usize>(cells: impl Iterator<Item = ([i64; KEYS], &'a Measures)>) -> Vec<u8> {
    let mut columns: Vec<Vec<i64>> = vec![Vec::new(); 1 + KEYS + Measure::ALL.len()];
    let mut count = 0;
    for (keys, measures) in cells {
        count += 1;
        let values = keys.into_iter().chain(measures.values());
        columns.iter_mut().skip(1).zip(values).for_each(|(column, value)| column.push(value));
    }
    if let Some(counts) = columns.first_mut() {
        counts.push(count);
    }
    join(columns.iter())
}

/// Packed cells.
#[derive(Debug)]
pub(super) struct PackedCells<const KEYS: usize> {
    count: usize,
    keys: [Vec<i64>; KEYS],
    /// Those that are not 0 everywhere.
    measures: Vec<(Measure, Packed)>,
}

impl<const KEYS: usize> PackedCells<KEYS> {
    /// `None` where the bytes are none, or there are more cells than `most`.
    pub(super) fn decode(bytes: &[u8], most: usize) -> Option<PackedCells<KEYS>> {
        let mut columns = split(bytes)?.into_iter();
        let count = usize::try_from(columns.next()?.get(0)).ok().filter(|count| *count <= most)?;
        let mut keys = std::array::from_fn(|_| Vec::new());
        for key in &mut keys {
            columns.next()?.unpack(count, key);
        }
        // Measures that were added since are not there.
        let measures = Measure::ALL.iter().copied().zip(columns).filter(|(_, column)| !column.is_zero()).collect();
        Some(PackedCells { count, keys, measures })
    }

    /// The keys of each cell.
    pub(super) fn keys(&self) -> impl Iterator<Item = [i64; KEYS]> {
        let key = |place| self.keys.each_ref().map(|column| column.get(place).copied().unwrap_or(0));
        (0..self.count).map(key)
    }

    /// Each cell by itself: its keys and its measures.
    pub(super) fn cells(&self) -> impl Iterator<Item = ([i64; KEYS], Measures)> {
        self.keys().enumerate().map(|(place, keys)| {
            let mut measures = Measures::default();
            self.measures.iter().for_each(|(measure, column)| measures.set(*measure, column.get(place)));
            (keys, measures)
        })
    }
}

/// Stands for the sum of cells that are left out.
pub(super) const LEFT_OUT: u32 = u32::MAX;

/// Sums of cells, by number. All of one measure lie side by side: those of a number side by side would be many reads of slow
/// memory for each piece of cells.
#[derive(Debug, Default)]
pub(super) struct CellSums(BTreeMap<Measure, Vec<i64>>);

impl CellSums {
    /// Adds cells, or of their measures those that are needed. Beside each piece of them stands the number of the sum of each
    /// cell, below `count` or [`LEFT_OUT`].
    pub(super) fn add<const KEYS: usize>(
        &mut self,
        pieces: &[(PackedCells<KEYS>, Vec<u32>)],
        count: usize,
        is_needed: impl Fn(Measure) -> bool,
    ) {
        let mut values = Vec::new();
        let runs: Vec<_> = pieces.iter().map(|(_, numbers)| runs(numbers)).collect();
        for wanted in Measure::ALL.iter().copied().filter(|measure| is_needed(*measure)) {
            for ((cells, numbers), runs) in pieces.iter().zip(&runs) {
                let Some((_, column)) = cells.measures.iter().find(|(measure, _)| *measure == wanted) else { continue };
                let sums = self.0.entry(wanted).or_default();
                sums.resize(sums.len().max(count), 0);
                column.unpack(cells.count, &mut values);
                match runs {
                    Some(runs) => add_runs(sums, runs, &values),
                    None => add_each(sums, numbers, &values),
                }
            }
        }
    }

    /// Gives the sums of a number, and leaves 0; `None` where all are 0.
    pub(super) fn take(&mut self, number: usize) -> Option<Measures> {
        let mut taken: Option<Measures> = None;
        for (measure, sums) in &mut self.0 {
            if let Some(sum) = sums.get_mut(number).filter(|sum| **sum != 0) {
                taken.get_or_insert_default().set(*measure, std::mem::take(sum));
            }
        }
        taken
    }
}

/// Numbers that follow on themselves, with how often they do; `None` where few do.
fn runs(numbers: &[u32]) -> Option<Vec<(u32, usize)>> {
    let same = || numbers.chunk_by(|number, next| number == next);
    let are_long = same().count() < numbers.len() / LONG_RUN;
    are_long.then(|| same().filter_map(|run| Some((*run.first()?, run.len()))).collect())
}

/// Numbers in a row from which on it is cheaper to sum their values up first.
const LONG_RUN: usize = 4;

fn add_runs(sums: &mut [i64], runs: &[(u32, usize)], mut values: &[i64]) {
    for (number, length) in runs {
        let Some((run, rest)) = values.split_at_checked(*length) else { return };
        values = rest;
        if let Some(sum) = sums.get_mut(*number as usize) {
            let added = run.iter().map(|value| i128::from(*value)).sum::<i128>() + i128::from(*sum);
            *sum = i64::try_from(added).unwrap_or(if added < 0 { i64::MIN } else { i64::MAX });
        }
    }
}

fn add_each(sums: &mut [i64], numbers: &[u32], values: &[i64]) {
    for (number, value) in numbers.iter().zip(values) {
        if let Some(sum) = sums.get_mut(*number as usize) {
            *sum = sum.saturating_add(*value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measures(seed: i64) -> Measures {
        let mut measures = Measures::default();
        for (place, measure) in Measure::ALL.iter().enumerate().filter(|(place, _)| place % 3 != 1) {
            measures.set(*measure, seed * (i64::try_from(place).unwrap() - 4));
        }
        measures
    }

    proptest! {
        #[test]
        fn cells_add_up_to_the_sums_of_their_numbers(
            days in proptest::collection::vec(proptest::collection::vec((0_u32..5, 0_usize..9, -90_i64..90), 0..30), 0..4),
        ) {
            let mut want = vec![Measures::default(); 4];
            let mut pieces = Vec::new();
            for day in &days {
                let cells = || day.iter().flat_map(|(number, length, seed)| vec![(*number, *seed); *length]);
                let packed: Vec<_> = cells().map(|(number, seed)| ([i64::from(number), seed], measures(seed))).collect();
                let bytes = pack(packed.iter().map(|(keys, measures)| (*keys, measures)));
                let decoded = PackedCells::<2>::decode(&bytes, 300).unwrap();
                prop_assert_eq!(decoded.keys().collect::<Vec<_>>(), packed.iter().map(|(keys, _)| *keys).collect::<Vec<_>>());
                prop_assert_eq!(decoded.cells().collect::<Vec<_>>(), packed);
                for (number, seed) in cells().filter(|(number, _)| *number < 4) {
                    want[number as usize].add(&measures(seed));
                }
                pieces.push((decoded, cells().map(|(number, _)| if number < 4 { number } else { LEFT_OUT }).collect()));
            }
            let mut sums = CellSums::default();
            sums.add(&pieces, 4, |measure| measure != Measure::Cost);
            for (number, want) in want.iter_mut().enumerate() {
                want.set(Measure::Cost, 0);
                prop_assert_eq!(sums.take(number).unwrap_or_default(), *want);
                prop_assert_eq!(sums.take(number), None);
            }
        }
    }

    #[test]
    fn more_cells_than_may_be_are_none() {
        let sums = measures(1);
        let bytes = pack([([1], &sums), ([2], &sums)].into_iter());
        assert!(PackedCells::<1>::decode(&bytes, 2).is_some());
        assert!(PackedCells::<1>::decode(&bytes, 1).is_none());
        assert!(PackedCells::<1>::decode(&bytes[1..], 2).is_none());
    }
}
