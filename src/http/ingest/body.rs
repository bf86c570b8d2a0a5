//! A body that comes over the network, for a reader on a thread of its own.
//!
//! The two ends hold a few pieces at most: a reader that is slow makes the sender wait. A body that does not come to its end
//! in order, or of which nothing comes for a while, is an error for the reader, never an end.

use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::Body as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Pieces on their way.
const PIECES: usize = 4;
/// Time in which something of the body comes.
const STALL: Duration = Duration::from_secs(30);
/// Octets that are taken for nothing after the reader ended, so that the sender hears the answer.
const DISCARDED_MAX: usize = 16 << 20;

/// A piece of the body, its end, or what went wrong.
type Piece = io::Result<Option<Bytes>>;

/// Both ends of a body.
pub(super) fn reader(body: Body) -> (BodyReader, Feeder) {
    let (to, pieces) = mpsc::channel(PIECES);
    (BodyReader { pieces, current: Bytes::new(), ended: false }, Feeder { body, to })
}

/// The end for the thread.
pub(super) struct BodyReader {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Ok(Some(piece))) => self.current = piece,
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Err(error),
                None => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the body was cut off"));
                }
            }
        }
        let count = buffer.len().min(self.current.len());
        let piece = self.current.split_to(count);
        if let Some(room) = buffer.get_mut(..count) {
            room.copy_from_slice(&piece);
        }
        Ok(count)
    }
}

/// The end for the network.
pub(super) struct Feeder {
    body: Body,
    to: mpsc::Sender<Piece>,
}

impl Feeder {
    /// Hands the body over as it comes; whether it did not come to its end.
    pub(super) async fn feed(self) -> bool {
        let Self { mut body, to } = self;
        loop {
            let piece = match timeout(STALL, next(&mut body)).await {
                Ok(piece) => piece,
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the body did not go on")),
            };
            let (is_end, stalled) = (matches!(piece, Ok(None)), piece.is_err());
            if to.send(piece).await.is_err() {
                // The reader knows enough.
                return !is_end && discard(body).await;
            }
            if is_end || stalled {
                return stalled;
            }
        }
    }
}

/// Takes the rest, so far as it is little. It was not the body that stalled.
async fn discard(mut body: Body) -> bool {
    let mut taken = 0_usize;
    while let Ok(Ok(Some(piece))) = timeout(STALL, next(&mut body)).await {
        taken = taken.saturating_add(piece.len());
        if taken > DISCARDED_MAX {
            break;
        }
    }
    false
}

/// The next data of a body; `None` at its end.
async fn next(body: &mut Body) -> Piece {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(io::Error::other(error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            }
        }
    }
}
