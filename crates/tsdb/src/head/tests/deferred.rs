//! Selections whose series are loaded later.

use gauntlet_storage::QueryError;

use super::*;

const END: i64 = 40_000_000;

fn select(head: &Arc<Head>, latest_only: bool) -> SeriesSet {
    let mut request = SelectRequest::new(vec![any()], TimeRange::new(i64::MIN, END));
    request.hints.latest_only = latest_only;
    head.select_deferred(&request).unwrap().unwrap()
}

/// All series, loaded seven at a time.
fn load(set: &SeriesSet) -> BTreeMap<Labels, Vec<(i64, u64)>> {
    let deferred = set.deferred().unwrap();
    let mut all = BTreeMap::new();
    for first in (0..set.len()).step_by(7) {
        let part = deferred.load(first..(first + 7).min(set.len()), None).unwrap();
        all.extend(samples(&part, TimeRange::new(i64::MIN, END)));
    }
    all
}

#[test]
fn what_was_there_is_loaded_whatever_came_since() {
    let dir = tempfile::tempdir().unwrap();
    let (head, _) = open(dir.path(), &Options::default());
    let mut expect = fill(&head, 60, 0, 300, 15_000);
    let hit = Matcher::equal("__name__", "metric_3");
    head.delete(std::slice::from_ref(&hit), 100_000, 2_000_000).unwrap();
    for (_, samples) in expect.iter_mut().filter(|(l, _)| l.metric_name() == "metric_3") {
        samples.retain(|(t, _)| !(100_000..=2_000_000).contains(t));
    }
    let (set, last) = (select(&head, false), select(&head, true));
    assert_eq!(set.len(), 60);
    assert_eq!(load(&set), expect);
    // One more sample each, then so many that chunks are full.
    for (from, steps) in [(300, 1), (301, 500)] {
        fill(&head, 80, from * 15_000, steps, 15_000);
        assert_eq!(load(&set), expect);
        for (labels, samples) in load(&last) {
            assert_eq!(samples.last(), expect[&labels].last());
        }
    }
    assert_eq!(select(&head, false).len(), 80);
}

#[test]
fn series_come_in_order_of_birth_with_the_labels_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (head, _) = open(dir.path(), &Options::default());
    fill(&head, 30, 0, 2, 15_000);
    let set = select(&head, false);
    let deferred = set.deferred().unwrap();
    let part = deferred.load(8..30, None).unwrap();
    assert!((8..30).all(|n| *part.labels(n - 8) == labels(n)));
    let part = deferred.load(8..30, Some(&["n", "absent", "__name__"])).unwrap();
    assert!((8..30).all(|n| *part.labels(n - 8) == labels(n).keep(&["__name__", "n"])));
    assert!(deferred.agree_on(&["job", "absent"]) && !deferred.agree_on(&["job", "n"]));
}

#[test]
fn what_has_moved_is_not_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let (head, _) = open(dir.path(), &Options::default());
    fill(&head, 30, 0, 600, 30_000);
    let set = select(&head, false);
    head.truncate_memory(HOUR).unwrap();
    let loaded = set.deferred().unwrap().load(0..1, None);
    assert!(matches!(loaded, Err(QueryError::Moved)));
}
