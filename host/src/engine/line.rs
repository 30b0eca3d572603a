//! Making one thing after another on several threads at once, and handing them over in order.
//!
//! Whoever has nothing else to do makes the next one: takes what it is made of, one thread at a time, and makes it while
//! others do the same with those before and behind it. That is what some threads are for, and what the one that wants
//! the things does while it would have to wait. So no core is idle for long where there are as many threads as cores,
//! whoever has more to do, and there is no thread for which there is no core.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use super::error::RunError;

/// Who takes part in making things out of a source `S`.
pub(super) trait Worker<S> {
    /// What a thing is made of.
    type Raw;
    type Made: Send;

    /// Takes what the next one is made of; None if there is no more. Nobody else takes any meanwhile.
    ///
    /// # Errors
    /// If it cannot be taken; it is the last one then.
    fn take(&self, source: &mut S) -> Result<Option<Self::Raw>, RunError>;

    /// Makes it.
    ///
    /// # Errors
    /// If it cannot be made. Those behind it may have been begun.
    fn make(&self, raw: Self::Raw) -> Result<Self::Made, RunError>;
}

/// What comes to a place in the queue; None behind the last thing.
type Arrived<T> = Result<Option<T>, RunError>;

/// What a thing is made of, and where it is to be put.
struct Begun<R, T> {
    raw: R,
    place: SyncSender<Arrived<T>>,
}

/// What only one thread at a time may use.
struct Turn<S, T> {
    source: S,
    /// The places, in order.
    queue: Sender<Receiver<Arrived<T>>>,
}

/// None once there is no more.
type SharedTurn<S, T> = Arc<Mutex<Option<Turn<S, T>>>>;

/// A worker at its place in the line.
struct Post<S, W: Worker<S>> {
    worker: W,
    turn: SharedTurn<S, W::Made>,
    /// Takes one for each thing that is begun.
    begin: SyncSender<()>,
}

impl<S, W: Worker<S>> Post<S, W> {
    /// Makes things until no more are wanted.
    fn work(&self) {
        // An error of sending means that nobody wants any.
        while self.begin.send(()).is_ok() && self.make_next() {}
    }

    /// Makes one if there is room for another. Returns whether it did.
    fn help(&self) -> bool {
        self.begin.try_send(()).is_ok() && self.make_next()
    }

    /// Makes the next one. Returns whether there may be another.
    fn make_next(&self) -> bool {
        let Some(Begun { raw, place }) = self.take() else {
            return false;
        };
        let made = self.worker.make(raw).map(Some);
        let failed = made.is_err();
        place.send(made).is_ok() && !failed
    }

    /// Takes what the next one is made of, and a place for it.
    fn take(&self) -> Option<Begun<W::Raw, W::Made>> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Turn { source, queue } = turn.as_mut()?;
        // One thing is put there, which waits for nobody.
        let (place, arrives) = sync_channel(1);
        if queue.send(arrives).is_ok() {
            let last = match self.worker.take(source) {
                Ok(Some(raw)) => return Some(Begun { raw, place }),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            let _ = place.send(last);
        }
        *turn = None;
        None
    }
}

/// The end of the line, where things come in order.
pub(super) struct Line<S, W: Worker<S>> {
    own: Post<S, W>,
    places: Receiver<Receiver<Arrived<W::Made>>>,
    /// Where the next one arrives.
    next: Option<Receiver<Arrived<W::Made>>>,
    /// One for each thing that was begun and has not been handed over.
    begun: Receiver<()>,
}

impl<S, W: Worker<S>> Line<S, W> {
    /// Starts a thread for each of `others`. They end when the line is dropped. `own` is for the thread that wants the
    /// things; at the most `ahead` of them are made that it has not got.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        source: S,
        own: W,
        others: impl IntoIterator<Item = W>,
        ahead: usize,
    ) -> Self
    where
        S: Send + 'scope,
        W: Send + 'scope,
        W::Made: 'scope,
    {
        let (queue, places) = channel();
        let (begin, begun) = sync_channel(ahead);
        let turn = Arc::new(Mutex::new(Some(Turn { source, queue })));
        for worker in others {
            let (turn, begin) = (Arc::clone(&turn), begin.clone());
            scope.spawn(move || {
                Post {
                    worker,
                    turn,
                    begin,
                }
                .work();
            });
        }
        Self {
            own: Post {
                worker: own,
                turn,
                begin,
            },
            places,
            next: None,
            begun,
        }
    }

    /// The next thing; None behind the last one. As long as it is not there, others are made.
    ///
    /// # Errors
    /// If it could not be made.
    pub fn next(&mut self) -> Result<Option<W::Made>, RunError> {
        let arrived = loop {
            if let Some(arrived) = self.look() {
                break arrived;
            }
            if !self.help() {
                break self.wait();
            }
        };
        self.next = None;
        let _ = self.begun.try_recv();
        arrived
    }

    /// Makes one that is wanted later, if there is room for another. Returns whether it did.
    pub fn help(&self) -> bool {
        self.own.help()
    }

    /// The next thing, if it is there.
    fn look(&mut self) -> Option<Arrived<W::Made>> {
        if self.next.is_none() {
            self.next = self.places.try_recv().ok();
        }
        // Whether it will never be there is seen by waiting.
        self.next.as_ref()?.try_recv().ok()
    }

    fn wait(&mut self) -> Arrived<W::Made> {
        let Some(next) = self.next.take().or_else(|| self.places.recv().ok()) else {
            // All places have been taken.
            return Ok(None);
        };
        // Whoever was to make it has ended otherwise.
        next.recv().unwrap_or(Err(RunError::Lost))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Makes what a function makes of numbers.
    struct Making<'a, T> {
        make: &'a (dyn Fn(usize) -> Result<T, RunError> + Sync),
        /// How many were taken.
        taken: &'a AtomicUsize,
    }

    impl<T: Send> Worker<Range<usize>> for Making<'_, T> {
        type Raw = usize;
        type Made = T;

        fn take(&self, source: &mut Range<usize>) -> Result<Option<usize>, RunError> {
            let number = source.next();
            self.taken
                .fetch_add(usize::from(number.is_some()), Ordering::SeqCst);
            Ok(number)
        }

        fn make(&self, number: usize) -> Result<T, RunError> {
            (self.make)(number)
        }
    }

    /// Does something with a line of numbers below `end`, and a count of those that were begun.
    fn with_line<T: Send, U>(
        end: usize,
        others: usize,
        ahead: usize,
        make: impl Fn(usize) -> Result<T, RunError> + Sync,
        work: impl FnOnce(&mut Line<Range<usize>, Making<'_, T>>, &AtomicUsize) -> U,
    ) -> U {
        let taken = AtomicUsize::new(0);
        let worker = || Making {
            make: &make,
            taken: &taken,
        };
        thread::scope(|scope| {
            let others = (0..others).map(|_| worker());
            let mut line = Line::start(scope, 0..end, worker(), others, ahead);
            work(&mut line, &taken)
        })
    }

    fn idle(turns: usize) {
        (0..turns).for_each(|_| thread::yield_now());
    }

    proptest! {
        #[test]
        fn things_come_in_order_and_no_more_are_begun_than_may(
            making in vec(0_usize..50, 0..40),
            using in vec((0_usize..50, 0_usize..3), 40),
            others in 0_usize..4,
            ahead in 1_usize..6,
            stop in 0_usize..80,
        ) {
            let make = |number: usize| {
                idle(making[number]);
                Ok(number)
            };
            let (found, most) = with_line(making.len(), others, ahead, make, |line, taken| {
                let (mut found, mut most) = (Vec::new(), 0);
                while found.len() < stop && let Some(number) = line.next().unwrap() {
                    found.push(number);
                    let (turns, help) = using[number];
                    idle(turns);
                    (0..help).for_each(|_| _ = line.help());
                    most = most.max(taken.load(Ordering::SeqCst) - found.len());
                }
                (found, most)
            });
            prop_assert_eq!(found, (0..making.len().min(stop)).collect::<Vec<_>>());
            prop_assert!(most <= ahead, "{} of {}", most, ahead);
        }
    }

    #[test]
    fn who_would_wait_makes_others() {
        // The first one is not done before the second one is, which somebody else has to make.
        let (done, second) = channel();
        let second = Mutex::new(second);
        let make = |number: usize| -> Result<ThreadId, RunError> {
            match number {
                0 => second
                    .lock()
                    .unwrap()
                    .recv_timeout(Duration::from_secs(20))
                    .unwrap(),
                _ => done.send(()).unwrap(),
            }
            Ok(thread::current().id())
        };
        let [first, second] = with_line(2, 1, 2, make, |line, _| {
            [(); 2].map(|()| line.next().unwrap().unwrap())
        });
        assert_ne!(first, second);
        assert!([first, second].contains(&thread::current().id()));
    }

    #[test]
    fn what_cannot_be_made_is_told_in_its_place() {
        let make = |number: usize| match number {
            3 => Err(RunError::Lost),
            other => Ok(other),
        };
        for others in 0..3 {
            with_line(6, others, 4, make, |line, _| {
                for number in 0..3 {
                    assert_eq!(line.next().unwrap(), Some(number));
                }
                assert!(line.next().is_err());
            });
        }
    }

    #[test]
    fn who_ends_otherwise_is_not_the_end() {
        let here = thread::current().id();
        let make = |number: usize| {
            assert_eq!(thread::current().id(), here, "on purpose");
            Ok(number)
        };
        let mut found = None;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            with_line(3, 1, 2, make, |line, taken| {
                while taken.load(Ordering::SeqCst) == 0 {
                    thread::yield_now();
                }
                found = Some(line.next());
            });
        }));
        assert!(matches!(found, Some(Err(RunError::Lost))), "{found:?}");
        assert!(ended.is_err());
    }
}
