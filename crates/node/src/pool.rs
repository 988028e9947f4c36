//! The threads that run collectors. One thread is usually enough: it takes the collectors of a scrape one after another, which
//! costs two wake-ups. When it makes no progress for a while, further threads join, up to a bound; a collector that is past the
//! deadline is left behind on its thread, and until it returns it is neither waited for nor started again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Without progress for this long, another thread is started for the jobs that still wait.
const STALL: Duration = Duration::from_millis(100);
const STACK_BYTES: usize = 1 << 20;

/// What happened to one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// It runs past the deadline, from this or an earlier scrape.
    Stuck,
    /// All threads were taken until the deadline.
    NotStarted,
}

/// Runs jobs, which are numbers given to one function.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    run: Box<dyn Fn(usize) + Send + Sync>,
    max_threads: usize,
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
}

struct State {
    queue: VecDeque<usize>,
    /// Per job: it is on a thread now.
    running: Vec<bool>,
    /// Jobs of the present batch that are queued or running.
    awaited: Vec<bool>,
    left: usize,
    finished: u64,
    threads: usize,
    idle: usize,
    stop: bool,
}

impl Pool {
    /// A pool for the jobs `0..jobs`. Threads start when they are needed.
    pub(crate) fn new(
        jobs: usize,
        max_threads: usize,
        run: impl Fn(usize) + Send + Sync + 'static,
    ) -> Pool {
        let state = State {
            queue: VecDeque::with_capacity(jobs),
            running: vec![false; jobs],
            awaited: vec![false; jobs],
            left: 0,
            finished: 0,
            threads: 0,
            idle: 0,
            stop: false,
        };
        Pool {
            shared: Arc::new(Shared {
                run: Box::new(run),
                max_threads: max_threads.max(1),
                state: Mutex::new(state),
                work: Condvar::new(),
                done: Condvar::new(),
            }),
        }
    }

    /// Runs a batch and waits for it, at most `deadline`. One batch at a time: the caller holds a lock for that.
    pub(crate) fn run_batch(&self, jobs: &[usize], deadline: Duration) -> Vec<Fate> {
        let mut fates = vec![Fate::Done; jobs.len()];
        let mut state = self.shared.state.lock();
        for (fate, &job) in fates.iter_mut().zip(jobs) {
            if state.running[job] {
                *fate = Fate::Stuck;
            } else {
                state.queue.push_back(job);
                state.awaited[job] = true;
                state.left += 1;
            }
        }
        self.shared.add_worker(&mut state);
        let mut waited = Duration::ZERO;
        while state.left > 0 && waited < deadline {
            let slice = STALL.min(deadline - waited);
            let before = state.finished;
            if self.shared.done.wait_for(&mut state, slice).timed_out() {
                waited += slice;
                if state.finished == before {
                    self.shared.add_worker(&mut state);
                }
            }
        }
        state.queue.clear();
        state.left = 0;
        for (fate, &job) in fates.iter_mut().zip(jobs) {
            if std::mem::take(&mut state.awaited[job]) {
                *fate = if state.running[job] { Fate::Stuck } else { Fate::NotStarted };
            }
        }
        fates
    }

    #[cfg(test)]
    fn threads(&self) -> usize {
        self.shared.state.lock().threads
    }
}

impl Drop for Pool {
    /// Idle threads end at once; a stuck one ends when its collector returns.
    fn drop(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.work.notify_all();
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("max_threads", &self.shared.max_threads)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Wakes an idle thread for the waiting jobs, or starts one while the bound allows.
    fn add_worker(self: &Arc<Shared>, state: &mut State) {
        if state.queue.is_empty() {
            return;
        }
        if state.idle > 0 {
            self.work.notify_one();
        } else if state.threads < self.max_threads {
            let shared = Arc::clone(self);
            let started = std::thread::Builder::new()
                .name("node-collect".to_owned())
                .stack_size(STACK_BYTES)
                .spawn(move || shared.work_loop());
            match started {
                Ok(_) => state.threads += 1,
                Err(err) => tracing::warn!(%err, "cannot start a collector thread"),
            }
        }
    }

    fn work_loop(&self) {
        let mut state = self.state.lock();
        loop {
            let Some(job) = state.queue.pop_front() else {
                if state.stop {
                    state.threads -= 1;
                    return;
                }
                state.idle += 1;
                self.work.wait(&mut state);
                state.idle -= 1;
                continue;
            };
            state.running[job] = true;
            drop(state);
            (self.run)(job);
            state = self.state.lock();
            state.running[job] = false;
            state.finished += 1;
            if std::mem::take(&mut state.awaited[job]) {
                state.left = state.left.saturating_sub(1);
                if state.left == 0 {
                    self.done.notify_one();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn quick_jobs_share_one_thread() {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        let pool = Pool::new(10, 4, move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..3 {
            let fates = pool.run_batch(&[0, 1, 2, 3], LONG);
            assert!(fates.iter().all(|f| *f == Fate::Done));
        }
        assert_eq!(count.load(Ordering::Relaxed), 12);
        assert!(pool.threads() <= 2);
    }

    #[test]
    fn a_stuck_job_is_left_behind_and_threads_stay_bounded() {
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Mutex::new(blocked);
        let pool = Pool::new(4, 2, move |job| {
            if job == 0 {
                let _ = blocked.lock().recv();
            }
        });
        let deadline = Duration::from_millis(400);
        assert_eq!(pool.run_batch(&[0, 1, 2], deadline), [Fate::Stuck, Fate::Done, Fate::Done]);
        assert_eq!(pool.run_batch(&[0, 1], LONG), [Fate::Stuck, Fate::Done]);
        assert!(pool.threads() <= 2);
        drop(release);
        while pool.run_batch(&[0], LONG) != [Fate::Done] {
            std::thread::yield_now();
        }
    }

    #[test]
    fn with_every_thread_taken_a_job_is_not_started() {
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Mutex::new(blocked);
        let pool = Pool::new(2, 1, move |job| {
            if job == 0 {
                let _ = blocked.lock().recv();
            }
        });
        let deadline = Duration::from_millis(200);
        assert_eq!(pool.run_batch(&[0, 1], deadline), [Fate::Stuck, Fate::NotStarted]);
        drop(release);
    }
}
