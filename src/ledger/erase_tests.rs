//! Content beside the ledger: never one without the other, and nothing left of what is erased.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::tests::{assert_sound, commit, open, options, page};
use super::writer::Writer;
use super::*;
use crate::content::{
    CONTENT_FILE, Captured, Codec, Erasure, Exchange, Filter, Keeping, Key, Message, Reader, Scope, Shown,
};
use crate::meter::{self, Meter};
use crate::record::{Priced, Record};

const START: i64 = 1_790_000_000_000_000 - 3_600_000_000;

/// A batch of requests of which each says its own marker; their numbers tell session, user and consumer.
fn captured(key: Option<&Key>, numbers: impl Iterator<Item = i64>) -> Batch {
    let mut codec = Codec::build(key).unwrap();
    let mut batch = Batch::new(&["gateway".to_owned()]);
    for n in numbers {
        let record = Record {
            start: START + n * 1_000_000,
            duration: Some(500_000),
            request_id: format!("request-{n}").into(),
            // Every fourth request has no session id, so that its session is derived.
            session_id: if n % 4 == 0 { String::new() } else { format!("Zsession{}", n % 5) }.into(),
            consumer: format!("consumer-{}", n % 3).into(),
            user: format!("Zuser{}", n % 6).into(),
            model: "model".into(),
            ..Record::default()
        };
        let message = |role: &str, text: String| Message { role: role.into(), text, ..Message::default() };
        let exchange = Exchange {
            messages: vec![message("user", format!("Zmarker{n}x in session {} of user {}", n % 5, n % 6))],
            answer: Some(message("assistant", "fine".to_owned())),
        };
        let json = serde_json::to_vec(&exchange).unwrap();
        let begin = u32::try_from(batch.text_mut().len()).unwrap();
        codec.seal(&json, batch.text_mut()).unwrap();
        let mut list = [1; 16];
        list[..8].copy_from_slice(&n.to_le_bytes());
        let content = Captured {
            body: begin..u32::try_from(batch.text_mut().len()).unwrap(),
            list,
            messages: 1,
            logged_bytes: 1_000,
            redactions: vec![(Arc::from("phone"), 1)],
            ..Captured::default()
        };
        let priced = Priced::default();
        let context =
            Context { source: 0, provider: "p", priced, cost: None, price_row: 0, dimensions: &[], line: b"line" };
        batch.push_captured(&record, &context, Some(content));
    }
    batch
}

fn reader(folder: &Path) -> Reader {
    Reader::open(folder, None, None).unwrap().unwrap()
}

fn listed(folder: &Path, text: &str) -> usize {
    let filter = Filter { text: text.to_owned(), ..Filter::default() };
    reader(folder).page(&filter, 1_000, None).unwrap().hits.len()
}

fn shown(folder: &Path, row: i64) -> Shown {
    reader(folder).show(row).unwrap().unwrap()
}

fn index(ledger: &mut Ledger) {
    ledger.index_all().unwrap();
}

fn erase(ledger: &mut Ledger, scope: Scope) -> Erasure {
    let mut erasing = ledger.begin_erasure(scope, "tester".to_owned()).unwrap();
    loop {
        if let Some(done) = ledger.erase_step(&mut erasing).unwrap() {
            return done;
        }
    }
}

/// Which files hold some of these texts.
fn holding(folder: &Path, needles: &[&str]) -> Vec<String> {
    needles
        .iter()
        .filter_map(|needle| {
            crate::content::tests::holds(folder, needle.as_bytes()).map(|file| format!("{needle}: {file}"))
        })
        .collect()
}

#[test]
fn duplicates_have_no_content_and_without_a_data_directory_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, super::tests::batch(0..3));
    assert!(!folder.path().join(CONTENT_FILE).exists(), "made only when there is something to keep");
    commit(&mut ledger, captured(None, 1..=10));
    commit(&mut ledger, captured(None, 5..=12));
    assert_eq!((ledger.rows(), listed(folder.path(), "")), (15, 12));
    let (counts, size) = ledger.content_counts().unwrap();
    assert_eq!((counts.conversations, counts.logged_bytes, counts.redactions["phone"]), (12, 12_000, 12));
    assert!(counts.stored_bytes > 0 && size > 0);
    assert_eq!(ledger.known_lists(5).unwrap().len(), 5);

    let folder = tempfile::tempdir().unwrap();
    let options = Options { data_dir: DataDir::None, ..options(folder.path()) };
    let mut ledger = Ledger::open(options, Arc::new(Mutex::new(Meter::new(meter::Config::default())))).unwrap();
    commit(&mut ledger, captured(None, 1..=10));
    assert!(ledger.content_counts().is_none());
}

#[test]
fn a_kill_between_both_commits_leaves_neither_without_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, captured(None, 1..=10));
    let counts = ledger.content_counts().unwrap().0;
    let prepared = ledger.prepare(vec![captured(None, 11..=20)]).unwrap();
    ledger.write_content(&prepared).unwrap();
    assert_eq!(listed(folder.path(), ""), 20);
    // Here the process is killed.
    drop(ledger);
    let (mut ledger, _) = open(folder.path());
    assert_eq!((ledger.rows(), listed(folder.path(), "")), (10, 10));
    assert_eq!(ledger.content_counts().unwrap().0, counts);
    commit(&mut ledger, captured(None, 11..=20));
    index(&mut ledger);
    assert_eq!((listed(folder.path(), ""), listed(folder.path(), "zmarker15x")), (20, 1));
    ledger.write_folds().unwrap();
    assert_sound(folder.path());
}

#[test]
fn a_full_disk_under_the_content_is_waited_for_and_nothing_counts_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, captured(None, 1..=10));
    let content = ledger.content.as_ref().unwrap().connection_for_tests();
    let pages: i64 = content.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let bound: i64 = content.pragma_update_and_check(None, "max_page_count", pages, |row| row.get(0)).unwrap();
    assert_eq!(bound, pages);
    let prepared = ledger.prepare(vec![captured(None, 11..=3_000)]).unwrap();
    let now = crate::clock::Clock::manual(START).instant();
    let error = ledger.commit(&prepared, now).unwrap_err();
    assert!(error.is_passing() && error.to_string().contains("content"), "{error}");
    assert_eq!((ledger.rows(), listed(folder.path(), "")), (10, 10));
    let content = ledger.content.as_ref().unwrap().connection_for_tests();
    content.pragma_update_and_check(None, "max_page_count", 1 << 30, |_| Ok(())).unwrap();
    ledger.commit(&prepared, now).unwrap();
    assert_eq!((ledger.rows(), ledger.content_counts().unwrap().0.conversations), (3_000, 3_000));
}

#[test]
fn an_erased_session_leaves_no_byte_of_text_words_or_name_and_amounts_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, meter) = open(folder.path());
    for first in (1..=1_000).step_by(100) {
        commit(&mut ledger, captured(None, first..first + 100));
        ledger.index_content().unwrap();
    }
    index(&mut ledger);
    ledger.write_folds().unwrap();
    let series = page(&meter);
    let gone = ["Zsession3", "marker3x", "marker13x", "marker993x"];
    assert!(holding(folder.path(), &gone).len() >= 4, "{:?}", holding(folder.path(), &gone));
    assert_eq!(listed(folder.path(), "zmarker3x"), 1);
    let done = erase(&mut ledger, Scope::Session("Zsession3".to_owned()));
    // Two hundred, less those whose session is derived.
    assert_eq!((done.conversations, done.names, done.waits_for_reader), (150, 1, false));
    assert!(done.bytes > 0);
    assert_eq!(holding(folder.path(), &gone), Vec::<String>::new());
    index(&mut ledger);
    assert_eq!((listed(folder.path(), "zmarker3x"), listed(folder.path(), "zmarker4x")), (0, 1));
    assert_eq!(page(&meter), series, "what metrics count does not move");
    // The same session goes on: a new one to the ledger, and the erased messages are known.
    commit(&mut ledger, captured(None, 1_003..=1_003));
    ledger.write_folds().unwrap();
    assert!(ledger.known_lists(2_000).unwrap().len() == 1_001);
    assert_sound(folder.path());
    let moment = Moment::open(folder.path()).unwrap();
    let erased = shown(folder.path(), 3).0;
    assert!(erased.is_erased);
    let name = moment.session_name(erased.session).unwrap();
    assert_eq!(name, (format!("erased-{}", erased.session), false));
    let audit: String = moment
        .connection
        .query_row("SELECT detail FROM audit WHERE action = 'erase content'", [], |row| row.get(0))
        .unwrap();
    assert!(audit.contains("\"scope\":\"session\"") && audit.contains("\"by\":\"tester\""), "{audit}");
    assert!(!audit.contains("Zsession3"), "{audit}");
    drop(moment);
    drop(ledger);
    let (ledger, again) = open(folder.path());
    assert_eq!(holding(folder.path(), &gone[1..]), Vec::<String>::new());
    assert_eq!(ledger.content_counts().unwrap().0.erased, 150);
    drop(again);
}

#[test]
fn users_consumers_derived_sessions_single_ones_and_ages_are_erased() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, captured(None, 1..=120));
    index(&mut ledger);
    ledger.write_folds().unwrap();
    let pseudonym = options(folder.path()).privacy.pseudonym("Zuser2");
    assert_eq!(holding(folder.path(), &[&pseudonym]).len(), 1);
    let session = Moment::open(folder.path()).unwrap().session_name(shown(folder.path(), 8).0.session).unwrap().0;
    let session = session.trim_start_matches("derived:").to_owned();
    assert_eq!(holding(folder.path(), &[&session]).len(), 1);
    let done = erase(&mut ledger, Scope::User("Zuser2".to_owned()));
    assert_eq!(done.conversations, 20);
    assert!(done.names > 1, "the user's sessions too: {done:?}");
    assert_eq!(holding(folder.path(), &[&pseudonym, &session, "marker8x"]), Vec::<String>::new());

    let derived = {
        let moment = Moment::open(folder.path()).unwrap();
        let (name, is_derived) = moment.session_name(shown(folder.path(), 4).0.session).unwrap();
        assert!(is_derived);
        name
    };
    let before = ledger.session_fold.derived.len();
    let done = erase(&mut ledger, Scope::Session(derived.clone()));
    assert!(done.conversations > 0 && done.names == 1);
    assert_eq!(ledger.session_fold.derived.len(), before - 1);
    assert_eq!(holding(folder.path(), &[derived.strip_prefix("derived:").unwrap(), "marker4x"]), Vec::<String>::new());

    let done = erase(&mut ledger, Scope::Consumer("consumer-1".to_owned()));
    assert!(done.conversations > 20 && done.names > 0, "{done:?}");
    assert_eq!(holding(folder.path(), &["marker7x", "marker118x"]), Vec::<String>::new());

    assert_eq!(erase(&mut ledger, Scope::Conversation(8)).conversations, 0, "erased with its user");
    assert_eq!(erase(&mut ledger, Scope::Conversation(3)).conversations, 1);
    let left = listed(folder.path(), "");
    let done = erase(&mut ledger, Scope::Before(START + 61 * 1_000_000));
    assert_eq!(listed(folder.path(), ""), left - usize::try_from(done.conversations).unwrap());
    assert_eq!(holding(folder.path(), &["marker60x"]), Vec::<String>::new());
    let nobody = erase(&mut ledger, Scope::Session("nobody".to_owned()));
    assert_eq!(nobody, Erasure::default());
    ledger.write_folds().unwrap();
    assert_sound(folder.path());
}

#[test]
fn the_writer_erases_beside_a_reader_and_finishes_when_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, captured(None, 1..=50));
    index(&mut ledger);
    let writer =
        Writer::start(ledger, Retention { content: Duration::from_secs(1 << 30), ..Retention::default() }).unwrap();
    let (reading, moment) = (reader(folder.path()), Moment::open(folder.path()).unwrap());
    let done = writer.handle().erase(Scope::Session("Zsession3".to_owned()), "tester").unwrap();
    assert!(done.conversations > 0 && done.waits_for_reader);
    assert!(reading.show(3).unwrap().is_some());
    drop((reading, moment));
    // At its end at the latest.
    let (ledger, _) = writer.stop().unwrap();
    drop(ledger);
    assert_eq!(holding(folder.path(), &["Zsession3", "marker3x"]), Vec::<String>::new());
}

#[test]
fn content_goes_by_its_own_age_and_with_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    commit(&mut ledger, captured(None, 1..=100));
    index(&mut ledger);
    let keep = |seconds: u64| Retention { content: Duration::from_secs(seconds), ..Retention::default() };
    while ledger.retain(&keep(3_600)).unwrap() {}
    assert_eq!(listed(folder.path(), ""), 100);
    // An hour of patience with what lies beside younger ones.
    while ledger.retain(&keep(60)).unwrap() {}
    assert!(ledger.clean().unwrap());
    assert_eq!((listed(folder.path(), ""), ledger.rows()), (0, 100));
    assert_eq!(holding(folder.path(), &["marker50x"]), Vec::<String>::new());
    assert_eq!(ledger.content_counts().unwrap().0.conversations, 100);
    let folder = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(folder.path());
    for first in (1..=5_000).step_by(1_250) {
        commit(&mut ledger, captured(None, first..first + 1_250));
    }
    ledger.write_folds().unwrap();
    assert_eq!(ledger.delete_step(START + 2_250_000_000).unwrap(), Some(2_047));
    assert_eq!(reader(folder.path()).show(2_047).unwrap(), None);
    assert!(reader(folder.path()).show(2_048).unwrap().is_some());
}

#[test]
fn an_encrypted_content_says_nothing_on_disk_and_needs_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::new(b"0123456789abcdef");
    let keeping = Keeping { key: Some(key.clone()), index_encrypted: false };
    let with = |keeping: &Keeping| {
        let options = Options { content: keeping.clone(), ..options(folder.path()) };
        Ledger::open(options, Arc::new(Mutex::new(Meter::new(meter::Config::default()))))
    };
    let mut ledger = with(&keeping).unwrap();
    commit(&mut ledger, captured(Some(&key), 1..=10));
    index(&mut ledger);
    drop(ledger);
    assert_eq!(holding(folder.path(), &["marker5x"]), Vec::<String>::new());
    let error = with(&Keeping::default()).unwrap_err().to_string();
    assert!(error.contains("content.encryption_key_file"), "{error}");
    assert!(with(&keeping).is_ok());
}
