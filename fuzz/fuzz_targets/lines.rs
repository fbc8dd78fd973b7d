//! Any bytes through the cutter of lines and the wrappers of container runtimes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokentail::tail::{Lines, Sink};

const MAX_LINE: usize = 1024;

struct Bounded;

impl Sink for Bounded {
    fn line(&mut self, _: usize, line: &[u8]) {
        assert!(line.len() <= MAX_LINE);
    }

    fn too_long(&mut self, _: usize, bytes: u64) {
        assert!(bytes > MAX_LINE as u64);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut lines = Lines::new(bytes, 0, MAX_LINE);
    while lines.step(&mut Bounded).expect("memory can be read") {}
});
