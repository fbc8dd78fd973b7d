//! Bounds on slow clients: a page that gives its turn back when it is gone, and a stream that ends when it stalls.
//!
//! Both exist because hyper bounds how long a client may take to ask and not how long it may take to read.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

/// Bytes handed to the connection at one time, so that a page lives until nearly all of it is sent.
const CHUNK: usize = 64 << 10;

/// A finished page that holds its turn until it is sent or dropped.
#[derive(Debug)]
pub(super) struct Page {
    rest: Bytes,
    _turn: OwnedSemaphorePermit,
}

impl Page {
    pub(super) fn new(page: Vec<u8>, turn: OwnedSemaphorePermit) -> Page {
        Page { rest: page.into(), _turn: turn }
    }
}

impl HttpBody for Page {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(CHUNK);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// A stream whose writes fail once they have made no progress for a while.
#[derive(Debug)]
pub(super) struct Paced<T> {
    stream: T,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<T> Paced<T> {
    pub(super) fn new(stream: T, patience: Duration) -> Paced<T> {
        Paced { stream, patience, waiting: None }
    }

    fn watch<R>(&mut self, result: Poll<io::Result<R>>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        if result.is_ready() {
            self.waiting = None;
            return result;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        waiting.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.watch(result, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.watch(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(cx);
        this.watch(result, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.watch(result, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_write_that_nobody_reads_fails_and_one_that_is_read_does_not() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut paced = Paced::new(near, Duration::from_millis(1));
        paced.write_all(b"1234").await.expect("there is room");
        let error = paced.write_all(b"5").await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let mut read = [0; 4];
        far.read_exact(&mut read).await.expect("four bytes");
        paced.write_all(b"5678").await.expect("there is room again");
    }

    #[tokio::test]
    async fn a_page_comes_in_pieces_and_gives_its_turn_back_at_the_end() {
        let turns = Arc::new(Semaphore::new(1));
        let turn = Arc::clone(&turns).try_acquire_owned().expect("free");
        let bytes: Vec<u8> = (0..=255).cycle().take(CHUNK * 2 + 1).collect();
        let mut page = Page::new(bytes.clone(), turn);
        assert_eq!(page.size_hint().exact(), Some(bytes.len() as u64));
        let mut sent = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut page).poll_frame(cx)).await {
            let data = frame.expect("infallible").into_data().expect("data");
            assert!(data.len() <= CHUNK);
            sent.extend_from_slice(&data);
            assert_eq!(turns.available_permits(), 0);
        }
        assert!(page.is_end_stream());
        drop(page);
        assert_eq!((sent, turns.available_permits()), (bytes, 1));
    }
}
