//! From matchers to series ids, and to label names and values: the index's read side.

use gauntlet_model::{MatchOp, Matcher};

use super::index::{DEAD, Index, SeriesId};
use super::pairs::{NameId, PairId};
use super::postings::{intersect, subtract};

/// With this many times fewer candidates than postings, candidates' labels are looked at instead of the postings.
const PROBE_RATIO: usize = 8;

impl Index {
    /// Living series that all matchers accept, ascending.
    pub(crate) fn select(&self, matchers: &[Matcher]) -> Vec<SeriesId> {
        // A matcher that refuses the empty string names the pairs that pass; one that accepts it, those that do not.
        let mut needed: Vec<(usize, Vec<PairId>, &Matcher)> = Vec::new();
        let mut refused: Vec<(usize, Vec<PairId>, &Matcher)> = Vec::new();
        for matcher in matchers {
            let name = self.pairs.find_name(&matcher.name);
            let accepts_empty = matcher.matches_empty();
            let pairs = name.map_or_else(Vec::new, |n| self.pairs_that(n, matcher, !accepts_empty));
            let count = pairs.iter().map(|pair| self.count(*pair)).sum();
            if accepts_empty {
                if !pairs.is_empty() {
                    refused.push((count, pairs, matcher));
                }
            } else if pairs.is_empty() {
                return Vec::new();
            } else {
                needed.push((count, pairs, matcher));
            }
        }
        needed.sort_by_key(|(count, ..)| *count);
        let mut needed = needed.into_iter();
        let mut ids = match needed.next() {
            Some((_, pairs, _)) => self.union(&pairs),
            None => (0..self.end()).collect(),
        };
        if self.dead() > 0 {
            ids.retain(|id| self.place(*id) != DEAD);
        }
        for (count, pairs, matcher) in needed {
            if ids.len() < count / PROBE_RATIO {
                self.probe(&mut ids, matcher);
            } else {
                intersect(&mut ids, &self.union(&pairs));
            }
        }
        for (count, pairs, matcher) in refused {
            if ids.len() < count / PROBE_RATIO {
                self.probe(&mut ids, matcher);
            } else {
                subtract(&mut ids, &self.union(&pairs));
            }
        }
        ids
    }

    /// Names that series accepted by the matchers have, sorted.
    pub(crate) fn label_names(&self, matchers: &[Matcher]) -> Vec<String> {
        let mut names: Vec<String> = if matchers.is_empty() {
            let alive = |name: NameId| self.pairs.values_of(name).iter().any(|p| self.is_alive(*p));
            self.pairs
                .names()
                .filter(|(id, _)| alive(*id))
                .map(|(_, name)| name.to_owned())
                .collect()
        } else {
            let mut seen = vec![false; self.pairs.names().count()];
            for id in self.select(matchers) {
                let (base, own) = self.split(id);
                for pair in base.iter().chain(own) {
                    seen[self.pairs.name_of(*pair) as usize] = true;
                }
            }
            let names = self.pairs.names().filter(|(id, _)| seen[*id as usize]);
            names.map(|(_, name)| name.to_owned()).collect()
        };
        names.sort_unstable();
        names
    }

    /// Values of a name on series accepted by the matchers, sorted.
    pub(crate) fn label_values(&self, name: &str, matchers: &[Matcher]) -> Vec<String> {
        let Some(name) = self.pairs.find_name(name) else { return Vec::new() };
        let mut pairs: Vec<PairId> = if matchers.is_empty() {
            let all = self.pairs.values_of(name).iter();
            all.filter(|pair| self.is_alive(**pair)).copied().collect()
        } else {
            self.select(matchers).iter().filter_map(|id| self.pair_with(*id, name)).collect()
        };
        pairs.sort_unstable();
        pairs.dedup();
        let mut values: Vec<String> =
            pairs.into_iter().map(|pair| self.pairs.value(pair).to_owned()).collect();
        values.sort_unstable();
        values
    }

    /// Pairs of a name whose value the matcher accepts (`wanted`) or refuses.
    fn pairs_that(&self, name: NameId, matcher: &Matcher, wanted: bool) -> Vec<PairId> {
        let literals: Option<Vec<&str>> = match matcher.op {
            MatchOp::Equal if wanted => Some(vec![&matcher.value]),
            MatchOp::NotEqual if !wanted => Some(vec![&matcher.value]),
            MatchOp::Regex if wanted => set_of(matcher),
            MatchOp::NotRegex if !wanted => set_of(matcher),
            _ => None,
        };
        if let Some(literals) = literals {
            return literals.into_iter().filter_map(|v| self.pairs.find_with(name, v)).collect();
        }
        let all = self.pairs.values_of(name).iter();
        all.filter(|pair| matcher.matches(self.pairs.value(**pair)) == wanted).copied().collect()
    }

    fn union(&self, pairs: &[PairId]) -> Vec<SeriesId> {
        let mut ids = Vec::new();
        let mut ascending = pairs.len() <= 1;
        for pair in pairs {
            ascending &= self.append_postings(*pair, &mut ids);
        }
        if !ascending {
            // Values of one name exclude each other: no id comes twice. The runs are sorted already.
            ids.sort();
        }
        ids
    }

    fn probe(&self, ids: &mut Vec<SeriesId>, matcher: &Matcher) {
        let name = self.pairs.find_name(&matcher.name);
        let mut verdicts: hashbrown::HashMap<Option<PairId>, bool, foldhash::fast::FixedState> =
            hashbrown::HashMap::default();
        ids.retain(|id| {
            let pair = name.and_then(|name| self.pair_with(*id, name));
            *verdicts
                .entry(pair)
                .or_insert_with(|| matcher.matches(pair.map_or("", |p| self.pairs.value(p))))
        });
    }
}

fn set_of(matcher: &Matcher) -> Option<Vec<&str>> {
    let set = matcher.regex()?.set_matches()?;
    let mut literals: Vec<&str> = set.iter().map(String::as_str).collect();
    literals.sort_unstable();
    literals.dedup();
    Some(literals)
}

#[cfg(test)]
mod tests {
    use gauntlet_model::Labels;

    use super::*;

    fn labels(n: u32) -> Labels {
        let team = ["", "a", "b"][n as usize % 3];
        Labels::from_pairs([
            ("__name__", format!("m{}", n % 10).as_str()),
            ("instance", format!("host-{}", n % 4).as_str()),
            ("job", "api"),
            ("pod", format!("p{}", n / 10).as_str()),
            ("team", team),
        ])
    }

    #[test]
    fn selections_equal_a_scan() {
        let mut index = Index::new();
        for n in 0..1000 {
            index.insert(&labels(n), n).unwrap();
        }
        for n in (0..1000).filter(|n| n % 11 == 0) {
            index.kill(n);
        }
        let m = |op, name, value| Matcher::new(op, name, value).unwrap();
        use MatchOp::{Equal, NotEqual, NotRegex, Regex};
        let cases = [
            vec![m(Equal, "__name__", "m3")],
            vec![m(Equal, "__name__", "m3"), m(Equal, "team", "")],
            vec![m(Equal, "pod", "p7"), m(Equal, "job", "api"), m(NotEqual, "team", "a")],
            vec![m(Regex, "__name__", "m[12]|m7"), m(NotRegex, "pod", "p1.*")],
            vec![m(Regex, "team", "|b"), m(Regex, "pod", "p5|p6|p6")],
            vec![m(NotEqual, "team", "")],
            vec![m(NotRegex, "team", ".+")],
            vec![m(Regex, "absent", ".*")],
            vec![m(NotEqual, "absent", "")],
            vec![m(Equal, "absent", "x")],
            vec![m(Equal, "job", "other")],
            vec![m(Regex, "job", ".+"), m(Equal, "pod", "p42"), m(NotRegex, "__name__", "m(1|2)")],
            vec![],
        ];
        for matchers in cases {
            let expect: Vec<u32> = (0..1000)
                .filter(|n| n % 11 != 0 && matchers.iter().all(|m| m.matches_labels(&labels(*n))))
                .collect();
            assert_eq!(index.select(&matchers), expect, "{matchers:?}");
            let mut names: Vec<&str> = Vec::new();
            let mut pods = Vec::new();
            let all: Vec<Labels> = expect.iter().map(|n| labels(*n)).collect();
            for l in &all {
                names.extend(l.iter().map(|(n, _)| n));
                pods.push(l.value("pod"));
            }
            names.sort_unstable();
            names.dedup();
            pods.sort_unstable();
            pods.dedup();
            assert_eq!(index.label_names(&matchers), names);
            assert_eq!(index.label_values("pod", &matchers), pods);
        }
    }
}
