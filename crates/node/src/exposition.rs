//! Samples become text at once: a collector appends finished lines, and a scrape only has to order and copy them.
//!
//! Families (name, help, type) are kept between scrapes, so their texts are rendered once and their order is known; samples are
//! cleared each time. Order of the output is upstream's: families by name; inside one, fewer labels first, then label values
//! bytewise in the order of the label names. Of two samples with the same labels the first stays.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::collector::Kind;
use crate::error::Failure;
use crate::number;

/// Families beyond this number are forgotten between scrapes when most of them are unused (text files come and go).
const KEPT_FAMILIES: usize = 4096;

/// Handle of a family inside one [`Exposition`]; valid until the next [`Exposition::begin`].
#[derive(Clone, Copy, Debug)]
pub struct Family(u32);

/// The samples of one collector (or of the exporter itself) in one scrape.
#[derive(Debug, Default)]
pub struct Exposition {
    /// Names and escaped help texts.
    arena: Vec<u8>,
    families: Vec<Meta>,
    by_name: HashTable<u32>,
    /// Family numbers in ascending order of their names.
    order: Vec<u32>,
    /// Finished lines.
    lines: Vec<u8>,
    samples: Vec<Sample>,
    /// `samples` numbers grouped by family in `order`, sorted inside each; made by [`Exposition::finish`].
    sorted: Vec<u32>,
    /// Per position of `order`: where its group in `sorted` ends.
    ends: Vec<u32>,
    problem: Option<Failure>,
}

/// One line of a compound metric: name suffix, extra label, value.
pub(crate) type Part<'a> = (&'a str, Option<(&'a str, &'a str)>, f64);

#[derive(Clone, Copy, Debug)]
struct Meta {
    name: (u32, u32),
    /// The first bytes of the name, for quick comparison.
    head: u128,
    help: (u32, u32),
    kind: Kind,
}

/// One metric: usually one line; a histogram or summary has several.
#[derive(Clone, Copy, Debug)]
struct Sample {
    family: u32,
    labels: u32,
    /// The text between the braces that decides the order.
    key: (u32, u32),
    text: (u32, u32),
}

impl Exposition {
    pub fn new() -> Exposition {
        Exposition::default()
    }

    /// Forgets the samples of the last scrape.
    pub fn begin(&mut self) {
        if self.families.len() > KEPT_FAMILIES && self.sorted.len() < self.families.len() / 2 {
            *self = Exposition::default();
        }
        self.lines.clear();
        self.samples.clear();
        self.sorted.clear();
        self.ends.clear();
        self.problem = None;
    }

    /// Finds or makes a family. The first help and type given for a name stay.
    pub fn family(&mut self, name: &str, help: &str, kind: Kind) -> Family {
        let hash = FixedState::default().hash_one(name.as_bytes());
        let (arena, families) = (&self.arena, &self.families);
        let same = |&id: &u32| slice(arena, families[id as usize].name) == name.as_bytes();
        if let Some(&id) = self.by_name.find(hash, same) {
            return Family(id);
        }
        let id = self.families.len() as u32;
        let name_at = append(&mut self.arena, name.as_bytes());
        let help_start = self.arena.len() as u32;
        escape_help(&mut self.arena, help);
        let help_at = (help_start, self.arena.len() as u32);
        let head = head(name.as_bytes());
        self.families.push(Meta { name: name_at, head, help: help_at, kind });
        let (arena, families) = (&self.arena, &self.families);
        self.by_name.insert_unique(hash, id, |&id| {
            FixedState::default().hash_one(slice(arena, families[id as usize].name))
        });
        let place = self
            .order
            .partition_point(|&o| slice(arena, families[o as usize].name) < name.as_bytes());
        self.order.insert(place, id);
        Family(id)
    }

    /// Appends one sample. Labels may come in any order; the text has them sorted by name.
    pub fn put(&mut self, family: Family, labels: &[(&str, &str)], value: f64) {
        let start = self.lines.len() as u32;
        let key = self.line(family, "", labels, None, value);
        let text = (start, self.lines.len() as u32);
        self.samples.push(Sample { family: family.0, labels: labels.len() as u32, key, text });
    }

    pub fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let family = self.family(name, help, Kind::Gauge);
        self.put(family, labels, value);
    }

    pub fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let family = self.family(name, help, Kind::Counter);
        self.put(family, labels, value);
    }

    pub fn untyped(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let family = self.family(name, help, Kind::Untyped);
        self.put(family, labels, value);
    }

    /// Appends one metric of several lines (histogram, summary): each part is a name suffix, an extra label behind the sorted
    /// ones, and a value. The last part must have no extra label; its labels order the metric.
    pub(crate) fn put_compound(
        &mut self,
        family: Family,
        labels: &[(&str, &str)],
        parts: &[Part<'_>],
    ) {
        let start = self.lines.len() as u32;
        let mut key = (0, 0);
        for &(suffix, extra, value) in parts {
            key = self.line(family, suffix, labels, extra, value);
        }
        let text = (start, self.lines.len() as u32);
        self.samples.push(Sample { family: family.0, labels: labels.len() as u32, key, text });
    }

    /// Notes that something went wrong without ending the collection; the first note is kept.
    pub(crate) fn problem(&mut self, failure: Failure) {
        if self.problem.is_none() {
            self.problem = Some(failure);
        }
    }

    /// Notes the failure of a part, if it failed.
    pub(crate) fn note(&mut self, part: Result<(), Failure>) {
        if let Err(failure) = part {
            self.problem(failure);
        }
    }

    pub(crate) fn take_problem(&mut self) -> Option<Failure> {
        self.problem.take()
    }

    pub fn sample_count(&self) -> usize {
        self.samples.len()
    }

    /// Type of a known family; used to refuse clashes.
    pub(crate) fn kind_of(&self, name: &str) -> Option<Kind> {
        let hash = FixedState::default().hash_one(name.as_bytes());
        let same =
            |&id: &u32| slice(&self.arena, self.families[id as usize].name) == name.as_bytes();
        self.by_name.find(hash, same).map(|&id| self.families[id as usize].kind)
    }

    fn line(
        &mut self,
        family: Family,
        suffix: &str,
        labels: &[(&str, &str)],
        extra: Option<(&str, &str)>,
        value: f64,
    ) -> (u32, u32) {
        let lines = &mut self.lines;
        lines.extend_from_slice(slice(&self.arena, self.families[family.0 as usize].name));
        lines.extend_from_slice(suffix.as_bytes());
        let mut key = (lines.len() as u32, lines.len() as u32);
        if !labels.is_empty() || extra.is_some() {
            lines.push(b'{');
            key.0 += 1;
            push_labels(lines, labels);
            key.1 = lines.len() as u32;
            if let Some((name, value)) = extra {
                if !labels.is_empty() {
                    lines.push(b',');
                }
                push_label(lines, name, value);
            }
            lines.push(b'}');
        }
        lines.push(b' ');
        number::push(lines, value);
        lines.push(b'\n');
        key
    }

    /// Groups the samples by family and sorts them; cheap when they came in order. Called once after the collection.
    pub fn finish(&mut self) {
        let mut rank = vec![0u32; self.families.len()];
        for (position, &id) in self.order.iter().enumerate() {
            rank[id as usize] = position as u32;
        }
        let mut starts = vec![0u32; self.order.len() + 1];
        for sample in &self.samples {
            starts[rank[sample.family as usize] as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        self.ends.clear();
        self.ends.extend_from_slice(&starts[1..]);
        self.sorted.clear();
        self.sorted.resize(self.samples.len(), 0);
        for (number, sample) in self.samples.iter().enumerate() {
            let slot = &mut starts[rank[sample.family as usize] as usize];
            self.sorted[*slot as usize] = number as u32;
            *slot += 1;
        }
        let mut start = 0;
        for &end in &self.ends {
            let group = &mut self.sorted[start as usize..end as usize];
            let (samples, lines) = (&self.samples, &self.lines);
            let compare = |a: &u32, b: &u32| {
                compare_samples(lines, &samples[*a as usize], lines, &samples[*b as usize])
            };
            if !group.is_sorted_by(|a, b| compare(a, b) != Ordering::Greater) {
                group.sort_by(compare);
            }
            start = end;
        }
    }

    /// Families that have samples.
    fn groups(&self, part: u32) -> impl Iterator<Item = Group<'_>> {
        let mut start = 0;
        self.order.iter().zip(&self.ends).filter_map(move |(&id, &end)| {
            let samples = start..end;
            start = end;
            let meta = &self.families[id as usize];
            let name = slice(&self.arena, meta.name);
            (!samples.is_empty()).then_some(Group { head: meta.head, name, part, id, samples })
        })
    }
}

/// One family's samples in one exposition.
struct Group<'a> {
    head: u128,
    name: &'a [u8],
    part: u32,
    id: u32,
    /// Positions in `sorted`.
    samples: std::ops::Range<u32>,
}

impl Group<'_> {
    fn compare_names(&self, other: &Group<'_>) -> Ordering {
        self.head.cmp(&other.head).then_with(|| self.name.cmp(other.name))
    }
}

/// The first sixteen bytes of a name as a number: its order agrees with the order of names.
fn head(name: &[u8]) -> u128 {
    let mut bytes = [0u8; 16];
    let size = name.len().min(16);
    bytes[..size].copy_from_slice(&name[..size]);
    u128::from_be_bytes(bytes)
}

/// Writes several finished expositions as one document, merging families of the same name.
pub(crate) fn render(parts: &[&Exposition], out: &mut Vec<u8>) {
    let mut groups: Vec<Group<'_>> = Vec::with_capacity(512);
    for (part, exposition) in parts.iter().enumerate() {
        groups.extend(exposition.groups(part as u32));
    }
    groups.sort_unstable_by(|a, b| a.compare_names(b).then(a.part.cmp(&b.part)));
    out.reserve(
        parts.iter().map(|p| p.lines.len() + p.arena.len()).sum::<usize>() + 64 * groups.len(),
    );
    let mut at = 0;
    while at < groups.len() {
        let first = &groups[at];
        let same = groups[at..].iter().take_while(|g| g.compare_names(first).is_eq()).count();
        let part = parts[first.part as usize];
        header(part, first.id, out);
        if same == 1 {
            copy_group(part, first.samples.clone(), out);
        } else {
            merge_groups(parts, &groups[at..at + same], out);
        }
        at += same;
    }
}

fn header(part: &Exposition, id: u32, out: &mut Vec<u8>) {
    let meta = part.families[id as usize];
    let name = slice(&part.arena, meta.name);
    out.extend_from_slice(b"# HELP ");
    out.extend_from_slice(name);
    out.push(b' ');
    out.extend_from_slice(slice(&part.arena, meta.help));
    out.extend_from_slice(b"\n# TYPE ");
    out.extend_from_slice(name);
    out.push(b' ');
    out.extend_from_slice(meta.kind.name().as_bytes());
    out.push(b'\n');
}

fn copy_group(part: &Exposition, range: std::ops::Range<u32>, out: &mut Vec<u8>) {
    let mut last: Option<&Sample> = None;
    for &number in &part.sorted[range.start as usize..range.end as usize] {
        let sample = &part.samples[number as usize];
        let repeated = last.is_some_and(|l| {
            compare_samples(&part.lines, l, &part.lines, sample) == Ordering::Equal
        });
        if !repeated {
            out.extend_from_slice(slice(&part.lines, sample.text));
        }
        last = Some(sample);
    }
}

/// A family that several collectors share: rare, so it may cost.
fn merge_groups(parts: &[&Exposition], groups: &[Group<'_>], out: &mut Vec<u8>) {
    let mut all: Vec<(&Exposition, &Sample)> = Vec::new();
    for group in groups {
        let part = parts[group.part as usize];
        let numbers = &part.sorted[group.samples.start as usize..group.samples.end as usize];
        all.extend(numbers.iter().map(|&n| (part, &part.samples[n as usize])));
    }
    let compare = |a: &(&Exposition, &Sample), b: &(&Exposition, &Sample)| {
        compare_samples(&a.0.lines, a.1, &b.0.lines, b.1)
    };
    all.sort_by(compare);
    all.dedup_by(|b, a| compare(a, b) == Ordering::Equal);
    for (part, sample) in all {
        out.extend_from_slice(slice(&part.lines, sample.text));
    }
}

fn compare_samples(a_lines: &[u8], a: &Sample, b_lines: &[u8], b: &Sample) -> Ordering {
    a.labels
        .cmp(&b.labels)
        .then_with(|| compare_labels(slice(a_lines, a.key), slice(b_lines, b.key)))
}

/// Orders two rendered label lists by their values, names aside.
fn compare_labels(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (Some(a_start), Some(b_start)) = (memchr::memchr(b'"', a), memchr::memchr(b'"', b))
        else {
            return a.len().cmp(&b.len());
        };
        (a, b) = (&a[a_start + 1..], &b[b_start + 1..]);
        loop {
            let (a_byte, a_size) = value_byte(a);
            let (b_byte, b_size) = value_byte(b);
            match a_byte.cmp(&b_byte) {
                Ordering::Equal => {}
                different => return different,
            }
            (a, b) = (&a[a_size..], &b[b_size..]);
            if a_byte.is_none() {
                break;
            }
        }
    }
}

/// The next byte of a quoted value with escapes undone, and how many bytes it took; `None` at the closing quote.
fn value_byte(text: &[u8]) -> (Option<u8>, usize) {
    match text {
        [b'"', ..] => (None, 1),
        [b'\\', b'n', ..] => (Some(b'\n'), 2),
        [b'\\', other, ..] => (Some(*other), 2),
        [byte, ..] => (Some(*byte), 1),
        [] => (None, 0),
    }
}

fn push_labels(lines: &mut Vec<u8>, labels: &[(&str, &str)]) {
    if labels.is_sorted_by(|a, b| a.0 <= b.0) {
        for (i, (name, value)) in labels.iter().enumerate() {
            if i > 0 {
                lines.push(b',');
            }
            push_label(lines, name, value);
        }
        return;
    }
    let mut ordered = labels.to_vec();
    ordered.sort_by_key(|label| label.0);
    push_labels(lines, &ordered);
}

fn push_label(lines: &mut Vec<u8>, name: &str, value: &str) {
    lines.extend_from_slice(name.as_bytes());
    lines.extend_from_slice(b"=\"");
    let bytes = value.as_bytes();
    let mut done = 0;
    while let Some(at) = memchr::memchr3(b'\\', b'"', b'\n', &bytes[done..]) {
        lines.extend_from_slice(&bytes[done..done + at]);
        let escape: &[u8] = match bytes[done + at] {
            b'\\' => b"\\\\",
            b'"' => b"\\\"",
            _ => b"\\n",
        };
        lines.extend_from_slice(escape);
        done += at + 1;
    }
    lines.extend_from_slice(&bytes[done..]);
    lines.push(b'"');
}

fn escape_help(arena: &mut Vec<u8>, help: &str) {
    for &byte in help.as_bytes() {
        match byte {
            b'\\' => arena.extend_from_slice(b"\\\\"),
            b'\n' => arena.extend_from_slice(b"\\n"),
            other => arena.push(other),
        }
    }
}

fn append(arena: &mut Vec<u8>, bytes: &[u8]) -> (u32, u32) {
    let start = arena.len() as u32;
    arena.extend_from_slice(bytes);
    (start, arena.len() as u32)
}

fn slice(bytes: &[u8], at: (u32, u32)) -> &[u8] {
    &bytes[at.0 as usize..at.1 as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &mut [Exposition]) -> String {
        for part in parts.iter_mut() {
            part.finish();
        }
        let mut out = Vec::new();
        render(&parts.iter().collect::<Vec<_>>(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn families_and_samples_come_out_sorted_and_escaped() {
        let mut e = Exposition::new();
        e.gauge("b", "two\nlines \\", &[("x", "foo bar")], 1.0);
        e.gauge("b", "ignored", &[("x", "foo")], 2.0);
        e.gauge("b", "", &[("x", "a\"b\\c\n")], 3.0);
        e.counter("a", "", &[("z", "1"), ("y", "2")], 1e6);
        e.gauge("b", "", &[], 0.0);
        e.gauge("b", "", &[("x", "foo")], 9.0);
        assert_eq!(
            text(&mut [e]),
            "# HELP a \n# TYPE a counter\na{y=\"2\",z=\"1\"} 1e+06\n# HELP b two\\nlines \\\\\n# TYPE b gauge\n\
             b 0\nb{x=\"a\\\"b\\\\c\\n\"} 3\nb{x=\"foo\"} 2\nb{x=\"foo bar\"} 1\n"
        );
    }

    #[test]
    fn parts_with_one_family_are_merged_and_the_first_duplicate_stays() {
        let mut parts = [Exposition::new(), Exposition::new()];
        parts[0].gauge("m", "h", &[("l", "b")], 1.0);
        parts[1].gauge("m", "other", &[("l", "a")], 2.0);
        parts[1].gauge("m", "other", &[("l", "b")], 3.0);
        assert_eq!(text(&mut parts), "# HELP m h\n# TYPE m gauge\nm{l=\"a\"} 2\nm{l=\"b\"} 1\n");
    }

    #[test]
    fn a_second_scrape_starts_empty_and_keeps_families() {
        let mut e = Exposition::new();
        e.gauge("m", "h", &[], 1.0);
        e.finish();
        e.begin();
        e.gauge("a", "h", &[], 1.0);
        assert_eq!(text(&mut [e]), "# HELP a h\n# TYPE a gauge\na 1\n");
    }

    #[test]
    fn compounds_keep_their_lines_together() {
        let mut e = Exposition::new();
        let f = e.family("h", "", Kind::Histogram);
        let parts =
            [("_bucket", Some(("le", "+Inf")), 2.0), ("_sum", None, 0.5), ("_count", None, 2.0)];
        e.put_compound(f, &[("l", "b")], &parts);
        e.put_compound(f, &[("l", "a")], &parts[1..]);
        assert_eq!(
            text(&mut [e]),
            "# HELP h \n# TYPE h histogram\nh_sum{l=\"a\"} 0.5\nh_count{l=\"a\"} 2\n\
             h_bucket{l=\"b\",le=\"+Inf\"} 2\nh_sum{l=\"b\"} 0.5\nh_count{l=\"b\"} 2\n"
        );
    }
}
