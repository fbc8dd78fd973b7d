//! Files on disk become whole logical lines, each exactly once: across restarts, rotation by rename or copy, compression
//! and truncation. Pull-based and synchronous: the caller steps it and commits what was read together with the
//! positions. Deliberately no threads, no clock and no storage of its own, and no idea of what a line says.
//!
//! Reading order: `config`, `lines` (over `wrapper`), `identity`, `name`, `discovery`, `follower`, `settle`, `lead`, this file,
//! `watch`.

mod archive;
mod config;
mod discovery;
mod follower;
mod identity;
mod lead;
mod lines;
mod name;
mod settle;
pub mod watch;
mod wrapper;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use archive::open;
pub use config::{Follow, From, Source};
use discovery::{Inode, Pattern};
use follower::{Follower, Place, Read};
pub use identity::{Mark, Position};
pub use lines::Lines;
use name::Packing;

/// Without a wake-up folders are listed this often.
const LIST_EVERY: Duration = Duration::from_secs(2);
/// A wake-up or a changed inode lists them at once, but not more often than this.
const LIST_AT_MOST: Duration = Duration::from_millis(50);
/// While there is much to read, growth of the other files is looked at this often.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// A rotated file that did not grow for so long has its last line, newline or not.
const QUIET: Duration = Duration::from_secs(5);
/// The same while no new log has appeared beside it: the writer may still hold it.
const QUIET_WITHOUT_SUCCESSOR: Duration = Duration::from_secs(60);
/// Blocks of one file read in a step.
const BLOCKS_PER_STEP: usize = 4;
/// Archives that are unpacked at the same time: each may need 32 MiB.
const DECODERS: usize = 2;
/// Bytes held for unfinished lines of files that wait.
const HELD: usize = 16 << 20;

/// Receives what the tail reads.
pub trait Sink {
    /// A whole logical line of the source with this index, without its line end; may be empty or invalid UTF-8.
    fn line(&mut self, source: usize, line: &[u8]);
    /// A logical line of `bytes` bytes was skipped because it is longer than the source allows.
    fn too_long(&mut self, source: usize, bytes: u64);
}

/// Why a tail cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path of a source is no valid glob.
    #[error("read the path {path:?} of source {name:?} as a glob: {reason}")]
    Glob {
        /// Name of the source.
        name: String,
        /// Its path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There may be more: step again at once.
    Read,
    /// Everything was read to its end: wait for a wake-up or the tick.
    Idle,
}

/// How a followed log was rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Moved to a rotated name.
    Rename,
    /// Truncated or rewritten in place, with or without a copy.
    Truncate,
    /// Another file stands at its path and it has no known name itself.
    Replace,
    /// Nothing stands at its path.
    Remove,
}

impl Rotation {
    /// Every kind.
    pub const ALL: [Rotation; 4] = [Rotation::Rename, Rotation::Truncate, Rotation::Replace, Rotation::Remove];

    /// Label value of `tokentail_log_rotations_total{kind}`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Rotation::Rename => "rename",
            Rotation::Truncate => "truncate",
            Rotation::Replace => "replace",
            Rotation::Remove => "remove",
        }
    }
}

/// What happened to one source since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceChanges {
    /// Bytes of whole lines (unpacked), line ends included.
    pub bytes: u64,
    /// Bytes known to have existed and gone unread: a lower bound.
    pub lost_bytes: u64,
    /// Rotations seen, in the order of [`Rotation::ALL`].
    pub rotations: [u64; Rotation::ALL.len()],
}

/// Everything to commit with the rows of the lines handed on so far.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Positions to insert or to overwrite, by their `file`.
    pub positions: Vec<Position>,
    /// Ids of positions to delete.
    pub forgotten: Vec<u64>,
    /// One entry per source, by its index.
    pub sources: Vec<SourceChanges>,
}

/// How a source stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// Configured name.
    pub name: String,
    /// Files known and on disk.
    pub files: usize,
    /// Bytes on disk that were not handed on yet.
    pub lag_bytes: u64,
    /// Why something could not be read when it was last looked at.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Configured {
    source: Source,
    pattern: Pattern,
    /// Nothing was known of this source when it was first listed.
    first_sight: bool,
    listed: bool,
    error: Option<String>,
    changes: SourceChanges,
}

/// Why a file is left alone for now; valid until it changes, or something else does.
#[derive(Debug)]
struct Skipped {
    stamp: discovery::Stamp,
    epoch: u64,
    since: Instant,
    pending: bool,
}

/// Follows the files of all sources.
#[derive(Debug)]
pub struct Tail {
    sources: Vec<Configured>,
    followers: Vec<Follower>,
    skipped: HashMap<(usize, Inode), Skipped>,
    forgotten: Vec<u64>,
    /// Moves on whenever a file is gone or finished: another one may now be what is left of it.
    epoch: u64,
    next_id: u64,
    /// Within one listing: the known files were compared with what was read of them.
    checked_intact: bool,
    block: Vec<u8>,
    /// Index of the follower that was read last.
    cursor: usize,
    /// The last one is in the middle of a long line.
    sticky: bool,
    look: bool,
    listed_at: Option<Instant>,
    checked_at: Option<Instant>,
    /// Positions of earlier runs, until the first step gives them a time.
    known: Vec<Position>,
}

impl Tail {
    /// Checks the sources' globs; no IO. `known` are the positions that the ledger holds.
    ///
    /// # Errors
    ///
    /// The first path that is no valid glob.
    pub fn new(sources: Vec<Source>, known: Vec<Position>) -> Result<Tail, Error> {
        let next_id = known.iter().map(|position| position.file).max().unwrap_or(0) + 1;
        let mut configured = configure(sources)?;
        for source in &mut configured {
            source.first_sight = !known.iter().any(|position| position.source == source.source.name);
        }
        Ok(Tail {
            sources: configured,
            followers: Vec::new(),
            skipped: HashMap::new(),
            forgotten: Vec::new(),
            epoch: 0,
            next_id,
            checked_intact: false,
            block: Vec::new(),
            cursor: 0,
            sticky: false,
            look: true,
            listed_at: None,
            checked_at: None,
            known,
        })
    }

    /// One bounded step: looks for files when due, then reads at most 1 MiB of one file and hands every whole logical
    /// line to `sink`. Fair across logs; the rotated files of one log come before it, oldest first.
    pub fn step(&mut self, now: Instant, sink: &mut dyn Sink) -> Step {
        self.load_known(now);
        let since = |then: Option<Instant>| then.map_or(Duration::MAX, |then| now.saturating_duration_since(then));
        if since(self.listed_at) >= LIST_EVERY || self.look && since(self.listed_at) >= LIST_AT_MOST {
            self.list(now);
        }
        if since(self.checked_at) >= CHECK_EVERY || !self.followers.iter().any(|follower| follower.unread) {
            self.check_growth(now);
        }
        // A file that turns out to be another one is settled at once, so that what it is now is read without a wait.
        for _ in 0..2 {
            let Some(index) = self.pick() else { break };
            if self.read(index, now, sink) {
                break;
            }
            self.list(now);
        }
        self.finish_quiet(now, sink);
        let waits = |source: &Configured| source.source.follow == Follow::Finished && !source.listed;
        let more = self.followers.iter().any(|follower| follower.unread) || self.sources.iter().any(waits);
        if more { Step::Read } else { Step::Idle }
    }

    /// What changed since the last call, everything handed to the sink so far included: to be committed in the same
    /// transaction as what came of those lines.
    pub fn take_changes(&mut self) -> Changes {
        let dirty = self.followers.iter_mut().filter(|follower| follower.dirty);
        let positions = dirty.map(|follower| {
            follower.dirty = false;
            follower.position()
        });
        Changes {
            positions: positions.collect(),
            forgotten: std::mem::take(&mut self.forgotten),
            sources: self.sources.iter_mut().map(|source| std::mem::take(&mut source.changes)).collect(),
        }
    }

    /// How each source stands, by its index.
    #[must_use]
    pub fn state(&self) -> Vec<SourceState> {
        let states = self.sources.iter().enumerate().map(|(index, source)| {
            let owned = self.followers.iter().filter(|follower| follower.owner == Some(index));
            let here = || owned.clone().filter(|follower| follower.place != Place::Gone);
            SourceState {
                name: source.source.name.clone(),
                files: here().count(),
                lag_bytes: here().map(Follower::lag).sum(),
                error: source.error.clone(),
            }
        });
        states.collect()
    }

    /// Whether the ends that the files had when they were found at start were all reached.
    #[must_use]
    pub fn reached_first_ends(&self) -> bool {
        self.sources.iter().all(|source| source.listed) && self.followers.iter().all(Follower::reached_first_end)
    }

    /// Bytes on disk of all files that are known (compressed ones as they are).
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let known: u64 = self.here().map(|follower| follower.stamp.size).sum();
        let waiting = self.sources.iter().filter(|source| source.source.follow == Follow::Finished && !source.listed);
        let waiting = waiting.filter_map(|source| std::fs::metadata(source.pattern.watch_path()).ok());
        known + waiting.map(|meta| meta.len()).sum::<u64>()
    }

    /// How many of [`Tail::total_bytes`] were read.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.here().map(Follower::read_bytes).sum()
    }

    fn here(&self) -> impl Iterator<Item = &Follower> {
        self.followers.iter().filter(|follower| follower.owner.is_some() && follower.place != Place::Gone)
    }

    /// Takes new sources; those whose name stays go on where they stood. Take the changes first: their indices are those
    /// of the old sources.
    ///
    /// # Errors
    ///
    /// The first path that is no valid glob; nothing was changed then.
    pub fn reload(&mut self, sources: Vec<Source>) -> Result<(), Error> {
        let mut configured = configure(sources)?;
        for source in &mut configured {
            let name = &source.source.name;
            let old = self.sources.iter_mut().find(|old| old.source.name == *name);
            if let Some(old) = old {
                source.changes = std::mem::take(&mut old.changes);
                source.listed = old.listed && old.source.path == source.source.path;
            }
            source.first_sight = !self.known.iter().any(|position| position.source == *name)
                && !self.followers.iter().any(|follower| follower.source == *name);
        }
        for follower in &mut self.followers {
            let owner = configured.iter().position(|new| {
                new.source.name == follower.source && new.source.follow == Follow::Growing && follower.owner.is_some()
            });
            match owner.and_then(|index| configured.get(index)) {
                Some(_) => follower.owner = owner,
                None => follower.suspend(Source::MAX_LINE),
            }
        }
        self.sources = configured;
        self.skipped.clear();
        self.claim_suspended();
        self.look = true;
        self.listed_at = None;
        Ok(())
    }

    /// A wake-up came: looks for new files, rotations and growth at the next step.
    pub fn request_look(&mut self) {
        self.look = true;
        self.checked_at = None;
    }

    /// What a watcher should watch: the logs as configured, and those that globs have found.
    #[must_use]
    pub fn watch_paths(&self) -> Vec<PathBuf> {
        let configured = self.sources.iter().filter(|source| source.source.follow == Follow::Growing);
        let mut paths: Vec<PathBuf> = configured.map(|source| source.pattern.watch_path().to_path_buf()).collect();
        let live = self.here().filter(|follower| follower.is_live() && !follower.finished);
        paths.extend(live.map(|follower| follower.base.clone()));
        paths.sort();
        paths.dedup();
        paths
    }

    fn load_known(&mut self, now: Instant) {
        if self.block.is_empty() {
            self.block = vec![0; lines::BLOCK + identity::ANCHOR];
        }
        if self.known.is_empty() {
            return;
        }
        for position in std::mem::take(&mut self.known) {
            let index = self.owner_of(&position.source);
            let max_line = self.max_line(index);
            let mut follower = Follower::from_position(position, max_line, now);
            follower.owner = index;
            self.followers.push(follower);
        }
    }

    fn claim_suspended(&mut self) {
        for index in 0..self.followers.len() {
            let Some(name) = self.followers.get(index).map(|follower| follower.source.clone()) else { continue };
            let owner = self.owner_of(&name);
            if let Some(follower) = self.followers.get_mut(index).filter(|follower| follower.owner.is_none()) {
                follower.owner = owner;
            }
        }
    }

    fn owner_of(&self, name: &str) -> Option<usize> {
        self.sources.iter().position(|source| source.source.name == name && source.source.follow == Follow::Growing)
    }

    fn max_line(&self, source: Option<usize>) -> usize {
        source.and_then(|index| self.sources.get(index)).map_or(Source::MAX_LINE, |source| source.source.max_line)
    }

    fn is_finite(&self, source: Option<usize>) -> bool {
        let source = source.and_then(|index| self.sources.get(index));
        source.is_some_and(|source| source.source.follow == Follow::Finished)
    }

    fn check_growth(&mut self, now: Instant) {
        self.checked_at = Some(now);
        for follower in &mut self.followers {
            if follower.finished || follower.owner.is_none() || matches!(follower.place, Place::Gone | Place::Unseen) {
                continue;
            }
            if follower.check_growth() {
                follower.unread = true;
                follower.changed = now;
            }
            if follower.place == Place::Present && follower.is_live() && follower.is_displaced() {
                self.look = true;
            }
        }
        if self.look && self.listed_at.is_none_or(|then| now.saturating_duration_since(then) >= LIST_AT_MOST) {
            self.list(now);
        }
    }

    /// The next file to read: the oldest of the next log in turn.
    fn pick(&mut self) -> Option<usize> {
        let count = self.followers.len();
        let decoding = self.followers.iter().filter(|follower| follower.is_decoding()).count();
        let may =
            |follower: &Follower| follower.packing() == Packing::Plain || follower.is_decoding() || decoding < DECODERS;
        if self.sticky && self.followers.get(self.cursor).is_some_and(|follower| follower.unread) {
            return Some(self.cursor);
        }
        for turn in 1..=count {
            let index = (self.cursor + turn) % count;
            let Some(next) = self.followers.get(index).filter(|follower| follower.unread) else { continue };
            let same_log =
                |(_, other): &(usize, &Follower)| other.unread && other.owner == next.owner && other.base == next.base;
            let rank = |follower: &Follower| (follower.age.clone(), follower.stamp.modified);
            let oldest = self.followers.iter().enumerate().filter(same_log).min_by_key(|(_, other)| rank(other));
            if let Some((oldest, follower)) = oldest
                && may(follower)
            {
                // The turn stays with the log, not with its many rotated files.
                self.cursor = index;
                return Some(oldest);
            }
        }
        None
    }

    /// Reads some blocks of one file. `false` when it has to be looked at anew before anything else.
    fn read(&mut self, index: usize, now: Instant, sink: &mut dyn Sink) -> bool {
        let index = self.lead(index);
        let kept = self.awaits_successor(index);
        let held: usize = self.followers.iter().map(|follower| follower.cutter.held()).sum();
        let max_line = self.max_line(self.followers.get(index).and_then(|follower| follower.owner));
        let Some(follower) = self.followers.get_mut(index) else { return true };
        let Some(source) = follower.owner else {
            follower.unread = false;
            return true;
        };
        let Some(configured) = self.sources.get_mut(source) else { return true };
        let finite = configured.source.follow == Follow::Finished;
        let done = follower.cutter.done();
        let (mut settled, mut finished) = (true, false);
        for _ in 0..BLOCKS_PER_STEP {
            match follower.read(&mut self.block, |cut| lines::hand(sink, source, cut)) {
                Read::Some => {
                    follower.changed = now;
                    continue;
                }
                Read::End => {
                    follower.unread = false;
                    let waits = kept && follower.cutter.has_lead();
                    finished = finite || follower.packing() != Packing::Plain && !waits;
                    if waits {
                        follower.first_end = None;
                        if follower.packing() != Packing::Plain {
                            // A decoder is given back: the next file may need it.
                            follower.close();
                        }
                    } else if held > HELD && follower.cutter.held() > lines::BLOCK {
                        let _ = follower.rewind(max_line);
                    }
                }
                Read::Suspect => {
                    follower.unread = false;
                    follower.suspect = true;
                    settled = false;
                }
                Read::Failed(error) => {
                    follower.unread = false;
                    configured.error = Some(format!("{}: {error}", follower.path.display()));
                    // What was cut so far stays; a growing file is tried again when it is listed or changes.
                    if finite {
                        follower.finished = true;
                        follower.dirty = true;
                        follower.close();
                    }
                }
            }
            break;
        }
        self.sticky = follower.unread && follower.cutter.held() > lines::BLOCK;
        if self.sticky {
            self.cursor = index;
        }
        if finished {
            follower.finish(|cut| lines::hand(sink, source, cut));
            self.epoch += 1;
            self.look = true;
        }
        configured.changes.bytes += follower.cutter.done().saturating_sub(done);
        if finite && follower.finished {
            // The next finished file is looked at only now: it may go on where this one ended.
            self.listed_at = None;
        }
        self.settle_leads(sink);
        settled
    }

    /// Ends rotated and removed files that did not grow for a while.
    fn finish_quiet(&mut self, now: Instant, sink: &mut dyn Sink) {
        for index in 0..self.followers.len() {
            let Some(follower) = self.followers.get(index) else { continue };
            let Some(source) = follower.owner else { continue };
            let cut = follower.at_end && follower.cutter.has_lead();
            let waits = follower.finished
                || follower.unread
                || follower.suspect
                || follower.packing() != Packing::Plain && !cut;
            let awaits = cut && self.awaits_successor(index);
            let quiet = now.saturating_duration_since(follower.changed);
            if waits
                || quiet < QUIET
                || follower.is_live()
                || !matches!(follower.place, Place::Present | Place::Detached)
            {
                continue;
            }
            let has_successor = self.followers.iter().any(|other| {
                other.owner == follower.owner
                    && other.base == follower.base
                    && other.is_live()
                    && other.place == Place::Present
            });
            if (!has_successor || awaits) && quiet < QUIET_WITHOUT_SUCCESSOR {
                continue;
            }
            self.end_lead(index, sink);
            let max_line = self.max_line(Some(source));
            let Some(follower) = self.followers.get_mut(index) else { continue };
            let done = follower.cutter.done();
            follower.finish(|cut| lines::hand(sink, source, cut));
            let bytes = follower.cutter.done().saturating_sub(done);
            if follower.place == Place::Detached {
                follower.release(max_line);
            }
            self.epoch += 1;
            if let Some(configured) = self.sources.get_mut(source) {
                configured.changes.bytes += bytes;
            }
            self.settle_leads(sink);
        }
    }
}

fn configure(sources: Vec<Source>) -> Result<Vec<Configured>, Error> {
    let checked = sources.into_iter().map(|source| {
        let pattern = match source.follow {
            Follow::Finished => Pattern::literal(&source.path),
            Follow::Growing => Pattern::new(&source.path).map_err(|error| Error::Glob {
                name: source.name.clone(),
                path: source.path.clone(),
                reason: error.kind().to_string(),
            })?,
        };
        let changes = SourceChanges::default();
        Ok(Configured { source, pattern, first_sight: true, listed: false, error: None, changes })
    });
    checked.collect()
}
