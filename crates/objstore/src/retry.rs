//! Trying again: a time limit for each attempt, growing pauses between them, and an end.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tracing::debug;

use crate::ObjstoreError;
use crate::bucket::{Attributes, Bucket, Condition, Entry, Version};

/// How often and how long. Uploads of files have no time limit of their own: the provider watches for stalls.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts in all, one at least.
    pub attempts: u32,
    /// Pause after the first failure; it doubles each time, and half of it is chance.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// Limit of one attempt.
    pub timeout: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
        }
    }
}

/// A bucket whose calls are tried again. Conditional puts are not: after a lost answer nobody knows whether they happened.
#[derive(Clone, Debug)]
pub struct Retrying {
    inner: Arc<dyn Bucket>,
    policy: RetryPolicy,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ObjstoreError>>;

impl Retrying {
    pub fn new(inner: Arc<dyn Bucket>, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }

    fn run<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        name: &'a str,
        limited: bool,
        mut call: impl FnMut() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        async move {
            let mut pause = self.policy.first_pause;
            for attempt in 1.. {
                let outcome = if limited {
                    let after = self.policy.timeout;
                    tokio::time::timeout(after, call()).await.unwrap_or_else(|_| {
                        Err(ObjstoreError::TimedOut { operation, name: name.to_owned(), after })
                    })
                } else {
                    call().await
                };
                match outcome {
                    Err(err) if err.is_retryable() && attempt < self.policy.attempts => {
                        debug!(bucket = self.inner.name(), attempt, %err, "bucket call will be retried");
                    }
                    done => return done,
                }
                tokio::time::sleep(jittered(pause)).await;
                pause = (pause * 2).min(self.policy.longest_pause);
            }
            unreachable!("BUG: the loop ends with its last attempt")
        }
        .boxed()
    }
}

/// Between half of the pause and all of it.
fn jittered(pause: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0u8) as u32;
    pause / 2 + (pause / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

impl Bucket for Retrying {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn get_versioned<'a>(&'a self, name: &'a str) -> Answer<'a, (Bytes, Version)> {
        self.run("get", name, true, move || self.inner.get_versioned(name))
    }

    fn get_range<'a>(&'a self, name: &'a str, range: Range<u64>) -> Answer<'a, Bytes> {
        self.run("get_range", name, true, move || self.inner.get_range(name, range.clone()))
    }

    fn attributes<'a>(&'a self, name: &'a str) -> Answer<'a, Attributes> {
        self.run("attributes", name, true, move || self.inner.attributes(name))
    }

    fn list<'a>(&'a self, dir: &'a str, recursive: bool) -> Answer<'a, Vec<Entry>> {
        self.run("iter", dir, true, move || self.inner.list(dir, recursive))
    }

    fn upload<'a>(&'a self, name: &'a str, content: Bytes) -> Answer<'a, ()> {
        self.run("upload", name, true, move || self.inner.upload(name, content.clone()))
    }

    fn upload_file<'a>(&'a self, name: &'a str, file: &'a Path) -> Answer<'a, ()> {
        self.run("upload", name, false, move || self.inner.upload_file(name, file))
    }

    fn upload_if<'a>(
        &'a self,
        name: &'a str,
        content: Bytes,
        condition: Condition,
    ) -> Answer<'a, Version> {
        self.inner.upload_if(name, content, condition)
    }

    fn delete<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.run("delete", name, true, move || self.inner.delete(name))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::{ObjectStoreBucket, Observed, Observer, Operation};

    /// Fails the first calls.
    #[derive(Debug)]
    struct Faulty {
        good: ObjectStoreBucket,
        failures: AtomicU32,
    }

    impl Faulty {
        fn answer<'a, T: Send + 'a>(&'a self, good: Answer<'a, T>) -> Answer<'a, T> {
            let left = self
                .failures
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            if left.is_ok() {
                let (operation, name, reason) = ("test", String::new(), "reset".to_owned());
                return async { Err(ObjstoreError::Temporary { operation, name, reason }) }.boxed();
            }
            good
        }
    }

    impl Bucket for Faulty {
        fn name(&self) -> &str {
            "faulty"
        }
        fn get_versioned<'a>(&'a self, name: &'a str) -> Answer<'a, (Bytes, Version)> {
            self.answer(self.good.get_versioned(name))
        }
        fn get_range<'a>(&'a self, name: &'a str, range: Range<u64>) -> Answer<'a, Bytes> {
            self.answer(self.good.get_range(name, range))
        }
        fn attributes<'a>(&'a self, name: &'a str) -> Answer<'a, Attributes> {
            self.answer(self.good.attributes(name))
        }
        fn list<'a>(&'a self, dir: &'a str, recursive: bool) -> Answer<'a, Vec<Entry>> {
            self.answer(self.good.list(dir, recursive))
        }
        fn upload<'a>(&'a self, name: &'a str, content: Bytes) -> Answer<'a, ()> {
            self.answer(self.good.upload(name, content))
        }
        fn upload_file<'a>(&'a self, name: &'a str, file: &'a Path) -> Answer<'a, ()> {
            self.answer(self.good.upload_file(name, file))
        }
        fn upload_if<'a>(
            &'a self,
            name: &'a str,
            content: Bytes,
            condition: Condition,
        ) -> Answer<'a, Version> {
            self.answer(self.good.upload_if(name, content, condition))
        }
        fn delete<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
            self.answer(self.good.delete(name))
        }
    }

    #[derive(Debug, Default)]
    struct Counting(AtomicU32);

    impl Observer for Counting {
        fn done(&self, _: &str, _: Operation, _: Duration, _: u64, error: Option<&ObjstoreError>) {
            self.0.fetch_add(u32::from(error.is_some()), Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn faults_are_outlived_up_to_the_last_attempt() {
        let failures = AtomicU32::new(3);
        let faulty = Arc::new(Faulty { good: ObjectStoreBucket::in_memory(), failures });
        let counting = Arc::new(Counting::default());
        let clock = Arc::new(gauntlet_runtime::ManualClock::new(0));
        let observed = Observed::new(Arc::clone(&faulty) as _, Arc::clone(&counting) as _, clock);
        let first_pause = Duration::from_micros(10);
        let policy = RetryPolicy { first_pause, ..RetryPolicy::default() };
        let bucket = Retrying::new(Arc::new(observed), policy);
        bucket.upload("a", Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(counting.0.load(Ordering::SeqCst), 3);
        faulty.failures.store(4, Ordering::SeqCst);
        assert!(bucket.get("a").await.unwrap_err().is_retryable());
        assert_eq!(bucket.get("a").await.unwrap(), "x");
        assert!(bucket.get("b").await.unwrap_err().is_not_found());
    }
}
