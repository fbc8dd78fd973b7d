//! Cases of following, each with its own folder and a made-up time.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::*;
use crate::clock::Clock;

#[derive(Default)]
pub(super) struct Kept {
    pub(super) lines: Vec<String>,
}

impl Sink for Kept {
    fn line(&mut self, _: usize, line: &[u8]) {
        self.lines.push(String::from_utf8_lossy(line).into_owned());
    }
    fn too_long(&mut self, _: usize, bytes: u64) {
        self.lines.push(format!("<{bytes}>"));
    }
}

/// A tail over a folder, with what a ledger would keep of it.
pub(super) struct Rig {
    pub(super) dir: tempfile::TempDir,
    pub(super) sources: Vec<Source>,
    pub(super) tail: Tail,
    pub(super) now: Instant,
    pub(super) kept: Kept,
    pub(super) committed: Vec<String>,
    pub(super) positions: BTreeMap<u64, Position>,
    pub(super) lost: u64,
    pub(super) rotations: [u64; 4],
    pub(super) bytes: u64,
}

pub(super) fn source(path: String) -> Source {
    Source { name: "test".into(), path, from: From::Start, max_line: 1 << 20, follow: Follow::Growing }
}

impl Rig {
    pub(super) fn new(pattern: &str) -> Rig {
        Rig::with(|dir| vec![source(format!("{}/{pattern}", dir.display()))])
    }

    pub(super) fn with(sources: impl Fn(&Path) -> Vec<Source>) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let sources = sources(dir.path());
        let tail = Tail::new(sources.clone(), Vec::new()).unwrap();
        Rig {
            dir,
            sources,
            tail,
            now: Clock::system().instant(),
            kept: Kept::default(),
            committed: Vec::new(),
            positions: BTreeMap::new(),
            lost: 0,
            rotations: [0; 4],
            bytes: 0,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(super) fn copy_truncate(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        OpenOptions::new().write(true).truncate(true).open(self.path(from)).unwrap();
    }

    pub(super) fn pack(&self, from: &str) {
        let content = fs::read(self.path(from)).unwrap();
        fs::write(self.path(&format!("{from}.gz")), gzip(&content)).unwrap();
        fs::remove_file(self.path(from)).unwrap();
    }

    /// Steps until everything is read.
    pub(super) fn read(&mut self) {
        for _ in 0..10_000 {
            if self.tail.step(self.now, &mut self.kept) == Step::Idle {
                return;
            }
        }
        panic!("never idle");
    }

    /// Lets ticks of `seconds` altogether pass.
    pub(super) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 4 {
            self.now += Duration::from_millis(250);
            self.read();
        }
    }

    pub(super) fn commit(&mut self) {
        let changes = self.tail.take_changes();
        for position in changes.positions {
            let text = serde_json::to_string(&position).unwrap();
            self.positions.insert(position.file, serde_json::from_str(&text).unwrap());
        }
        for file in changes.forgotten {
            self.positions.remove(&file);
        }
        for counts in changes.sources {
            self.lost += counts.lost_bytes;
            self.bytes += counts.bytes;
            for (sum, count) in self.rotations.iter_mut().zip(counts.rotations) {
                *sum += count;
            }
        }
        self.committed.append(&mut self.kept.lines);
    }

    /// `kill -9` and a new start: what was not committed is gone.
    pub(super) fn kill(&mut self) {
        self.kept.lines.clear();
        self.tail = Tail::new(self.sources.clone(), self.positions.values().cloned().collect()).unwrap();
    }

    pub(super) fn restart(&mut self) {
        self.commit();
        self.kill();
    }

    /// Ticks for three seconds, commits, and compares all lines so far.
    #[track_caller]
    pub(super) fn expect(&mut self, lines: &[&str]) {
        self.pass(3);
        self.commit();
        assert_eq!(self.committed, lines);
    }
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn files_that_appear_later_are_read_and_partial_lines_wait() {
    let mut rig = Rig::new("sub/a.log");
    rig.expect(&[]);
    assert!(rig.tail.state()[0].error.as_ref().unwrap().contains("No such file"));
    fs::create_dir(rig.path("sub")).unwrap();
    rig.append("sub/a.log", "one\ntw");
    rig.expect(&["one"]);
    assert_eq!(rig.tail.state()[0].error, None);
    assert_eq!(rig.tail.state()[0].lag_bytes, 2);
    rig.pass(100);
    rig.append("sub/a.log", "o\n");
    rig.expect(&["one", "two"]);
    assert_eq!((rig.bytes, rig.lost, rig.rotations), (8, 0, [0; 4]));
}

#[test]
fn a_found_file_has_a_position_before_anything_is_read_of_it() {
    let mut rig = Rig::new("*.log");
    for name in ["a.log", "b.log"] {
        let long = name.repeat(120_000);
        rig.append(name, &format!("{long}\n{long}\n"));
    }
    rig.tail.step(rig.now, &mut rig.kept);
    rig.commit();
    assert_eq!(rig.positions.len(), 2);
    assert!(rig.positions.values().any(|position| position.done == 0 && position.head.len == 1024));
    assert!(!rig.tail.reached_first_ends());
    rig.read();
    assert!(rig.tail.reached_first_ends());
    assert_eq!((rig.tail.read_bytes(), rig.tail.total_bytes()), (2_400_004, 2_400_004));
}

#[test]
fn from_end_skips_what_is_there_and_reads_what_comes() {
    let mut rig = Rig::with(|dir| vec![Source { from: From::End, ..source(format!("{}/a.log", dir.display())) }]);
    rig.append("a.log.1", "older\n");
    rig.append("a.log", "old\nhal");
    rig.expect(&[]);
    rig.append("a.log", "f\nnew\n");
    rig.expect(&["half", "new"]);
    rig.restart();
    rig.rename("a.log.1", "a.log.2");
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "next\n");
    rig.pack("a.log.2");
    rig.expect(&["half", "new", "next"]);
}

#[test]
fn renamed_files_are_drained_before_their_successor() {
    let mut rig = Rig::new("a.log");
    rig.append("a.log", "1\n");
    rig.expect(&["1"]);
    rig.append("a.log", "2\n");
    rig.rename("a.log", "a.log.1");
    rig.append("a.log.1", "3\n");
    rig.rename("a.log.1", "a.log.2");
    rig.append("a.log.1", "4\n");
    rig.append("a.log", "5\n");
    rig.expect(&["1", "2", "3", "4", "5"]);
    assert_eq!((rig.rotations, rig.lost), ([1, 0, 0, 0], 0));
    // The writer still holds the renamed file for a moment.
    rig.append("a.log.2", "late\nlast");
    rig.expect(&["1", "2", "3", "4", "5", "late"]);
    rig.pass(6);
    rig.expect(&["1", "2", "3", "4", "5", "late", "last"]);
}

#[test]
fn rotations_while_stopped_lose_and_repeat_nothing() {
    let mut rig = Rig::new("a.log");
    let lines: Vec<String> = (0..300).map(|n| format!("line {n} {}", "x".repeat(n))).collect();
    let text = |range: std::ops::Range<usize>| lines[range].iter().map(|line| format!("{line}\n")).collect::<String>();
    rig.append("a.log.1", &text(0..50));
    rig.append("a.log", &text(50..100));
    rig.pass(3);
    rig.append("a.log", &text(100..150));
    rig.restart();
    rig.rename("a.log.1", "a.log.2");
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", &text(150..200));
    rig.pack("a.log.2");
    rig.rename("a.log.2.gz", "a.log.3.gz");
    rig.rename("a.log.1", "a.log.2");
    rig.rename("a.log", "a.log.1");
    rig.pack("a.log.2");
    rig.append("a.log", &text(200..300));
    rig.pass(3);
    rig.commit();
    assert_eq!(rig.committed, lines);
    rig.kill();
    rig.pass(10);
    rig.commit();
    assert_eq!(rig.committed, lines);
    assert_eq!(rig.lost, 0);
}

#[test]
fn truncation_after_a_copy_reads_the_rest_from_the_copy() {
    let mut rig = Rig::new("a.log");
    rig.append("a.log", "1\n");
    rig.expect(&["1"]);
    rig.append("a.log", "2\n");
    rig.copy_truncate("a.log", "a.log.1");
    rig.append("a.log", "3, and grown past the old offset at once\n");
    rig.expect(&["1", "2", "3, and grown past the old offset at once"]);
    assert_eq!((rig.rotations, rig.lost), ([0, 1, 0, 0], 0));
    rig.restart();
    rig.append("a.log", "4\n");
    rig.rename("a.log.1", "a.log.2");
    rig.copy_truncate("a.log", "a.log.1");
    rig.pack("a.log.1");
    rig.append("a.log", "5\n");
    rig.expect(&["1", "2", "3, and grown past the old offset at once", "4", "5"]);
}

#[test]
fn a_copy_seen_before_the_truncation_is_not_read_twice() {
    let mut rig = Rig::new("a*");
    rig.append("a.log", "1\n2\n");
    rig.append("a.log.1", "1\n");
    rig.expect(&["1", "2"]);
    rig.append("a.log.1", "2\n");
    rig.append("a.log", "3\n");
    rig.expect(&["1", "2", "3"]);
    rig.append("a.log", "4\n");
    rig.copy_truncate("a.log", "a.log.1");
    rig.expect(&["1", "2", "3", "4"]);
    rig.restart();
    rig.append("a.log", "5\n");
    rig.expect(&["1", "2", "3", "4", "5"]);
}

#[test]
fn truncation_without_a_copy_counts_what_is_known_to_be_lost() {
    let mut rig = Rig::new("a.log");
    rig.append("a.log", "one\ntwo\nthr");
    rig.expect(&["one", "two"]);
    fs::write(rig.path("a.log"), "new\n").unwrap();
    rig.expect(&["one", "two", "new"]);
    rig.pass(12);
    rig.commit();
    assert_eq!((rig.rotations, rig.lost), ([0, 1, 0, 0], 3));
}

#[test]
fn a_file_that_lost_its_end_goes_on_at_its_new_end() {
    let mut rig = Rig::new("a.log");
    let lines: Vec<String> = (0..100).map(|n| format!("{n:049}")).collect();
    rig.append("a.log", &lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    rig.pass(1);
    rig.restart();
    let file = OpenOptions::new().write(true).open(rig.path("a.log")).unwrap();
    file.set_len(4000).unwrap();
    rig.append("a.log", "");
    rig.pass(1);
    rig.append("a.log", "after\n");
    rig.pass(1);
    rig.commit();
    assert_eq!(rig.committed.len(), 101);
    assert_eq!(rig.committed[100], "after");
    assert_eq!(rig.lost, 1000);
}

#[test]
fn a_hole_left_by_a_writer_that_kept_its_offset_is_passed_over() {
    let mut rig = Rig::new("a.log");
    let mut writer = fs::File::create(rig.path("a.log")).unwrap();
    writer.write_all(b"one\ntwo\n").unwrap();
    rig.expect(&["one", "two"]);
    rig.copy_truncate("a.log", "a.log.1");
    writer.write_all(b"three\n").unwrap();
    rig.expect(&["one", "two", "three"]);
}

#[test]
fn a_removed_file_is_read_to_its_end_and_an_inode_used_again_is_a_new_file() {
    let mut rig = Rig::new("a.log");
    rig.append("a.log", "1\n");
    rig.expect(&["1"]);
    let mut open = OpenOptions::new().append(true).open(rig.path("a.log")).unwrap();
    fs::remove_file(rig.path("a.log")).unwrap();
    open.write_all(b"2\nrest").unwrap();
    rig.expect(&["1", "2"]);
    drop(open);
    rig.append("a.log", "3\n");
    rig.pass(6);
    rig.commit();
    let mut lines = rig.committed.clone();
    lines.sort();
    assert_eq!(lines, ["1", "2", "3", "rest"]);
    for n in 4..20 {
        fs::remove_file(rig.path("a.log")).unwrap();
        rig.restart();
        rig.append("a.log", &format!("{n}, another line in what may be the old inode\n"));
        rig.pass(1);
    }
    rig.commit();
    assert_eq!(rig.committed.len(), 20);
}

#[test]
fn a_link_that_is_pointed_elsewhere_drains_its_old_target_first() {
    let mut rig = Rig::new("link.log");
    let point = |rig: &Rig, to: &str| {
        let _ = fs::remove_file(rig.path("link.log"));
        std::os::unix::fs::symlink(rig.path(to), rig.path("link.log")).unwrap();
    };
    rig.append("x.out", "1\n");
    rig.append("y.out", "3\n");
    point(&rig, "x.out");
    rig.expect(&["1"]);
    rig.append("x.out", "2\n");
    point(&rig, "y.out");
    rig.expect(&["1", "2", "3"]);
    rig.append("y.out", "4\n");
    rig.restart();
    rig.append("z.out", "5\n");
    point(&rig, "z.out");
    rig.expect(&["1", "2", "3", "4", "5"]);
}

#[test]
fn an_archive_in_the_making_waits_and_is_read_once() {
    let mut rig = Rig::new("a.log");
    let lines: Vec<String> = (0..2000).map(|n| format!("line {n} {}", n * 7919 % 1000)).collect();
    let content = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let packed = gzip(content.as_bytes());
    rig.append("a.log", "live\n");
    for cut in [0, 5, 100, packed.len() / 2, packed.len() - 1] {
        fs::write(rig.path("a.log.1.gz"), &packed[..cut]).unwrap();
        rig.pass(3);
        rig.restart();
    }
    fs::write(rig.path("a.log.1.gz"), &packed).unwrap();
    rig.pass(3);
    rig.commit();
    let mut expected = lines.clone();
    expected.push("live".into());
    expected.sort();
    rig.committed.sort();
    assert_eq!(rig.committed, expected);
}

#[test]
fn an_archive_beside_the_file_it_is_made_of_counts_once() {
    let mut rig = Rig::new("a.log");
    rig.append("a.log", "live\n");
    rig.append("a.log.1", "one\ntwo\n");
    fs::write(rig.path("a.log.1.gz"), &gzip(b"one\ntwo\n")[..20]).unwrap();
    rig.expect(&["one", "two", "live"]);
    fs::write(rig.path("a.log.1.gz"), gzip(b"one\ntwo\n")).unwrap();
    rig.expect(&["one", "two", "live"]);
    rig.restart();
    rig.expect(&["one", "two", "live"]);
    fs::remove_file(rig.path("a.log.1")).unwrap();
    rig.expect(&["one", "two", "live"]);
    rig.restart();
    rig.expect(&["one", "two", "live"]);
}

#[test]
fn wrapped_parts_survive_a_kill_between_them() {
    let mut rig = Rig::new("0.log");
    let cri = "2026-02-01T09:30:15.1Z ";
    rig.append("0.log", &format!("{cri}stdout P one \n{cri}stderr F err\n{cri}stderr P more \n"));
    rig.pass(1);
    rig.restart();
    rig.append("0.log", &format!("{cri}stderr F err\n{cri}stdout F two\n"));
    rig.expect(&["err", "more err", "one two"]);
    let position = rig.positions.values().next().unwrap();
    assert_eq!(position.resume, position.done);
}

#[test]
fn folders_and_broken_archives_are_said_and_not_fatal() {
    let mut rig = Rig::with(|dir| {
        ["a", "b*"].map(|name| Source { name: name.into(), ..source(format!("{}/{name}", dir.display())) }).into()
    });
    fs::create_dir_all(rig.path("a")).unwrap();
    fs::create_dir_all(rig.path("b.log")).unwrap();
    rig.append("b.gz", "this is no archive\n");
    rig.append("b.txt", "fine\n");
    rig.expect(&["fine"]);
    assert!(rig.tail.state()[0].error.as_ref().unwrap().contains("is a directory"));
    fs::remove_dir(rig.path("a")).unwrap();
    rig.append("a", "now a file\n");
    rig.expect(&["fine", "now a file"]);
    assert_eq!(rig.tail.state()[0].error, None);
}

#[test]
fn finished_files_are_read_once_under_any_name() {
    let finished = |dir: &Path, names: &[&str]| -> Vec<Source> {
        let one = |name: &&str| Source {
            name: (*name).into(),
            follow: Follow::Finished,
            ..source(format!("{}/{name}", dir.display()))
        };
        names.iter().map(one).collect()
    };
    let mut rig = Rig::with(|dir| finished(dir, &["old", "a", "a.gz", "b.zst"]));
    rig.append("old", "1\n2\n");
    rig.append("a", "1\n2\n3");
    fs::write(rig.path("a.gz"), gzip(b"1\n2\n3")).unwrap();
    fs::write(rig.path("b.zst"), zstd::encode_all(&b"4\n5"[..], 1).unwrap()).unwrap();
    assert!(!rig.tail.reached_first_ends());
    rig.read();
    rig.commit();
    assert_eq!(rig.committed, ["1", "2", "3", "4", "5"]);
    assert!(rig.tail.reached_first_ends());
    assert_eq!(rig.tail.read_bytes(), rig.tail.total_bytes());
    // Again, under other names, and then followed as a growing log.
    rig.sources = finished(rig.dir.path(), &["copy", "a", "b"]);
    fs::copy(rig.path("a"), rig.path("copy")).unwrap();
    rig.append("b", "4\n5");
    rig.kill();
    rig.read();
    rig.commit();
    assert_eq!(rig.committed.len(), 5);
    rig.sources = vec![source(rig.path("b").display().to_string())];
    rig.kill();
    rig.append("b", "\n6\n");
    rig.expect(&["1", "2", "3", "4", "5", "", "6"]);
    assert!(rig.positions.values().any(|position| position.source == "test"));
}

#[test]
fn a_reload_keeps_what_is_known() {
    let mut rig = Rig::new("a.log");
    rig.append("a.log", "1\n");
    rig.append("b.log", "b\n");
    rig.expect(&["1"]);
    let a = rig.sources[0].clone();
    let b = Source { name: "b".into(), ..source(rig.path("b.log").display().to_string()) };
    rig.tail.reload(vec![b.clone(), a.clone()]).unwrap();
    rig.append("a.log", "2\n");
    rig.pass(3);
    rig.tail.reload(vec![b.clone()]).unwrap();
    rig.append("a.log", "3\n");
    rig.pass(3);
    rig.tail.reload(vec![a, b]).unwrap();
    rig.pass(3);
    rig.kept.lines.sort();
    rig.expect(&["1", "2", "3", "b"]);
    let wrong = Source { name: "c".into(), ..source("/[".into()) };
    assert_eq!(
        rig.tail.reload(vec![wrong]).unwrap_err().to_string(),
        "read the path \"/[\" of source \"c\" as a glob: unclosed character class; missing ']'"
    );
}

#[test]
fn positions_of_files_that_are_gone_are_forgotten_in_time() {
    let mut rig = Rig::new("a.log");
    rig.append("a.log", "1\n");
    rig.expect(&["1"]);
    fs::remove_file(rig.path("a.log")).unwrap();
    rig.pass(100);
    rig.commit();
    assert_eq!(rig.positions.len(), 1);
    rig.now += Duration::from_secs(4000);
    rig.read();
    rig.commit();
    assert!(rig.positions.is_empty());
    assert_eq!((rig.lost, rig.rotations), (0, [0, 0, 0, 1]));
}

#[test]
fn many_files_are_read_in_turns_with_few_descriptors() {
    let mut rig = Rig::new("*.log");
    for n in 0..400 {
        rig.append(&format!("{n}.log"), &format!("line of {n}\n"));
    }
    rig.pass(3);
    for n in 0..400 {
        rig.append(&format!("{n}.log"), &format!("more of {n}\n"));
    }
    rig.pass(3);
    rig.commit();
    assert_eq!(rig.committed.len(), 800);
    assert!(rig.tail.followers.iter().filter(|follower| follower.is_open()).count() <= 256 + 1);
    assert_eq!(rig.tail.state()[0].files, 400);
}
