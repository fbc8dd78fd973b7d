//! Conversations with the names of the ledger.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::conversations::*;
use crate::clock::Clock;
use crate::content::{Captured, Codec, Exchange, Keeping, Message, Reader, Selection, Store, ToolCall};
use crate::ledger::{Batch, Context, DataDir, Ledger, Moment, Options, Privacy, ROLLUP_HOUR, RequestFilter};
use crate::meter::{self, Meter};
use crate::record::{Priced, Record};

const NOW: i64 = 1_790_000_000_000_000;

fn message(role: &str, text: &str) -> Message {
    Message { role: role.into(), text: text.into(), ..Message::default() }
}

/// A session of three turns, the second of which was answered anew, and one request of another consumer.
fn world(folder: &Path) {
    let options = Options {
        data_dir: DataDir::Path(folder.to_owned()),
        privacy: Privacy { key: b"key".to_vec(), hash_sessions: false },
        rollup_seconds: ROLLUP_HOUR,
        timezone: jiff::tz::TimeZone::UTC,
        sessions: crate::session::Config::default(),
        content: crate::content::Keeping::default(),
        clock: Clock::manual(NOW),
    };
    let mut ledger = Ledger::open(options, Arc::new(Mutex::new(Meter::new(meter::Config::default())))).unwrap();
    let mut batch = Batch::new(&["gateway".to_owned()]);
    let mut codec = Codec::build(None).unwrap();
    let call = ToolCall { id: "c1".into(), name: "search".into(), arguments: "{}".into() };
    // Session, consumer, list, prefix, messages in all, earlier, new question, answer.
    let turns = [
        ("s-1", "shop", 1, None, 1, 0, Some("Where is my parcel?"), message("assistant", "Which number?")),
        (
            "s-1",
            "shop",
            2,
            Some(1),
            3,
            2,
            Some("It is 77."),
            Message { tool_calls: vec![call], ..message("assistant", "") },
        ),
        ("s-1", "shop", 3, Some(2), 3, 3, None, message("assistant", "It has arrived.")),
        ("s-1", "shop", 4, Some(3), 5, 4, Some("Thanks"), message("assistant", "You are welcome.")),
        ("s-2", "lab", 5, None, 1, 0, Some("包裹在哪里"), message("assistant", "请提供单号")),
    ];
    for (n, (session, consumer, list, prefix, messages, earlier, question, answer)) in (0_i64..).zip(turns) {
        let messages_new = question.map(|text| message("user", text)).into_iter().collect();
        let exchange = Exchange { messages: messages_new, answer: Some(answer) };
        let begin = u32::try_from(batch.text_mut().len()).unwrap();
        codec.seal(&serde_json::to_vec(&exchange).unwrap(), batch.text_mut()).unwrap();
        let body = begin..u32::try_from(batch.text_mut().len()).unwrap();
        let content = Captured {
            body,
            list: [list; 16],
            prefix: prefix.map(|p| [p; 16]),
            messages,
            earlier,
            is_anew: list == 3,
            ..Captured::default()
        };
        let record = Record {
            start: NOW + n * 1_000_000,
            request_id: format!("r-{n}").into(),
            session_id: session.into(),
            consumer: consumer.into(),
            user: "jane".into(),
            model: "qwen-max".into(),
            ..Record::default()
        };
        let context = Context {
            source: 0,
            provider: "p",
            priced: Priced::default(),
            cost: None,
            price_row: 0,
            dimensions: &[],
            line: b"line",
        };
        batch.push_captured(&record, &context, Some(content));
    }
    let prepared = ledger.prepare(vec![batch]).unwrap();
    ledger.commit(&prepared, Clock::manual(NOW).instant()).unwrap();
    // Its end indexes nothing; the writer does while it runs.
    let writer = crate::ledger::writer::Writer::start(ledger, crate::ledger::Retention::default()).unwrap();
    while reader(folder)
        .page(&crate::content::Filter { text: "parcel".into(), ..Default::default() }, 1, None)
        .unwrap()
        .unindexed
        > 0
    {
        std::thread::yield_now();
    }
    writer.stop().unwrap();
}

fn reader(folder: &Path) -> Reader {
    Reader::open(folder, None, None).unwrap().unwrap()
}

fn question(requests: RequestFilter, text: &str) -> Question {
    Question { requests, text: text.to_owned() }
}

#[test]
fn lists_and_searches_go_by_names() {
    let folder = tempfile::tempdir().unwrap();
    world(folder.path());
    let (moment, reader) = (Moment::open(folder.path()).unwrap(), reader(folder.path()));
    let rows = |requests: RequestFilter, text: &str| -> Vec<i64> {
        let listed = list(&moment, &reader, &question(requests, text), 10, None).unwrap();
        listed.lines.iter().map(|line| line.conversation.row).collect()
    };
    let none = RequestFilter::default;
    assert_eq!(rows(none(), ""), [5, 4, 3, 2, 1]);
    assert_eq!(rows(RequestFilter { consumers: vec!["lab".into()], ..none() }, ""), [5]);
    assert_eq!(rows(RequestFilter { sessions: vec!["s-1".into()], ..none() }, "arrived"), [3]);
    assert_eq!(rows(RequestFilter { sessions: vec!["s-2".into()], ..none() }, "arrived"), [0; 0]);
    assert_eq!(rows(RequestFilter { consumers: vec!["nobody".into()], ..none() }, ""), [0; 0]);
    assert_eq!(rows(RequestFilter { since: Some(NOW + 3_000_000), ..none() }, ""), [5, 4]);
    assert_eq!(rows(none(), "包裹"), [5]);
    let first = list(&moment, &reader, &question(none(), ""), 2, None).unwrap();
    let line = &first.lines[0];
    assert_eq!((&*line.session, &*line.attributes.consumer, line.user.len()), ("s-2", "lab", 32));
    assert_eq!(line.snippet[0].text, "包裹在哪里");
    let second = list(&moment, &reader, &question(none(), ""), 2, first.next.as_deref()).unwrap();
    assert_eq!(second.lines[0].conversation.row, 3);
    let told = thread(&moment, &reader, 4).unwrap();
    assert_eq!(told.iter().map(|told| told.line.conversation.row).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(show(&moment, &reader, 5).unwrap().unwrap().exchange.messages[0].text, "包裹在哪里");
    assert!(show(&moment, &reader, 6).unwrap().is_none());
    assert_eq!(of_rows(&reader, &[1, 6]).unwrap().len(), 1);
}

#[test]
fn exports_are_lines_an_array_or_whole_conversations_for_training() {
    let folder = tempfile::tempdir().unwrap();
    world(folder.path());
    let (moment, reader) = (Moment::open(folder.path()).unwrap(), reader(folder.path()));
    let exported = |form: Form, text: &str| {
        let mut out = Vec::new();
        let exported = export(&moment, &reader, &question(RequestFilter::default(), text), form, &mut out).unwrap();
        assert_eq!(exported.left_out().count(), 0);
        (exported.written, String::from_utf8(out).unwrap())
    };
    let (count, lines) = exported(Form::Jsonl, "");
    assert_eq!((count, lines.lines().count()), (5, 5));
    let second: serde_json::Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!(second["answer"]["tool_calls"][0]["name"], "search");
    let of = &second["conversation"];
    assert_eq!((&of["consumer"], &of["previous"]), (&"shop".into(), &"1".into()));
    let (count, array) = exported(Form::Json, "arrived");
    let array: Vec<serde_json::Value> = serde_json::from_str(&array).unwrap();
    assert_eq!((count, array.len()), (1, 1));
    // Whichever of its turns has the word, a conversation is written once.
    for (text, count) in [("number", 1), ("parcel", 1), ("Thanks", 1), ("包裹", 1), ("nowhere", 0)] {
        assert_eq!(exported(Form::Chat, text).0, count, "{text}");
    }
    let (count, chat) = exported(Form::Chat, "");
    assert_eq!(count, 2);
    let whole: serde_json::Value = serde_json::from_str(chat.lines().next().unwrap()).unwrap();
    let texts: Vec<&str> =
        whole["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect();
    // The answer that was made anew stands for the one before it.
    let expected =
        ["Where is my parcel?", "Which number?", "It is 77.", "It has arrived.", "Thanks", "You are welcome."];
    assert_eq!(texts, expected);
}

#[test]
fn what_a_training_file_leaves_out_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    world(folder.path());
    let chat = |requests: RequestFilter| {
        let (moment, reader) = (Moment::open(folder.path()).unwrap(), reader(folder.path()));
        let mut out = Vec::new();
        let exported = export(&moment, &reader, &question(requests, ""), Form::Chat, &mut out).unwrap();
        (exported, String::from_utf8(out).unwrap().lines().count() as u64)
    };
    // A period ends a conversation where it ends itself.
    let until = RequestFilter { until: Some(NOW + 2_000_000), ..RequestFilter::default() };
    assert_eq!(chat(until), (Exported { written: 1, ..Exported::default() }, 1));
    let erase = |row: i64| {
        let mut store = Store::open(folder.path(), &Keeping::default(), i64::MAX).unwrap();
        store.erase_step(&Selection::Row(row), 0).unwrap();
    };
    erase(4);
    // Of a conversation whose last turn is erased the rest is written.
    assert_eq!(chat(RequestFilter::default()), (Exported { written: 2, ..Exported::default() }, 2));
    erase(1);
    let (exported, lines) = chat(RequestFilter::default());
    assert_eq!((exported, lines), (Exported { written: 1, gone: 1, ..Exported::default() }, 1));
    assert_eq!(exported.left_out().collect::<Vec<_>>(), [(1, "whose beginning is gone")]);
}
