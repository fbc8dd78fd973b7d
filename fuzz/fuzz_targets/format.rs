//! Any bytes through the decoder that tells formats by itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokentail::format::{Config, Decoder};

fuzz_target!(|line: &[u8]| {
    let config = Config { format: "auto".to_owned(), ..Config::default() };
    let mut decoder = Decoder::build(&config).expect("a format that is there");
    decoder.parse(line, 1_795_000_000_000_000, &mut |_| ());
});
