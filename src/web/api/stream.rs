//! An answer that is longer than memory: written by a thread that may block, sent piece by piece through a bounded channel.
//!
//! Whoever reads slowly holds the writer back; whoever goes away ends it at its next piece. Until the first piece is begun
//! a problem is an answer of its own; later the connection is cut, so that nobody takes a part for the whole.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::body::Frame;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use super::problem::Problem;
use crate::web::reply;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

/// Pieces that wait to be sent.
const PIECES: usize = 4;

/// An answer that has not begun.
#[derive(Debug)]
pub(super) struct Start {
    answer: Option<oneshot::Sender<Result<Response, Problem>>>,
    cut: Option<Sender<io::Result<Bytes>>>,
}

impl Start {
    /// The answer begins when the other end has something to give.
    pub(super) fn new() -> (Start, oneshot::Receiver<Result<Response, Problem>>) {
        let (answer, begun) = oneshot::channel();
        (Start { answer: Some(answer), cut: None }, begun)
    }

    /// Begins a file of this name and returns where it is written.
    pub(super) fn file(&mut self, media_type: &'static str, name: &str) -> Pipe {
        let (sender, receiver) = channel(PIECES);
        self.cut = Some(sender.clone());
        let mut response = reply::typed(StatusCode::OK, media_type, Body::new(Pieces { receiver }));
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
        }
        if let Some(answer) = self.answer.take() {
            // Whoever asked may have gone: then writing fails.
            let _ = answer.send(Ok(response));
        }
        Pipe { sender, piece: Vec::with_capacity(PIECE) }
    }

    /// Ends it with a problem.
    pub(super) fn fail(mut self, problem: Problem) {
        if let Some(answer) = self.answer.take() {
            let _ = answer.send(Err(problem));
        } else if let Some(cut) = self.cut.take() {
            let _ = cut.blocking_send(Err(io::Error::other(problem.message)));
        }
    }
}

/// Where the answer is written. Flush it at the end.
#[derive(Debug)]
pub(super) struct Pipe {
    sender: Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Pipe {
    fn send(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.piece.len().min(PIECE);
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.piece.extend_from_slice(taken);
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// The pieces as the body of an answer.
struct Pieces {
    receiver: Receiver<io::Result<Bytes>>,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.receiver.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_long_answer_comes_in_pieces_and_its_end_is_its_own() {
        let (mut start, begun) = Start::new();
        let text: Vec<u8> = (0..=255).cycle().take(PIECE * 9 + 7).collect();
        let written = text.clone();
        let writer = tokio::task::spawn_blocking(move || {
            let mut pipe = start.file("text/csv", "a.csv");
            pipe.write_all(&written).and_then(|()| pipe.flush())
        });
        let response = begun.await.expect("begun").expect("no problem");
        assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"a.csv\"");
        let sent = response.into_body().collect().await.expect("whole").to_bytes();
        assert_eq!(sent, text);
        writer.await.expect("no panic").expect("written");
    }

    #[tokio::test]
    async fn whoever_goes_away_ends_the_writer() {
        let (mut start, begun) = Start::new();
        let writer = tokio::task::spawn_blocking(move || {
            let mut pipe = start.file("text/csv", "a.csv");
            let piece = vec![0; PIECE];
            // Without the rule this never ends.
            loop {
                if let Err(error) = pipe.write_all(&piece) {
                    return error.kind();
                }
            }
        });
        drop(begun.await.expect("begun").expect("no problem"));
        assert_eq!(writer.await.expect("no panic"), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_problem_is_an_answer_before_the_first_piece_and_cuts_what_has_begun() {
        let (start, begun) = Start::new();
        start.fail(Problem::busy());
        assert_eq!(begun.await.expect("an answer").expect_err("a problem"), Problem::busy());

        let (mut start, begun) = Start::new();
        let writer = tokio::task::spawn_blocking(move || {
            let mut pipe = start.file("text/csv", "a.csv");
            let written = pipe.write_all(b"half").and_then(|()| pipe.flush());
            start.fail(Problem::internal());
            written
        });
        let response = begun.await.expect("begun").expect("no problem");
        assert!(response.into_body().collect().await.is_err(), "a part is not taken for the whole");
        writer.await.expect("no panic").expect("written");
    }
}
