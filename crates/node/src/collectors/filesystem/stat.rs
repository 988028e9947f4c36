//! Asking mount points for their numbers without hanging on a dead server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Mount;
use crate::env::Env;
use crate::pool::{Fate, Pool};

/// Types whose `statfs` answers from memory: asked right away. All others may need a server.
const LOCAL: &[&str] = &[
    "bcachefs",
    "btrfs",
    "devtmpfs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "hugetlbfs",
    "iso9660",
    "jfs",
    "ntfs3",
    "overlay",
    "ramfs",
    "reiserfs",
    "squashfs",
    "tmpfs",
    "udf",
    "vfat",
    "xfs",
    "zfs",
];

/// Mounts beyond this number that may hang are reported as errors rather than asked.
const MAX_REMOTE: usize = 256;

/// Size, free, available in bytes; inodes and free inodes.
pub(super) type Stats = [f64; 5];

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Stats(Stats),
    Failed(String),
    /// No answer in time.
    Stuck,
}

pub(super) struct Asker {
    pool: Pool,
    timeout: Duration,
    questions: Arc<Vec<Mutex<Question>>>,
    /// Host path asked at each place of `questions`; a stuck one keeps its place.
    places: Vec<String>,
}

#[derive(Default)]
struct Question {
    path: String,
    answer: Option<Answer>,
}

impl Asker {
    pub(super) fn new(threads: usize, timeout: Duration) -> Asker {
        let questions: Vec<Mutex<Question>> =
            (0..MAX_REMOTE).map(|_| Mutex::new(Question::default())).collect();
        let questions = Arc::new(questions);
        let for_pool = Arc::clone(&questions);
        let pool = Pool::new(MAX_REMOTE, threads, move |place: usize| {
            let path = for_pool[place].lock().path.clone();
            let answer = statfs(&path);
            for_pool[place].lock().answer = Some(answer);
        });
        Asker { pool, timeout, questions, places: Vec::new() }
    }

    /// One answer per mount, in order.
    pub(super) fn ask(&mut self, env: &Env, mounts: &[Mount]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(mounts.len());
        let mut jobs = Vec::new();
        let mut waiting = Vec::new();
        for (row, mount) in mounts.iter().enumerate() {
            let path = env.paths.in_rootfs(&mount.point);
            if LOCAL.contains(&mount.fs_type.as_str()) {
                answers.push(statfs(&path));
                continue;
            }
            match self.place(&path) {
                Some(place) => {
                    answers.push(Answer::Stuck);
                    if !jobs.contains(&place) {
                        jobs.push(place);
                    }
                    waiting.push((row, place));
                }
                None => answers.push(Answer::Failed("too many remote mounts".to_owned())),
            }
        }
        if jobs.is_empty() {
            return answers;
        }
        let fates = self.pool.run_batch(&jobs, self.timeout);
        for (row, place) in waiting {
            let done = jobs.iter().zip(&fates).any(|(j, f)| *j == place && *f == Fate::Done);
            if done && let Some(answer) = &self.questions[place].lock().answer {
                answers[row] = answer.clone();
            }
        }
        answers
    }

    fn place(&mut self, path: &str) -> Option<usize> {
        if let Some(place) = self.places.iter().position(|p| p == path) {
            return Some(place);
        }
        if self.places.len() == MAX_REMOTE {
            return None;
        }
        let place = self.places.len();
        self.questions[place].lock().path = path.to_owned();
        self.places.push(path.to_owned());
        Some(place)
    }
}

fn statfs(path: &str) -> Answer {
    match rustix::fs::statfs(path) {
        Ok(s) => {
            let block = s.f_bsize as f64;
            Answer::Stats([
                s.f_blocks as f64 * block,
                s.f_bfree as f64 * block,
                s.f_bavail as f64 * block,
                s.f_files as f64,
                s.f_ffree as f64,
            ])
        }
        Err(errno) => Answer::Failed(error_text(&errno.into())),
    }
}

/// The system's text as upstream shows it: lower case, without the number.
fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or("");
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_errors_come_back_in_order() {
        assert!(matches!(statfs("/"), Answer::Stats([size, ..]) if size > 0.0));
        let missing = statfs("/no/such/mount");
        assert_eq!(missing, Answer::Failed("no such file or directory".to_owned()));
    }
}
