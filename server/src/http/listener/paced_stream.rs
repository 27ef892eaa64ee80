use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::ConnectionSlot;
use crate::infra::open_connections::OpenConnection;
use crate::infra::reading_rate::ReadingRate;

/// A connection that ends if its client reads answers below the minimum rate, or if it is cut. It frees its slot
/// when it ends.
pub struct PacedStream<S> {
    stream: S,
    connection: OpenConnection,
    rate: ReadingRate,
    /// Set while a write waits for the client.
    due: Option<Pin<Box<Sleep>>>,
    _place: ConnectionSlot,
}

impl<S> PacedStream<S> {
    pub fn new(stream: S, connection: OpenConnection, place: ConnectionSlot) -> Self {
        Self { stream, connection, rate: ReadingRate::default(), due: None, _place: place }
    }

    /// Returns the `result` of a write of `bytes`; an error if the write waits for too long.
    fn paced<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match &result {
            Poll::Ready(Ok(written)) => {
                self.rate.took(bytes(written), Instant::now());
                self.due = None;
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let late = self.rate.waits(Instant::now());
                let due = self.due.get_or_insert_with(|| Box::pin(sleep_until(late)));
                if due.as_mut().poll(cx).is_ready() {
                    let reason = "the client reads too slowly";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)));
                }
            }
        }
        result
    }

    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        let cut = || io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was cut");
        if self.connection.is_cut(cx) { Err(cut()) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.paced(cx, result, |written| *written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.paced(cx, result, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.paced(cx, result, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
