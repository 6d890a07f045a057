//! [`Event`]: a number that one thread waits on.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// A number that many threads change and one waits on: it spins for a while, then sleeps.
///
/// Aligned to two cache lines, for processors fetch lines in pairs: events are not to disturb each other.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Event {
    value: AtomicU32,
    /// Whether the waiting thread sleeps, or is about to.
    sleeping: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Event {
    /// Sets the number where nobody waits yet; what others learn of it, they learn by another event.
    pub(super) fn prepare(&self, value: u32) {
        self.value.store(value, Ordering::Relaxed);
    }

    /// Adds 1, wrapping. What this thread did before happens before what the waiting thread does after.
    pub(super) fn increment(&self) {
        self.value.fetch_add(1, Ordering::SeqCst);
        self.rouse();
    }

    /// Subtracts 1, and wakes the waiting thread when 0 is reached; else as [`Event::increment`].
    pub(super) fn decrement(&self) {
        if self.value.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.rouse();
        }
    }

    /// Adds 1 if the number is odd, and returns whether it was: of several threads that try, one succeeds.
    pub(super) fn take(&self) -> bool {
        let value = self.value.load(Ordering::Acquire);
        let next = value.wrapping_add(1);
        value % 2 == 1 && self.value.compare_exchange(value, next, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The number.
    pub(super) fn get(&self) -> u32 {
        self.value.load(Ordering::Acquire)
    }

    /// Wakes the waiting thread if it sleeps; it then spins again.
    ///
    /// No wake-up is lost: the waiting thread sets `sleeping` and then looks at the number, the others change the
    /// number and then look at `sleeping`, all sequentially consistent, so that one of them sees the other. It does
    /// so holding the lock, which it gives up only by sleeping: who takes the lock after having seen `sleeping` finds
    /// it asleep.
    pub(super) fn rouse(&self) {
        if self.sleeping.load(Ordering::SeqCst) {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_one();
        }
    }

    /// Waits until the number satisfies `done`, and returns it. Only one thread may wait.
    ///
    /// It looks `spins` times before each sleep.
    pub(super) fn wait(&self, spins: u32, done: impl Fn(u32) -> bool) -> u32 {
        loop {
            for _ in 0..spins {
                let value = self.get();
                if done(value) {
                    return value;
                }
                spin_loop();
            }
            let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.sleeping.store(true, Ordering::SeqCst);
            let value = self.value.load(Ordering::SeqCst);
            let finished = done(value);
            if !finished {
                drop(self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner));
            }
            self.sleeping.store(false, Ordering::Relaxed);
            if finished {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two threads that only proceed by each other's events, with and without spinning.
    #[test]
    fn loses_no_wake_up() {
        for spins in [0, 1, 100] {
            const ROUNDS: u32 = 20_000;
            let (ping, pong) = (Event::default(), Event::default());
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for round in 1..=ROUNDS {
                        ping.wait(spins, |value| value == round);
                        pong.increment();
                    }
                });
                for round in 1..=ROUNDS {
                    ping.increment();
                    assert_eq!(pong.wait(spins, |value| value == round), round);
                }
            });
        }
    }

    #[test]
    fn is_taken_once() {
        let event = Event::default();
        assert!(!event.take());
        for _ in 0..1000 {
            event.increment();
            let taken = std::thread::scope(|scope| {
                let other = scope.spawn(|| event.take());
                [event.take(), other.join().unwrap()]
            });
            assert!(taken[0] != taken[1]);
            assert!(!event.take());
        }
    }

    #[test]
    fn counts_down() {
        let event = Event::default();
        event.prepare(3);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| event.decrement());
            }
            assert_eq!(event.wait(0, |value| value == 0), 0);
        });
    }
}
