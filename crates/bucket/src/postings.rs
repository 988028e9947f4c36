//! Which postings a selection needs, fetched all at once, and the selection over them.
//!
//! Matchers whose lists are long compared with what the narrowest matcher leaves are not fetched: the few series that remain are
//! read anyway, and their labels tell.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use gauntlet_block::{BlockError, IndexHeaderReader, IndexSource, postings_for_matchers};
use gauntlet_encoding::{Cursor, crc32c};
use gauntlet_model::{MatchOp, Matcher};
use gauntlet_objstore::Bucket;

use crate::BucketError;
use crate::ranges;

/// A series entry's size for weighing lists against entries; the peer's estimate is per block, ours an average.
const SERIES_WEIGHT_BYTES: u64 = 128;
/// Lists shorter than this are fetched in any case.
const SMALL_LIST_BYTES: u64 = 64 << 10;

/// The lists of one matcher: where they lie, and their bytes together.
#[derive(Debug, Default)]
struct Need {
    ranges: Vec<Range<u64>>,
    bytes: u64,
}

/// Series that may match, and the matchers that their labels still have to pass.
#[derive(Debug, Default)]
pub struct Selected {
    pub series: Vec<u32>,
    pub deferred: Vec<Matcher>,
    /// Bytes of lists that were read.
    pub fetched_bytes: u64,
}

/// Selects series of a block by its header.
pub async fn select(
    bucket: &dyn Bucket,
    index: &str,
    header: &IndexHeaderReader,
    matchers: &[Matcher],
) -> Result<Selected, BucketError> {
    let mut needs = Vec::with_capacity(matchers.len());
    for matcher in matchers {
        let need = need_of(header, matcher)?;
        if need.ranges.is_empty() && !matcher.matches_empty() {
            return Ok(Selected::default());
        }
        needs.push(need);
    }
    let keeps = |i: &usize| !matchers[*i].matches_empty();
    let narrowest = (0..matchers.len()).filter(keeps).min_by_key(|i| needs[*i].bytes);
    let mut now = Vec::new();
    let mut deferred = Vec::new();
    for (i, matcher) in matchers.iter().enumerate() {
        let worth = narrowest.is_none_or(|n| {
            i == n
                || needs[i].bytes
                    <= (needs[n].bytes / 4 * SERIES_WEIGHT_BYTES / 2).max(SMALL_LIST_BYTES)
        });
        if worth { now.push(i) } else { deferred.push(matcher.clone()) }
    }
    let mut wanted: Vec<Range<u64>> = now.iter().flat_map(|i| needs[*i].ranges.clone()).collect();
    if narrowest.is_none() {
        wanted.extend(list_range(header, "", "")?);
    }
    wanted.sort_unstable_by_key(|range| range.start);
    wanted.dedup();
    let parts = ranges::fetch(bucket, index, wanted.clone()).await?;
    let mut lists = HashMap::with_capacity(wanted.len());
    for range in wanted {
        lists.insert(range.start, decode(index, range.start, &parts.get(range.clone()))?);
    }
    let now: Vec<Matcher> = now.into_iter().map(|i| matchers[i].clone()).collect();
    let series = postings_for_matchers(&Lists { header, lists: &lists }, &now)?;
    Ok(Selected { series, deferred, fetched_bytes: parts.len_bytes() })
}

/// The lists that deciding a matcher takes. A matcher that the empty string passes removes the series of values that fail.
fn need_of(header: &IndexHeaderReader, matcher: &Matcher) -> Result<Need, BucketError> {
    let removes = matcher.matches_empty();
    let mut need = Need::default();
    let literal: Option<Vec<&str>> = match (matcher.op, matcher.regex()) {
        (MatchOp::Equal, _) if !removes => Some(vec![&matcher.value]),
        (MatchOp::NotEqual, _) if removes => Some(vec![&matcher.value]),
        (MatchOp::Regex, Some(regex)) if !removes => regex.set_matches().map(strs),
        (MatchOp::NotRegex, Some(regex)) if removes => regex.set_matches().map(strs),
        _ => None,
    };
    if let Some(values) = literal {
        for value in values {
            add(&mut need, list_range(header, &matcher.name, value)?);
        }
        return Ok(need);
    }
    if matcher.op == MatchOp::Regex && matcher.regex().is_some_and(|r| r.matches_everything()) {
        return Ok(need);
    }
    let mut values = Vec::new();
    header.for_each_value(&matcher.name, "", |value, _| {
        if matcher.matches(value) != removes {
            values.push(value.to_owned());
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for value in values {
        add(&mut need, list_range(header, &matcher.name, &value)?);
    }
    Ok(need)
}

fn strs(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

fn add(need: &mut Need, range: Option<Range<u64>>) {
    if let Some(range) = range {
        need.bytes += range.end - range.start;
        need.ranges.push(range);
    }
}

/// A whole list with its length in front and its checksum behind.
pub(crate) fn list_range(
    header: &IndexHeaderReader,
    name: &str,
    value: &str,
) -> Result<Option<Range<u64>>, BlockError> {
    let inner = header.postings_range(name, value)?;
    Ok(inner.map(|range| range.start.saturating_sub(4)..range.end.saturating_add(4)))
}

/// A list's series, verified. | len u32 | count u32 | ref u32 * count | crc32c u32 |
pub(crate) fn decode(index: &str, offset: u64, bytes: &[u8]) -> Result<Vec<u32>, BucketError> {
    let damaged = |what: String| {
        BucketError::Corrupt(format!("{index}: damaged postings list at offset {offset}: {what}"))
    };
    let mut cursor = Cursor::new(bytes);
    let len = cursor.u32().map_err(|err| damaged(err.to_string()))? as usize;
    let content = cursor.bytes(len).map_err(|err| damaged(err.to_string()))?;
    let stored = cursor.u32().map_err(|err| damaged(err.to_string()))?;
    let found = crc32c(content);
    if stored != found {
        return Err(damaged(format!("expected checksum {stored:08x}, found {found:08x}")));
    }
    let (count, refs) =
        content.split_first_chunk::<4>().ok_or_else(|| damaged("no count".into()))?;
    let (refs, rest) = refs.as_chunks::<4>();
    if u32::from_be_bytes(*count) as usize != refs.len() || !rest.is_empty() {
        return Err(damaged(format!(
            "expected {} entries, found {}",
            u32::from_be_bytes(*count),
            refs.len()
        )));
    }
    Ok(refs.iter().map(|r| u32::from_be_bytes(*r)).collect())
}

/// An index of the lists that were fetched.
struct Lists<'a> {
    header: &'a IndexHeaderReader,
    lists: &'a HashMap<u64, Vec<u32>>,
}

impl Lists<'_> {
    fn gather(&self, name: &str, value: &str, out: &mut Vec<u32>) -> Result<(), BlockError> {
        let Some(range) = list_range(self.header, name, value)? else { return Ok(()) };
        let list = self.lists.get(&range.start).ok_or_else(|| BlockError::Corrupt {
            path: "postings".to_owned(),
            offset: range.start,
            expected: format!("the list of {name}={value} to have been fetched"),
            found: "nothing".to_owned(),
        })?;
        out.extend_from_slice(list);
        Ok(())
    }
}

impl IndexSource for Lists<'_> {
    type Error = BlockError;

    fn all_postings(&self) -> Result<Vec<u32>, BlockError> {
        self.postings("", &[""])
    }

    fn postings(&self, name: &str, values: &[&str]) -> Result<Vec<u32>, BlockError> {
        let mut out = Vec::new();
        for value in values {
            self.gather(name, value, &mut out)?;
        }
        Ok(ascending(out, values.len()))
    }

    fn postings_matching(
        &self,
        name: &str,
        prefix: &str,
        passes: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Vec<u32>, BlockError> {
        let mut values = Vec::new();
        self.header.for_each_value(name, prefix, |value, _| {
            if !value.starts_with(prefix) {
                return Ok(ControlFlow::Break(()));
            }
            if passes(value) {
                values.push(value.to_owned());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut out = Vec::new();
        for value in &values {
            self.gather(name, value, &mut out)?;
        }
        Ok(ascending(out, values.len()))
    }
}

fn ascending(mut refs: Vec<u32>, lists: usize) -> Vec<u32> {
    if lists > 1 {
        refs.sort_unstable();
        refs.dedup();
    }
    refs
}
