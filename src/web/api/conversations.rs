//! Captured conversations: a list of them, searched or not, one with its text, exports and erasure; for administrators.

use serde_json::{Value, json};

use super::asked::{Asked, Period};
use super::endpoint::Endpoint;
use super::exports;
use super::filter::{LIST, PERIOD, USUAL, modes};
use super::parameter::{Kind, Parameter, count};
use super::problem::Problem;
use super::shape;
use super::stream::Start;
use crate::clock::Deadline;
use crate::content::{Reader, Scope};
use crate::ledger::Moment;
use crate::report::conversations::{self, Error, Form, Line, Question};
use crate::report::shape::{conversation, exchange};
use crate::wording::{listed, quoted};

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::get(
        "/api/v1/conversations",
        "captured conversations, the last logged first, or what a search finds, the best first",
        &[FILTERS, PERIOD, LIST],
        "Conversations",
        list,
    )
    .for_admins(),
    Endpoint::file(
        "/api/v1/conversations/export",
        "every captured conversation that fits, the oldest first",
        &[FORMAT, FILTERS, PERIOD],
        export,
    )
    .for_admins(),
    Endpoint::get(
        "/api/v1/conversations/{id}",
        "what one request asked and was answered",
        &[],
        "ConversationDetail",
        show,
    )
    .for_admins(),
    Endpoint::post(
        "/api/v1/conversations/erase",
        "erases captured text and the names that lead to it, of one kind",
        ERASE,
        "Erased",
        erase,
    ),
];

const FILTERS: &[Parameter] = &[
    Parameter::new("q", Kind::Text, "in which all of these words, beginnings* and \"phrases\" occur"),
    Parameter::new("gateway", Kind::Texts, "of these gateways"),
    Parameter::new("route", Kind::Texts, "on these routes"),
    Parameter::new("provider", Kind::Texts, "with these providers"),
    Parameter::new("model", Kind::Texts, "with these models"),
    Parameter::new("upstream", Kind::Texts, "with these upstream accounts or clusters"),
    Parameter::new("mode", Kind::Choices(modes), "of these modes"),
    Parameter::new("consumer", Kind::Texts, "of these consumers"),
    Parameter::new("user", Kind::Texts, "of these users: ids as the log has them, or pseudonyms"),
    Parameter::new("session", Kind::Texts, "of these sessions"),
    Parameter::new("dimension", Kind::Dimensions, "with these values of a dimension"),
];

const FORMAT: &[Parameter] = &[Parameter::new(
    "format",
    Kind::Choice(formats),
    "jsonl (the default), json, or chat: a line of messages for training, a whole conversation each",
)];

/// Exactly one of them is given.
const ERASE: &[Parameter] = &[
    Parameter::new("conversation", Kind::Text, "the conversation of this id"),
    Parameter::new("session", Kind::Text, "all of this session"),
    Parameter::new("consumer", Kind::Text, "all of this consumer"),
    Parameter::new("user", Kind::Text, "all of this user: the id as the log has it, or the pseudonym"),
    Parameter::new("before", Kind::Time, "all that started before: a time, a date, or an age such as 90d"),
];

fn formats() -> Vec<&'static str> {
    Form::ALL.into_iter().map(Form::label).collect()
}

/// The captured conversations; `None` where there never were any.
///
/// # Errors
/// They cannot be read.
pub(super) fn reader(asked: &Asked<'_>, deadline: Option<Deadline>) -> Result<Option<Reader>, Problem> {
    Ok(Reader::open(asked.folder()?, asked.instance.content_key.as_ref(), deadline)?)
}

fn question(asked: &Asked<'_>, moment: &Moment, period: Period) -> Result<Question, Problem> {
    let text = asked.text("q").unwrap_or_default().trim().to_owned();
    Ok(Question { requests: asked.requests(moment, period)?, text })
}

fn list(asked: &Asked<'_>) -> Result<Value, Problem> {
    let period = asked.period()?;
    let moment = asked.open()?;
    let question = question(asked, &moment, period)?;
    let found = match reader(asked, Some(asked.deadline.clone()))? {
        Some(reader) => conversations::list(&moment, &reader, &question, asked.limit(USUAL), asked.text("cursor"))?,
        None => conversations::Listed::default(),
    };
    let told: Vec<Value> = found.lines.iter().map(|line| described(asked, line)).collect();
    let says = json!({"conversations": told, "next": found.next, "unindexed": found.unindexed});
    Ok(shape::answer_of(asked, period, says))
}

/// A conversation with its addresses.
fn described(asked: &Asked<'_>, line: &Line) -> Value {
    let mut value = conversation(line);
    let session = (!line.session.is_empty()).then(|| asked.session_page(&line.session, &line.attributes.gateway));
    if let Some(map) = value.as_object_mut() {
        map.insert("url".to_owned(), json!(asked.page("/requests/", &line.conversation.row.to_string())));
        map.insert("session_url".to_owned(), json!(session));
    }
    value
}

fn show(asked: &Asked<'_>) -> Result<Value, Problem> {
    let moment = asked.open()?;
    let told = match (row(&asked.rest), reader(asked, Some(asked.deadline.clone()))?) {
        (Some(row), Some(reader)) => conversations::show(&moment, &reader, row)?,
        _ => None,
    };
    let Some(told) = told else {
        let message = format!(
            "there is no captured conversation {}; what was not captured, and what retention has deleted, is not here",
            quoted(&asked.rest)
        );
        return Err(Problem::not_found(message));
    };
    let mut says = exchange(&told.exchange);
    if let Some(map) = says.as_object_mut() {
        map.insert("conversation".to_owned(), described(asked, &told.line));
    }
    Ok(shape::answer(asked, says))
}

/// The row of an id.
fn row(id: &str) -> Option<i64> {
    count(id).and_then(|id| i64::try_from(id).ok())
}

fn export(asked: &Asked<'_>, start: &mut Start) -> Result<(), Problem> {
    let period = asked.period()?;
    let moment = asked.open_for_long()?;
    let question = question(asked, &moment, period)?;
    let reader = reader(asked, None)?;
    let form = Form::ALL.into_iter().find(|form| asked.text("format") == Some(form.label())).unwrap_or_default();
    let (media_type, end) = match form {
        Form::Json => ("application/json", "json"),
        Form::Jsonl => ("application/jsonl", "jsonl"),
        Form::Chat => ("application/jsonl", "chat.jsonl"),
    };
    let mut pipe = start.file(media_type, &exports::file_name(asked, "conversations", period, end));
    let written = match &reader {
        Some(reader) => conversations::export(&moment, reader, &question, form, &mut pipe).map(|_| ()),
        None if form == Form::Json => std::io::Write::write_all(&mut pipe, b"[]\n").map_err(Error::Write),
        None => Ok(()),
    };
    match written.map(|()| std::io::Write::flush(&mut pipe)) {
        // Whoever asked may have gone.
        Ok(_) | Err(Error::Write(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn erase(asked: &Asked<'_>) -> Result<Value, Problem> {
    asked.folder()?;
    let (name, scope) = scope(asked)?;
    let by = asked.caller.user.as_deref().unwrap_or("api");
    let erased = asked.app.erase(scope, by).map_err(Problem::unavailable)?;
    let says = json!({
        "scope": name, "conversations": erased.conversations, "bytes": erased.bytes, "names": erased.names,
        "waits_for_reader": erased.waits_for_reader,
    });
    Ok(shape::answer(asked, says))
}

/// What is to be erased, and which field says it.
fn scope(asked: &Asked<'_>) -> Result<(&'static str, Scope), Problem> {
    let given: Vec<&'static str> =
        ERASE.iter().map(|field| field.name).filter(|name| asked.text(name).is_some()).collect();
    let [name] = given[..] else {
        let fields = listed(ERASE.iter().map(|field| field.name));
        return Err(Problem::bad(format!("what is to be erased is said by exactly one of the fields {fields}")));
    };
    let text = asked.text(name).unwrap_or_default();
    if text.is_empty() {
        // Otherwise a script whose variable is empty would erase everything that has no session or user.
        return Err(Problem::value(name, text, "a text that is not empty"));
    }
    let scope = match name {
        "conversation" => {
            Scope::Conversation(row(text).ok_or_else(|| Problem::value(name, text, "the id of a conversation"))?)
        }
        "session" => Scope::Session(text.to_owned()),
        "consumer" => Scope::Consumer(text.to_owned()),
        "user" => Scope::User(text.to_owned()),
        _ => {
            let before = asked.moment(name).ok_or_else(Problem::internal)?;
            if before > asked.instance.now {
                return Err(Problem::bad(
                    "`before` lies in the future: that would erase conversations which are still to come",
                ));
            }
            Scope::Before(before)
        }
    };
    Ok((name, scope))
}
