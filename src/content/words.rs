//! Text becomes what is indexed and what is searched for: words, and single characters of scripts that put no spaces.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use super::error::Error;
use super::exchange::Exchange;

/// Most words and phrases of one search.
const MAX_PHRASES: usize = 32;

/// Whether a character is a word of its own: Chinese and Japanese characters, Korean syllables.
pub(super) fn is_single(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9d}' | '\u{20000}'..='\u{323af}')
}

/// Whether a character is a mark of the letter before it: accents, and the sound marks of kana.
fn is_mark(c: char) -> bool {
    is_accent(c) || matches!(c, '\u{3099}' | '\u{309a}' | '\u{ff9e}' | '\u{ff9f}')
}

fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Text as it is compared: compatible forms are one (Unicode's NFKC: wide letters, half-width kana, ligatures), small letters, no
/// accents.
fn folded(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return text.into();
    }
    text.nfkd().filter(|c| !is_accent(*c)).nfc().flat_map(char::to_lowercase).collect::<String>().into()
}

/// Appends text with spaces around each character that is a word of its own.
fn spaced_to(text: &str, out: &mut String) {
    out.reserve(text.len());
    for c in folded(text).chars() {
        if is_single(c) {
            out.push(' ');
            out.push(c);
            out.push(' ');
        } else {
            out.push(c);
        }
    }
}

/// All that was said in an exchange, as it is indexed.
pub(super) fn indexed(exchange: &Exchange, out: &mut String) {
    out.clear();
    for text in texts(exchange) {
        spaced_to(text, out);
        // No phrase reaches from one text to the next: a private character is a word of the index and never searched for.
        out.push_str(" \u{10fffd} ");
    }
}

/// The texts of an exchange, first what a snippet is best taken from: the last question, then the answer.
pub(super) fn texts(exchange: &Exchange) -> impl Iterator<Item = &str> {
    exchange.messages.iter().rev().chain(&exchange.answer).flat_map(|message| {
        let calls = message.tool_calls.iter().flat_map(|call| [call.name.as_str(), call.arguments.as_str()]);
        [message.text.as_str(), message.reasoning.as_str()].into_iter().chain(calls).filter(|text| !text.is_empty())
    })
}

/// A word or a phrase that is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    /// Its words in small letters.
    words: Vec<String>,
    /// Whether the last word may go on.
    is_prefix: bool,
}

/// What is searched for: all of the phrases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Search(Vec<Phrase>);

impl Search {
    /// Reads words and `"phrases"`; a word may end in `*`, then it is the beginning of one. `None` for no text at all.
    ///
    /// # Errors
    /// There is text, but no letter or digit, or there are too many words.
    pub(super) fn read(text: &str) -> Result<Option<Search>, Error> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let mut phrases = Vec::new();
        for (index, part) in text.split('"').enumerate() {
            let is_quoted = index % 2 == 1;
            let pieces = if is_quoted { vec![part] } else { part.split_whitespace().collect() };
            for piece in pieces {
                let words: Vec<String> = words(&folded(piece)).map(|(_, word)| word.to_owned()).collect();
                if !words.is_empty() {
                    if phrases.len() == MAX_PHRASES {
                        return Err(Error::TooManyWords(MAX_PHRASES));
                    }
                    phrases.push(Phrase { words, is_prefix: !is_quoted && piece.ends_with('*') });
                }
            }
        }
        if phrases.is_empty() {
            return Err(Error::NoWord(format!("{:?}", text.chars().take(40).collect::<String>())));
        }
        Ok(Some(Search(phrases)))
    }

    /// The expression of the full-text index. Words hold letters and digits only, so that none of it is its syntax.
    pub(super) fn expression(&self) -> String {
        let phrase =
            |phrase: &Phrase| format!("\"{}\"{}", phrase.words.join(" "), if phrase.is_prefix { "*" } else { "" });
        self.0.iter().map(phrase).collect::<Vec<_>>().join(" AND ")
    }

    /// Where in a text phrases begin and end, in bytes, in order; at most `limit`.
    pub(super) fn find(&self, text: &str, limit: usize) -> Vec<std::ops::Range<usize>> {
        let words: Vec<(usize, &str)> = words(text).collect();
        let folded: Vec<Cow<'_, str>> = words.iter().map(|(_, word)| folded(word)).collect();
        let mut found = Vec::new();
        for (at, (start, _)) in words.iter().enumerate() {
            let fits = |phrase: &&Phrase| {
                let last = phrase.words.len() - 1;
                phrase.words.iter().enumerate().all(|(index, wanted)| {
                    folded.get(at + index).is_some_and(|word| {
                        word == wanted || (phrase.is_prefix && index == last && word.starts_with(wanted.as_str()))
                    })
                })
            };
            let Some(phrase) = self.0.iter().filter(fits).max_by_key(|phrase| phrase.words.len()) else { continue };
            if let Some((last, word)) = words.get(at + phrase.words.len() - 1) {
                let range = *start..last + word.len();
                if found.last().is_none_or(|before: &std::ops::Range<usize>| before.end <= range.start) {
                    found.push(range);
                }
            }
            if found.len() >= limit {
                break;
            }
        }
        found
    }
}

/// The words of a text with where they begin: runs of letters and digits, and single characters.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let tail = text.get(rest..)?;
        let (skipped, first) = tail.char_indices().find(|(_, c)| c.is_alphanumeric())?;
        let start = rest + skipped;
        let word = text.get(start..)?;
        let length = if is_single(first) {
            first.len_utf8() + word.chars().skip(1).take_while(|c| is_mark(*c)).map(char::len_utf8).sum::<usize>()
        } else {
            let is_end = |c: char| !(c.is_alphanumeric() || is_mark(c)) || is_single(c);
            word.char_indices().find(|(_, c)| is_end(*c)).map_or(word.len(), |(at, _)| at)
        };
        rest = start + length;
        Some((start, text.get(start..rest)?))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(text: &str) -> Search {
        Search::read(text).unwrap().unwrap()
    }

    #[test]
    fn words_and_phrases_become_an_expression_without_syntax_of_strangers() {
        for (text, expression) in [
            ("refund", "\"refund\""),
            ("Refund policy", "\"refund\" AND \"policy\""),
            ("\"refund policy\" now", "\"refund policy\" AND \"now\""),
            ("退款", "\"退 款\""),
            ("iPhone退款", "\"iphone 退 款\""),
            ("conf*", "\"conf\"*"),
            ("a\" OR NEAR(b", "\"a\" AND \"or near b\""),
            ("don't -x text:y", "\"don t\" AND \"x\" AND \"text y\""),
        ] {
            assert_eq!(search(text).expression(), expression, "{text}");
        }
        assert_eq!(Search::read("  ").unwrap(), None);
        assert!(Search::read("?!").unwrap_err().to_string().contains("\"?!\""));
        let many = (0..33).map(|n| format!("w{n}")).collect::<Vec<_>>();
        assert!(Search::read(&many[..32].join(" ")).is_ok());
        assert!(Search::read(&many.join(" ")).unwrap_err().to_string().contains("more than 32 words"));
    }

    #[test]
    fn what_is_searched_for_is_found_in_texts() {
        let found = |asked: &str, text: &str| -> Vec<String> {
            search(asked).find(text, 9).into_iter().map(|range| text[range].to_owned()).collect()
        };
        assert_eq!(found("refund", "A Refund, refunds and REFUND"), ["Refund", "REFUND"]);
        assert_eq!(found("refund*", "A Refund, refunds"), ["Refund", "refunds"]);
        assert_eq!(found("\"your refund\"", "Is your\n refund here? refund"), ["your\n refund"]);
        assert_eq!(found("退款", "我想退款，退 款"), ["退款", "退 款"]);
        assert_eq!(found("cafe", "Café, cafe\u{301} und CAFÉ"), ["Café", "cafe\u{301}", "CAFÉ"]);
        assert_eq!(found("viet", "Việt"), ["Việt"]);
        assert_eq!(found("abc123", "ＡＢＣ１２３ abc１２３"), ["ＡＢＣ１２３", "abc１２３"]);
        assert_eq!(found("ガード", "ｶﾞｰﾄﾞ"), ["ｶﾞｰﾄﾞ"]);
        assert_eq!(found("ｶﾞ", "ガ カ"), ["ガ"]);
        assert_eq!(found("한국", "한국"), ["한국"]);
        assert_eq!(found("finance", "ﬁnance ②"), ["ﬁnance"]);
        assert_eq!(found("İSTANBUL", "istanbul"), ["istanbul"]);
    }

    proptest! {
        #[test]
        fn any_text_can_be_searched_for_and_in(asked in ".{0,40}", text in ".{0,80}") {
            if let Ok(Some(search)) = Search::read(&asked) {
                let connection = rusqlite::Connection::open_in_memory().unwrap();
                connection.execute_batch("CREATE VIRTUAL TABLE w USING fts5(text, content='')").unwrap();
                let count = "SELECT count(*) FROM w WHERE w MATCH ?1";
                let _: i64 = connection.query_row(count, [search.expression()], |row| row.get(0)).unwrap();
                for range in search.find(&text, 5) {
                    prop_assert!(text.get(range).is_some());
                }
            }
        }
    }
}
