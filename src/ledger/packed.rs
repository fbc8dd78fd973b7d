//! Numbers in as many bits as they need, any place of them at once.
//!
//! Kept are the least number, the unit in which differences to it are counted, and the differences in as many bits as the
//! largest one needs.

use std::ops::Range;

use super::request_view::NO_VALUE;

/// Numbers in as many bits as they need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    /// Bits of a number; 64 are the number itself.
    width: usize,
    /// The least number, added to each; with `sparse` to all but 0, which stands for none.
    least: i64,
    /// What the difference to the least is counted in: a log of milliseconds needs no microseconds.
    unit: i64,
    sparse: bool,
    /// The bits, and [`PADDING`].
    bytes: Vec<u8>,
}

/// Beyond, a number may lie in 9 bytes.
const MAX_WIDTH: u32 = 56;
const SPARSE: u8 = 0x80;
const HEAD: usize = 17;
/// Bytes behind the bits, so that eight can be read at any of them.
const PADDING: usize = 8;

/// The largest number that divides all differences to the least.
fn common_unit(values: &[i64], least: i64) -> u64 {
    let mut unit = 0_u64;
    for value in values.iter().filter(|value| **value != NO_VALUE) {
        let mut rest = value.wrapping_sub(least).cast_unsigned();
        while rest != 0 {
            (unit, rest) = (rest, unit % rest);
        }
        if unit == 1 {
            break;
        }
    }
    unit.max(1)
}

impl Packed {
    /// The stored form of numbers.
    pub(super) fn encode(values: &[i64]) -> Vec<u8> {
        let (mut least, mut largest, mut sparse) = (i64::MAX, i64::MIN, false);
        for value in values {
            if *value == NO_VALUE {
                sparse = true;
            } else {
                least = least.min(*value);
                largest = largest.max(*value);
            }
        }
        let least = if largest == i64::MIN { 0 } else { least };
        let unit = common_unit(values, least);
        let range = largest.max(least).wrapping_sub(least).cast_unsigned() / unit;
        let bits = u64::BITS - range.saturating_add(u64::from(sparse)).leading_zeros();
        let wide = bits > MAX_WIDTH;
        let width = if wide { 64 } else { bits };
        let mut bytes = Vec::with_capacity(HEAD + values.len() * (width as usize) / 8 + 16);
        let flag = if sparse && !wide { SPARSE } else { 0 };
        bytes.push(u8::try_from(width).unwrap_or(64) | flag);
        bytes.extend_from_slice(&least.to_le_bytes());
        bytes.extend_from_slice(&unit.to_le_bytes());
        if wide {
            values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        } else if width > 0 {
            let (mut word, mut filled) = (0_u64, 0_u32);
            for value in values {
                let number = if *value == NO_VALUE {
                    0
                } else {
                    value.wrapping_sub(least).cast_unsigned() / unit + u64::from(sparse)
                };
                word |= number << filled;
                filled += width;
                while filled >= 8 {
                    bytes.push(word.to_le_bytes()[0]);
                    word >>= 8;
                    filled -= 8;
                }
            }
            if filled > 0 {
                bytes.push(word.to_le_bytes()[0]);
            }
        }
        bytes.extend_from_slice(&[0; PADDING]);
        bytes
    }

    /// `None` where the bytes are none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Packed> {
        let head = *bytes.first()?;
        let number = |at: usize| Some(i64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let (least, unit) = (number(1)?, number(9)?);
        let (width, sparse) = (usize::from(head & !SPARSE), head & SPARSE != 0);
        if width > MAX_WIDTH as usize && width != 64 {
            return None;
        }
        let bytes = bytes.get(HEAD..).filter(|bytes| bytes.len() >= PADDING)?.to_vec();
        Some(Packed { width, least, unit, sparse, bytes })
    }

    /// The number at a place; behind the last one it is any.
    #[inline]
    pub(super) fn get(&self, place: usize) -> i64 {
        let number = self.number(place);
        if self.width == 64 {
            number.cast_signed()
        } else if !self.sparse {
            self.of(number)
        } else if number == 0 {
            NO_VALUE
        } else {
            self.of(number - 1)
        }
    }

    /// The bits at a place.
    #[inline]
    fn number(&self, place: usize) -> u64 {
        let bit = place * self.width;
        let word = self.bytes.get(bit / 8..).and_then(|rest| rest.first_chunk::<8>());
        let word = word.map_or(0, |word| u64::from_le_bytes(*word));
        if self.width == 64 { word } else { (word >> (bit % 8)) & ((1 << self.width) - 1) }
    }

    /// What so many units are.
    #[inline]
    fn of(&self, number: u64) -> i64 {
        self.least.wrapping_add(number.cast_signed().wrapping_mul(self.unit))
    }

    /// Makes a list the first numbers, so many: in a row that is cheaper than one by one.
    pub(super) fn unpack(&self, count: usize, numbers: &mut Vec<i64>) {
        numbers.clear();
        numbers.resize(count, self.least);
        if self.width == 64 {
            numbers.iter_mut().enumerate().for_each(|(place, number)| *number = self.get(place));
        } else if self.sparse {
            self.unpack_as(numbers, |number| if number == 0 { NO_VALUE } else { self.of(number - 1) });
        } else if self.width > 0 {
            self.unpack_as(numbers, |number| self.of(number));
        }
    }

    /// Eight numbers lie in as many bytes as one has bits, each always at the same bit of them.
    fn unpack_as(&self, numbers: &mut [i64], of: impl Fn(u64) -> i64) {
        let mask = (1_u64 << self.width) - 1;
        let bits: [usize; 8] = std::array::from_fn(|place| place * self.width);
        let mut bytes = self.bytes.as_slice();
        for eight in numbers.chunks_mut(8) {
            let near = bytes.first_chunk::<64>();
            for (number, bit) in eight.iter_mut().zip(bits) {
                let rest = match near {
                    Some(near) => near.get(bit / 8..),
                    None => bytes.get(bit / 8..),
                };
                let word = rest.and_then(|rest| rest.first_chunk::<8>()).map_or(0, |word| u64::from_le_bytes(*word));
                *number = of((word >> (bit % 8)) & mask);
            }
            bytes = bytes.get(self.width..).unwrap_or_default();
        }
    }

    /// How many numbers of a list there are: a list of one takes no bits, and where each takes few there may be more.
    pub(super) fn len(&self) -> usize {
        ((self.bytes.len() - PADDING) * 8).checked_div(self.width).unwrap_or(1)
    }

    /// Whether all numbers are 0.
    pub(super) fn is_zero(&self) -> bool {
        self.width == 0 && self.least == 0
    }

    pub(super) fn optional(&self, place: usize) -> Option<i64> {
        Some(self.get(place)).filter(|value| *value != NO_VALUE)
    }
}

/// Where lists end that are stored one behind the other.
#[derive(Debug)]
pub(super) struct Ends(Vec<usize>);

impl Ends {
    /// By their lengths; `None` where one is less than 0, or all together are too long.
    pub(super) fn of_lengths(lengths: &[i64]) -> Option<Ends> {
        let mut end = 0_usize;
        let ends = lengths.iter().map(|length| {
            end = end.checked_add(usize::try_from(*length).ok()?)?;
            Some(end)
        });
        ends.collect::<Option<_>>().map(Ends)
    }

    /// How many lists there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Entries of all lists together.
    pub(super) fn last(&self) -> usize {
        self.0.last().copied().unwrap_or(0)
    }

    /// The places of a list's entries; none where there is no such list.
    pub(super) fn places(&self, list: usize) -> Range<usize> {
        let end = |list| self.0.get(list).copied();
        let begin = list.checked_sub(1).and_then(end).unwrap_or(0);
        begin..end(list).unwrap_or(begin)
    }
}

/// Columns in one piece: the length of each in 4 bytes, and it.
pub(super) fn join<'a>(columns: impl Iterator<Item = &'a Vec<i64>>) -> Vec<u8> {
    let mut joined = Vec::new();
    for column in columns {
        let bytes = Packed::encode(column);
        joined.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        joined.extend_from_slice(&bytes);
    }
    joined
}

/// One of the columns of a piece, by its number; `None` where the bytes are none.
pub(super) fn one(mut bytes: &[u8], number: usize) -> Option<Packed> {
    // A number that the compiler knows would make it unroll the loop, and LLVM think for ten minutes about what comes of that.
    for _ in 0..std::hint::black_box(number) {
        (_, bytes) = first(bytes)?;
    }
    Packed::decode(first(bytes)?.0)
}

/// The columns of one piece; `None` where the bytes are none.
pub(super) fn split(mut bytes: &[u8]) -> Option<Vec<Packed>> {
    let mut columns = Vec::new();
    while !bytes.is_empty() {
        let (column, rest) = first(bytes)?;
        columns.push(Packed::decode(column)?);
        bytes = rest;
    }
    Some(columns)
}

/// The bytes of the first column, and those behind it.
fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive_being_packed(
            values in proptest::collection::vec(
                prop_oneof![Just(NO_VALUE), 0_i64..3, -1_000_i64..70_000, any::<i64>()], 0..40),
            kind in 0..5,
        ) {
            let values: Vec<i64> = values.into_iter().map(|value| match kind {
                0 => value.clamp(0, 1),
                1 if value != NO_VALUE => value.clamp(-5, 1 << 40),
                2 => 7,
                3 if value != NO_VALUE => value.clamp(-1_000, 1_000_000) * 1_000 + 7,
                _ => value,
            }).collect();
            let packed = Packed::decode(&Packed::encode(&values)).unwrap();
            for (place, value) in values.iter().enumerate() {
                prop_assert_eq!(packed.get(place), *value);
            }
            let mut unpacked = vec![5; 3];
            packed.unpack(values.len(), &mut unpacked);
            prop_assert_eq!(unpacked, values);
        }
    }

    #[test]
    fn columns_survive_being_joined() {
        let columns = [vec![], vec![7], vec![1, 2, 3], vec![i64::MIN, i64::MAX]];
        let joined = join(columns.iter());
        let split_again = split(&joined).unwrap();
        assert_eq!(split_again.len(), columns.len());
        assert_eq!(one(&joined, 2).as_ref(), split_again.get(2));
        for (values, packed) in columns.iter().zip(&split_again) {
            for (place, value) in values.iter().enumerate() {
                assert_eq!(packed.get(place), *value);
            }
        }
        assert!(split(&joined[..joined.len() - 1]).is_none());
    }

    #[test]
    fn lists_lie_one_behind_the_other() {
        let ends = Ends::of_lengths(&[2, 0, 3]).unwrap();
        assert_eq!([0, 1, 2].map(|list| ends.places(list)), [0..2, 2..2, 2..5]);
        assert!(ends.places(3).is_empty() && ends.places(9).is_empty());
        assert_eq!((ends.len(), ends.last()), (3, 5));
        assert_eq!(Ends::of_lengths(&[]).map(|ends| ends.last()), Some(0));
        assert!(Ends::of_lengths(&[1, -1]).is_none() && Ends::of_lengths(&[i64::MAX; 3]).is_none());
    }

    #[test]
    fn bytes_that_are_no_column_are_told() {
        let mut short = Packed::encode(&[1, 2, 3]);
        short.truncate(HEAD + PADDING - 1);
        for bytes in [vec![], vec![3, 0], vec![60, 0, 0, 0, 0, 0, 0, 0, 0], short] {
            assert_eq!(Packed::decode(&bytes), None);
        }
    }
}
