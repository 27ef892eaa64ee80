//! Bodies that a task writes piece by piece while the client takes them: archives and long documents. At most 4
//! pieces of 1 MiB are in memory, and a slow client occupies no thread.
//!
//! An error cuts the connection, so that the client cannot take an incomplete body for a complete one.

use std::future::Future;
use std::io;

use axum::body::Bytes;
use axum::response::Response;
use futures_util::stream;
use tokio::sync::mpsc::{Sender, channel};

use super::long_answer::with_pieces;
use super::places::Place;
use crate::error::{ApiError, Result};

/// Least size of a piece except the last one, bytes (256 KiB). A piece has at most as much more as its caller
/// writes at once.
pub const PIECE_BYTES: usize = 256 << 10;

/// A piece of a body.
enum Piece {
    Bytes(Bytes),
    /// The body is complete.
    End,
}

/// What bytes are appended to: a body, or a file of an archive.
pub trait ByteSink: Send {
    /// Appends `bytes`. Waits until the client has taken the pieces before.
    ///
    /// # Errors
    /// - `Internal` if the client has disconnected.
    fn append(&mut self, bytes: &[u8]) -> impl Future<Output = Result<()>> + Send;
}

/// The writer of a body in progress.
pub struct PieceSender {
    /// The bytes that are written and not sent.
    waiting: Vec<u8>,
    send: Sender<Piece>,
}

impl ByteSink for PieceSender {
    async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        for part in bytes.chunks(PIECE_BYTES) {
            self.waiting.extend_from_slice(part);
            if self.waiting.len() >= PIECE_BYTES {
                let piece = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE_BYTES));
                self.send(Piece::Bytes(piece.into())).await?;
            }
        }
        Ok(())
    }
}

impl PieceSender {
    async fn send(&self, piece: Piece) -> Result<()> {
        let gone = |_| ApiError::internal("the client has disconnected or reads too slowly");
        self.send.send(piece).await.map_err(gone)
    }

    async fn finish(mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.waiting);
        self.send(Piece::Bytes(rest.into())).await?;
        self.send(Piece::End).await
    }
}

/// Sets the body of `head`: what `fill` writes. The body holds `place` until its end.
pub fn respond<F>(
    head: Response,
    place: Place,
    fill: impl FnOnce(PieceSender) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = Result<PieceSender>> + Send + 'static,
{
    let (send, receive) = channel(1);
    let sender = PieceSender { waiting: Vec::new(), send };
    tokio::spawn(async move {
        let written = match fill(sender).await {
            Ok(sender) => sender.finish().await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = written {
            tracing::warn!(reason = failure.reason(), "long answer aborted");
        }
    });
    let pieces = stream::unfold(Some(receive), |receive| async move {
        let mut receive = receive?;
        match receive.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receive))),
            Some(Piece::End) => None,
            // An error in the body cuts the connection.
            None => Some((Err(io::Error::other("the answer was aborted")), None)),
        }
    });
    with_pieces(head, place, pieces)
}
