//! The keys of the last records, to tell a repeated one.
//!
//! A ring of 128-bit keys and an open-addressing table of positions in it: 24 bytes a key, where a hash set of keys
//! would take 36 or more. Keys come from SHA-256, so their bits are as good as any further hash. A position leaves bits of
//! its word free, which hold a few of the key's: nearly every key that is not there is told so without a look at the ring.

/// How many records back a repetition is recognised.
pub(super) const WINDOW: usize = 1_000_000;

/// Bits of a table's word that hold a position plus 1.
const POSITION_BITS: u32 = 20;
const POSITION: u32 = (1 << POSITION_BITS) - 1;

/// Keys of one piece of the ring.
const PIECE: usize = 16_384;

/// Keys by position, in pieces: one vector of 16 MB would stand twice in memory while it grows.
#[derive(Debug, Default)]
struct Ring(Vec<Vec<[u8; 16]>>);

impl Ring {
    fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * PIECE + last.len())
    }

    fn push(&mut self, key: [u8; 16]) {
        match self.0.last_mut() {
            Some(last) if last.len() < PIECE => last.push(key),
            _ => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(key);
                self.0.push(piece);
            }
        }
    }

    fn get(&self, position: usize) -> Option<&[u8; 16]> {
        self.0.get(position / PIECE)?.get(position % PIECE)
    }

    fn set(&mut self, position: usize, key: [u8; 16]) {
        if let Some(slot) = self.0.get_mut(position / PIECE).and_then(|piece| piece.get_mut(position % PIECE)) {
            *slot = key;
        }
    }
}

/// A bounded set of keys that forgets the oldest first.
#[derive(Debug)]
pub(super) struct Duplicates {
    ring: Ring,
    /// Position in the ring plus 1 in the lower bits, bits of the key in the upper ones; 0 is free.
    table: Vec<u32>,
    next: usize,
    window: usize,
}

impl Duplicates {
    /// An empty set that remembers `window` keys, at most 1,048,574.
    #[must_use]
    pub(super) fn new(window: usize) -> Duplicates {
        let window = window.clamp(1, POSITION as usize - 1);
        Duplicates { ring: Ring::default(), table: vec![0; 1024], next: 0, window }
    }

    /// Adds a key; returns whether it was there already.
    pub(super) fn insert(&mut self, key: [u8; 16]) -> bool {
        if self.find(&key).is_some() {
            return true;
        }
        if self.ring.len() < self.window {
            if (self.ring.len() + 1) * 2 > self.table.len() {
                self.grow();
            }
            self.ring.push(key);
            self.link(self.ring.len() - 1);
        } else {
            self.unlink(self.next);
            self.ring.set(self.next, key);
            self.link(self.next);
            self.next = (self.next + 1) % self.window;
        }
        false
    }

    fn home(&self, key: &[u8; 16]) -> usize {
        let [a, b, c, d, ..] = *key;
        u32::from_le_bytes([a, b, c, d]) as usize & (self.table.len() - 1)
    }

    /// The bits of a key that stand beside its position; not those that say where it belongs.
    fn mark(key: &[u8; 16]) -> u32 {
        let [.., a, b, c, d] = *key;
        u32::from_le_bytes([a, b, c, d]) & !POSITION
    }

    fn position(entry: u32) -> Option<usize> {
        usize::try_from(entry & POSITION).ok()?.checked_sub(1)
    }

    fn key_at(&self, slot: usize) -> Option<&[u8; 16]> {
        self.ring.get(Self::position(*self.table.get(slot)?)?)
    }

    fn find(&self, key: &[u8; 16]) -> Option<usize> {
        let (mask, mark) = (self.table.len() - 1, Self::mark(key));
        let mut slot = self.home(key);
        while let Some(entry) = self.table.get(slot).copied().filter(|entry| *entry != 0) {
            if entry & !POSITION == mark && Self::position(entry).and_then(|at| self.ring.get(at)) == Some(key) {
                return Some(slot);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    fn link(&mut self, position: usize) {
        let Some(key) = self.ring.get(position) else { return };
        let mask = self.table.len() - 1;
        let (mut slot, mark) = (self.home(key), Self::mark(key));
        while self.table.get(slot).is_some_and(|entry| *entry != 0) {
            slot = (slot + 1) & mask;
        }
        if let Some(entry) = self.table.get_mut(slot) {
            *entry = mark | u32::try_from(position + 1).unwrap_or(0);
        }
    }

    /// Frees a key's slot and moves later keys of its run back, so that no search ends too early.
    fn unlink(&mut self, position: usize) {
        let Some(key) = self.ring.get(position).copied() else { return };
        let Some(mut hole) = self.find(&key) else { return };
        let mask = self.table.len() - 1;
        let mut slot = hole;
        loop {
            slot = (slot + 1) & mask;
            let Some(key) = self.key_at(slot) else { break };
            let home = self.home(key);
            if (slot.wrapping_sub(home) & mask) >= (slot.wrapping_sub(hole) & mask) {
                let entry = self.table.get(slot).copied().unwrap_or(0);
                if let Some(free) = self.table.get_mut(hole) {
                    *free = entry;
                }
                hole = slot;
            }
        }
        if let Some(free) = self.table.get_mut(hole) {
            *free = 0;
        }
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for position in 0..self.ring.len() {
            self.link(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn key(n: u64) -> [u8; 16] {
        // Few distinct homes and one mark, so that runs collide and wrap around.
        let mut key = [0; 16];
        key[..4].copy_from_slice(&u32::try_from(n % 7 + 1020).unwrap().to_le_bytes());
        key[4..12].copy_from_slice(&n.to_le_bytes());
        key
    }

    #[test]
    fn it_agrees_with_a_plain_list_whatever_comes() {
        let mut set = Duplicates::new(300);
        let mut model = VecDeque::new();
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let n = (state >> 33) % 450;
            let known = model.contains(&n);
            assert_eq!(set.insert(key(n)), known);
            if !known {
                model.push_back(n);
                if model.len() > 300 {
                    model.pop_front();
                }
            }
        }
        assert_eq!(set.ring.len(), 300);
    }

    #[test]
    fn a_window_of_several_pieces_forgets_the_oldest_only() {
        let window = 2 * u64::try_from(PIECE).unwrap() + 5;
        let key = |n: u64| {
            let mut key = [0; 16];
            key.copy_from_slice(&[n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes(), n.to_le_bytes()].concat());
            key
        };
        let mut set = Duplicates::new(usize::try_from(window).unwrap());
        for n in 0..window + 100 {
            assert!(!set.insert(key(n)), "{n}");
        }
        for n in (100..window + 100).rev() {
            assert!(set.insert(key(n)), "{n}");
        }
        assert!(!set.insert(key(99)));
    }
}
