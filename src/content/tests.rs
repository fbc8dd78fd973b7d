//! The database of content against itself: what is written is found, what is erased is gone to the last byte.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::record::Micros;

const HOUR: Micros = 3_600_000_000;

/// A made-up conversation: who, what was asked, what was answered.
pub(super) struct Said {
    pub(super) row: i64,
    pub(super) session: u32,
    pub(super) question: String,
    pub(super) answer: String,
}

fn said(row: i64, question: &str, answer: &str) -> Said {
    Said { row, session: 1, question: question.to_owned(), answer: answer.to_owned() }
}

pub(super) fn captured(codec: &mut Codec, said: &Said, text: &mut Vec<u8>) -> Captured {
    let message = |role: &str, text: &str| Message { role: role.into(), text: text.into(), ..Message::default() };
    let exchange =
        Exchange { messages: vec![message("user", &said.question)], answer: Some(message("assistant", &said.answer)) };
    let start = text.len();
    let json = serde_json::to_vec(&exchange).unwrap();
    codec.seal(&json, text).unwrap();
    let list = |n: i64| {
        let mut list = [0; 16];
        list[..8].copy_from_slice(&n.to_le_bytes());
        list
    };
    Captured {
        body: u32::try_from(start).unwrap()..u32::try_from(text.len()).unwrap(),
        list: list(said.row),
        prefix: (said.row > 1).then(|| list(said.row - 1)),
        messages: 1,
        logged_bytes: json.len() as u64,
        redactions: vec![(Arc::from("email"), 2)],
        ..Captured::default()
    }
}

fn write(store: &mut Store, key: Option<&Key>, all: &[Said]) {
    let mut codec = Codec::build(key).unwrap();
    let mut text = Vec::new();
    let captured: Vec<Captured> = all.iter().map(|said| captured(&mut codec, said, &mut text)).collect();
    let new: Vec<New<'_>> = all
        .iter()
        .zip(&captured)
        .map(|(said, captured)| New {
            row: said.row,
            start: said.row * HOUR,
            attributes: u32::try_from(said.row % 3).unwrap(),
            session: said.session,
            user: 9,
            captured,
            body: &text[captured.body.start as usize..captured.body.end as usize],
        })
        .collect();
    store.write(&new).unwrap();
}

fn index(store: &mut Store) {
    while !store.is_settled() {
        store.index_step(i64::MAX).unwrap();
    }
}

#[test]
fn what_was_said_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    write(&mut store, None, &[said(1, "q", "a")]);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() > 1, "the write-ahead log lies beside it");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
}

fn open(folder: &Path) -> Store {
    Store::open(folder, &Keeping::default(), i64::MAX).unwrap()
}

fn reader(folder: &Path) -> Reader {
    Reader::open(folder, None, None).unwrap().unwrap()
}

fn found(folder: &Path, text: &str) -> Vec<i64> {
    let filter = Filter { text: text.to_owned(), ..Filter::default() };
    let page = reader(folder).page(&filter, 100, None).unwrap();
    page.hits.iter().map(|hit| hit.conversation.row).collect()
}

/// Whether any file of a folder holds these bytes.
pub(crate) fn holds(folder: &Path, needle: &[u8]) -> Option<String> {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if memchr::memmem::find(&bytes, needle).is_some() {
            return Some(path.display().to_string());
        }
    }
    None
}

#[test]
fn words_phrases_and_characters_are_found_best_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    write(
        &mut store,
        None,
        &[
            said(1, "How do I get a refund?", "Please write to us about the refund policy, refund by refund."),
            said(2, "What is the weather in Shanghai?", "It rains. No refund for that."),
            said(3, "我想申请退款", "好的，请提供订单号。"),
            said(4, "Policy of refunds", "Ein Café in Zürich"),
            said(5, "ＡＢＣ１２３，ｶﾀｶﾅ", "cafe\u{301}"),
        ],
    );
    assert_eq!(found(folder.path(), "refund"), [0; 0], "nothing is indexed yet");
    let unindexed = |text: &str| {
        let filter = Filter { text: text.to_owned(), ..Filter::default() };
        reader(folder.path()).page(&filter, 1, None).unwrap().unindexed
    };
    assert_eq!((unindexed(""), unindexed("refund")), (5, 5));
    index(&mut store);
    assert_eq!(found(folder.path(), "refund"), [1, 2]);
    assert_eq!(found(folder.path(), "\"refund policy\""), [1]);
    assert_eq!(found(folder.path(), "policy refund*"), [4, 1], "the shorter one first");
    assert_eq!(found(folder.path(), "退款"), [3]);
    assert_eq!(found(folder.path(), "订单"), [3]);
    assert_eq!(found(folder.path(), "款退"), [0; 0]);
    assert_eq!(found(folder.path(), "cafe zurich"), [4]);
    assert_eq!(found(folder.path(), "café Zürich"), [4]);
    for text in ["abc123", "ＡＢＣ123", "カタカナ", "ｶﾀｶﾅ", "café 123*"] {
        assert_eq!(found(folder.path(), text), if text.ends_with('*') { vec![] } else { vec![5] }, "{text}");
    }
    assert_eq!(unindexed(""), 0);
    // The question's end and the answer's beginning are no phrase.
    assert_eq!(found(folder.path(), "\"refunds ein\""), [0; 0]);
    assert_eq!(found(folder.path(), ""), [5, 4, 3, 2, 1]);
}

#[test]
fn pages_and_filters_hold_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let all: Vec<Said> = (1..=50).map(|row| said(row, "the same question", "the same answer")).collect();
    write(&mut store, None, &all);
    index(&mut store);
    for text in ["", "same"] {
        let filter = Filter {
            text: text.to_owned(),
            attributes: Some(vec![0, 1]),
            since: Some(5 * HOUR),
            until: Some(40 * HOUR),
            through: Some(38),
            ..Filter::default()
        };
        let (mut rows, mut cursor) = (Vec::new(), None);
        loop {
            let page = reader(folder.path()).page(&filter, 7, cursor.as_deref()).unwrap();
            assert!(page.hits.len() <= 7);
            rows.extend(page.hits.iter().map(|hit| hit.conversation.row));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<i64> = (5..=38).rev().filter(|row| row % 3 != 2).collect();
        assert_eq!(rows, expected, "{text:?}");
    }
    let none = Filter { sessions: Some(Vec::new()), ..Filter::default() };
    assert!(reader(folder.path()).page(&none, 7, None).unwrap().hits.is_empty());
    assert!(matches!(reader(folder.path()).page(&Filter::default(), 7, Some("x")), Err(Error::Cursor)));
}

#[test]
fn a_thread_goes_back_over_what_its_turns_go_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let all: Vec<Said> = (1..=4).map(|row| said(row, &format!("question {row}"), "answer")).collect();
    write(&mut store, None, &all);
    let reader = reader(folder.path());
    let thread = reader.thread(3).unwrap();
    let questions: Vec<&str> = thread.iter().map(|(_, exchange)| exchange.messages[0].text.as_str()).collect();
    assert_eq!(questions, ["question 1", "question 2", "question 3"]);
    assert_eq!((thread[0].0.previous, thread[2].0.previous), (None, Some(2)));
    assert_eq!(thread[2].0.redactions, 2);
    assert_eq!(reader.bodies(&[2, 9]).unwrap().len(), 1);
    let chain: Vec<i64> = reader.chain(3).unwrap().unwrap().iter().map(|conversation| conversation.row).collect();
    assert_eq!((chain, reader.chain(9).unwrap()), (vec![1, 2, 3], Some(vec![])));
    let following = |filter: Filter| reader.following(3, &filter).unwrap();
    assert_eq!(following(Filter::default()), [4]);
    assert_eq!(following(Filter { through: Some(3), ..Filter::default() }), [0; 0]);
    assert_eq!(following(Filter { until: Some(4 * HOUR), ..Filter::default() }), [0; 0]);
}

#[test]
fn what_the_ledger_does_not_have_is_dropped_and_counted_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    write(&mut store, None, &[said(1, "first", "a"), said(2, "second", "b")]);
    index(&mut store);
    let counts = store.counts().clone();
    write(&mut store, None, &[said(3, "third", "c")]);
    index(&mut store);
    drop(store);
    let mut store = Store::open(folder.path(), &Keeping::default(), 2).unwrap();
    assert_eq!(*store.counts(), counts);
    index(&mut store);
    assert_eq!((found(folder.path(), "third"), found(folder.path(), "second")), (vec![], vec![2]));
    // The same rows again, as after a full disk: counted once.
    write(&mut store, None, &[said(3, "other", "c")]);
    write(&mut store, None, &[said(3, "third", "c")]);
    index(&mut store);
    assert_eq!((store.counts().conversations, store.counts().redactions["email"]), (3, 6));
    assert_eq!((found(folder.path(), "third"), found(folder.path(), "other")), (vec![3], vec![]));
    assert_eq!(store.known_lists(2).unwrap().len(), 2);
}

#[test]
fn another_key_or_none_is_noticed_and_encrypted_content_has_no_index_unless_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::new(b"0123456789abcdef");
    let keeping = Keeping { key: Some(key.clone()), index_encrypted: false };
    let mut store = Store::open(folder.path(), &keeping, i64::MAX).unwrap();
    write(&mut store, Some(&key), &[said(1, "unmistakable", "answer")]);
    index(&mut store);
    drop(store);
    assert_eq!(holds(folder.path(), b"unmistakable"), None);
    let other = Keeping { key: Some(Key::new(b"fedcba9876543210")), index_encrypted: false };
    assert!(matches!(Store::open(folder.path(), &other, i64::MAX), Err(Error::WrongKey(_))));
    assert!(matches!(Store::open(folder.path(), &Keeping::default(), i64::MAX), Err(Error::NoKey(_))));
    assert!(matches!(Reader::open(folder.path(), None, None), Err(Error::NoKey(_))));
    let search = Filter { text: "unmistakable".to_owned(), ..Filter::default() };
    let page = |key: &Key| Reader::open(folder.path(), Some(key), None).unwrap().unwrap().page(&search, 9, None);
    assert!(matches!(page(&key), Err(Error::NoIndex)));
    let mut store =
        Store::open(folder.path(), &Keeping { index_encrypted: true, ..keeping.clone() }, i64::MAX).unwrap();
    index(&mut store);
    assert_eq!(page(&key).unwrap().hits.len(), 1);
    drop(store);
    drop(Store::open(folder.path(), &keeping, i64::MAX).unwrap());
    assert_eq!(holds(folder.path(), b"unmistakable"), None);
}

#[test]
fn after_an_erasure_no_byte_is_left_and_what_stays_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let text = |row: i64| format!("Zmarker{} {}", row % 10, "x7".repeat(usize::try_from(row % 500).unwrap()));
    let all: Vec<Said> = (1..=2_000)
        .map(|row| Said { session: u32::try_from(row % 10).unwrap(), ..said(row, &text(row), "answer") })
        .collect();
    for some in all.chunks(100) {
        write(&mut store, None, some);
        store.index_step(i64::MAX).unwrap();
    }
    index(&mut store);
    // zstd leaves what it has not seen before as it is, and the index folds it.
    assert!(holds(folder.path(), b"marker3").is_some() && found(folder.path(), "zmarker3").len() == 100);
    let sessions = Selection::Sessions([3].into());
    let (erasure, next) = store.erase_step(&sessions, 0).unwrap();
    assert_eq!((erasure.conversations, next), (200, None));
    assert!(store.clean().unwrap());
    assert_eq!(holds(folder.path(), b"marker3"), None);
    assert_eq!(found(folder.path(), "zmarker3"), [0; 0]);
    index(&mut store);
    assert!(holds(folder.path(), b"marker3").is_none() && found(folder.path(), "zmarker4").len() == 100);
    assert_eq!(store.counts().erased, 200);
    let shown = reader(folder.path()).show(13).unwrap().unwrap();
    assert!(shown.0.is_erased && shown.1 == Exchange::default() && shown.0.stored_bytes == 0);
    assert!(store.known_lists(2_000).unwrap().len() == 2_000, "hashes stay");
}

#[test]
fn an_erasure_waits_for_who_reads_the_moment_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    write(&mut store, None, &[said(1, "Zmarker", "answer"), said(2, "other", "answer")]);
    index(&mut store);
    let reading = reader(folder.path());
    assert!(reading.show(1).unwrap().is_some());
    store.erase_step(&Selection::Row(1), 0).unwrap();
    assert!(!store.clean().unwrap() && store.is_unclean());
    assert!(reading.show(1).unwrap().unwrap().1 != Exchange::default());
    drop(reading);
    assert!(store.clean().unwrap());
    assert_eq!(holds(folder.path(), b"marker"), None);
}

#[test]
fn retention_removes_by_age_in_steps() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let all: Vec<Said> = (1..=100).map(|row| said(row, &format!("Zmarker{row}x"), "answer")).collect();
    write(&mut store, None, &all);
    store.erase_step(&Selection::Row(5), 0).unwrap();
    assert!(store.retain(50 * HOUR).unwrap());
    assert!(!store.retain(50 * HOUR).unwrap());
    store.clean().unwrap();
    index(&mut store);
    assert_eq!(found(folder.path(), "").len(), 51);
    assert!(holds(folder.path(), b"marker49x").is_none() && holds(folder.path(), b"marker51x").is_some());
    assert_eq!(store.counts().conversations, 100, "counters do not go down");
    store.remove_rows(1, 60).unwrap();
    assert_eq!(found(folder.path(), "").len(), 40);
    while store.retain(1_000 * HOUR).unwrap() {}
    store.clean().unwrap();
    assert_eq!((found(folder.path(), "").len(), holds(folder.path(), b"marker")), (0, None));
    assert!(store.known_lists(9).unwrap().is_empty());
}
