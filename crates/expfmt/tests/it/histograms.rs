//! Classic histograms of text bodies as native ones with custom buckets.

use gauntlet_expfmt::{Entry, HistogramSample, MediaType, Parser, ParserOptions, ScratchLabels};

const BODY: &str = "\
# TYPE h histogram
h_bucket{x=\"1\",le=\"0.1\"} 1
h_bucket{x=\"1\",le=\"1\"} 3
h_bucket{x=\"1\",le=\"+Inf\"} 4
h_sum{x=\"1\"} 2.5
h_count{x=\"1\"} 4
h_bucket{x=\"2\",le=\"+Inf\"} 1
h_sum{x=\"2\"} 9
h_count{x=\"2\"} 1
# TYPE g gauge
g 7
# TYPE bad histogram
bad_bucket{le=\"1\"} 5
bad_bucket{le=\"+Inf\"} 4
bad_count 4
";

fn entries(keep_classic: bool) -> Vec<String> {
    let options =
        ParserOptions { convert_classic_to_nhcb: true, keep_classic, ..ParserOptions::default() };
    let mut parser = Parser::new(BODY.as_bytes(), MediaType::Text, options);
    let mut scratch = ScratchLabels::default();
    let mut out = Vec::new();
    while let Some(entry) = parser.next().unwrap() {
        match entry {
            Entry::Series => {
                out.push(String::from_utf8(parser.sample().raw.to_vec()).unwrap());
            }
            Entry::Histogram => {
                parser.labels(&mut scratch).unwrap();
                let labels: Vec<_> = scratch.iter().map(|(n, v)| format!("{n}={v}")).collect();
                let Some(HistogramSample::Int(h)) = parser.take_histogram() else {
                    panic!("not whole")
                };
                out.push(format!(
                    "{} sum {} count {} buckets {:?} bounds {:?}",
                    labels.join(" "),
                    h.sum,
                    h.count,
                    h.positive_buckets,
                    h.custom_values
                ));
            }
            _ => {}
        }
    }
    assert_eq!(parser.next(), Ok(None));
    out
}

#[test]
fn histograms_replace_their_series() {
    assert_eq!(
        entries(false),
        [
            "__name__=h x=1 sum 2.5 count 4 buckets [1, 1, -1] bounds [0.1, 1.0]",
            "__name__=h x=2 sum 9 count 1 buckets [1] bounds []",
            "g",
        ]
    );
}

#[test]
fn classic_series_stay_where_asked_for() {
    let all = entries(true);
    assert_eq!(all.len(), 2 + 8 + 1 + 3);
    assert!(all[5].starts_with("__name__=h x=1"));
}
