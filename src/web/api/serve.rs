//! A request for an endpoint becomes its answer: the body read within bounds, the question checked, and answered beside
//! the server's threads, a few at a time, so that neither a scrape nor ingest waits for it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::asked::{Asked, Raw};
use super::endpoint::{Answer, Endpoint};
use super::problem::Problem;
use super::stream::Start;
use super::threads::Threads;
use crate::web::config::Role;
use crate::web::{App, reply};

/// Questions that are answered at one time; each may keep a core and some MiB busy.
const QUESTIONS: usize = 4;

/// Exports and deletions at one time; each may take minutes.
const LONG: usize = 2;

/// How long a question waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// Largest body in bytes.
const MAX_BODY: usize = 64 << 10;

/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(10);

/// Answers questions, a few at a time.
pub(crate) struct Api {
    app: Arc<dyn App>,
    questions: Arc<Semaphore>,
    long: Arc<Semaphore>,
    threads: Threads,
}

/// Who asks, and by which address.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// What absolute addresses begin with.
    pub(crate) base: String,
    /// The user, where one had to say.
    pub(crate) user: Option<String>,
    /// What that user may do.
    pub(crate) role: Role,
}

impl Api {
    pub(crate) fn new(app: Arc<dyn App>) -> Api {
        Api {
            app,
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            long: Arc::new(Semaphore::new(LONG)),
            threads: Threads::new(QUESTIONS + LONG),
        }
    }

    /// Answers.
    pub(crate) async fn answer(&self, endpoint: &'static Endpoint, request: Request, caller: Caller) -> Response {
        let answered = match endpoint.answer {
            Answer::Value { make, .. } => self.value(endpoint, make, request, caller).await,
            Answer::File(write) => self.file(endpoint, write, request, caller).await,
        };
        answered.unwrap_or_else(|problem| reply::error(problem.status, problem.code, &problem.message))
    }

    async fn value(
        &self,
        endpoint: &'static Endpoint,
        make: fn(&Asked<'_>) -> Result<serde_json::Value, Problem>,
        request: Request,
        caller: Caller,
    ) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        let writes = !endpoint.body.is_empty();
        let body = if writes { read(body).await? } else { Vec::new() };
        let turn = turn(if writes { &self.long } else { &self.questions }).await?;
        let app = Arc::clone(&self.app);
        let made = self.threads.run(move || {
            // Held until the work is done, also where nobody waits for it any more.
            let _turn = turn;
            let mut text = make(&asked(&*app, endpoint, &parts, &body, &caller)?)?.to_string().into_bytes();
            text.push(b'\n');
            Ok(text)
        });
        let text = made.await.unwrap_or_else(|error| {
            tracing::error!(path = endpoint.path, "an answer of the API failed: {error}");
            Err(Problem::internal())
        })?;
        Ok(reply::typed(StatusCode::OK, "application/json", Body::from(text)))
    }

    async fn file(
        &self,
        endpoint: &'static Endpoint,
        write: fn(&Asked<'_>, &mut Start) -> Result<(), Problem>,
        request: Request,
        caller: Caller,
    ) -> Result<Response, Problem> {
        let (parts, _) = request.into_parts();
        let turn = turn(&self.long).await?;
        let app = Arc::clone(&self.app);
        let (mut start, begun) = Start::new();
        self.threads.run(move || {
            let _turn = turn;
            let written = asked(&*app, endpoint, &parts, &[], &caller).and_then(|asked| write(&asked, &mut start));
            if let Err(problem) = written {
                start.fail(problem);
            }
        });
        begun.await.unwrap_or_else(|_| Err(Problem::internal()))
    }
}

async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    match tokio::time::timeout(TURN, Arc::clone(turns).acquire_owned()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(Problem::busy()),
    }
}

fn asked<'a>(
    app: &'a dyn App,
    endpoint: &Endpoint,
    parts: &Parts,
    body: &[u8],
    caller: &Caller,
) -> Result<Asked<'a>, Problem> {
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    Asked::read(app, endpoint, Raw { path, query, body }, caller)
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let collected = tokio::time::timeout(BODY, Limited::new(body, MAX_BODY).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Problem::too_large(format!("a body is at most {} KiB here", MAX_BODY >> 10)))
        }
        Ok(Err(error)) => Err(Problem::body(format!("the body cannot be read: {error}"))),
        Err(_) => Err(Problem::timeout(format!("the body did not come within {} s", BODY.as_secs()))),
    }
}
