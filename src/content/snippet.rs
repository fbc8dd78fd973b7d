//! A piece of a conversation for a list: around what was searched for, else how the question begins.

use std::ops::Range;

use super::exchange::Exchange;
use super::view::Fragment;
use super::words::{Search, texts};

/// Most characters of a snippet.
const LENGTH: usize = 240;
/// Characters before the first match.
const BEFORE: usize = 60;
/// Bytes of a text in which matches are looked for.
const LOOKED_AT: usize = 256 << 10;
/// Matches that are marked.
const MARKED: usize = 16;

/// The snippet of an exchange.
pub(super) fn snippet(exchange: &Exchange, search: Option<&Search>) -> Vec<Fragment> {
    let best = search.and_then(|search| {
        texts(exchange)
            .map(|text| {
                let text = text.get(..floor(text, LOOKED_AT)).unwrap_or_default();
                (text, search.find(text, MARKED))
            })
            .filter(|(_, found)| !found.is_empty())
            // Of equal ones the first.
            .reduce(|best, other| if other.1.len() > best.1.len() { other } else { best })
    });
    if let Some((text, found)) = best {
        let first = found.first().map_or(0, |range| range.start);
        let before = text.get(..first).unwrap_or_default();
        let start = before.char_indices().rev().take(BEFORE).last().map_or(first, |(at, _)| at);
        return fragments(text, start, &found);
    }
    let question = exchange.messages.iter().rev().find(|message| message.role == "user" && !message.text.is_empty());
    let text = question.map(|message| message.text.as_str()).or_else(|| texts(exchange).next());
    fragments(text.unwrap_or_default(), 0, &[])
}

/// The last place that is no further than `at` and between two characters.
fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

fn fragments(text: &str, start: usize, matches: &[Range<usize>]) -> Vec<Fragment> {
    let tail = text.get(start..).unwrap_or_default();
    let end = tail.char_indices().nth(LENGTH).map_or(text.len(), |(at, _)| start + at);
    let mut fragments = Vec::new();
    let mut push = |range: Range<usize>, is_match: bool| {
        if let Some(piece) = text.get(range).filter(|piece| !piece.is_empty()) {
            fragments.push(Fragment { text: piece.to_owned(), is_match });
        }
    };
    let mut at = start;
    for found in matches.iter().filter(|found| found.start >= start && found.end <= end) {
        push(at..found.start, false);
        push(found.clone(), true);
        at = found.end;
    }
    push(at..end, false);
    fragments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Message;

    fn exchange(question: &str, answer: &str) -> Exchange {
        let message = |role: &str, text: &str| Message { role: role.into(), text: text.into(), ..Message::default() };
        Exchange {
            messages: vec![message("system", "You help."), message("user", question)],
            answer: Some(message("assistant", answer)),
        }
    }

    fn shown(exchange: &Exchange, search: Option<&str>) -> String {
        let search = search.map(|text| Search::read(text).unwrap().unwrap());
        let fragments = snippet(exchange, search.as_ref());
        fragments.iter().map(|f| if f.is_match { format!("[{}]", f.text) } else { f.text.clone() }).collect()
    }

    #[test]
    fn a_snippet_is_around_the_match_or_the_beginning_of_the_question() {
        let plain = exchange("How do I get a refund?", "A refund, or a second refund.");
        assert_eq!(shown(&plain, None), "How do I get a refund?");
        assert_eq!(shown(&plain, Some("refund")), "A [refund], or a second [refund].");
        assert_eq!(shown(&plain, Some("nothing")), "How do I get a refund?");
        let long = exchange(&format!("{}我要退款{}", "长".repeat(500), "长".repeat(500)), "");
        let snippet = shown(&long, Some("退款"));
        assert!(snippet.contains("要[退款]长") && snippet.chars().count() == LENGTH + 2, "{snippet}");
        assert_eq!(shown(&Exchange::default(), Some("x")), "");
    }
}
