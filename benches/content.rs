//! What captured conversations take on disk and what it takes to find them: 100,000 of them, half of one turn each, half in
//! sessions of six turns whose requests repeat the whole history. Prints bytes, savings and medians; asserts nothing.
//!
//! `cargo bench --bench content`. The text is made up of sentences with other words in them each time, English and Chinese, some
//! with code: no more alike than what people ask, which no made-up text can prove. `TOKENTAIL_BENCH_CONVERSATIONS` sets another
//! number.
#![expect(clippy::indexing_slicing, reason = "a benchmark may end where it is wrong")]

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tokentail::content::{Captured, Codec, Exchange, Filter, Keeping, Message, New, Reader, Selection, Store};

const RUNS: usize = 9;
const TURNS: usize = 6;
const BATCH: usize = 1_000;
const SECOND: i64 = 1_000_000;

const ENGLISH: &[&str] = &[
    "The {} of the {} depends on how the {} was configured when the {} was created.",
    "If the {} is missing, check whether the {} has been moved to another {}.",
    "Our {} team would like to know why the {} takes longer than the {}.",
    "I would start with the {} and measure its {} before changing the {}.",
    "There are two ways to do this: either the {} calls the {}, or a {} watches the {}.",
    "Please note that a {} without a {} is removed after thirty days.",
    "That is why the {} on the left shows more {} than the {} did last week.",
    "First open the {}, then choose the {}, and at last confirm the {}.",
];
const CHINESE: &[&str] = &[
    "如果{}没有返回{}，请先检查{}的设置是否正确。",
    "关于{}的{}，我们建议每个月重新评估一次{}。",
    "这份{}说明了{}与{}之间的关系，但是没有提到{}。",
    "请帮我把{}改写成{}，并且保留原来的{}。",
    "用户在{}中选择{}以后，系统会自动生成{}。",
    "从{}到{}大约需要三天，期间{}不会受到影响。",
];
const CODE: &[&str] = &[
    "\n```python\ndef {}_{}(items):\n    return [item.{} for item in items if item.{} is not None]\n```\n",
    "\n```sql\nSELECT {}, count(*) FROM {} WHERE {} > 10 GROUP BY {};\n```\n",
    "\n```bash\n./{} --{} \"$HOME/{}\" | sort -u > {}.txt\n```\n",
];
const SYLLABLES: &[&str] = &[
    "ra", "ne", "to", "li", "ver", "con", "sal", "mi", "por", "ta", "dex", "um", "fi", "gro", "lan", "ques", "bel",
    "or", "cha", "ist",
];
const CHARACTERS: &[char] = &[
    '合', '同', '发', '票', '仓', '库', '订', '单', '图', '像', '模', '型', '数', '据', '报', '告', '会', '议', '市',
    '场', '价', '格', '物', '流', '客', '户', '项', '目', '版', '本', '接', '口', '测', '试', '网', '络', '预', '算',
    '人', '员',
];

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A word: common ones often, as in any language.
    fn word(&mut self, is_chinese: bool) -> String {
        let rank = self.below(4_000) * self.below(4_000) / 4_000;
        let mut of = Random(rank as u64);
        if is_chinese {
            (0..2).map(|_| *of.pick(CHARACTERS)).collect()
        } else {
            (0..2 + of.below(3)).map(|_| *of.pick(SYLLABLES)).collect()
        }
    }

    fn text(&mut self, is_chinese: bool, sentences: usize) -> String {
        let mut text = String::new();
        for _ in 0..sentences {
            let of = match (self.below(12), is_chinese) {
                (0, _) => CODE,
                (_, true) => CHINESE,
                (_, false) => ENGLISH,
            };
            let is_code = of.as_ptr() == CODE.as_ptr();
            for (index, piece) in self.pick(of).split("{}").enumerate() {
                if index > 0 {
                    text.push_str(&self.word(is_chinese && !is_code));
                }
                text.push_str(piece);
            }
            if !is_chinese {
                text.push(' ');
            }
        }
        text
    }
}

fn message(role: &str, text: String) -> Message {
    Message { role: role.to_owned(), text, ..Message::default() }
}

#[derive(Default)]
struct Sums {
    conversations: u64,
    logged: u64,
    stored: u64,
    sealing: Duration,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn list(of: usize) -> [u8; 16] {
    let mut list = [0; 16];
    list[..8].copy_from_slice(&Random(of as u64).next().to_le_bytes());
    list[8..].copy_from_slice(&Random(!(of as u64)).next().to_le_bytes());
    list
}

fn main() {
    #[expect(clippy::disallowed_methods, reason = "a benchmark takes its size from the environment")]
    let number = std::env::var("TOKENTAIL_BENCH_CONVERSATIONS").ok().and_then(|text| text.parse().ok());
    let number: usize = number.unwrap_or(100_000);
    let folder = tempfile::tempdir_in("target/tmp").or_else(|_| tempfile::tempdir()).expect("a folder");
    let mut out = std::io::stdout();
    let mut store = Store::open(folder.path(), &Keeping::default(), i64::MAX).expect("make the database");
    let mut codec = Codec::build(None).expect("a codec");
    let mut random = Random(7);
    let (mut single, mut multi) = (Sums::default(), Sums::default());
    let (mut text, mut waiting) = (Vec::new(), Vec::new());
    let mut history: Vec<Message> = Vec::new();
    let mut writing = Duration::ZERO;
    for n in 0..number {
        // A session of one turn each, or six in a row.
        let is_multi = (n / TURNS).is_multiple_of(2);
        let turn = n % TURNS;
        let is_chinese = (if is_multi { n / TURNS } else { n }) % 3 == 0;
        if !is_multi || turn == 0 {
            history.clear();
            history.push(message("system", "You are the assistant of our shop. Be concise and polite.".to_owned()));
        }
        let earlier = if is_multi && turn > 0 { history.len() } else { 0 };
        let (asks, answers) = (1 + random.below(3), 3 + random.below(8));
        history.push(message("user", random.text(is_chinese, asks)));
        let answer = message("assistant", random.text(is_chinese, answers));
        let logged = serde_json::to_vec(&(&history, &answer.text)).expect("JSON").len() as u64;
        let exchange =
            Exchange { messages: history.get(earlier..).unwrap_or_default().to_vec(), answer: Some(answer.clone()) };
        let json = serde_json::to_vec(&exchange).expect("JSON");
        let begin = text.len();
        let began = now();
        codec.seal(&json, &mut text).expect("seal");
        let sums = if is_multi { &mut multi } else { &mut single };
        sums.sealing += began.elapsed();
        sums.conversations += 1;
        sums.logged += logged;
        sums.stored += (text.len() - begin) as u64;
        let captured = Captured {
            list: list(n),
            prefix: (earlier > 0).then(|| list(n - 1)),
            messages: u32::try_from(history.len()).unwrap_or(0),
            earlier: u32::try_from(earlier).unwrap_or(0),
            logged_bytes: logged,
            ..Captured::default()
        };
        waiting.push((n, begin..text.len(), captured));
        history.push(answer);
        if waiting.len() >= BATCH || n + 1 == number {
            let new: Vec<New<'_>> = waiting
                .iter()
                .map(|(n, body, captured)| New {
                    row: i64::try_from(n + 1).unwrap_or(0),
                    start: i64::try_from(*n).unwrap_or(0) * SECOND,
                    attributes: u32::try_from(n % 20).unwrap_or(0),
                    session: u32::try_from(n / TURNS + 1).unwrap_or(0),
                    user: u32::try_from(n / TURNS % 500 + 1).unwrap_or(0),
                    captured,
                    body: &text[body.clone()],
                })
                .collect();
            let began = now();
            store.write(&new).expect("write");
            writing += began.elapsed();
            drop(new);
            waiting.clear();
            text.clear();
        }
    }
    store.clean().expect("clean");
    let unindexed = store.size();
    let began = now();
    while !store.is_settled() {
        store.index_step(i64::MAX).expect("index");
    }
    let indexing = began.elapsed();
    store.clean().expect("clean");
    let _ = writeln!(out, "{number} conversations");
    for (name, sums) in [("one turn", &single), ("six turns", &multi)] {
        #[expect(clippy::cast_precision_loss, reason = "shown")]
        let saving = 100.0 - sums.stored as f64 * 100.0 / sums.logged.max(1) as f64;
        let count = sums.conversations.max(1);
        let _ = writeln!(
            out,
            "{name:>10}: {} bytes logged, {} stored each: {saving:.1} % saved; sealed in {:.1} us each",
            sums.logged / count,
            sums.stored / count,
            sums.sealing.as_secs_f64() * 1e6 / f64::from(u32::try_from(count).unwrap_or(1)),
        );
    }
    let each = |bytes: u64| bytes / number.max(1) as u64;
    let _ = writeln!(
        out,
        "   on disk: {} bytes each without index, {} with it; written in {:.1} s, indexed in {:.1} s",
        each(unindexed),
        each(store.size()),
        writing.as_secs_f64(),
        indexing.as_secs_f64()
    );
    search(folder.path(), &mut out);
    let began = now();
    let (erasure, _) = store.erase_step(&Selection::Sessions([1].into()), i64::MIN).expect("erase");
    let rewritten = began.elapsed();
    store.clean().expect("clean");
    let _ = writeln!(
        out,
        "   erasure: {} conversations of one partition in {:.2} s, then indexed again",
        erasure.conversations,
        rewritten.as_secs_f64()
    );
}

fn search(folder: &Path, out: &mut impl std::io::Write) {
    // From most to least common: words are drawn by rank.
    let word = |rank: u64, is_chinese: bool| {
        let mut of = Random(rank);
        if is_chinese {
            (0..2).map(|_| *of.pick(CHARACTERS)).collect::<String>()
        } else {
            (0..2 + of.below(3)).map(|_| *of.pick(SYLLABLES)).collect::<String>()
        }
    };
    let text = |text: &str| Filter { text: text.to_owned(), ..Filter::default() };
    let asked = [
        ("list, newest first", Filter::default()),
        ("rare English word", text(&word(3_500, false))),
        ("English word", text(&word(900, false))),
        ("common English word", text("the")),
        ("two common words", text("the configured")),
        ("English phrase", text("\"configured when the\"")),
        ("Chinese two-character word", text(&word(900, true))),
        ("common Chinese word", text("我们")),
        ("Chinese phrase", text("\"是否正确\"")),
        ("common word of a consumer", Filter { attributes: Some(vec![3]), ..text("the") }),
        ("common word of a session", Filter { sessions: Some(vec![40]), ..text("the") }),
        (
            "common word of an hour",
            Filter { since: Some(36_000 * SECOND), until: Some(39_600 * SECOND), ..text("the") },
        ),
    ];
    for (name, filter) in asked {
        let mut times = Vec::new();
        let mut hits = 0;
        for _ in 0..RUNS {
            let began = now();
            let reader = Reader::open(folder, None, None).expect("open").expect("content");
            let page = reader.page(&filter, 50, None).expect("a page");
            times.push(began.elapsed());
            hits = page.hits.len();
        }
        times.sort();
        let _ = writeln!(
            out,
            "{name:>28}: {:6.1} ms median, {:6.1} ms at most, {hits} shown",
            times[RUNS / 2].as_secs_f64() * 1e3,
            times[RUNS - 1].as_secs_f64() * 1e3
        );
    }
}
