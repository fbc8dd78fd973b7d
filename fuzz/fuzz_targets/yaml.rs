//! Any text as YAML and as a whole configuration.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = tokentail::yaml::parse(text);
    let _ = tokentail::config::parse(Path::new("fuzz.yaml"), text);
});
