//! What was said, printed for people: roles, texts set in, tool calls; nothing of it can drive a terminal.

use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::output::{self, Paint, grouped, one_line, visible};
use super::time;
use crate::content::{Exchange, Fragment, Message};
use crate::report::conversations::Told;

/// Characters of a snippet's line, so that it fits a terminal of 80 columns with its margin.
const LINE: usize = 70;

/// A snippet on one line, what was searched for bold.
pub(super) fn snippet(fragments: &[Fragment], paint: Paint) -> String {
    let mut left = LINE;
    let mut told = String::new();
    for fragment in fragments {
        let text = one_line(&fragment.text.replace(['\n', '\r', '\t'], " "));
        let shown = fit(&text, left);
        left -= width(shown);
        told.push_str(&if fragment.is_match { paint.bold(shown) } else { shown.to_owned() });
        if shown.len() < text.len() {
            told.push('…');
            break;
        }
    }
    told
}

/// As much of a text as fits so many columns.
fn fit(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    for (at, letter) in text.char_indices() {
        taken += columns_of(letter);
        if taken > columns {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Columns that a terminal gives a letter: East Asian wide ones have two.
fn columns_of(letter: char) -> usize {
    let is_wide = matches!(letter, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}');
    if is_wide { 2 } else { 1 }
}

/// One conversation with its text.
pub(super) fn print_one(out: &mut impl Write, told: &Told, marks: &[String], zone: &TimeZone) -> io::Result<()> {
    let paint = Paint(output::wants_colour());
    let (line, known) = (&told.line, &told.line.conversation);
    writeln!(out, "{}  {}", paint.bold(&format!("conversation {}", known.row)), time::wall(known.start, zone))?;
    let messages = format!("{}, {} of them before", known.messages, known.earlier);
    for (name, value) in [
        ("session", line.session.as_str()),
        ("consumer", &line.attributes.consumer),
        ("user", &line.user),
        ("model", &line.attributes.model),
        ("gateway", &line.attributes.gateway),
        ("messages", &messages),
        ("note", &marks.join(", ")),
    ] {
        if !value.is_empty() {
            writeln!(out, "  {} {}", paint.dim(&format!("{name:<10}")), one_line(value))?;
        }
    }
    print_exchange(out, &told.exchange, usize::MAX, paint)?;
    writeln!(out)
}

/// What was said, each text cut after so many characters.
pub(super) fn print_exchange(out: &mut impl Write, exchange: &Exchange, most: usize, paint: Paint) -> io::Result<()> {
    for message in exchange.messages.iter().chain(&exchange.answer) {
        print_message(out, message, most, paint)?;
    }
    Ok(())
}

fn print_message(out: &mut impl Write, message: &Message, most: usize, paint: Paint) -> io::Result<()> {
    let cut = if message.is_cut { " (cut off)" } else { "" };
    let answers = if message.tool_call_id.is_empty() {
        String::new()
    } else {
        format!(" answers {}", one_line(&message.tool_call_id))
    };
    writeln!(out, "\n{}{}", paint.bold(&one_line(&message.role)), paint.dim(&format!("{answers}{cut}")))?;
    if !message.reasoning.is_empty() {
        writeln!(out, "  {}", paint.dim("reasoning"))?;
        print_text(out, &message.reasoning, "    ", most)?;
    }
    print_text(out, &message.text, "  ", most)?;
    for call in &message.tool_calls {
        writeln!(out, "  {} {} {}", paint.dim("calls"), one_line(&call.name), paint.dim(&one_line(&call.id)))?;
        print_text(out, &call.arguments, "    ", most)?;
    }
    Ok(())
}

fn print_text(out: &mut impl Write, text: &str, margin: &str, most: usize) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    let (shown, rest) = text.split_at(end);
    for line in visible(shown).lines() {
        writeln!(out, "{margin}{line}")?;
    }
    if !rest.is_empty() {
        writeln!(out, "{margin}… {} more characters", grouped(rest.chars().count()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::ToolCall;

    #[test]
    fn a_snippet_is_one_line_that_fits_and_drives_no_terminal() {
        let piece = |text: &str, is_match| Fragment { text: text.to_owned(), is_match };
        let told = snippet(
            &[piece("a\n\u{1b}[31m ", false), piece("退款", true), piece(&"长".repeat(99), false)],
            Paint(false),
        );
        assert!(told.starts_with("a \\u{1b}[31m 退款长长"), "{told}");
        assert!(told.ends_with('…') && width(&told) <= LINE + 1, "{told}");
        assert_eq!(snippet(&[piece("short", false)], Paint(false)), "short");
        assert_eq!(snippet(&[piece("a ", false), piece("b", true)], Paint(true)), "a \u{1b}[1mb\u{1b}[0m");
    }

    #[test]
    fn what_was_said_is_set_in_under_its_role() {
        let call = ToolCall { id: "c1".to_owned(), name: "weather".to_owned(), arguments: "{}".to_owned() };
        let text = |role: &str, text: &str| Message { role: role.into(), text: text.into(), ..Message::default() };
        let exchange = Exchange {
            messages: vec![
                text("user", "one\ntwo\u{1b}[2J"),
                Message { tool_call_id: "c0".into(), ..text("tool", "12345") },
            ],
            answer: Some(Message {
                reasoning: "hm".into(),
                is_cut: true,
                tool_calls: vec![call],
                ..text("assistant", "")
            }),
        };
        let mut out = Vec::new();
        print_exchange(&mut out, &exchange, 3, Paint(false)).expect("a buffer");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "\nuser\n  one\n  … 8 more characters\n\ntool answers c0\n  123\n  … 2 more characters\n\n\
             assistant (cut off)\n  reasoning\n    hm\n  calls weather c1\n    {}\n"
        );
        let mut out = Vec::new();
        print_exchange(&mut out, &exchange, 99, Paint(false)).expect("a buffer");
        assert!(String::from_utf8(out).expect("text").contains("  one\n  two\\u{1b}[2J\n"));
    }
}
