//! Requests without a session id join the derived session that they most likely go on with, or begin one.
//!
//! Only sessions of the same client group that are open (the request starts within the idle timeout of them) come into
//! question. In this order:
//!
//! 1. The request's messages begin with all those of the session's last request: the longest such list counts. A
//!    repeated request has the same list. Failing that, they hold the last two messages of that request, for clients
//!    that send a window of their history or a system prompt with the time in it.
//! 2. Of the sessions that do not contradict, the one asked most recently whose last `chat_round` is the request's or
//!    one less. A session contradicts where both have messages and step 1 did not find it.
//! 3. Where the request or the session has no `chat_round`, the one asked most recently; not for requests of which only
//!    the gateway is known, which have nothing in common.
//! 4. Otherwise a session of its own.
//!
//! Where more than one fitted the step that decided, the join is ambiguous. So two users of one chat server with turns
//! interleaved are told apart by their messages, unless they begin with the very same words: then the first to go on
//! keeps the session and the other begins one. Without messages they are told apart only while their rounds differ by
//! more than one; at the same round the log holds nothing that could tell them apart.

use std::collections::BTreeMap;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::config::Config;
use super::id::DerivedId;
use super::prefix::Messages;
use crate::record::Micros;

/// Sessions of one group that are looked at in steps 2 and 3, the most recent first.
const MAX_CANDIDATES: usize = 64;

/// A keyed hash over gateway, consumer, user, client address and user agent; the parts themselves are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(pub [u8; 16]);

/// What of a request tells where it belongs.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Whose request.
    pub group: Group,
    /// Whether anything but the gateway went into the group. A request without it, without messages and without
    /// `chat_round` has no session.
    pub identified: bool,
    /// Name of the gateway.
    pub gateway: &'a str,
    /// The request's duplicate key.
    pub key: [u8; 16],
    /// The request's row: rows come in log order.
    pub row: i64,
    /// Start of the request.
    pub start: Micros,
    /// End of the request.
    pub end: Micros,
    /// Number of user messages, 0 where unknown.
    pub chat_round: u32,
    /// Hashes of the messages.
    pub messages: &'a Messages,
}

/// Where a request belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The session.
    pub id: DerivedId,
    /// The request began it.
    pub started: bool,
    /// Other sessions fitted as well.
    pub ambiguous: bool,
}

/// What is remembered of the last messages of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastMessages {
    /// How many.
    pub count: u32,
    /// Hash of the whole list.
    pub list: u64,
    /// Hashes of the last two, zeros where there is one only.
    pub pair: [u64; 2],
}

/// A derived session as it is remembered and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: DerivedId,
    /// Whose.
    pub group: Group,
    /// Earliest start.
    pub start: Micros,
    /// Latest end.
    pub end: Micros,
    /// Its last row.
    pub last_row: i64,
    /// The last known `chat_round`, 0 where none is known.
    pub chat_round: u32,
    /// The last known messages.
    pub messages: Option<LastMessages>,
}

impl Conversation {
    fn is_open(&self, start: Micros, idle: Micros) -> bool {
        (self.start.saturating_sub(idle)..=self.end.saturating_add(idle)).contains(&start)
    }
}

#[derive(Debug)]
struct Slot {
    conversation: Conversation,
    dirty: bool,
}

/// The derived sessions that a request may join. One thread, rows in log order.
#[derive(Debug)]
pub struct Derived {
    idle: Micros,
    max_open: usize,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    lists: HashMap<(Group, u64), usize, RandomState>,
    pairs: HashMap<(Group, [u64; 2]), usize, RandomState>,
    /// By group, whether messages are known, and last row.
    recent: BTreeMap<(Group, bool, i64), usize>,
    changed: Vec<(usize, DerivedId)>,
    forgotten: Vec<DerivedId>,
}

impl Derived {
    /// No sessions.
    #[must_use]
    pub fn new(config: &Config) -> Derived {
        Derived {
            idle: config.idle(),
            max_open: config.max_open,
            slots: Vec::new(),
            free: Vec::new(),
            lists: HashMap::default(),
            pairs: HashMap::default(),
            recent: BTreeMap::new(),
            changed: Vec::new(),
            forgotten: Vec::new(),
        }
    }

    /// Changes timeout and bound for what comes.
    pub fn set_config(&mut self, config: &Config) {
        (self.idle, self.max_open) = (config.idle(), config.max_open);
    }

    /// Takes back a session of an earlier process. They come in the order of their last rows.
    pub fn restore(&mut self, conversation: Conversation) {
        self.insert(conversation);
    }

    /// Finds the session of a request, or begins one; `None` for a request that nothing is known of.
    pub fn join(&mut self, asked: &Asked<'_>) -> Option<Joined> {
        if !asked.identified && asked.messages.is_empty() && asked.chat_round == 0 {
            return None;
        }
        let found = self.by_messages(asked).map(|at| (at, false)).or_else(|| self.by_recency(asked));
        let (at, started, ambiguous) = match found {
            Some((at, ambiguous)) => {
                self.go_on(at, asked);
                (at, false, ambiguous)
            }
            None => (self.begin(asked), true, false),
        };
        let slot = self.slots.get_mut(at)?.as_mut()?;
        let id = slot.conversation.id;
        if !slot.dirty {
            slot.dirty = true;
            self.changed.push((at, id));
        }
        // A whole share at once, so that looking for the longest idle is paid for by many requests.
        if self.len() > self.max_open.saturating_add(self.max_open / 16) {
            self.trim();
        }
        Some(Joined { id, started, ambiguous })
    }

    /// Sessions that changed since [`Derived::written`], to be stored with the rows that changed them.
    pub fn changed(&self) -> impl Iterator<Item = &Conversation> {
        let live = |(at, id): &(usize, DerivedId)| self.at(*at).filter(|conversation| conversation.id == *id);
        self.changed.iter().filter_map(live)
    }

    /// Sessions that were forgotten since [`Derived::written`], to be removed from the store.
    #[must_use]
    pub fn forgotten(&self) -> &[DerivedId] {
        &self.forgotten
    }

    /// What changed and what was forgotten is committed.
    pub fn written(&mut self) {
        for (at, _) in self.changed.drain(..) {
            if let Some(Some(slot)) = self.slots.get_mut(at) {
                slot.dirty = false;
            }
        }
        self.forgotten.clear();
    }

    /// Forgets sessions whose latest end lies before a moment: the watermark less the idle timeout and the lateness.
    pub fn forget(&mut self, before: Micros) {
        let is_old = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.conversation.end < before);
        let old: Vec<usize> = (0..).zip(&self.slots).filter(|(_, slot)| is_old(slot)).map(|(at, _)| at).collect();
        for at in old {
            self.remove(at);
        }
    }

    /// Forgets one session: no request joins it any more.
    pub fn erase(&mut self, id: DerivedId) {
        let is_it = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.conversation.id == id);
        if let Some(at) = self.slots.iter().position(is_it) {
            self.remove(at);
        }
    }

    /// Number of sessions that are remembered: at most a sixteenth more than `max_open`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recent.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    fn at(&self, at: usize) -> Option<&Conversation> {
        self.slots.get(at)?.as_ref().map(|slot| &slot.conversation)
    }

    /// Step 1.
    fn by_messages(&self, asked: &Asked<'_>) -> Option<usize> {
        let open = |at: &&usize| self.at(**at).is_some_and(|found| found.is_open(asked.start, self.idle));
        let hashes = asked.messages.hashes();
        let lists = hashes.iter().rev().map(|hashes| (asked.group, hashes.list));
        let mut pairs = hashes.iter().zip(hashes.iter().skip(1)).rev().map(|(a, b)| (asked.group, [a.own, b.own]));
        lists
            .filter_map(|list| self.lists.get(&list))
            .find(open)
            .or_else(|| pairs.find_map(|pair| self.pairs.get(&pair).filter(open)))
            .copied()
    }

    /// Steps 2 and 3, and whether another session fitted as well.
    fn by_recency(&self, asked: &Asked<'_>) -> Option<(usize, bool)> {
        // A session with messages contradicts a request with messages: step 1 would have found it.
        let known = if asked.messages.is_empty() { &[false, true][..] } else { &[false][..] };
        let round = asked.chat_round;
        let mut by_round = Choice::default();
        let mut by_time = Choice::default();
        for known in known {
            let group = (asked.group, *known, i64::MIN)..=(asked.group, *known, i64::MAX);
            for at in self.recent.range(group).rev().take(MAX_CANDIDATES).map(|(_, at)| *at) {
                let Some(found) = self.at(at).filter(|found| found.is_open(asked.start, self.idle)) else { continue };
                let last = found.chat_round;
                if round == 0 || last == 0 {
                    if asked.identified {
                        by_time.add(found.last_row, at);
                    }
                } else if last == round || last.checked_add(1) == Some(round) {
                    by_round.add(found.last_row, at);
                }
            }
        }
        by_round.decided().or_else(|| by_time.decided())
    }

    fn begin(&mut self, asked: &Asked<'_>) -> usize {
        self.insert(Conversation {
            id: DerivedId::of(asked.gateway, &asked.key),
            group: asked.group,
            start: asked.start,
            end: asked.end.max(asked.start),
            last_row: asked.row,
            chat_round: asked.chat_round,
            messages: last_messages(asked.messages),
        })
    }

    fn go_on(&mut self, at: usize, asked: &Asked<'_>) {
        self.leave_indices(at);
        if let Some(Some(Slot { conversation, .. })) = self.slots.get_mut(at) {
            conversation.start = conversation.start.min(asked.start);
            conversation.end = conversation.end.max(asked.end);
            conversation.last_row = asked.row;
            if asked.chat_round != 0 {
                conversation.chat_round = asked.chat_round;
            }
            conversation.messages = last_messages(asked.messages).or(conversation.messages);
        }
        self.enter_indices(at);
    }

    fn insert(&mut self, conversation: Conversation) -> usize {
        let slot = Some(Slot { conversation, dirty: false });
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.slots.get_mut(at) {
                    *place = slot;
                }
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.enter_indices(at);
        at
    }

    fn remove(&mut self, at: usize) {
        self.leave_indices(at);
        if let Some(slot) = self.slots.get_mut(at).and_then(Option::take) {
            self.forgotten.push(slot.conversation.id);
            self.free.push(at);
        }
    }

    /// Forgets the sessions idle longest, so that `max_open` stay.
    fn trim(&mut self) {
        let mut all: Vec<(Micros, i64, usize)> = (0..)
            .zip(&self.slots)
            .filter_map(|(at, slot)| slot.as_ref().map(|slot| (slot.conversation.end, slot.conversation.last_row, at)))
            .collect();
        let excess = all.len().saturating_sub(self.max_open);
        if excess > 0 && excess < all.len() {
            all.select_nth_unstable(excess);
        }
        for (_, _, at) in all.into_iter().take(excess) {
            self.remove(at);
        }
    }

    fn enter_indices(&mut self, at: usize) {
        let Some(Some(Slot { conversation, .. })) = self.slots.get(at) else { return };
        let group = conversation.group;
        self.recent.insert((group, conversation.messages.is_some(), conversation.last_row), at);
        if let Some(last) = conversation.messages {
            self.lists.insert((group, last.list), at);
            if last.count > 1 {
                self.pairs.insert((group, last.pair), at);
            }
        }
    }

    fn leave_indices(&mut self, at: usize) {
        let Some(Some(Slot { conversation, .. })) = self.slots.get(at) else { return };
        let group = conversation.group;
        self.recent.remove(&(group, conversation.messages.is_some(), conversation.last_row));
        if let Some(last) = conversation.messages {
            // A later session with the same messages may have taken the entry over.
            if self.lists.get(&(group, last.list)) == Some(&at) {
                self.lists.remove(&(group, last.list));
            }
            if self.pairs.get(&(group, last.pair)) == Some(&at) {
                self.pairs.remove(&(group, last.pair));
            }
        }
    }
}

/// The most recent of those that fit, and how many there are.
#[derive(Default)]
struct Choice {
    best: Option<(i64, usize)>,
    count: usize,
}

impl Choice {
    fn add(&mut self, last_row: i64, at: usize) {
        self.best = self.best.max(Some((last_row, at)));
        self.count += 1;
    }

    fn decided(&self) -> Option<(usize, bool)> {
        self.best.map(|(_, at)| (at, self.count > 1))
    }
}

fn last_messages(messages: &Messages) -> Option<LastMessages> {
    let hashes = messages.hashes();
    let last = hashes.last()?;
    let before = hashes.len().checked_sub(2).and_then(|at| hashes.get(at));
    Some(LastMessages {
        count: u32::try_from(hashes.len()).unwrap_or(u32::MAX),
        list: last.list,
        pair: before.map_or([0; 2], |before| [before.own, last.own]),
    })
}
