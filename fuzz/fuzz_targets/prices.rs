//! Any text as a price file and as LiteLLM's map.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = tokentail::pricing::parse_file("fuzz.yaml", text);
    let _ = tokentail::pricing::parse_litellm("fuzz.json", text);
});
