//! [`ThreadPool`]: the threads that divide the steps of a run.
//!
//! Each step that is divided is *offered* to the workers, share by share. Who is awake takes its own share, always the
//! same, so that what one step leaves in a core's cache is there for the next; a share that nobody has taken when the
//! calling thread is done with its own, it takes back. So a worker that sleeps, or that the system runs something
//! else in place of, is not waited for.
//!
//! An offer is one store, the end of a share one subtraction: while the workers are awake, a step costs some hundred
//! nanoseconds more than its work. A worker that has waited for some tens of microseconds sleeps, so that an idle pool
//! takes no time of the processor. There is no barrier between steps: what the calling thread does alone, it does
//! without the others, who wait for the next offer.

mod event;

use std::any::Any;
use std::cell::UnsafeCell;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::FlushToZero;
use event::Event;

/// How often a thread looks for an event before it sleeps: tens of microseconds, about the cost of waking it.
const SPINS: u32 = 1 << 10;

/// The most threads of a pool.
const MAX_THREADS: usize = 1024;

/// The processors that this process may use: those of its affinity mask, and no more than its cgroup's quota (version
/// 1 or 2) allows. At least 1.
#[must_use]
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// A number of threads, the calling one among them, that run a function together, with denormal numbers flushed to
/// zero ([`FlushToZero`]).
#[derive(Debug)]
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Whether a [`Team`] is at work. Who sets it owns `job`.
    busy: AtomicBool,
    /// What the workers run. Written by the team while no share is offered or at work; read by who has taken one.
    job: UnsafeCell<Job>,
    /// The workers' shares that are not finished; the team waits until there is none.
    pending: Event,
    /// For each worker an odd number while its share is on offer. Whoever makes it even runs the share.
    offers: Box<[Event]>,
    /// Whether workers end at their next offer.
    closing: AtomicBool,
    /// Whether `panic` holds something.
    panicked: AtomicBool,
    /// What the first worker that panicked panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// How often a thread looks before it sleeps.
    spins: u32,
}

/// A function and the number of threads that run it. `'static` stands for *until `pending` is 0*.
#[derive(Clone, Copy)]
struct Job {
    function: &'static (dyn Fn(u32, u32) + Sync),
    threads: u32,
}

// SAFETY: `job` is the only field that is not `Sync`, and holds a `Send` and `Sync` value. It is written only in
// `Team::run`, by the one thread that holds `busy`, while nothing is on offer and `pending` is 0; a worker reads it
// between taking an offer and its decrement of `pending`, which order these accesses.
unsafe impl Sync for Shared {}

impl ThreadPool {
    /// A pool of `threads` threads, of which the calling one is the first; 0 means [`available_threads`]. Fewer where
    /// the system refuses to start more.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let available = available_threads();
        let threads = if threads == 0 { available } else { threads }.min(MAX_THREADS);
        let shared = Arc::new(Shared {
            busy: AtomicBool::new(false),
            job: UnsafeCell::new(Job { function: &|_, _| {}, threads: 0 }),
            pending: Event::default(),
            offers: (1..threads).map(|_| Event::default()).collect(),
            closing: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            panic: Mutex::new(None),
            // Where threads share a processor, who spins keeps the others from what it waits for.
            spins: if threads > available { 0 } else { SPINS },
        });
        let started = Arc::new(Event::default());
        let start = |index| {
            let (shared, started) = (Arc::clone(&shared), Arc::clone(&started));
            let name = format!("convoke {}", index + 1);
            let work = move || {
                started.increment();
                shared.work(index);
            };
            std::thread::Builder::new().name(name).spawn(work).ok()
        };
        let workers: Vec<_> = (0..shared.offers.len()).map_while(start).collect();
        // What a thread allocates while it starts is not to fall into the first run.
        started.wait(0, |count| count as usize == workers.len());
        Self { shared, workers }
    }

    /// The number of threads, the calling one included.
    #[must_use]
    pub fn threads(&self) -> u32 {
        self.workers.len() as u32 + 1
    }

    /// Runs `f(thread, threads)` for every `thread` below the pool's number of threads, and returns when all have ended.
    ///
    /// The calling thread runs `f(0, threads)` and then what no other has begun with.
    ///
    /// If the pool is at work for another thread (or this is called from within `f`), then `f(0, 1)` runs on the
    /// calling thread alone.
    ///
    /// # Panics
    /// If `f` panics, on whichever thread, but not before all have ended.
    pub fn run(&self, f: &(dyn Fn(u32, u32) + Sync)) {
        let _flush = FlushToZero::enter();
        match self.team() {
            Some(mut team) => team.run(u32::MAX, f),
            None => f(0, 1),
        }
    }

    /// The pool for several steps, unless it is at work for someone else.
    pub(crate) fn team(&self) -> Option<Team<'_>> {
        let free = self.shared.busy.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        free.then(|| Team { pool: self })
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        for offer in &self.shared.offers {
            offer.increment();
        }
        for worker in self.workers.drain(..) {
            // Workers catch what panics, so that there is no error to report.
            let _ = worker.join();
        }
    }
}

/// The exclusive use of a [`ThreadPool`].
pub(crate) struct Team<'p> {
    pool: &'p ThreadPool,
}

impl Team<'_> {
    /// Wakes all workers, so that they are running when the first step comes.
    pub(crate) fn rouse(&self) {
        for offer in &self.pool.shared.offers {
            offer.rouse();
        }
    }

    /// As [`ThreadPool::run`], on no more than `threads` threads. The calling thread has denormal numbers flushed.
    pub(crate) fn run(&mut self, threads: u32, f: &(dyn Fn(u32, u32) + Sync)) {
        let threads = threads.min(self.pool.threads());
        if threads <= 1 {
            return f(0, 1);
        }
        let shared = &*self.pool.shared;
        // SAFETY: only the lifetime changes. Workers use the reference between taking an offer and decrementing
        // `pending`, and this function neither returns nor unwinds before no offer is left and `pending` is 0.
        let function =
            unsafe { std::mem::transmute::<&(dyn Fn(u32, u32) + Sync), &'static (dyn Fn(u32, u32) + Sync)>(f) };
        // SAFETY: this thread holds `busy`, and `&mut self` excludes another run; since the last one
        // nothing is on offer and `pending` is 0.
        unsafe { *shared.job.get() = Job { function, threads } };
        let offers = &shared.offers[..threads as usize - 1];
        shared.pending.prepare(threads - 1);
        for offer in offers {
            offer.increment();
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            f(0, threads);
            for (offer, thread) in offers.iter().zip(1..) {
                if shared.pending.get() == 0 {
                    break;
                }
                if offer.take() {
                    shared.pending.decrement();
                    f(thread, threads);
                }
            }
        }));
        if outcome.is_err() {
            for _ in offers.iter().filter(|offer| offer.take()) {
                shared.pending.decrement();
            }
        }
        shared.pending.wait(shared.spins, |pending| pending == 0);
        let panicked = shared.panicked.swap(false, Ordering::Relaxed);
        let worker = if panicked { shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take() } else { None };
        if let Some(panic) = outcome.err().or(worker) {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team<'_> {
    fn drop(&mut self) {
        self.pool.shared.busy.store(false, Ordering::Release);
    }
}

impl Shared {
    /// The life of worker `index`.
    fn work(&self, index: usize) {
        let _flush = FlushToZero::enter();
        loop {
            self.offers[index].wait(self.spins, |offer| offer % 2 == 1);
            let taken = self.offers[index].take();
            // After taking, not before: this thread may have been woken for a share that the team has taken back
            // since, and what it takes may be the last offer, behind which there is no job.
            if self.closing.load(Ordering::Relaxed) {
                return;
            }
            if !taken {
                continue;
            }
            // SAFETY: this thread has taken a share of the job, which is not written again before the decrement below.
            let Job { function, threads } = unsafe { *self.job.get() };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| function(index as u32 + 1, threads))) {
                self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.pending.decrement();
        }
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("threads", &self.threads).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Which threads ran `f`, as bits, and the number that each was told.
    fn run(pool: &ThreadPool) -> (u32, u32) {
        let (ran, told) = (AtomicU32::new(0), AtomicU32::new(0));
        pool.run(&|thread, threads| {
            assert_eq!(ran.fetch_or(1 << thread, Ordering::Relaxed) & 1 << thread, 0);
            told.fetch_max(threads, Ordering::Relaxed);
        });
        (ran.into_inner(), told.into_inner())
    }

    #[test]
    fn runs_on_every_thread() {
        for threads in [1, 2, 3, 8] {
            let pool = ThreadPool::new(threads);
            assert_eq!(pool.threads() as usize, threads);
            for _ in 0..1000 {
                assert_eq!(run(&pool), ((1 << threads) - 1, threads as u32));
            }
        }
        assert_eq!(ThreadPool::new(0).threads() as usize, available_threads());
    }

    /// The last offer of a pool is no job, even to a thread that wakes up late for the one before.
    #[test]
    fn pools_end_while_their_threads_are_waking() {
        for _ in 0..5000 {
            let pool = ThreadPool::new(3);
            let ran = Box::new(AtomicU32::new(0));
            for _ in 0..3 {
                pool.run(&|_, _| {
                    ran.fetch_add(1, Ordering::Relaxed);
                });
            }
            drop(pool);
            assert_eq!(ran.into_inner(), 9);
        }
    }

    #[test]
    fn a_step_uses_no_more_threads_than_it_wants() {
        let pool = ThreadPool::new(4);
        let mut team = pool.team().unwrap();
        team.rouse();
        for round in 0..3000 {
            let wanted = round % 6;
            let ran = AtomicU32::new(0);
            team.run(wanted, &|thread, threads| {
                assert_eq!(threads, wanted.clamp(1, 4));
                ran.fetch_or(1 << thread, Ordering::Relaxed);
            });
            assert_eq!(ran.into_inner(), (1 << wanted.clamp(1, 4)) - 1);
        }
    }

    #[test]
    fn what_one_step_writes_the_next_one_reads() {
        let pool = ThreadPool::new(3);
        let mut team = pool.team().unwrap();
        let cells: Vec<AtomicU32> = (0..3).map(|_| AtomicU32::new(0)).collect();
        for round in 0..3000 {
            team.run(3, &|thread, _| {
                let neighbour = &cells[(thread as usize + round % 3) % 3];
                neighbour.store(neighbour.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            });
        }
        assert!(cells.iter().all(|cell| cell.load(Ordering::Relaxed) == 3000));
    }

    #[test]
    fn a_busy_pool_leaves_others_to_themselves() {
        let pool = ThreadPool::new(2);
        let team = pool.team().unwrap();
        assert_eq!(run(&pool), (1, 1));
        drop(team);
        assert_eq!(run(&pool), (3, 2));
        pool.run(&|_, _| assert_eq!(run(&pool), (1, 1)));
    }

    #[test]
    fn a_panic_ends_the_run_and_not_the_pool() {
        let pool = ThreadPool::new(3);
        for culprit in 0..3 {
            // All three threads take part.
            let all = Barrier::new(3);
            let panic = catch_unwind(AssertUnwindSafe(|| {
                pool.run(&|thread, _| {
                    all.wait();
                    if thread == culprit {
                        resume_unwind(Box::new(thread));
                    }
                });
            }));
            assert_eq!(panic.unwrap_err().downcast_ref(), Some(&culprit));
            // Nobody need take part where the calling thread panics at once.
            let panic = catch_unwind(AssertUnwindSafe(|| pool.run(&|_, _| resume_unwind(Box::new(())))));
            assert!(panic.is_err());
            assert_eq!(run(&pool), (7, 3));
        }
    }

    #[test]
    fn all_threads_flush_denormals() {
        let pool = ThreadPool::new(2);
        let both = Barrier::new(2);
        pool.run(&|_, _| {
            both.wait();
            let half = std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
            assert_eq!(half == 0.0, cfg!(any(target_arch = "x86_64", target_arch = "aarch64")));
        });
    }

    /// `available_threads` follows the calling thread's affinity mask.
    #[cfg(target_os = "linux")]
    #[test]
    fn respects_the_affinity_mask() {
        let one = std::thread::spawn(|| {
            // SAFETY: a `cpu_set_t` is a plain bit mask, valid when zeroed.
            let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
            // SAFETY: `sched_getcpu` takes nothing and only asks; `set` is a valid mask of the size stated.
            let set_to_one = unsafe {
                libc::CPU_SET(libc::sched_getcpu() as usize, &mut set);
                libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
            };
            assert_eq!(set_to_one, 0);
            available_threads()
        });
        assert_eq!(one.join().unwrap(), 1);
    }
}
