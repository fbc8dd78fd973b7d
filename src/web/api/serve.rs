//! A request for an endpoint becomes its answer: the body read within bounds, the question checked, and answered beside
//! the server's threads, a few at a time, so that neither a scrape nor ingest waits for it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::asked::{Asked, Raw};
use super::endpoint::Endpoint;
use super::problem::Problem;
use crate::web::{App, reply};

/// Questions that are answered at one time; each may keep a core and some MiB busy.
const QUESTIONS: usize = 4;

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
}

impl Api {
    pub(crate) fn new(app: Arc<dyn App>) -> Api {
        Api { app, questions: Arc::new(Semaphore::new(QUESTIONS)) }
    }

    /// Answers. `base` is what absolute addresses begin with.
    pub(crate) async fn answer(&self, endpoint: &'static Endpoint, request: Request, base: String) -> Response {
        match self.ask(endpoint, request, base).await {
            Ok(body) => reply::typed(StatusCode::OK, "application/json", Body::from(body)),
            Err(problem) => reply::error(problem.status, problem.code, &problem.message),
        }
    }

    async fn ask(&self, endpoint: &'static Endpoint, request: Request, base: String) -> Result<Vec<u8>, Problem> {
        let (parts, body) = request.into_parts();
        let body = if endpoint.body.is_empty() { Vec::new() } else { read(body).await? };
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.questions).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Problem::busy()) };
        let app = Arc::clone(&self.app);
        let made = spawn_blocking(move || {
            // Held until the work is done, also where nobody waits for it any more.
            let _turn = turn;
            let raw =
                Raw { path: parts.uri.path(), query: parts.uri.query().unwrap_or_default(), body: &body, base: &base };
            let asked = Asked::read(&*app, endpoint, raw)?;
            let mut text = (endpoint.answer)(&asked)?.to_string().into_bytes();
            text.push(b'\n');
            Ok(text)
        });
        made.await.unwrap_or_else(|error| {
            tracing::error!(path = endpoint.path, "an answer of the API failed: {error}");
            Err(Problem::internal())
        })
    }
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
