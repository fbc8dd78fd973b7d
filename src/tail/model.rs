//! Random programs of a writer, a rotation and a tail that is killed at any moment, against a model of what must come
//! out: every line exactly once, except that lines whose bytes were taken away before they were committed may be
//! missing, but never come twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;

use super::tests::{Rig, gzip};

struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

struct Model {
    rig: Rig,
    random: Random,
    trace: Vec<String>,
    /// Lines in each file on disk. A copy holds its lines again.
    files: BTreeMap<String, Vec<String>>,
    written: BTreeSet<String>,
    /// Taken away before they were committed.
    may_be_missing: BTreeSet<String>,
    /// The second half of a line whose first half is the end of this file.
    half: Option<(String, String)>,
    lines: u64,
    dated: u64,
    /// Rotated names, newest first.
    rotated: Vec<String>,
    by_date: bool,
    packs: bool,
}

const LIVE: &str = "a.log";

impl Model {
    fn new(seed: u64) -> Model {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            random.next(2);
        }
        let (by_date, packs, glob) = (random.next(2) == 0, random.next(2) == 0, random.next(3) == 0);
        Model {
            rig: Rig::new(if glob { "a*log*" } else { LIVE }),
            random,
            trace: Vec::new(),
            files: BTreeMap::new(),
            written: BTreeSet::new(),
            may_be_missing: BTreeSet::new(),
            half: None,
            lines: 0,
            dated: 0,
            rotated: Vec::new(),
            by_date,
            packs,
        }
    }

    fn note(&mut self, text: &str) {
        self.trace.push(text.to_owned());
    }

    fn line(&mut self) -> String {
        self.lines += 1;
        let length = match self.random.next(20) {
            0 => self.random.next(300_000),
            1..=4 => self.random.next(3000),
            _ => self.random.next(60),
        };
        let filler = self.random.next(1 << 40);
        format!("{} {filler} {}", self.lines, "x".repeat(usize::try_from(length).unwrap()))
    }

    fn write(&mut self) {
        self.end_half();
        let mut text = String::new();
        for _ in 0..=self.random.next(6) {
            let line = self.line();
            text.push_str(&line);
            text.push('\n');
            self.written.insert(line.clone());
            self.files.entry(LIVE.into()).or_default().push(line);
        }
        self.rig.append(LIVE, &text);
    }

    fn write_half(&mut self) {
        self.end_half();
        let line = self.line();
        let cut = usize::try_from(self.random.next(line.len() as u64)).unwrap();
        let (first, second) = line.split_at(cut);
        self.rig.append(LIVE, first);
        self.half = Some((LIVE.into(), format!("{second}\n")));
        self.written.insert(line.clone());
        self.files.entry(LIVE.into()).or_default().push(line);
    }

    fn end_half(&mut self) {
        if let Some((name, rest)) = self.half.take() {
            self.rig.append(&name, &rest);
        }
    }

    fn remove(&mut self, name: &str) {
        let lines = self.files.remove(name).unwrap_or_default();
        self.taken(lines);
        if self.half.as_ref().is_some_and(|(file, _)| file == name) {
            self.half = None;
        }
        let _ = fs::remove_file(self.rig.path(name));
    }

    fn taken(&mut self, lines: Vec<String>) {
        for line in lines {
            if !self.rig.committed.contains(&line) && !self.files.values().any(|file| file.contains(&line)) {
                self.may_be_missing.insert(line);
            }
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        self.rig.rename(from, to);
        if let Some(lines) = self.files.remove(from) {
            self.files.insert(to.to_owned(), lines);
        }
        if let Some((file, _)) = self.half.as_mut().filter(|(file, _)| file == from) {
            *file = to.to_owned();
        }
    }

    /// Makes room for a newly rotated file and returns its name.
    fn shift(&mut self) -> String {
        while self.rotated.len() >= 5 {
            let oldest = self.rotated.pop().unwrap();
            self.remove(&oldest);
        }
        if self.by_date {
            self.dated += 1;
            let name = format!("a.log-20260201-{:06}", self.dated);
            self.rotated.insert(0, name.clone());
            return name;
        }
        for index in (0..self.rotated.len()).rev() {
            let old = self.rotated[index].clone();
            let end = if old.ends_with(".gz") { ".gz" } else { "" };
            let new = format!("a.log.{}{end}", index + 2);
            self.rename(&old, &new);
            self.rotated[index] = new;
        }
        self.rotated.insert(0, "a.log.1".into());
        "a.log.1".into()
    }

    fn rotate(&mut self) {
        if !self.files.contains_key(LIVE) {
            return;
        }
        let name = self.shift();
        self.rename(LIVE, &name);
        if self.random.next(2) == 0 {
            self.sometimes_step();
            self.recreate();
        }
        // The writer ends its line in the old file, before that counts as quiet.
        self.sometimes_step();
        self.end_half();
    }

    fn recreate(&mut self) {
        if !self.files.contains_key(LIVE) {
            self.rig.append(LIVE, "");
            self.files.insert(LIVE.into(), Vec::new());
        }
    }

    fn copy_truncate(&mut self) {
        self.end_half();
        let Some(lines) = self.files.get(LIVE).cloned() else { return };
        let name = self.shift();
        let content = fs::read(self.rig.path(LIVE)).unwrap();
        let cut = usize::try_from(self.random.next(content.len() as u64 + 1)).unwrap();
        fs::write(self.rig.path(&name), &content[..cut]).unwrap();
        self.sometimes_step();
        let mut copy = fs::OpenOptions::new().append(true).open(self.rig.path(&name)).unwrap();
        copy.write_all(&content[cut..]).unwrap();
        self.sometimes_step();
        self.files.insert(name, lines);
        fs::OpenOptions::new().write(true).truncate(true).open(self.rig.path(LIVE)).unwrap();
        self.files.insert(LIVE.into(), Vec::new());
        if self.random.next(2) == 0 {
            self.write();
        }
    }

    fn truncate(&mut self) {
        if !self.files.contains_key(LIVE) {
            return;
        }
        if self.half.as_ref().is_some_and(|(file, _)| file == LIVE) {
            self.half = None;
        }
        fs::OpenOptions::new().write(true).truncate(true).open(self.rig.path(LIVE)).unwrap();
        let lines = self.files.insert(LIVE.into(), Vec::new()).unwrap_or_default();
        self.taken(lines);
    }

    fn pack(&mut self) {
        let plain: Vec<usize> =
            (0..self.rotated.len()).filter(|index| !self.rotated[*index].ends_with(".gz")).collect();
        let Some(last) = plain.last().copied().filter(|_| self.packs) else { return };
        let name = self.rotated[last].clone();
        if self.half.as_ref().is_some_and(|(file, _)| *file == name) {
            self.end_half();
        }
        let packed = gzip(&fs::read(self.rig.path(&name)).unwrap());
        let target = format!("{name}.gz");
        let cut = usize::try_from(self.random.next(packed.len() as u64)).unwrap();
        fs::write(self.rig.path(&target), &packed[..cut]).unwrap();
        self.sometimes_step();
        fs::write(self.rig.path(&target), &packed).unwrap();
        self.sometimes_step();
        fs::remove_file(self.rig.path(&name)).unwrap();
        let lines = self.files.remove(&name).unwrap_or_default();
        self.files.insert(target.clone(), lines);
        self.rotated[last] = target;
    }

    fn sometimes_step(&mut self) {
        if self.random.next(2) == 0 {
            self.step();
        }
    }

    fn step(&mut self) {
        let advance = [0, 1, 60, 250, 2000][usize::try_from(self.random.next(5)).unwrap()];
        self.rig.now += std::time::Duration::from_millis(advance);
        for _ in 0..=self.random.next(4) {
            self.rig.tail.step(self.rig.now, &mut self.rig.kept);
        }
    }

    fn act(&mut self) {
        let action = self.random.next(100);
        let name = match action {
            0..25 => "write",
            25..32 => "write half",
            32..58 => "step",
            58..66 => "commit",
            66..70 => "restart",
            70..75 => "kill",
            75..84 => "rotate",
            84..88 => "copy and truncate",
            88..93 => "pack",
            93 => "delete",
            94 => "truncate",
            95 => "drain",
            96 => "end half",
            _ => "recreate",
        };
        self.note(name);
        match name {
            "write" => self.write(),
            "write half" => self.write_half(),
            "step" => self.step(),
            "commit" => self.rig.commit(),
            "restart" => self.rig.restart(),
            "kill" => self.rig.kill(),
            "rotate" => self.rotate(),
            "copy and truncate" => self.copy_truncate(),
            "pack" => self.pack(),
            "delete" => self.remove(LIVE),
            "truncate" => self.truncate(),
            "drain" => self.rig.read(),
            "end half" => self.end_half(),
            _ => self.recreate(),
        }
    }

    fn check(mut self, seed: u64) {
        self.end_half();
        self.rig.pass(20);
        self.rig.commit();
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for line in &self.rig.committed {
            *counts.entry(line).or_default() += 1;
        }
        let brief = |line: &str| line.chars().take(20).collect::<String>();
        let mut wrong = Vec::new();
        for line in &self.written {
            match counts.get(line.as_str()) {
                Some(1) => {}
                None if self.may_be_missing.contains(line) => {}
                None => wrong.push(format!("missing: {}", brief(line))),
                Some(count) => wrong.push(format!("{count} times: {}", brief(line))),
            }
        }
        // What is torn by a truncation may come as it is, but nothing else that was never written.
        for line in counts.keys().filter(|line| !self.written.contains(**line)) {
            let torn = self.may_be_missing.iter().any(|whole| whole.starts_with(line));
            if !torn {
                wrong.push(format!("never written: {}", brief(line)));
            }
        }
        assert!(wrong.is_empty(), "seed {seed}\n{}\nafter {}", wrong.join("\n"), self.trace.join(", "));
    }
}

fn run(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut model = Model::new(seed);
        for _ in 0..60 {
            model.act();
        }
        model.check(seed);
    }
}

#[test]
fn random_programs_lose_and_repeat_nothing() {
    run(0..250);
}

#[test]
fn more_random_programs_lose_and_repeat_nothing() {
    run(250..500);
}
