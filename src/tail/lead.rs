//! A line that a container runtime split into parts and a rotation cut between two of them becomes whole across two files.
//!
//! The open parts of a rotated file that was read to its end are copied to its direct successor, at the beginning of that
//! one. Until the line is whole both files keep their resume offset before its parts, so that a new start reads them again;
//! then both move on in the same commit. Parts whose end does not come are handed on as they are. Deliberately no chain: a
//! line that goes through more than two files is cut.

use super::follower::{Follower, Place};
use super::name::{Age, Packing};
use super::{Sink, Tail, lines};

/// Whether one file of a log was written before another one, where that is certain. Dates in names tell it always, other
/// names while both files are at theirs; of a file that is no longer there only its last write is known, and that of an
/// archive is when it was made.
fn is_older(one: &Follower, other: &Follower) -> Option<bool> {
    let is_plain = |follower: &Follower| follower.packing() == Packing::Plain;
    match (&one.age, &other.age) {
        (Age::Live, Age::Live) => None,
        (Age::Live, _) => Some(false),
        (_, Age::Live) => Some(true),
        (Age::Dated(date), Age::Dated(later)) => (date != later).then_some(date < later),
        (age, later) if one.place == Place::Present && other.place == Place::Present => {
            Some((age, one.stamp.modified) < (later, other.stamp.modified))
        }
        // Written within one tick of the filesystem's clock: the one that was found first.
        _ if is_plain(one) && is_plain(other) => Some((one.stamp.modified, one.id) < (other.stamp.modified, other.id)),
        _ => None,
    }
}

impl Tail {
    /// The files of the log of `own`, but for itself, that are known to be there.
    fn siblings<'a>(&'a self, own: &'a Follower) -> impl Iterator<Item = (usize, &'a Follower)> {
        self.followers.iter().enumerate().filter(|(_, other)| {
            other.id != own.id
                && matches!(other.place, Place::Present | Place::Detached)
                && other.owner == own.owner
                && other.base == own.base
        })
    }

    /// Whether it is certain that nothing was written between one file and a later one.
    fn is_direct(&self, one: &Follower, next: &Follower) -> bool {
        let is_outside = |x: &Follower| is_older(x, one) == Some(true) || is_older(next, x) == Some(true);
        is_older(one, next) == Some(true) && self.siblings(one).all(|(_, x)| x.id == next.id || is_outside(x))
    }

    /// The rotated file before this one, where its end has cut a line.
    fn before(&self, index: usize) -> Option<usize> {
        let own = self.followers.get(index)?;
        let cut = |other: &Follower| !other.finished && !other.is_live() && other.at_end && other.cutter.has_lead();
        self.siblings(own).find(|(_, other)| cut(other) && self.is_direct(other, own)).map(|(index, _)| index)
    }

    /// The file that goes on with a line of this one.
    fn led_by(&self, id: u64) -> Option<usize> {
        self.followers.iter().position(|follower| follower.lead_from == Some(id))
    }

    /// Whether the next file of this rotated one's log goes on with its last line, or still may.
    pub(super) fn awaits_successor(&self, index: usize) -> bool {
        let Some(follower) = self.followers.get(index).filter(|follower| !follower.is_live()) else { return false };
        if self.is_finite(follower.owner) {
            return false;
        }
        self.led_by(follower.id).is_some()
            || self
                .siblings(follower)
                .any(|(_, next)| next.cutter.at() == 0 && !next.finished && self.is_direct(follower, next))
    }

    /// Before a file is read: at its beginning it takes up the line that the file before it has left open. Gives the file to
    /// read first, which may be that one.
    pub(super) fn lead(&mut self, index: usize) -> usize {
        let Some(own) = self.followers.get_mut(index) else { return index };
        let id = own.id;
        own.check_growth();
        let grown = !own.at_end || own.packing() == Packing::Plain && own.stamp.size > own.cutter.at();
        // The next file begins anew when this one is at its end again.
        if let Some(next) = self.led_by(id).filter(|_| grown) {
            let max_line = self.max_line(self.followers.get(next).and_then(|next| next.owner));
            if let Some(next) = self.followers.get_mut(next) {
                next.unread = true;
                // Where its file cannot be read now, reading it says so.
                let _ = next.rewind(max_line);
            }
        }
        if !self.followers.get(index).is_some_and(|own| own.cutter.at() == 0 && !own.cutter.is_led()) {
            return index;
        }
        // One whose name is out of date may not have had its turn yet.
        if let Some(own) = self.followers.get(index)
            && let Some((older, _)) = self
                .siblings(own)
                .filter(|(_, other)| {
                    other.unread && other.packing() == Packing::Plain && is_older(other, own) == Some(true)
                })
                .min_by_key(|(_, other)| (other.stamp.modified, other.id))
        {
            return older;
        }
        let Some(before) = self.before(index) else { return index };
        let Some(previous) = self.followers.get_mut(before) else { return index };
        if previous.check_growth() || previous.unread {
            previous.unread = true;
            return before;
        }
        let (lead, previous) = (previous.cutter.lead(), previous.id);
        if let (Some(lead), Some(own)) = (lead, self.followers.get_mut(index)) {
            own.cutter.follow(lead);
            own.lead_from = Some(previous);
        }
        index
    }

    /// Where a line that began in the file before is whole now, that file has nothing open any more. Done before anything
    /// is committed.
    pub(super) fn settle_leads(&mut self, sink: &mut dyn Sink) {
        for index in 0..self.followers.len() {
            let Some(own) = self.followers.get_mut(index).filter(|own| !own.cutter.is_led()) else { continue };
            let Some(previous) = own.lead_from.take() else { continue };
            own.dirty = true;
            let Some(previous) = self.followers.iter().position(|follower| follower.id == previous) else { continue };
            let owner = self.followers.get(previous).and_then(|previous| previous.owner);
            let max_line = self.max_line(owner);
            let Some(previous) = self.followers.get_mut(previous) else { continue };
            if previous.hand_over(max_line).is_err() {
                previous.suspect = true;
            }
            // An archive that was read to its end waited for this only.
            if let Some(source) = owner
                && previous.at_end
                && previous.packing() != Packing::Plain
            {
                previous.finish(|cut| lines::hand(sink, source, cut));
                self.epoch += 1;
                self.look = true;
            }
        }
    }

    /// The end of a line that this file began does not come: what there is of it is handed on.
    pub(super) fn end_lead(&mut self, index: usize, sink: &mut dyn Sink) {
        let Some(next) = self.followers.get(index).and_then(|follower| self.led_by(follower.id)) else { return };
        if let Some(next) = self.followers.get_mut(next)
            && let Some(source) = next.owner
        {
            next.cutter.flush_led(|cut| lines::hand(sink, source, cut));
        }
        self.settle_leads(sink);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::{Rig, source};
    use super::super::{QUIET_WITHOUT_SUCCESSOR, Source};

    const CRI: &str = "2026-02-01T09:30:15.1Z ";

    fn out(tag: &str, text: &str) -> String {
        format!("{CRI}stdout {tag} {text}\n")
    }

    fn err(tag: &str, text: &str) -> String {
        format!("{CRI}stderr {tag} {text}\n")
    }

    fn docker(text: &str) -> String {
        format!("{{\"log\":\"{text}\",\"stream\":\"stdout\",\"time\":\"t\"}}\n")
    }

    fn rotate(rig: &Rig) {
        rig.rename("0.log", "0.log.20260201-093015");
    }

    fn is_settled(rig: &Rig) -> bool {
        rig.positions.values().all(|position| position.resume == position.done)
    }

    #[test]
    fn a_line_that_a_rotation_cuts_between_two_parts_is_whole() {
        for (first, second, more) in [
            (out("P", "one "), out("F", "two"), out("F", "next")),
            (out("P", "one "), err("F", "next") + &out("F", "two"), String::new()),
            (docker("one "), docker("two\\n"), docker("next\\n")),
            (out("P", "one "), out("P", "t") + &out("F", "wo"), out("F", "next")),
        ] {
            // Killed, or not, behind each step; what is there at once, or bit by bit.
            for kills in 0..16 {
                let mut rig = Rig::new("0.log");
                let after = |rig: &mut Rig, step: u32| {
                    rig.read();
                    if kills & (1 << step) != 0 {
                        rig.restart();
                    }
                    if kills & 2 == 0 {
                        rig.pass(1);
                    }
                };
                rig.append("0.log", &(out("F", "zero") + &first));
                after(&mut rig, 0);
                rotate(&rig);
                rig.append("0.log", "");
                after(&mut rig, 1);
                rig.append("0.log", &second);
                after(&mut rig, 2);
                rig.append("0.log", &more);
                after(&mut rig, 3);
                rig.pass(100);
                rig.commit();
                let mut lines = rig.committed.clone();
                lines.sort_unstable();
                assert_eq!(lines, ["next", "one two", "zero"], "{kills:b} {second}");
                assert!(is_settled(&rig), "{kills:b} {second}");
                rig.kill();
                rig.pass(100);
                rig.commit();
                assert_eq!(rig.committed.len(), 3, "{kills:b} {second}");
            }
        }
    }

    #[test]
    fn until_the_line_is_whole_both_files_are_read_again_from_before_its_parts() {
        let mut rig = Rig::new("0.log");
        rig.append("0.log", &(out("F", "zero") + &out("P", "one ")));
        rig.pass(1);
        rotate(&rig);
        rig.append("0.log", &(err("F", "other") + &out("P", "two ")));
        rig.pass(1);
        rig.commit();
        assert_eq!(rig.positions.values().filter(|position| position.resume < position.done).count(), 2);
        assert!(rig.positions.values().any(|position| position.resume == 0 && position.done > 0));
        rig.kill();
        rig.append("0.log", &out("F", "three"));
        rig.expect(&["zero", "other", "one two three"]);
        assert!(is_settled(&rig));
    }

    #[test]
    fn an_archive_leads_into_the_next_file_when_both_were_rotated_while_stopped() {
        let mut rig = Rig::new("0.log");
        rig.append("0.log", &out("P", "one "));
        rig.restart();
        rig.rename("0.log", "0.log.1");
        rig.append("0.log", &(out("F", "two") + &out("P", "three ")));
        rig.pack("0.log.1");
        rig.rename("0.log", "0.log.1");
        rig.rename("0.log.1.gz", "0.log.2.gz");
        rig.append("0.log", &out("F", "four"));
        rig.expect(&["one two", "three four"]);
        assert!(rig.positions.values().all(|position| position.resume == position.done));
        assert!(rig.tail.reached_first_ends());
    }

    #[test]
    fn parts_whose_end_does_not_come_count_as_they_are() {
        let wait = QUIET_WITHOUT_SUCCESSOR.as_secs() + 2;
        // No next file, one that stays empty, one that goes on with something else, one that never ends the line.
        for (next, expected) in [
            (None, vec!["one "]),
            (Some(String::new()), vec!["one "]),
            (Some(out("P", "two ")), vec!["one two "]),
            (Some(err("F", "other")), vec!["other", "one "]),
        ] {
            for restart in [false, true] {
                let mut rig = Rig::new("0.log");
                rig.append("0.log", &out("P", "one "));
                rig.pass(1);
                rotate(&rig);
                if let Some(text) = &next {
                    rig.append("0.log", text);
                }
                rig.pass(2);
                if restart {
                    rig.restart();
                }
                rig.pass(wait);
                rig.expect(&expected);
                assert!(is_settled(&rig), "{next:?}");
                rig.append("0.log", &out("F", "late"));
                let all: Vec<_> = expected.iter().copied().chain(["late"]).collect();
                rig.expect(&all);
                rig.kill();
                rig.pass(wait);
                rig.expect(&all);
            }
        }
    }

    #[test]
    fn a_file_that_grows_after_its_rotation_ends_its_line_itself() {
        let mut rig = Rig::new("0.log");
        rig.append("0.log", &out("P", "one "));
        rig.pass(1);
        rotate(&rig);
        rig.append("0.log", &err("F", "next"));
        rig.pass(1);
        rig.commit();
        rig.append("0.log.20260201-093015", &out("F", "two"));
        rig.append("0.log", &out("F", "three"));
        rig.expect(&["next", "one two", "three"]);
        assert!(is_settled(&rig));
    }

    #[test]
    fn only_the_direct_successor_goes_on_and_only_at_its_beginning() {
        let mut rig = Rig::new("0.log");
        rig.append("0.log.2", &out("P", "one "));
        rig.append("0.log.1", &err("F", "between"));
        rig.append("0.log", &out("F", "two"));
        rig.pass(70);
        rig.expect(&["between", "two", "one "]);
    }

    #[test]
    fn a_line_over_the_bound_is_one_line_too_long_also_across_files() {
        let short = |dir: &std::path::Path| vec![Source { max_line: 8, ..source(format!("{}/0.log", dir.display())) }];
        let mut rig = Rig::with(short);
        rig.append("0.log", &out("P", "12345"));
        rig.pass(1);
        rotate(&rig);
        rig.append("0.log", &(out("P", "67890") + &out("F", "x") + &out("F", "12345678")));
        rig.expect(&["<11>", "12345678"]);
    }

    /// Random programs of a runtime that cuts lines into parts, a rotation, and a tail that is killed at any moment.
    #[test]
    fn every_line_comes_once_wherever_files_and_runs_are_cut() {
        for seed in 0..100_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut random = |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 11) % below
            };
            let mut rig = Rig::new("0.log");
            let mut trace = Vec::new();
            let mut written: BTreeMap<String, usize> = BTreeMap::new();
            // Per stream: what the open line holds so far, and whether a rotation has cut it.
            let mut open: [Option<(String, bool)>; 2] = [None, None];
            let (dated, mut rotated) = (seed % 2 == 0, 0);
            let mut count = 0;
            for _ in 0..60 {
                match random(16) {
                    0..8 => {
                        let stream = usize::from(random(3) == 0);
                        let ends = random(2) == 0;
                        count += 1;
                        let text = format!("{count}.");
                        let (mut line, cut) = open[stream].take().unwrap_or_default();
                        line.push_str(&text);
                        let tag = if ends { "F" } else { "P" };
                        rig.append("0.log", &if stream == 0 { out(tag, &text) } else { err(tag, &text) });
                        trace.push(format!("{stream} {tag} {text}"));
                        if ends {
                            *written.entry(line).or_default() += 1;
                        } else {
                            open[stream] = Some((line, cut));
                        }
                    }
                    8..10 if !open.iter().flatten().any(|(_, cut)| *cut) && rig.path("0.log").exists() => {
                        open.iter_mut().flatten().for_each(|(_, cut)| *cut = true);
                        if dated {
                            rotated += 1;
                            rig.rename("0.log", &format!("0.log.20260201-{rotated:06}"));
                            let older = format!("0.log.20260201-{:06}", rotated - 1);
                            if rig.path(&older).exists() && random(2) == 0 {
                                // Between two looks the order of a file without a name and an archive is not certain.
                                rig.pass(1);
                                rig.pack(&older);
                                trace.push("pack".into());
                            }
                        } else {
                            for number in (1..60).rev().filter(|number| rig.path(&format!("0.log.{number}")).exists()) {
                                rig.rename(&format!("0.log.{number}"), &format!("0.log.{}", number + 1));
                            }
                            rig.rename("0.log", "0.log.1");
                        }
                        if random(2) == 0 {
                            rig.append("0.log", "");
                        }
                        trace.push("rotate".into());
                    }
                    10..12 => {
                        rig.read();
                        trace.push("read".into());
                    }
                    12 => {
                        rig.commit();
                        trace.push("commit".into());
                    }
                    13 => {
                        rig.kill();
                        trace.push("kill".into());
                    }
                    14 => {
                        rig.tail.step(rig.now, &mut rig.kept);
                        trace.push("step".into());
                    }
                    _ => {
                        rig.pass(1);
                        trace.push("pass".into());
                    }
                }
            }
            for (stream, line) in open.into_iter().enumerate() {
                if let Some((line, _)) = line {
                    rig.append("0.log", &if stream == 0 { out("F", "end") } else { err("F", "end") });
                    *written.entry(line + "end").or_default() += 1;
                }
            }
            rig.pass(4);
            rig.commit();
            let mut read: BTreeMap<String, usize> = BTreeMap::new();
            for line in &rig.committed {
                *read.entry(line.clone()).or_default() += 1;
            }
            assert_eq!(read, written, "seed {seed}: {trace:#?}");
            assert!(is_settled(&rig), "seed {seed}");
        }
    }
}
