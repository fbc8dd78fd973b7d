//! A made-up gateway: Higress lines, and a log that grows and rotates.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

/// One request as Higress logs it in its default template.
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) start: String,
    pub(crate) model: String,
    pub(crate) consumer: String,
    pub(crate) cluster: String,
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) output: u64,
}

impl Default for Line {
    fn default() -> Line {
        Line {
            id: "00000000-0000-4000-8000-00000000a001".to_owned(),
            start: "2026-11-02T09:30:15.123Z".to_owned(),
            model: "gpt-4o".to_owned(),
            consumer: "key-7".to_owned(),
            cluster: "outbound|443||llm-openai.internal.dns".to_owned(),
            input: 650,
            cached: 400,
            output: 450,
        }
    }
}

impl Line {
    /// The `index`th of a row of requests that differ in id and start.
    pub(crate) fn numbered(index: u64) -> Line {
        let (hour, minute, second) = (index / 3600 % 24, index / 60 % 60, index % 60);
        Line {
            id: format!("00000000-0000-4000-8000-{index:012}"),
            start: format!("2026-11-02T{hour:02}:{minute:02}:{second:02}.123Z"),
            ..Line::default()
        }
    }

    /// The line, with its newline.
    pub(crate) fn text(&self) -> String {
        let ai_log = json!({
            "api": "-", "chat_id": format!("chatcmpl-{}", self.id), "chat_round": 1, "consumer": self.consumer,
            "input_token": self.input, "input_token_details": {"cached_tokens": self.cached},
            "llm_first_token_duration": 309, "llm_service_duration": 1405, "model": self.model,
            "output_token": self.output, "output_token_details": {}, "response_type": "stream",
            "session_id": "sess-1", "total_token": self.input + self.output,
        });
        self.around(&ai_log.to_string())
    }

    /// The outer line around any text as `ai_log`, with its newline.
    pub(crate) fn around(&self, ai_log: &str) -> String {
        let outer = json!({
            "ai_log": ai_log, "bytes_received": "640", "bytes_sent": "1870", "duration": "1420", "method": "POST",
            "path": "/v1/chat/completions", "protocol": "HTTP/1.1", "request_id": self.id, "response_code": "200",
            "response_flags": "-", "response_code_details": "via_upstream", "route_name": "ai-route.internal",
            "start_time": self.start, "trace_id": "-", "upstream_cluster": self.cluster, "user_agent": "curl/8",
            "x_forwarded_for": "10.8.1.9",
        });
        format!("{outer}\n")
    }
}

/// Steps of SplitMix64, so that a failure comes again.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Even over `0..bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A log that grows and rotates, with a history of all that was ever written.
pub(crate) struct Log {
    pub(crate) path: PathBuf,
    /// Holds the same lines in one piece.
    pub(crate) history: PathBuf,
    /// Lines written.
    pub(crate) lines: u64,
    rotated: u64,
}

impl Log {
    pub(crate) fn create(folder: &Path) -> Log {
        fs::create_dir_all(folder.join("log")).expect("make the log's folder");
        Log { path: folder.join("log/access.log"), history: folder.join("history.log"), lines: 0, rotated: 0 }
    }

    /// Appends so many requests.
    pub(crate) fn append(&mut self, count: u64) {
        let text: String = (self.lines..self.lines + count).map(|index| Line::numbered(index).text()).collect();
        self.write(&text);
        self.lines += count;
    }

    /// Appends so many requests in two writes that part inside a line.
    pub(crate) fn append_torn(&mut self, count: u64) {
        let text: String = (self.lines..self.lines + count).map(|index| Line::numbered(index).text()).collect();
        let (head, tail) = text.split_at_checked(text.len() - 300).expect("lines are ASCII and longer");
        self.write(head);
        self.write(tail);
        self.lines += count;
    }

    fn write(&self, text: &str) {
        append(&self.path, text.as_bytes());
        append(&self.history, text.as_bytes());
    }

    fn rotated(&self, number: u64) -> PathBuf {
        self.path.with_file_name(format!("access.log.{number}"))
    }

    /// Renames as logrotate does: `.1` is the newest. Older ones may be compressed.
    pub(crate) fn rotate(&mut self) {
        for number in (1..=self.rotated).rev() {
            for suffix in ["", ".gz"] {
                let name = |number| {
                    let mut name = self.rotated(number).into_os_string();
                    name.push(suffix);
                    PathBuf::from(name)
                };
                if name(number).exists() {
                    fs::rename(name(number), name(number + 1)).expect("rename a rotated file");
                }
            }
        }
        if self.path.exists() {
            fs::rename(&self.path, self.rotated(1)).expect("rotate the log");
            self.rotated += 1;
        }
        File::create(&self.path).expect("begin a new log");
    }

    /// Compresses a rotated file, as logrotate does: the copy is there before the original goes.
    pub(crate) fn compress(&self, number: u64) {
        let plain = self.rotated(number);
        if plain.exists() {
            let packed = plain.with_file_name(format!("access.log.{number}.gz"));
            fs::write(packed, gzip(&fs::read(&plain).expect("read a rotated file"))).expect("write the packed file");
            fs::remove_file(plain).expect("remove the original");
        }
    }
}

/// Appends bytes to a file that need not exist.
pub(crate) fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("open a log");
    file.write_all(bytes).expect("write a log");
}

/// Packs bytes.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("pack");
    encoder.finish().expect("pack")
}

/// Unpacks bytes.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).expect("unpack");
    plain
}
