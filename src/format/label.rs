//! A stranger's text becomes text that may be a label: bounded, without control characters, still telling long values apart.
//!
//! Not for values that are only hashed or compared (session, request and chat ids): those stay verbatim.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Longest label text in bytes.
pub(crate) const MAX_LABEL: usize = 256;
/// `~` and 16 hexadecimal digits that end a cut label.
const SUFFIX: usize = 17;

/// Bounds a label. A value over [`MAX_LABEL`] bytes keeps its beginning and gets a hash of the whole, so that two long
/// values stay apart and one value is the same label in every run; each control character becomes U+FFFD.
pub(crate) fn bound_label(text: Cow<'_, str>) -> Cow<'_, str> {
    // Bytes of C1 controls (0xC2 0x80..0x9F) are looked at only where a byte is not ASCII.
    if text.len() <= MAX_LABEL && text.bytes().fold(true, |plain, b| plain & (0x20..0x7f).contains(&b)) {
        return text;
    }
    let text = replace_controls(text);
    if text.len() <= MAX_LABEL {
        return text;
    }
    let digest = Sha256::digest(text.as_bytes());
    let mut label = cut(&text, MAX_LABEL - SUFFIX).to_owned();
    label.push('~');
    for byte in digest.iter().take((SUFFIX - 1) / 2) {
        for digit in [byte >> 4, byte & 15] {
            label.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    Cow::Owned(label)
}

fn replace_controls(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect())
    } else {
        text
    }
}

/// The beginning of `text`, at most `max` bytes, ending between two characters.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// [`cut`] that keeps a borrowed text borrowed.
pub(crate) fn cut_cow(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text, max)),
        Cow::Owned(mut text) => {
            text.truncate(text.floor_char_boundary(max));
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_borrowed_as_it_is() {
        for text in ["", "qwen-turbo", "通义千问", &"x".repeat(256)] {
            assert!(matches!(bound_label(Cow::Borrowed(text)), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn long_labels_are_cut_between_characters_and_stay_apart() {
        let (one, two) = ("通".repeat(100) + "a", "通".repeat(100) + "b");
        let (short_one, short_two) = (bound_label(Cow::Borrowed(&one)), bound_label(Cow::Borrowed(&two)));
        assert_ne!(short_one, short_two);
        assert!(short_one.len() <= MAX_LABEL && short_one.starts_with("通通"));
        assert_eq!(short_one, bound_label(Cow::Owned(one.clone())), "the same in every run");
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(bound_label(Cow::Borrowed("a\nb\u{1b}[31m\u{7f}\u{85}")), "a\u{fffd}b\u{fffd}[31m\u{fffd}\u{fffd}");
    }

    #[test]
    fn cutting_never_splits_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut_cow(Cow::Owned("aé".to_owned()), 2), "a");
    }
}
