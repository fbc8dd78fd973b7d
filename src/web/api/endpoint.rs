//! A row of the table of endpoints: path, role, parameters and the function that answers.

use axum::http::Method;
use serde_json::Value;

use super::asked::Asked;
use super::parameter::Parameter;
use super::problem::Problem;
use super::stream::Start;
use crate::web::config::Role;

/// One path of the API with one method.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    /// As the router wants it; `{*…}` takes the rest of the path, with slashes.
    pub(crate) path: &'static str,
    pub(crate) role: Role,
    /// What it answers, in a few words.
    pub(crate) about: &'static str,
    /// Sets of parameters of its query.
    pub(super) query: &'static [&'static [Parameter]],
    /// Fields of its body.
    pub(super) body: &'static [Parameter],
    pub(super) answer: Answer,
}

/// How an answer is made, on a thread that may block.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// A document, and the name of its schema.
    Value { schema: &'static str, make: fn(&Asked<'_>) -> Result<Value, Problem> },
    /// A file of any length, in one of the formats of exports.
    File(fn(&Asked<'_>, &mut Start) -> Result<(), Problem>),
}

impl Endpoint {
    /// A path that reads.
    pub(super) const fn get(
        path: &'static str,
        about: &'static str,
        query: &'static [&'static [Parameter]],
        schema: &'static str,
        answer: fn(&Asked<'_>) -> Result<Value, Problem>,
    ) -> Endpoint {
        let answer = Answer::Value { schema, make: answer };
        Endpoint { method: Method::GET, path, role: Role::Viewer, about, query, body: &[], answer }
    }

    /// A path that writes, for administrators.
    pub(super) const fn post(
        path: &'static str,
        about: &'static str,
        body: &'static [Parameter],
        schema: &'static str,
        answer: fn(&Asked<'_>) -> Result<Value, Problem>,
    ) -> Endpoint {
        let answer = Answer::Value { schema, make: answer };
        Endpoint { method: Method::POST, path, role: Role::Admin, about, query: &[], body, answer }
    }

    /// A path that gives a file.
    pub(super) const fn file(
        path: &'static str,
        about: &'static str,
        query: &'static [&'static [Parameter]],
        write: fn(&Asked<'_>, &mut Start) -> Result<(), Problem>,
    ) -> Endpoint {
        let answer = Answer::File(write);
        Endpoint { method: Method::GET, path, role: Role::Viewer, about, query, body: &[], answer }
    }

    /// The same for administrators only.
    pub(super) const fn for_admins(mut self) -> Endpoint {
        self.role = Role::Admin;
        self
    }

    /// Everything that its query takes.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'static Parameter> {
        self.query.iter().flat_map(|set| set.iter())
    }

    /// The path before the part that a question names, and that part's name.
    pub(super) fn variable(&self) -> Option<(&'static str, &'static str)> {
        let (before, rest) = self.path.split_once('{')?;
        Some((before, rest.trim_start_matches('*').trim_end_matches('}')))
    }

    /// The path as people write it.
    pub(crate) fn shown(&self) -> String {
        self.path.replace("{*", "{")
    }
}
