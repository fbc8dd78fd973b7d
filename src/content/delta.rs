//! The messages of a request become what is new of them: a client sends the whole conversation with every question, or its
//! last messages.
//!
//! A list of messages is known by a chained hash, keyed and salted by who asks, so that nobody can tell from it what was said
//! and no conversation is taken for another one's. Instructions at the head are no part of the chain, since some clients write
//! the time into them: eight bytes of a stored hash are those of the other messages, four tell the answer and four the head. A
//! request that goes on sends the first two. Reasoning, ids of calls, blanks at the ends and those between the parts of JSON
//! are left out, since clients do not send them back as they were.
//!
//! Where a client leaves off the oldest messages the chain begins anew with each request. So the hashes of single messages of
//! the lists seen last are held in memory too: what a request begins with may be what one of them ended with.

use std::collections::VecDeque;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use sha2::{Digest as _, Sha256};

use super::heard::Heard;

/// Lists that one of the two maps remembers: some 2 MiB.
const MAX_REMEMBERED: usize = 65_536;
/// Last messages of a list that are remembered one by one: a window of more is stored whole.
const TAIL: usize = 128;
/// Hashes of single messages that one of the two maps of tails remembers: 2 MiB.
const MAX_TAILS: usize = 262_144;
/// The same of one who asks.
const MAX_TAILS_OF_ONE: usize = 512;
/// What a tail takes beside its messages, in hashes.
const TAIL_ITSELF: usize = 12;
/// Bytes of a stored hash that tell the messages; then come those of the answer and those of the head.
const MESSAGES: usize = 8;

/// Whether no answer is known; a real one has this hash once in four thousand million times.
const NO_ANSWER: [u8; 4] = [0; 4];

/// Hash of one message, or of who asks.
type Single = [u8; 8];

/// What the messages of a request are compared by.
#[derive(Debug, Default)]
pub(super) struct Lists {
    salt: [u8; 32],
    /// Of each of the instructions at the head.
    head: Vec<Single>,
    /// Of all of them.
    system: [u8; 4],
    /// Of each other message.
    rest: Vec<Single>,
    /// Of the list up to each other message, the first of the empty list.
    chain: Vec<[u8; 32]>,
}

impl Lists {
    /// Hashes the messages of whoever is told by `salt`.
    pub(super) fn read(&mut self, salt: [u8; 32], messages: &[Heard<'_>]) {
        self.salt = salt;
        self.head.clear();
        self.rest.clear();
        self.chain.clear();
        self.chain.push(salt);
        let (mut list, mut system) = (salt, salt);
        let mut is_head = true;
        for message in messages {
            is_head &= matches!(&*message.role, "system" | "developer");
            let digest = digest(&salt, message);
            if is_head {
                system = next(&system, &digest);
                self.head.push(first(&digest));
            } else {
                list = next(&list, &digest);
                self.rest.push(first(&digest));
                self.chain.push(list);
            }
        }
        self.system = first(&system);
    }

    /// How many instructions the messages begin with.
    pub(super) fn head(&self) -> usize {
        self.head.len()
    }

    fn answer(&self, answer: Option<&Heard<'_>>) -> Option<[u8; 32]> {
        answer.map(|answer| digest(&self.salt, answer))
    }

    /// The hash that is stored: of all messages and of the answer.
    pub(super) fn stored(&self, answer: Option<&Heard<'_>>) -> [u8; 16] {
        let list = self.chain.last().copied().unwrap_or_default();
        let answer = self.answer(answer).map_or(NO_ANSWER, |answer| first(&next(&list, &answer)));
        Stored { answer, system: self.system }.join(last(&list))
    }
}

/// What is stored of a list beside the hash of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    answer: [u8; 4],
    system: [u8; 4],
}

impl Stored {
    fn join(self, list: [u8; MESSAGES]) -> [u8; 16] {
        let mut stored = [0; 16];
        let bytes = list.into_iter().chain(self.answer).chain(self.system);
        stored.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        stored
    }

    fn split(stored: [u8; 16]) -> ([u8; MESSAGES], Stored) {
        let [list @ .., a0, a1, a2, a3, s0, s1, s2, s3] = stored;
        (list, Stored { answer: [a0, a1, a2, a3], system: [s0, s1, s2, s3] })
    }
}

/// A list that was known before, and what a request repeats of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// As it is stored.
    pub(super) list: [u8; 16],
    /// Messages behind the head that are repeated, with the answer where it is.
    pub(super) messages: usize,
    /// Whether the answer is repeated: not where it was made anew, or changed.
    pub(super) has_answer: bool,
    /// Which of the instructions at the head are new.
    pub(super) head: Vec<usize>,
}

/// The end of a list that was seen.
#[derive(Debug)]
struct Tail {
    list: [u8; 16],
    head: Box<[Single]>,
    messages: Box<[Single]>,
    answer: Option<Single>,
}

impl Tail {
    fn size(&self) -> usize {
        TAIL_ITSELF + self.head.len() + self.messages.len()
    }

    /// How many messages of a request are the last ones of the list, and whether the answer is among them.
    fn run(&self, rest: &[Single]) -> Option<(usize, bool)> {
        let with_answer = self.answer.and_then(|answer| {
            let ends = (1..=rest.len()).rev().filter(|end| rest.get(end - 1) == Some(&answer));
            ends.into_iter().find(|end| rest.get(..end - 1).is_some_and(|run| self.messages.ends_with(run)))
        });
        let without =
            || (1..=rest.len()).rev().find(|end| rest.get(..*end).is_some_and(|run| self.messages.ends_with(run)));
        with_answer.map(|end| (end, true)).or_else(|| without().map(|end| (end, false)))
    }
}

/// The tails of one who asks, the newest first.
type Tails = HashMap<Single, VecDeque<Tail>, RandomState>;

/// The lists that were seen last: bounded, what is asked for stays longest.
#[derive(Debug, Default)]
pub(super) struct Known {
    young: HashMap<[u8; MESSAGES], Stored, RandomState>,
    old: HashMap<[u8; MESSAGES], Stored, RandomState>,
    young_tails: Tails,
    old_tails: Tails,
    /// Hashes in the young tails.
    tails: usize,
}

impl Known {
    /// Remembers a list by what is stored of it.
    pub(super) fn insert(&mut self, stored: [u8; 16]) {
        let (list, stored) = Stored::split(stored);
        if self.young.len() >= MAX_REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(list, stored);
    }

    /// Remembers a list that was just read, with its end.
    pub(super) fn add(&mut self, lists: &Lists, answer: Option<&Heard<'_>>) -> [u8; 16] {
        let list = lists.stored(answer);
        self.insert(list);
        let tail = Tail {
            list,
            head: end(&lists.head),
            messages: end(&lists.rest),
            answer: lists.answer(answer).map(|digest| first(&digest)),
        };
        if self.tails >= MAX_TAILS {
            self.old_tails = std::mem::take(&mut self.young_tails);
            self.tails = 0;
        }
        let who = first(&lists.salt);
        self.recall(who);
        self.tails += tail.size();
        let tails = self.young_tails.entry(who).or_default();
        tails.retain(|known| known.list != list);
        tails.push_front(tail);
        while tails.iter().map(Tail::size).sum::<usize>() > MAX_TAILS_OF_ONE && tails.len() > 1 {
            self.tails = self.tails.saturating_sub(tails.pop_back().map_or(0, |tail| tail.size()));
        }
        list
    }

    /// Makes the tails of one who asks young again.
    fn recall(&mut self, who: Single) {
        if let Some(tails) = self.old_tails.remove(&who) {
            self.tails += tails.iter().map(Tail::size).sum::<usize>();
            self.young_tails.entry(who).or_default().extend(tails);
        }
    }

    fn get(&mut self, list: [u8; MESSAGES]) -> Option<Stored> {
        if let Some(stored) = self.young.get(&list) {
            return Some(*stored);
        }
        let stored = self.old.get(&list).copied()?;
        self.insert(stored.join(list));
        Some(stored)
    }

    /// The known list that the messages repeat most of: from its beginning, or its end only. Of an answer alone only where a
    /// session is named: what greets everybody makes no conversation out of two.
    pub(super) fn longest(&mut self, lists: &Lists, has_session: bool) -> Option<Prefix> {
        self.recall(first(&lists.salt));
        let whole = self.whole(lists);
        let at_least = whole.as_ref().map_or(0, |whole| whole.messages);
        if at_least == lists.rest.len() {
            return whole;
        }
        let mut best = whole;
        for tail in self.tails_of(lists) {
            let Some((messages, has_answer)) = tail.run(&lists.rest) else { continue };
            let is_enough = messages >= 2 || (has_answer && has_session);
            if !is_enough || best.as_ref().is_some_and(|best| best.messages >= messages) {
                continue;
            }
            let head = new_in(&lists.head, &tail.head);
            if goes_on(lists, messages, has_answer, tail.answer.is_some()) || head.is_empty() {
                best = Some(Prefix { list: tail.list, messages, has_answer, head });
            }
        }
        best
    }

    fn tails_of(&self, lists: &Lists) -> impl Iterator<Item = &Tail> {
        self.young_tails.get(&first(&lists.salt)).into_iter().flatten()
    }

    /// The longest known list that the messages begin with.
    fn whole(&mut self, lists: &Lists) -> Option<Prefix> {
        let hashes = lists.chain.as_slice();
        (1..hashes.len()).rev().find_map(|messages| {
            let key = last(hashes.get(messages)?);
            let stored = self.get(key)?;
            let list = stored.join(key);
            let has_answer =
                stored.answer != NO_ANSWER && hashes.get(messages + 1).is_some_and(|next| first(next) == stored.answer);
            let head = if stored.system == lists.system {
                Vec::new()
            } else {
                let tail = self.tails_of(lists).find(|tail| tail.list == list);
                new_in(&lists.head, tail.map_or(&[], |tail| &tail.head))
            };
            let messages = messages + usize::from(has_answer);
            let fits = head.is_empty() || goes_on(lists, messages, has_answer, stored.answer != NO_ANSWER);
            fits.then_some(Prefix { list, messages, has_answer, head })
        })
    }
}

/// Whether a request goes on after what it repeats, so that it may have other instructions from there on. The same question
/// under others is another conversation.
fn goes_on(lists: &Lists, messages: usize, has_answer: bool, is_answered: bool) -> bool {
    has_answer || (!is_answered && messages < lists.rest.len())
}

/// Which of the hashes are not among the known ones.
fn new_in(hashes: &[Single], known: &[Single]) -> Vec<usize> {
    let new = hashes.iter().enumerate().filter(|(_, hash)| !known.contains(hash));
    new.map(|(index, _)| index).collect()
}

/// The last of some hashes that are remembered.
fn end(hashes: &[Single]) -> Box<[Single]> {
    hashes.get(hashes.len().saturating_sub(TAIL)..).unwrap_or_default().into()
}

fn last<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    hash.last_chunk().copied().unwrap_or([0; N])
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    hash.first_chunk().copied().unwrap_or([0; N])
}

/// The hash of a list with one message more.
fn next(list: &[u8; 32], digest: &[u8; 32]) -> [u8; 32] {
    let mut sum = Sha256::new();
    sum.update(list);
    sum.update(digest);
    sum.finalize().into()
}

/// The hash of a message of whoever is told by `salt`.
fn digest(salt: &[u8; 32], message: &Heard<'_>) -> [u8; 32] {
    let mut sum = Sha256::new();
    sum.update(salt);
    field(&mut sum, &message.role);
    field(&mut sum, message.text.trim());
    for call in &message.tool_calls {
        field(&mut sum, &call.name);
        json_field(&mut sum, &call.arguments);
    }
    sum.finalize().into()
}

/// Adds a text so that no two rows of texts are the same bytes.
pub(super) fn field(sum: &mut Sha256, text: &str) {
    sum.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
    sum.update(text.as_bytes());
}

/// The same of JSON, whose blanks outside of texts say nothing.
fn json_field(sum: &mut Sha256, text: &str) {
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return field(sum, text);
    }
    let (mut is_text, mut is_escaped) = (false, false);
    let mut bare = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        if !is_text && byte.is_ascii_whitespace() {
            continue;
        }
        is_text ^= byte == b'"' && !is_escaped;
        is_escaped = is_text && byte == b'\\' && !is_escaped;
        bare.push(byte);
    }
    sum.update(u64::try_from(bare.len()).unwrap_or(u64::MAX).to_le_bytes());
    sum.update(&bare);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, text: &str) -> Heard<'static> {
        Heard { role: role.to_owned().into(), text: text.to_owned().into(), ..Heard::default() }
    }

    fn known(list: [u8; 16], messages: usize, has_answer: bool) -> Option<Prefix> {
        Some(Prefix { list, messages, has_answer, head: Vec::new() })
    }

    #[test]
    fn the_longest_known_list_is_found_with_its_answer() {
        let (mut lists, mut all) = (Lists::default(), Known::default());
        let [q1, a1, q2] = [message("user", "q1"), message("assistant", "a1"), message("user", "q2")];
        lists.read([7; 32], std::slice::from_ref(&q1));
        assert_eq!(all.longest(&lists, true), None);
        let first = all.add(&lists, Some(&a1));
        // The same request again, one that goes on, one whose answer the client changed, and another conversation.
        assert_eq!(all.longest(&lists, true), known(first, 1, false));
        // What is stored is enough where nothing is left off.
        let mut after_a_restart = Known::default();
        after_a_restart.insert(first);
        for all in [&mut all, &mut after_a_restart] {
            lists.read([7; 32], &[q1.clone(), message("assistant", " a1\n"), q2.clone()]);
            assert_eq!(all.longest(&lists, true), known(first, 2, true));
            lists.read([7; 32], &[q1.clone(), message("assistant", "other"), q2.clone()]);
            assert_eq!(all.longest(&lists, true), known(first, 1, false));
            lists.read([7; 32], std::slice::from_ref(&q2));
            assert_eq!(all.longest(&lists, true), None);
            lists.read([8; 32], std::slice::from_ref(&q1));
            assert_eq!(all.longest(&lists, true), None, "of somebody else");
        }
    }

    #[test]
    fn what_a_list_ended_with_may_begin_the_next_one() {
        let (mut lists, mut all) = (Lists::default(), Known::default());
        let said = |texts: &[&str]| -> Vec<Heard<'static>> {
            texts.iter().map(|text| message(if text.starts_with('a') { "assistant" } else { "user" }, text)).collect()
        };
        lists.read([7; 32], &said(&["q1", "a1", "q2"]));
        let first = all.add(&lists, Some(&message("assistant", "a2")));
        let mut longest = |texts: &[&str], has_session| {
            lists.read([7; 32], &said(texts));
            all.longest(&lists, has_session)
        };
        assert_eq!(longest(&["q2", "a2", "q3"], true), known(first, 2, true));
        assert_eq!(longest(&["a1", "q2", "a2", "q3"], false), known(first, 3, true));
        assert_eq!(longest(&["a1", "q2"], true), known(first, 2, false), "made anew");
        assert_eq!(longest(&["a2", "q3"], true), known(first, 1, true));
        for (texts, has_session) in [
            (&["a2", "q3"][..], false),
            (&["q2"], true),
            (&["q1", "a2", "q3"], true),
            (&["q0", "q1", "a1", "q2", "a2"], true),
        ] {
            assert_eq!(longest(texts, has_session), None, "{texts:?}");
        }
    }

    #[test]
    fn blanks_of_json_arguments_say_nothing() {
        let call = |arguments: &str| Heard {
            tool_calls: vec![crate::content::heard::Call {
                name: "f".into(),
                arguments: arguments.to_owned().into(),
                ..Default::default()
            }],
            ..message("assistant", "")
        };
        let hash = |arguments: &str| digest(&[7; 32], &call(arguments));
        assert_eq!(hash(r#"{"a": [1, "x \" y"], "b" :2}"#), hash(r#"{"a":[1,"x \" y"],"b":2}"#));
        assert_ne!(hash(r#"{"a":"x y"}"#), hash(r#"{"a":"xy"}"#));
        assert_ne!(hash(r#"{"a":"\" y"}"#), hash(r#"{"a":"\"y"}"#));
        assert_ne!(hash("a b"), hash("ab"));
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
            assert!(known.get(Stored::split(stored(0)).0).is_some());
        }
        assert!(known.young.len() + known.old.len() <= 2 * MAX_REMEMBERED);
        assert!(known.get(Stored::split(stored(1)).0).is_none());
    }

    #[test]
    fn tails_are_bounded_in_all_and_of_everybody() {
        let (mut lists, mut known) = (Lists::default(), Known::default());
        let long = vec![message("user", "q"); 4_000];
        for n in 0..40_u8 {
            lists.read([7; 32], &long);
            known.add(&lists, Some(&message("assistant", &n.to_string())));
        }
        let tails = &known.young_tails[&[7; 8]];
        assert!(tails.len() > 1 && tails.iter().map(Tail::size).sum::<usize>() <= MAX_TAILS_OF_ONE);
        for n in 0..60_000_u32 {
            let mut salt = [0; 32];
            salt[..4].copy_from_slice(&n.to_le_bytes());
            lists.read(salt, &long[..1]);
            known.add(&lists, None);
        }
        let sizes = |tails: &Tails| tails.values().flatten().map(Tail::size).sum::<usize>();
        assert_eq!(sizes(&known.young_tails), known.tails);
        assert!(sizes(&known.old_tails) > 0);
        assert!(sizes(&known.old_tails) + known.tails <= 2 * (MAX_TAILS + MAX_TAILS_OF_ONE));
    }
}
