//! What each robot takes for Markdown: how text is made harmless, how much fits, how a line ends.
//!
//! Feishu knows numeric entities for its own characters. DingTalk and WeCom document no escape that all their clients
//! honour, so what could begin a link, a mention, a picture or an emphasis becomes its full-width twin there, which looks
//! alike and means nothing. An underscore stays: names of metrics must still be copied.

use super::config::Kind;

/// Largest request body that DingTalk and Feishu take; Feishu documents 20 KB, DingTalk 20,000 bytes.
const MAX_BODY: usize = 20_000;

/// Largest text that WeCom takes, in bytes of UTF-8, by its documentation.
const MAX_WECOM_TEXT: usize = 4_096;

/// What the frame of a body may take: title, signature, mentions.
const FRAME: usize = 3_000;

impl Kind {
    /// Bytes on the wire that a message's text may take.
    pub(super) fn room(self) -> usize {
        match self {
            Kind::DingTalk | Kind::Feishu => MAX_BODY - FRAME,
            Kind::WeCom => MAX_WECOM_TEXT,
        }
    }

    /// Bytes that a text takes of [`Kind::room`]: WeCom counts the text, the others the JSON that it is sent in.
    pub(super) fn wire(self, text: &str) -> usize {
        let escaped = match self {
            Kind::WeCom => 0,
            // serde_json writes quote, backslash and line end as two bytes; other controls are never in our texts.
            Kind::DingTalk | Kind::Feishu => text.bytes().filter(|b| matches!(b, b'"' | b'\\' | b'\n')).count(),
        };
        text.len() + escaped
    }

    /// What ends a line within a paragraph.
    pub(super) fn line_end(self) -> &'static str {
        match self {
            // Markdown joins lines without the two spaces.
            Kind::DingTalk => "  \n",
            Kind::WeCom | Kind::Feishu => "\n",
        }
    }

    /// A stranger's text on one line, harmless in this dialect, at most `most` bytes long (3 or more) and never cut within a character
    /// or an escape.
    pub(super) fn text(self, text: &str, most: usize) -> String {
        one_line(text, most, if self == Kind::Feishu { entity } else { twin })
    }

    /// Text that stands out; the text must be harmless already.
    pub(super) fn bold(self, text: &str) -> String {
        format!("**{text}**")
    }

    /// Text in a colour where the dialect has colours for text.
    pub(super) fn coloured(self, text: &str, is_bad: bool) -> String {
        match (self, is_bad) {
            // The only names that WeCom knows are for orange, green and grey.
            (Kind::WeCom, true) => format!("<font color=\"warning\">{text}</font>"),
            (Kind::WeCom, false) => format!("<font color=\"info\">{text}</font>"),
            (Kind::DingTalk, true) => format!("<font color=#d93026>{text}</font>"),
            (Kind::DingTalk, false) => format!("<font color=#188038>{text}</font>"),
            (Kind::Feishu, true) => format!("<font color='red'>{text}</font>"),
            (Kind::Feishu, false) => format!("<font color='green'>{text}</font>"),
        }
    }

    /// A link; `None` for what is no web address, or one longer than `most` bytes: half an address leads nowhere.
    pub(super) fn link(self, words: &str, url: &str, most: usize) -> Option<String> {
        let url = url.trim();
        let is_web = ["http://", "https://"].iter().any(|scheme| {
            url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)) && url.len() > scheme.len()
        });
        let link = format!("[{words}]({})", address(url, most)?);
        (is_web && link.len() <= most).then_some(link)
    }
}

/// A stranger's text on one line for where no Markdown is read, cut as [`Kind::text`] does.
pub(super) fn plain(text: &str, most: usize) -> String {
    one_line(text, most, |_| None)
}

fn one_line(text: &str, most: usize, escape: fn(char) -> Option<&'static str>) -> String {
    const DOTS: char = '…';
    let mut safe = String::new();
    // Where the text is cut if it turns out too long.
    let mut fits = 0;
    let mut buffer = [0; 4];
    for c in text.trim().chars() {
        let piece = match c {
            c if c.is_whitespace() => " ",
            c if is_hidden(c) => continue,
            c => escape(c).unwrap_or_else(|| c.encode_utf8(&mut buffer)),
        };
        if piece == " " && safe.ends_with(' ') {
            continue;
        }
        if safe.len() + piece.len() > most {
            safe.truncate(fits);
            safe.push(DOTS);
            return safe;
        }
        safe.push_str(piece);
        if safe.len() + DOTS.len_utf8() <= most {
            fits = safe.len();
        }
    }
    safe
}

/// The address with everything percent-encoded that could end a link or a JSON string.
fn address(url: &str, most: usize) -> Option<String> {
    let mut safe = String::new();
    for byte in url.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&*+,;=%".contains(&byte);
        if plain {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
        if safe.len() > most {
            return None;
        }
    }
    Some(safe)
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, for a value in a query.
pub(super) fn query_value(text: &str) -> String {
    let mut safe = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

/// What shows nothing, or turns the direction of what follows.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}')
}

fn twin(c: char) -> Option<&'static str> {
    Some(match c {
        '<' => "＜",
        '>' => "＞",
        '[' => "［",
        ']' => "］",
        '*' => "＊",
        '`' => "｀",
        '\\' => "＼",
        '#' => "＃",
        '~' => "～",
        '|' => "｜",
        // DingTalk takes it for a mention, and so do people.
        '@' => "＠",
        // The start of an entity.
        '&' => "＆",
        _ => return None,
    })
}

fn entity(c: char) -> Option<&'static str> {
    Some(match c {
        '<' => "&#60;",
        '>' => "&#62;",
        '[' => "&#91;",
        ']' => "&#93;",
        '(' => "&#40;",
        ')' => "&#41;",
        '*' => "&#42;",
        '_' => "&#95;",
        '~' => "&#126;",
        '`' => "&#96;",
        '#' => "&#35;",
        '!' => "&#33;",
        '$' => "&#36;",
        '&' => "&#38;",
        '\\' => "&#92;",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_means_nothing_in_any_dialect() {
        let hostile =
            "a\n# b <at id=all></at> [c](http://e) ![d](x) **e** `f` \u{202e}g\u{0} @all \\* <@u> |~~h~~ &lt;";
        for kind in [Kind::DingTalk, Kind::WeCom] {
            let safe = kind.text(hostile, 1_000);
            assert!(
                !safe.contains(['<', '>', '[', ']', '*', '`', '\\', '#', '~', '|', '\n', '\u{0}', '@', '&']),
                "{safe}"
            );
        }
        let safe = Kind::Feishu.text(hostile, 1_000);
        assert!(!safe.contains(['<', '>', '[', ']', '(', ')', '*', '`', '\\', '~', '\n', '\u{202e}']), "{safe}");
        assert!(safe.starts_with("a &#35; b &#60;at id=all&#62;&#60;/at&#62; &#91;c&#93;&#40;"), "{safe}");
        assert_eq!(Kind::DingTalk.text("  http_requests_total \t\n x ", 99), "http_requests_total x");
    }

    #[test]
    fn a_text_is_cut_between_characters_and_escapes() {
        for kind in [Kind::DingTalk, Kind::WeCom, Kind::Feishu] {
            for text in ["警报警报警报", "<<<<<<<<", "a<b警*c_d", "abcdefghij"] {
                let whole = kind.text(text, 1_000);
                assert_eq!(kind.text(text, whole.len()), whole, "an exact fit is not cut");
                for most in 3..whole.len() {
                    let cut = kind.text(text, most);
                    assert!(cut.len() <= most, "{kind:?} {text} {most}: {cut}");
                    let head = cut.strip_suffix('…').unwrap_or_else(|| panic!("{cut}"));
                    assert!(whole.starts_with(head), "{cut}");
                    let entities = |text: &str| (text.matches("&#").count(), text.matches(';').count());
                    assert_eq!(entities(&cut).0, entities(&cut).1, "{cut}");
                }
            }
        }
    }

    #[test]
    fn only_web_addresses_become_links_and_none_ends_early() {
        let link = |url: &str| Kind::DingTalk.link("Board", url, 200);
        assert_eq!(link("https://g/d?x=(a) b\"]"), Some("[Board](https://g/d?x=%28a%29%20b%22%5D)".to_owned()));
        assert_eq!(link("HTTP://g/警"), Some("[Board](HTTP://g/%E8%AD%A6)".to_owned()));
        for bad in ["", "javascript:alert(1)", "dingtalk://x", "http://", "//g", "/d", "hätte://x"] {
            assert_eq!(link(bad), None, "{bad}");
        }
        assert_eq!(link(&format!("https://g/{}", "x".repeat(300))), None);
    }

    #[test]
    fn the_size_on_the_wire_is_the_size_of_the_json() {
        let text = "a\"b\nc\\警*";
        let json = serde_json::to_string(text).expect("text").len() - 2;
        assert_eq!((Kind::DingTalk.wire(text), Kind::Feishu.wire(text)), (json, json));
        assert_eq!(Kind::WeCom.wire(text), text.len());
    }

    proptest! {
        #[test]
        fn any_text_is_bounded_on_one_line_and_cannot_mention_or_link(text in "\\PC{0,80}|[-<>&#;\\[\\]()@*_\n a]{0,80}", most in 3_usize..200) {
            for (kind, _) in Kind::ALL {
                let safe = kind.text(&text, most);
                prop_assert!(safe.len() <= most && !safe.contains(['\n', '<', '>', '[', ']', '*']), "{safe}");
            }
            let plain = plain(&text, most);
            prop_assert!(plain.len() <= most && !plain.contains(char::is_control), "{plain}");
        }
    }
}
