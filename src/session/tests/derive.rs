use crate::record::Micros;
use crate::session::{Asked, Config, Conversation, Derived, DerivedId, Group, Messages};
use std::collections::BTreeMap;

const MINUTE: Micros = 60_000_000;

/// One request of a script: client, start in minutes, `chat_round` (0: not logged), texts of the messages in turn from
/// user and assistant, separated by `|` (empty: not logged).
type Step = (u8, i64, u32, &'static str);

fn messages(texts: &str) -> Messages {
    if texts.is_empty() {
        return Messages::default();
    }
    let roles = ["user", "assistant"].into_iter().cycle();
    let list: Vec<_> =
        texts.split('|').zip(roles).map(|(text, role)| serde_json::json!({"role": role, "content": text})).collect();
    Messages::read(&serde_json::to_string(&list).unwrap())
}

fn ask(derived: &mut Derived, row: i64, step: Step) -> Option<(DerivedId, bool, bool)> {
    let (client, minute, chat_round, texts) = step;
    let asked = Asked {
        group: Group([client; 16]),
        identified: client != 0,
        gateway: "g",
        key: [u8::try_from(row).unwrap_or(255); 16],
        row,
        start: minute * MINUTE,
        end: minute * MINUTE + MINUTE / 2,
        chat_round,
        messages: &messages(texts),
    };
    derived.join(&asked).map(|joined| (joined.id, joined.started, joined.ambiguous))
}

/// Sessions of the steps as letters in order of their first request, `-` for none; `?` behind an ambiguous one.
fn run(steps: &[Step]) -> String {
    let mut derived = Derived::new(&Config::default());
    let mut letters = BTreeMap::new();
    let mut answer = String::new();
    for (row, step) in (1..).zip(steps) {
        let Some((id, started, ambiguous)) = ask(&mut derived, row, *step) else {
            answer.push('-');
            continue;
        };
        let known = letters.len();
        let letter = *letters.entry(id).or_insert_with(|| char::from(b'A' + u8::try_from(known).unwrap()));
        assert_eq!(started, letters.len() > known, "{step:?}");
        answer.push(letter);
        if ambiguous {
            answer.push('?');
        }
    }
    answer
}

#[test]
fn two_users_of_one_chat_server_with_turns_interleaved_and_one_retrying_are_two_sessions() {
    let steps = [
        (1, 0, 1, "capital of France"),
        (1, 0, 1, "a poem on rain"),
        (1, 1, 2, "capital of France|Paris|and of Italy"),
        (1, 1, 2, "capital of France|Paris|and of Italy"),
        (1, 1, 2, "a poem on rain|drip|longer"),
        (1, 2, 2, "capital of France|Paris|and of Italy"),
        (1, 2, 3, "a poem on rain|drip|longer|drip drip|in German"),
        (1, 3, 3, "capital of France|Paris|and of Italy|Rome|thanks"),
    ];
    assert_eq!(run(&steps), "ABAABABA");
    // The rounds add nothing where the messages speak.
    assert_eq!(run(&steps.map(|(client, minute, _, texts)| (client, minute, 0, texts))), "ABAABABA");
    // Nothing but rounds, far enough apart, with a retry.
    let rounds =
        [(1, 0, 5, ""), (1, 0, 1, ""), (1, 1, 6, ""), (1, 1, 6, ""), (1, 1, 2, ""), (1, 2, 3, ""), (1, 2, 7, "")];
    assert_eq!(run(&rounds), "ABAABBA");
    // Nothing but rounds that are the same: the log does not tell the two apart.
    assert_eq!(run(&[(1, 0, 1, ""), (1, 0, 1, ""), (1, 1, 2, ""), (1, 1, 2, "")]), "AAAA");
}

#[test]
fn each_rule_of_joining_decides_where_the_one_before_does_not() {
    let cases: &[(&str, &[Step], &str)] = &[
        ("other clients are apart", &[(1, 0, 1, ""), (2, 0, 1, ""), (1, 1, 2, ""), (2, 1, 2, "")], "ABAB"),
        (
            "a longer match wins",
            &[(1, 0, 0, "hi"), (1, 1, 0, "hi|x|q"), (1, 2, 0, "hi"), (1, 3, 0, "hi|x|q|y|r")],
            "AABA",
        ),
        (
            "the same first words part later",
            &[(1, 0, 0, "hi"), (1, 0, 0, "hi"), (1, 1, 0, "hi|x|q"), (1, 1, 0, "hi|y|r")],
            "AAAB",
        ),
        ("a window of the history", &[(1, 0, 0, "a|b|c|d|e"), (1, 1, 0, "other"), (1, 2, 0, "c|d|e|f|g")], "ABA"),
        ("a window without the last two", &[(1, 0, 0, "a|b|c|d|e"), (1, 2, 0, "e|f|g|h|i")], "AB"),
        ("messages contradict a fitting round", &[(1, 0, 1, "a"), (1, 1, 2, "b|x|c")], "AB"),
        ("messages that are cut contradict nothing", &[(1, 0, 1, "a"), (1, 1, 2, ""), (1, 2, 3, "a|x|c|y|d")], "AAA"),
        (
            "a round one less or equal",
            &[(1, 0, 3, ""), (1, 1, 4, ""), (1, 2, 4, ""), (1, 3, 6, ""), (1, 4, 3, "")],
            "AAABC",
        ),
        ("the most recent of two that fit", &[(1, 0, 2, ""), (1, 0, 4, ""), (1, 1, 3, ""), (1, 2, 4, "")], "ABAA?"),
        ("no round: the most recent", &[(1, 0, 0, ""), (1, 5, 0, ""), (2, 6, 0, ""), (1, 7, 0, "")], "AABA"),
        ("no round and two open", &[(1, 0, 1, ""), (1, 0, 5, ""), (1, 1, 0, ""), (1, 2, 2, "")], "ABB?A"),
        ("a session without a round takes any", &[(1, 0, 0, ""), (1, 1, 7, ""), (1, 2, 2, "")], "AAB"),
        ("idle too long", &[(1, 0, 0, "a"), (1, 30, 0, "a|x|b"), (1, 61, 0, "a|x|b|y|c")], "AAB"),
        ("out of order", &[(1, 40, 0, ""), (1, 10, 0, ""), (1, 9, 0, ""), (1, -25, 0, "")], "AAAB"),
        (
            "nothing known at all",
            &[(0, 0, 0, ""), (0, 0, 1, ""), (0, 1, 2, ""), (0, 1, 0, "q"), (0, 2, 0, "q|x|r")],
            "-AABB",
        ),
    ];
    for (name, steps, want) in cases {
        assert_eq!(run(steps), *want, "{name}");
    }
}

#[test]
fn a_session_is_known_again_after_a_restart_in_the_middle() {
    let steps: &[Step] = &[
        (1, 0, 1, "a"),
        (1, 0, 1, "b"),
        (2, 1, 1, ""),
        (1, 2, 2, "b|x|c"),
        (1, 3, 2, "a|y|d"),
        (2, 4, 2, ""),
        (1, 5, 3, "b|x|c|z|e"),
        (1, 50, 4, "b|x|c|z|e"),
    ];
    let mut whole = Derived::new(&Config::default());
    let want: Vec<_> = (1..).zip(steps).map(|(row, step)| ask(&mut whole, row, *step)).collect();
    let mut stored: BTreeMap<DerivedId, Conversation> = BTreeMap::new();
    for (row, (step, want)) in (1..).zip(steps.iter().zip(want)) {
        let mut derived = Derived::new(&Config::default());
        let mut known: Vec<_> = stored.values().cloned().collect();
        known.sort_by_key(|conversation| conversation.last_row);
        known.into_iter().for_each(|conversation| derived.restore(conversation));
        assert_eq!(derived.changed().count(), 0);
        assert_eq!(ask(&mut derived, row, *step), want, "{step:?}");
        assert_eq!(derived.changed().count(), 1);
        stored.extend(derived.changed().map(|conversation| (conversation.id, conversation.clone())));
        derived.written();
        assert_eq!(derived.changed().count(), 0);
    }
}

#[test]
fn what_is_remembered_is_bounded_and_the_idle_longest_goes_first() {
    let mut derived = Derived::new(&Config { max_open: 16, ..Config::default() });
    let texts: Vec<&'static str> = (0..40).map(|n| &*format!("question {n}").leak()).collect();
    for (row, texts) in (1..=17).zip(&texts) {
        ask(&mut derived, row, (1, row, 0, texts));
    }
    assert_eq!(derived.len(), 17);
    // The first goes on, so that the second and the third are the two idle longest.
    ask(&mut derived, 18, (1, 18, 0, texts[0]));
    let of = |row: u8| DerivedId::of("g", &[row; 16]);
    ask(&mut derived, 19, (1, 19, 0, texts[30]));
    assert_eq!((derived.len(), derived.forgotten()), (16, &[of(2), of(3)][..]));
    assert!(!derived.changed().any(|conversation| derived.forgotten().contains(&conversation.id)));
    assert_eq!(derived.changed().count(), 16);
    derived.written();
    derived.forget(18 * MINUTE);
    assert_eq!(derived.len(), 2);
    assert_eq!(derived.forgotten().len(), 14);
    assert!(ask(&mut derived, 20, (1, 20, 0, texts[0])).is_some_and(|(id, ..)| id == of(1)));
    assert!(ask(&mut derived, 21, (1, 20, 0, texts[5])).is_some_and(|(id, ..)| id == of(21)));
}

#[test]
fn a_client_with_thousands_of_open_sessions_is_told_apart_by_messages() {
    let mut derived = Derived::new(&Config::default());
    let ids: Vec<_> = (0..3_000)
        .map(|n| {
            let first = &*format!("q{n}").leak();
            ask_keyed(&mut derived, n, first)
        })
        .collect();
    for n in (0..3_000).step_by(97) {
        let again = &*format!("q{n}|a|b").leak();
        assert_eq!(ask_keyed(&mut derived, 10_000 + n, again), ids[usize::try_from(n).unwrap()]);
    }
}

fn ask_keyed(derived: &mut Derived, row: i64, texts: &str) -> DerivedId {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&row.to_le_bytes());
    let messages = messages(texts);
    let asked = Asked {
        group: Group([9; 16]),
        identified: true,
        gateway: "g",
        key,
        row,
        start: 0,
        end: 0,
        chat_round: 1,
        messages: &messages,
    };
    derived.join(&asked).unwrap().id
}

#[test]
fn forgetting_a_session_leaves_a_later_one_with_the_same_words_known() {
    for next in ["a|b|hi|x|q", "z|b|hi|x|q"] {
        let mut derived = Derived::new(&Config::default());
        let old = ask(&mut derived, 1, (1, 0, 0, "a|b|hi")).unwrap();
        let new = ask(&mut derived, 2, (1, 60, 0, "a|b|hi")).unwrap();
        assert_ne!(old.0, new.0);
        derived.forget(30 * MINUTE);
        assert_eq!(derived.forgotten(), [old.0]);
        assert_eq!(ask(&mut derived, 3, (1, 61, 0, next)), Some((new.0, false, false)), "{next}");
    }
}
