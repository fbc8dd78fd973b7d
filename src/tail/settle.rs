//! What is on disk is brought together with what is known: which file is a known one, moved, copied, packed or truncated,
//! which one is new, and which one is gone. Deliberately no reading of lines.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

use super::discovery::{Candidate, Listing, identity};
use super::follower::{Follower, Place, Verdict, packing};
use super::identity::{HEAD, Probe};
use super::name::{Age, Packing};
use super::{Follow, From, Rotation, Skipped, Tail};

/// A file that is gone may turn up under another name for so long before its unread bytes count as lost.
const GRACE: Duration = Duration::from_secs(10);
/// A position is kept so long after its file is gone, in case that it comes back.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Positions of files that are gone, per source.
const REMEMBERED_FILES: usize = 2000;
/// An archive that is not complete and did not change for so long will not become so.
const ABANDONED: Duration = Duration::from_secs(60);
/// Files that are kept open.
const OPEN_FILES: usize = 256;

impl Tail {
    /// Looks at all sources' folders and settles what is found.
    pub(super) fn list(&mut self, now: Instant) {
        self.listed_at = Some(now);
        self.look = false;
        for source in 0..self.sources.len() {
            let Some(configured) = self.sources.get(source) else { continue };
            let listing = match configured.source.follow {
                // One after the other: the next file may go on where this one ended.
                Follow::Finished if configured.listed => continue,
                Follow::Finished if self.is_reading_finite() => continue,
                Follow::Finished => configured.pattern.list_one(),
                Follow::Growing => {
                    let owned = self.followers.iter().filter(|follower| follower.owner == Some(source));
                    let mut listing = configured.pattern.list(owned.map(|follower| follower.base.as_path()));
                    self.add_by_path(source, &mut listing);
                    listing
                }
            };
            self.settle(source, listing, now);
        }
        self.forget(now);
        self.close_idle();
    }

    fn is_reading_finite(&self) -> bool {
        self.followers.iter().any(|follower| follower.unread && self.is_finite(follower.owner))
    }

    /// Known files that no name leads to, such as the old target of a link, are still where they were.
    fn add_by_path(&self, source: usize, listing: &mut Listing) {
        let listed: HashSet<_> = listing.files.iter().map(|file| file.inode).collect();
        for follower in &self.followers {
            if follower.owner != Some(source) || follower.finished || follower.place == Place::Gone {
                continue;
            }
            if listed.contains(&follower.inode) {
                continue;
            }
            if let Ok(meta) = fs::metadata(&follower.path)
                && identity(&meta).0 == follower.inode
            {
                listing.files.push(Candidate {
                    path: follower.path.clone(),
                    base: follower.base.clone(),
                    age: if follower.is_live() { Age::Unknown } else { follower.age.clone() },
                    inode: follower.inode,
                    stamp: identity(&meta).1,
                });
            }
        }
    }

    fn settle(&mut self, source: usize, listing: Listing, now: Instant) {
        self.checked_intact = false;
        let mut error = listing.error;
        let mut seen = HashSet::new();
        let mut unmatched = Vec::new();
        let mut shrunk = Vec::new();
        let live: HashSet<_> =
            listing.files.iter().filter(|file| file.age == Age::Live).map(|file| file.base.clone()).collect();
        for found in listing.files {
            match self.settle_by_inode(source, &found, now) {
                Ok(Settled::Known(id)) => drop(seen.insert(id)),
                Ok(Settled::Shrunk(id)) => shrunk.push((id, found)),
                Ok(Settled::Unknown) => unmatched.push(found),
                Err(problem) => {
                    let known = self.followers.iter().find(|follower| follower.inode == found.inode);
                    seen.extend(known.map(|follower| follower.id));
                    error = Some(format!("{}: {problem}", found.path.display()));
                }
            }
        }
        self.settle_missing(source, &seen, &live, now);
        // A copy is told by the longer file that it is a beginning of, and an archive by the file that it was made of.
        unmatched.sort_by_key(|found| {
            (packing(found) != Packing::Plain, std::cmp::Reverse(found.stamp.size), found.age != Age::Live)
        });
        for found in &unmatched {
            if let Err(problem) = self.settle_by_content(source, found, now) {
                error = Some(format!("{}: {problem}", found.path.display()));
            }
        }
        for (id, found) in &shrunk {
            if let Err(problem) = self.settle_shrunk(source, *id, found, now) {
                error = Some(format!("{}: {problem}", found.path.display()));
            }
        }
        if let Some(configured) = self.sources.get_mut(source) {
            configured.listed = true;
            configured.error = error;
        }
    }

    fn may_own(&self, follower: &Follower, source: usize) -> bool {
        follower.owner.is_none_or(|owner| owner == source)
            || self.is_finite(Some(source)) && self.is_finite(follower.owner)
    }

    fn count(&mut self, source: usize, rotation: Rotation) {
        if let Some(configured) = self.sources.get_mut(source)
            && let Some((count, _)) =
                configured.changes.rotations.iter_mut().zip(Rotation::ALL).find(|(_, kind)| *kind == rotation)
        {
            *count += 1;
        }
    }

    fn own(&mut self, index: usize, source: usize) {
        let finite = self.is_finite(Some(source));
        let name = self.sources.get(source).map(|configured| configured.source.name.clone());
        if let (Some(follower), Some(name)) = (self.followers.get_mut(index), name) {
            // A log that was ingested is followed on from there, and one that is followed stays that log's.
            if follower.owner.is_none() && !finite {
                follower.source = name;
            }
            follower.owner = Some(source);
        }
    }

    fn settle_by_inode(&mut self, source: usize, found: &Candidate, now: Instant) -> std::io::Result<Settled> {
        let known = self.followers.iter().position(|follower| {
            follower.inode == found.inode && follower.place != Place::Gone && self.may_own(follower, source)
        });
        let Some(index) = known else { return Ok(Settled::Unknown) };
        let (max_line, finite, first) =
            (self.max_line(Some(source)), self.is_finite(Some(source)), self.is_first(source));
        let Some(follower) = self.followers.get_mut(index) else { return Ok(Settled::Unknown) };
        let id = follower.id;
        let rotated = follower.is_live() && found.age != Age::Live;
        let rotation = if found.path == follower.path { Rotation::Replace } else { Rotation::Rename };
        let unchanged = follower.stamp == found.stamp;
        // Archives do not grow by appending: one that changed may be another one.
        let trusted = match follower.packing() {
            _ if follower.finished => unchanged,
            Packing::Plain => follower.verified && !follower.suspect,
            Packing::Gzip | Packing::Zstd => follower.verified && !follower.suspect && unchanged,
        };
        if trusted && !finite {
            let moved = follower.path != found.path || follower.age != found.age;
            if moved || follower.place != Place::Present {
                follower.path.clone_from(&found.path);
                follower.base.clone_from(&found.base);
                follower.age = found.age.clone();
                follower.changed = now;
                follower.dirty = true;
            }
            follower.place = Place::Present;
            follower.verified = true;
            let retry = follower.packing() == Packing::Plain && follower.lag() > 0;
            if !follower.finished && (!unchanged || retry) {
                follower.stamp = found.stamp;
                follower.unread = true;
            }
        } else {
            let probe = Probe::open(&found.path, packing(found))?;
            if identity(&probe.file.metadata()?).0 != found.inode {
                self.look = true;
                return Ok(Settled::Known(id));
            }
            match follower.compare(&probe, packing(found))? {
                Verdict::Same => {
                    let finished = follower.finished && unchanged;
                    follower.bind(found, probe, max_line, now)?;
                    follower.finished = finished;
                    follower.unread = !finished;
                    if first && !finished {
                        follower.first_end = Some(found.stamp.size);
                    }
                }
                Verdict::Shrunk => {
                    follower.release(max_line);
                    self.epoch += 1;
                    return Ok(Settled::Shrunk(id));
                }
                Verdict::Different => {
                    let truncated = follower.is_live() && found.age == Age::Live && follower.head().len > 0;
                    follower.age = Age::Unknown;
                    follower.changed = now;
                    follower.release(max_line);
                    self.epoch += 1;
                    if truncated {
                        self.count(source, Rotation::Truncate);
                    }
                    return Ok(Settled::Unknown);
                }
            }
        }
        self.own(index, source);
        if rotated {
            self.count(source, rotation);
        }
        Ok(Settled::Known(id))
    }

    fn is_first(&self, source: usize) -> bool {
        self.sources.get(source).is_some_and(|configured| !configured.listed)
    }

    fn settle_missing(&mut self, source: usize, seen: &HashSet<u64>, live: &HashSet<std::path::PathBuf>, now: Instant) {
        let max_line = self.max_line(Some(source));
        let mut rotations = Vec::new();
        for follower in &mut self.followers {
            let here = match follower.place {
                Place::Present | Place::Unseen => true,
                // Truncated or rewritten behind its last name: what is open is not what was read.
                Place::Detached => follower.suspect,
                Place::Gone => false,
            };
            if follower.owner != Some(source) || !here || seen.contains(&follower.id) {
                continue;
            }
            if follower.is_live() {
                let replaced = live.contains(&follower.base);
                rotations.push(if replaced { Rotation::Replace } else { Rotation::Remove });
            }
            // A date tells its place among the others also when the name is gone.
            if !matches!(follower.age, Age::Dated(_)) {
                follower.age = Age::Unknown;
            }
            follower.changed = now;
            follower.dirty = true;
            if follower.is_open() && !follower.finished && !follower.suspect {
                follower.place = Place::Detached;
                follower.unread = true;
            } else {
                follower.release(max_line);
            }
            self.epoch += 1;
        }
        for rotation in rotations {
            self.count(source, rotation);
        }
    }

    /// Tells a file whose inode says nothing: a known one that moved or was packed, a copy, or a new one.
    fn settle_by_content(&mut self, source: usize, found: &Candidate, now: Instant) -> std::io::Result<()> {
        let packing = packing(found);
        if found.stamp.size == 0 && found.age != Age::Live {
            return Ok(());
        }
        let key = (source, found.inode);
        let skipped = self.skipped.get(&key).filter(|skipped| skipped.stamp == found.stamp);
        let pending_since = skipped.filter(|skipped| skipped.pending).map(|skipped| skipped.since);
        let abandoned = self.is_finite(Some(source))
            || pending_since.is_some_and(|since| now.saturating_duration_since(since) >= ABANDONED);
        if skipped.is_some_and(|skipped| skipped.epoch == self.epoch) && !(abandoned && pending_since.is_some()) {
            return Ok(());
        }
        let skip = |tail: &mut Tail, pending: bool| {
            let since = pending_since.unwrap_or(now);
            tail.skipped.insert(key, Skipped { stamp: found.stamp, epoch: tail.epoch, since, pending });
        };
        let probe = Probe::open(&found.path, packing)?;
        let meta = probe.file.metadata()?;
        if identity(&meta).0 != found.inode {
            self.look = true;
            return Ok(());
        }
        if !probe.head_complete && probe.head.len() < HEAD && !abandoned {
            skip(self, true);
            return Ok(());
        }
        let mut wanted = Vec::new();
        let mut offsets = Vec::new();
        let mut may_be_copy = false;
        for index in 0..self.followers.len() {
            if !self.followers.get(index).is_some_and(|follower| self.may_own(follower, source)) {
                continue;
            }
            let finite = self.is_finite(Some(source));
            let Some(follower) = self.followers.get_mut(index) else { continue };
            may_be_copy |= follower.may_cover(&probe.head);
            if follower.head().begins(&probe.head) {
                let free = matches!(follower.place, Place::Gone | Place::Unseen) || finite && follower.finished;
                let anchor = follower.anchor();
                offsets.push((follower.cutter.done(), anchor.len));
                wanted.push((index, free, anchor));
            }
        }
        if !wanted.is_empty() || may_be_copy {
            let pass = probe.pass(&found.path, &offsets)?;
            if !pass.complete && !abandoned {
                skip(self, true);
                return Ok(());
            }
            let matching = || {
                wanted.iter().zip(&offsets).zip(&pass.before).filter_map(
                    |(((index, free, anchor), (done, _)), before)| {
                        let is_same = before.as_ref().is_some_and(|bytes| anchor.matches(bytes));
                        is_same.then_some((*done, *index, *free))
                    },
                )
            };
            if let Some((_, index, _)) = matching().filter(|(.., free)| *free).max() {
                return self.adopt(source, index, found, probe, pass.size, now);
            }
            let is_copy = matching().any(|(done, ..)| done == pass.size)
                || self.followers.iter().any(|follower| {
                    self.may_own(follower, source) && follower.covers(&probe.head, pass.size, &pass.tail)
                });
            if is_copy && pass.size > 0 {
                skip(self, false);
                return Ok(());
            }
        }
        if !self.are_intact(source) {
            self.look = true;
            return Ok(());
        }
        self.skipped.remove(&key);
        self.add(source, found, probe, now)
    }

    /// Whether every open file is still what was read of it. Where one was truncated since it was last looked at, what
    /// seems new may be a copy of its old or of its new content: that one is settled first.
    fn are_intact(&mut self, source: usize) -> bool {
        if self.checked_intact {
            return true;
        }
        let mut intact = true;
        for follower in self.followers.iter_mut().filter(|follower| follower.owner == Some(source)) {
            let here = matches!(follower.place, Place::Present | Place::Detached);
            if here && !follower.finished && !follower.is_intact() {
                follower.suspect = true;
                intact = false;
            }
        }
        self.checked_intact = intact;
        intact
    }

    /// Goes on, in a file that was moved, copied or packed, where the known one stood.
    fn adopt(
        &mut self,
        source: usize,
        index: usize,
        found: &Candidate,
        probe: Probe,
        size: u64,
        now: Instant,
    ) -> std::io::Result<()> {
        let max_line = self.max_line(Some(source));
        let first = self.is_first(source);
        self.skipped.remove(&(source, found.inode));
        if let Some(follower) = self.followers.get_mut(index) {
            follower.bind(found, probe, max_line, now)?;
            let done = follower.cutter.done();
            let whole = size == done && follower.cutter.resume() == done;
            let packed = follower.packing() != Packing::Plain;
            follower.finished = false;
            follower.unread = true;
            if first {
                follower.first_end = Some(found.stamp.size);
            }
            if packed && whole {
                follower.finish(|_| {});
            }
        }
        self.own(index, source);
        Ok(())
    }

    fn add(&mut self, source: usize, found: &Candidate, probe: Probe, now: Instant) -> std::io::Result<()> {
        let Some(configured) = self.sources.get(source) else { return Ok(()) };
        let max_line = configured.source.max_line;
        let mut follower = Follower::new(self.next_id, found, probe, max_line, now);
        follower.owner = Some(source);
        follower.source.clone_from(&configured.source.name);
        let growing = configured.source.follow == Follow::Growing;
        if growing && configured.source.from == From::End && configured.first_sight && !configured.listed {
            follower.skip_to_end(max_line)?;
        }
        if !configured.listed {
            follower.first_end = Some(found.stamp.size);
        }
        self.next_id += 1;
        self.followers.push(follower);
        Ok(())
    }

    /// A file that begins as before but ends before the offset: if no copy of it was found it lost its last bytes (power
    /// loss) and goes on at its new end; else it was truncated and grew again with the same beginning.
    fn settle_shrunk(&mut self, source: usize, id: u64, found: &Candidate, now: Instant) -> std::io::Result<()> {
        let max_line = self.max_line(Some(source));
        let Some(index) = self.followers.iter().position(|follower| follower.id == id) else { return Ok(()) };
        let copied = self.followers.get(index).is_some_and(|follower| follower.place != Place::Gone);
        if copied {
            self.count(source, Rotation::Truncate);
            return self.settle_by_content(source, found, now);
        }
        let probe = Probe::open(&found.path, packing(found))?;
        if let Some(follower) = self.followers.get_mut(index) {
            follower.bind(found, probe, max_line, now)?;
            let lost = follower.shrink(max_line)?;
            follower.finished = false;
            follower.unread = true;
            if let Some(configured) = self.sources.get_mut(source) {
                configured.changes.lost_bytes += lost;
            }
        }
        self.own(index, source);
        Ok(())
    }

    /// Counts what is lost for good, and forgets positions that nothing can come back to.
    fn forget(&mut self, now: Instant) {
        let mut gone: Vec<Vec<Instant>> = vec![Vec::new(); self.sources.len()];
        for follower in &mut self.followers {
            let Some(source) = follower.owner.filter(|_| follower.place == Place::Gone) else { continue };
            if !follower.finished && now.saturating_duration_since(follower.changed) >= GRACE {
                if let Some(configured) = self.sources.get_mut(source) {
                    configured.changes.lost_bytes += follower.unread_bytes();
                }
                follower.finished = true;
                follower.dirty = true;
            }
            if follower.finished
                && let Some(gone) = gone.get_mut(source)
            {
                gone.push(follower.changed);
            }
        }
        let bounds: Vec<Option<Instant>> = gone
            .into_iter()
            .map(|mut changed| {
                changed.sort_unstable();
                changed.len().checked_sub(REMEMBERED_FILES).and_then(|extra| changed.get(extra).copied())
            })
            .collect();
        let forgotten = &mut self.forgotten;
        self.followers.retain(|follower| {
            let Some(source) = follower.owner else { return true };
            let too_many = bounds.get(source).copied().flatten().is_some_and(|bound| follower.changed < bound);
            let old = now.saturating_duration_since(follower.changed) >= REMEMBERED;
            let forget = follower.place == Place::Gone && follower.finished && (old || too_many);
            if forget {
                forgotten.push(follower.id);
            }
            !forget
        });
        let (epoch, known) = (self.epoch, self.skipped.len());
        if known > 10_000 {
            self.skipped.retain(|_, skipped| skipped.epoch == epoch);
        }
    }

    fn close_idle(&mut self) {
        let mut open: Vec<&mut Follower> = self.followers.iter_mut().filter(|follower| follower.is_open()).collect();
        let Some(extra) = open.len().checked_sub(OPEN_FILES) else { return };
        open.retain(|follower| follower.place == Place::Present);
        open.sort_by_key(|follower| (follower.is_decoding(), follower.unread, follower.changed));
        for follower in open.into_iter().filter(|follower| !follower.is_decoding()).take(extra) {
            follower.close();
        }
    }
}

/// What the inode says about a file.
enum Settled {
    /// It is this known one.
    Known(u64),
    /// It is this known one, but shorter than what was read of it.
    Shrunk(u64),
    Unknown,
}
