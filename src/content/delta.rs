//! The messages of a request become what is new of them: a client sends the whole conversation with every question.
//!
//! A list of messages is known by a chained hash, keyed and salted by who asks, so that nobody can tell from it what was said
//! and no conversation is taken for another one's. Twelve bytes of a stored hash are those of the request's messages, four
//! more tell the answer: a request that goes on sends both. Reasoning, ids of calls and blanks at the ends are left out, since
//! clients do not send them back as they were.

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use sha2::{Digest as _, Sha256};

use super::heard::Heard;

/// Lists that one of the two maps remembers: some 2 MiB.
const MAX_REMEMBERED: usize = 65_536;
/// Bytes of a stored hash that tell the messages; the others tell the answer.
const MESSAGES: usize = 12;

/// Whether no answer is known; a real one has this hash once in four thousand million times.
const NO_ANSWER: [u8; 4] = [0; 4];

/// Hashes of a list up to each of its messages, the first of the empty list.
#[derive(Debug, Default)]
pub(super) struct Lists(Vec<[u8; 32]>);

impl Lists {
    /// Hashes the messages of whoever is told by `salt`.
    pub(super) fn read(&mut self, salt: [u8; 32], messages: &[Heard<'_>]) {
        self.0.clear();
        self.0.push(salt);
        let mut list = salt;
        for message in messages {
            list = next(&list, message);
            self.0.push(list);
        }
    }

    /// The hash that is stored: of all messages and of the answer.
    pub(super) fn stored(&self, answer: Option<&Heard<'_>>) -> [u8; 16] {
        let list = self.0.last().copied().unwrap_or_default();
        join(key(&list), answer.map_or(NO_ANSWER, |answer| check(&next(&list, answer))))
    }
}

/// A list that was known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// As it is stored.
    pub(super) list: [u8; 16],
    /// Messages that it holds, with its answer where the next one repeats it.
    pub(super) messages: usize,
}

/// The lists that were seen last: bounded, what is asked for stays longest.
#[derive(Debug, Default)]
pub(super) struct Known {
    young: HashMap<[u8; MESSAGES], [u8; 4], RandomState>,
    old: HashMap<[u8; MESSAGES], [u8; 4], RandomState>,
}

impl Known {
    pub(super) fn insert(&mut self, stored: [u8; 16]) {
        let (list, answer) = split(stored);
        if self.young.len() >= MAX_REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(list, answer);
    }

    fn get(&mut self, list: [u8; MESSAGES]) -> Option<[u8; 4]> {
        if let Some(answer) = self.young.get(&list) {
            return Some(*answer);
        }
        let answer = self.old.get(&list).copied()?;
        self.insert(join(list, answer));
        Some(answer)
    }

    /// The longest known list that the messages begin with.
    pub(super) fn longest(&mut self, lists: &Lists) -> Option<Prefix> {
        let hashes = lists.0.as_slice();
        (1..hashes.len()).rev().find_map(|messages| {
            let list = key(hashes.get(messages)?);
            let answer = self.get(list)?;
            let repeated = answer != NO_ANSWER && hashes.get(messages + 1).is_some_and(|next| check(next) == answer);
            Some(Prefix { list: join(list, answer), messages: messages + usize::from(repeated) })
        })
    }
}

fn key(hash: &[u8; 32]) -> [u8; MESSAGES] {
    hash.last_chunk().copied().unwrap_or_default()
}

fn check(hash: &[u8; 32]) -> [u8; 4] {
    hash.first_chunk().copied().unwrap_or_default()
}

fn join(list: [u8; MESSAGES], answer: [u8; 4]) -> [u8; 16] {
    let mut stored = [0; 16];
    stored.iter_mut().zip(list.into_iter().chain(answer)).for_each(|(to, from)| *to = from);
    stored
}

fn split(stored: [u8; 16]) -> ([u8; MESSAGES], [u8; 4]) {
    (stored.first_chunk().copied().unwrap_or_default(), stored.last_chunk().copied().unwrap_or_default())
}

/// The hash of a list with one message more.
fn next(list: &[u8; 32], message: &Heard<'_>) -> [u8; 32] {
    let mut sum = Sha256::new();
    sum.update(list);
    field(&mut sum, &message.role);
    field(&mut sum, message.text.trim());
    for call in &message.tool_calls {
        field(&mut sum, &call.name);
        field(&mut sum, &call.arguments);
    }
    sum.finalize().into()
}

/// Adds a text so that no two rows of texts are the same bytes.
pub(super) fn field(sum: &mut Sha256, text: &str) {
    sum.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
    sum.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, text: &str) -> Heard<'static> {
        Heard { role: role.to_owned().into(), text: text.to_owned().into(), ..Heard::default() }
    }

    #[test]
    fn the_longest_known_list_is_found_with_its_answer() {
        let (mut known, mut lists) = (Known::default(), Lists::default());
        let [q1, a1, q2] = [message("user", "q1"), message("assistant", "a1"), message("user", "q2")];
        let read = |lists: &mut Lists, messages: &[&Heard<'_>]| {
            lists.read([7; 32], &messages.iter().map(|m| (*m).clone()).collect::<Vec<_>>());
        };
        read(&mut lists, &[&q1]);
        assert_eq!(known.longest(&lists), None);
        let first = lists.stored(Some(&a1));
        known.insert(first);
        // The same request again, one that goes on, one whose answer the client changed, and another conversation.
        assert_eq!(known.longest(&lists), Some(Prefix { list: first, messages: 1 }));
        read(&mut lists, &[&q1, &message("assistant", " a1\n"), &q2]);
        assert_eq!(known.longest(&lists), Some(Prefix { list: first, messages: 2 }));
        read(&mut lists, &[&q1, &message("assistant", "other"), &q2]);
        assert_eq!(known.longest(&lists), Some(Prefix { list: first, messages: 1 }));
        read(&mut lists, &[&q2]);
        assert_eq!(known.longest(&lists), None);
        lists.read([8; 32], std::slice::from_ref(&q1));
        assert_eq!(known.longest(&lists), None, "of somebody else");
    }

    #[test]
    fn what_was_asked_for_last_is_remembered_and_the_rest_is_bounded() {
        let stored = |n: u64| {
            let mut stored = [1; 16];
            stored[..8].copy_from_slice(&n.to_le_bytes());
            stored
        };
        let mut known = Known::default();
        for n in 0..4 * 65_536 {
            known.insert(stored(n));
            assert!(known.get(split(stored(0)).0).is_some());
        }
        assert!(known.young.len() + known.old.len() <= 2 * MAX_REMEMBERED);
        assert!(known.get(split(stored(1)).0).is_none());
    }
}
