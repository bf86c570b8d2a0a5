//! How a task reaches the world: it asks for a message to be carried, or for time to pass, and waits.
//!
//! What is asked lies there until the driver takes it; what the driver answers lies in a [`Place`] until the task looks
//! again. Nobody is woken: the driver polls the task that it answered. A task that is dropped leaves its places behind, and
//! what is put into them then is heard by nobody.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};

use crate::client::ClientError;
use crate::client::exchange::{Exchange, Exchanging, Limits};
use crate::device::ipa::{Pause, Pausing};
use crate::http::listener::ClientCertificate;
use crate::ident::Peer;

/// Locks; a task that panicked has taken the whole run with it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of a call.
pub(super) type Called = Result<Response<Vec<u8>>, ClientError>;

/// Where an answer is put. The first one stays.
pub(super) struct Place<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Place<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Place<T> {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    /// Puts an answer, unless there is one or was one that has been taken.
    pub(super) fn put(&self, answer: T) {
        // Whoever waits holds the other end; without it nobody ever will look.
        if Arc::strong_count(&self.0) > 1 {
            lock(&self.0).get_or_insert(answer);
        }
    }
}

/// Waits for what is put into a place.
struct Awaited<T>(Place<T>);

impl<T> Future for Awaited<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        lock(&self.0.0).take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Who calls, as a listener sees it.
#[derive(Clone)]
pub(super) struct Caller {
    /// Where from.
    pub(super) peer: Peer,
    /// The client certificate that is shown to whoever asks for one.
    pub(super) certificate: Option<ClientCertificate>,
}

/// What a task asks of the world.
pub(super) enum Ask {
    /// To carry a request to a server and an answer back.
    Call { caller: Caller, request: Box<Request<Vec<u8>>>, limits: Limits, place: Place<Called> },
    /// To let time pass.
    Pause { time: Duration, place: Place<()> },
}

/// What one task asks, until the driver takes it.
#[derive(Clone, Default)]
pub(super) struct Asks(Arc<Mutex<Vec<Ask>>>);

impl Asks {
    /// Takes what was asked since the last time.
    pub(super) fn take(&self) -> Vec<Ask> {
        std::mem::take(&mut lock(&self.0))
    }

    /// Lets time pass.
    pub(super) async fn pause(&self, time: Duration) {
        let place = Place::new();
        lock(&self.0).push(Ask::Pause { time, place: place.clone() });
        Awaited(place).await;
    }

    /// A way out for `caller`.
    pub(super) fn line(&self, caller: Caller) -> Arc<dyn Exchange> {
        Arc::new(Line { asks: self.clone(), caller })
    }
}

/// A caller's way to the servers.
struct Line {
    asks: Asks,
    caller: Caller,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Line").field(&self.caller.peer).finish()
    }
}

impl Exchange for Line {
    fn exchange(&self, request: Request<Vec<u8>>, limits: Limits) -> Exchanging<'_> {
        let place = Place::new();
        let (caller, request) = (self.caller.clone(), Box::new(request));
        let ask = Ask::Call { caller, request, limits, place: place.clone() };
        lock(&self.asks.0).push(ask);
        Box::pin(Awaited(place))
    }
}

impl fmt::Debug for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asks(..)")
    }
}

impl Pause for Asks {
    fn pause(&self, time: Duration) -> Pausing<'_> {
        Box::pin(Self::pause(self, time))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::task::Waker;

    use super::*;

    fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_first_answer_is_heard_and_none_behind_it() {
        let asks = Asks::default();
        let peer = Peer::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let line = asks.line(Caller { peer, certificate: None });
        let mut called = line.exchange(Request::new(vec![1]), Limits::default());
        assert!(poll(called.as_mut()).is_pending());
        let Some(Ask::Call { request, place, .. }) = asks.take().pop() else {
            panic!("a call was asked for")
        };
        assert_eq!(request.into_body(), [1]);
        place.put(Ok(Response::new(vec![2])));
        place.put(Ok(Response::new(vec![3])));
        let Poll::Ready(Ok(answer)) = poll(called.as_mut()) else { panic!("it was answered") };
        assert_eq!(answer.into_body(), [2]);
        assert!(asks.take().is_empty());
    }

    #[test]
    fn what_a_dropped_task_waited_for_is_thrown_away() {
        let asks = Asks::default();
        let mut paused = Box::pin(asks.pause(Duration::from_secs(1)));
        assert!(poll(paused.as_mut()).is_pending());
        let Some(Ask::Pause { time, place }) = asks.take().pop() else { panic!("a pause was asked for") };
        assert_eq!(time, Duration::from_secs(1));
        drop(paused);
        place.put(());
        assert!(lock(&place.0).is_none());
    }
}
