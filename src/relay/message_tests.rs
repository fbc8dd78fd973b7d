//! Messages as golden files, and their bounds.
//!
//! Each `tests/golden/relay/CASE.json` is written for every robot in every language and compared with the text beside it.
//! With `TOKENTAIL_BLESS=1` in the environment the texts are written anew instead, to be read before they are kept.

use std::path::Path;

use super::*;
use crate::relay::robot::Access;

const LANGUAGES: [Language; 2] = [Language::English, Language::Chinese];

static NOBODY: BTreeMap<String, Vec<String>> = BTreeMap::new();

fn style<'a>(kind: Kind, language: Language, zone: &'a TimeZone) -> Style<'a> {
    Style { kind, language, zone, keyword: None, at_mobiles: &NOBODY }
}

fn case(name: &str) -> Notification {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/relay");
    Notification::parse(&std::fs::read(folder.join(format!("{name}.json"))).expect("there")).expect("valid")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a developer's switch, in a test only")]
fn every_golden_case_is_written_as_expected() {
    let bless = std::env::var("TOKENTAIL_BLESS").is_ok();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/relay");
    let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
    let mut wrong = Vec::new();
    for name in ["firing", "mixed", "hostile"] {
        for (kind, kind_name) in Kind::ALL {
            for (language, language_name) in Language::ALL {
                let message = compose(&[case(name)], &style(kind, language, &zone));
                let got = format!("{}\n----\n{}\n", message.title, message.text);
                let file = folder.join(format!("{name}.{kind_name}.{language_name}.txt"));
                if bless {
                    std::fs::write(&file, &got).expect("writable");
                } else if std::fs::read_to_string(&file).unwrap_or_default() != got {
                    wrong.push(format!("{}:\n{got}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "read the difference, then TOKENTAIL_BLESS=1:\n{}", wrong.join("\n"));
}

/// A group of many alerts whose every text is as long and as hostile as it comes.
fn many(count: usize, text: &str) -> Notification {
    let mut notification = case("firing");
    let alert = notification.alerts.remove(0);
    notification.external_url = format!("http://a/{text}");
    notification.group_labels.insert("group".to_owned(), text.repeat(50));
    notification.truncated_alerts = 0;
    notification.alerts = (0..count)
        .map(|index| {
            let mut alert = alert.clone();
            alert.fingerprint = index.to_string();
            for value in alert.annotations.values_mut().chain(alert.labels.values_mut()) {
                value.push_str(&text.repeat(200));
            }
            alert
        })
        .collect();
    notification
}

#[test]
fn a_message_never_outgrows_its_robot_and_counts_what_it_leaves_out() {
    let zone = TimeZone::UTC;
    let access = Access { url: "https://h/".to_owned(), secret: Some("s".repeat(64)) };
    let mobiles: Vec<String> = (0..80).map(|index| format!("+86-138001{index:06}")).collect();
    let at_mobiles = BTreeMap::from([("warning".to_owned(), mobiles)]);
    for text in ["", "警报", "\"<*_[\\", "x y ", "\u{1F600}\n"] {
        for count in [1, 2, 7, 5_000] {
            let mut notification = many(count, text);
            for alert in &mut notification.alerts {
                alert.labels.insert("severity".to_owned(), "warning".to_owned());
            }
            let notifications = [notification];
            for (kind, _) in Kind::ALL {
                for language in LANGUAGES {
                    let keyword = "k".repeat(64);
                    let base = style(kind, language, &zone);
                    let mentioned = if kind == Kind::DingTalk { &at_mobiles } else { &NOBODY };
                    let style = Style { keyword: Some(&keyword), at_mobiles: mentioned, ..base };
                    let message = compose(&notifications, &style);
                    assert!(kind.wire(&message.text) <= kind.room(), "{kind:?} {text} {count}");
                    assert!(message.text.contains(&keyword) && message.title.contains(&keyword));
                    let (_, body) = access.request(kind, &message, 0);
                    assert!(body.len() <= 20_000, "{kind:?} {text} {count}: {} bytes", body.len());
                    let shown = message.text.matches("TokentailSlowAnswers").count();
                    assert!(shown > 0, "{kind:?} {text:?} {count}: {}", message.text);
                    if count == 5_000 {
                        let more = message.text.rsplit("\n\n").find(|part| part.starts_with('…')).expect("counted");
                        let digits: String = more.chars().filter(char::is_ascii_digit).collect();
                        let left: usize = digits.parse().expect("a number");
                        assert!(left > 4_000 && left < 5_000, "{more}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_waited_together_is_one_message_in_which_the_later_word_counts() {
    let (mut first, second) = (case("firing"), case("mixed"));
    first.truncated_alerts = 0;
    let zone = TimeZone::UTC;
    let message = compose(&[first, second], &style(Kind::DingTalk, Language::English, &zone));
    // The target `chat` fired in the first and is resolved in the second.
    assert_eq!(message.title, "FIRING 2 · RESOLVED 1 · 2 groups");
    assert_eq!(message.text.matches("**TokentailTargetDown**").count(), 2, "{}", message.text);
    assert_eq!(message.text.matches("RESOLVED</font>").count(), 1, "{}", message.text);
    assert!(message.text.contains("gateway=higress"), "what a group has in common is said by each: {}", message.text);
}

#[test]
fn only_firing_alerts_of_their_severity_mention_people() {
    let at_mobiles = BTreeMap::from([
        ("critical".to_owned(), vec!["13800000001".to_owned(), "13800000002".to_owned()]),
        ("info".to_owned(), vec!["13800000003".to_owned()]),
    ]);
    let zone = TimeZone::UTC;
    let style = Style { at_mobiles: &at_mobiles, ..style(Kind::DingTalk, Language::English, &zone) };
    let message = compose(&[case("firing")], &style);
    assert_eq!(message.mobiles, ["13800000001", "13800000002"]);
    assert!(message.text.ends_with("\n\n@13800000001 @13800000002"), "{}", message.text);
    let mut resolved = case("mixed");
    resolved.alerts.truncate(1);
    let message = compose(&[resolved], &style);
    assert!(message.mobiles.is_empty() && !message.text.contains('@') && message.gravity.is_none());
}

#[test]
fn no_text_of_an_alert_begins_a_list_or_underlines_a_heading() {
    let zone = TimeZone::UTC;
    let mut notification = case("mixed");
    notification.alerts.truncate(1);
    for (text, want) in [("---", "－--"), ("=", "＝"), ("+ x", "＋ x"), ("1. x", "1. x"), ("x - y", "x - y")] {
        notification.alerts[0].annotations.insert("summary".to_owned(), text.to_owned());
        for (kind, _) in Kind::ALL {
            let message = compose(&[notification.clone()], &style(kind, Language::English, &zone));
            assert!(message.text.contains(&format!("{}{want}", kind.line_end())), "{}", message.text);
        }
    }
}

#[test]
fn a_keyword_is_in_title_and_text_and_never_twice() {
    let zone = TimeZone::UTC;
    for (kind, _) in Kind::ALL {
        let written = |keyword| {
            compose(&[case("firing")], &Style { keyword: Some(keyword), ..style(kind, Language::English, &zone) })
        };
        let message = written("监控*");
        assert!(message.title.starts_with("监控* · FIRING 2") && message.text.contains("监控*"), "{}", message.text);
        assert_eq!(written("FIRING").title.matches("FIRING").count(), 1);
    }
}
