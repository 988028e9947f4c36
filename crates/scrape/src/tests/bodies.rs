//! What bodies become: relabelling, limits, staleness within one target, histograms, exemplars, metadata.

use std::sync::Arc;

use gauntlet_model::Labels;
use gauntlet_storage::{AppendOptions, Appendable as _};
use gauntlet_telemetry::Registry;

use super::job;
use super::recorder::Recorder;
use crate::config::ScrapeConfig;
use crate::ingest::{Counts, Ingest, IngestOptions};
use crate::metrics::Metrics;
use crate::target::{Outcome, Target};
use gauntlet_model::TargetGroup;

const TEXT: &str = "text/plain; version=0.0.4";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

/// A target that is scraped by hand.
struct Bench {
    recorder: Arc<Recorder>,
    ingest: Ingest,
    now: i64,
    content_type: &'static str,
}

impl Bench {
    fn new(config: ScrapeConfig) -> Self {
        Self::with_options(config, IngestOptions::default())
    }

    fn with_options(config: ScrapeConfig, options: IngestOptions) -> Self {
        let own = Labels::from_pairs([("__address__", "h:1")]);
        let made =
            Target::discover(&config, &TargetGroup::default(), &own, &mut Default::default());
        let Ok(Outcome::Keep(target)) = made else { panic!("no target: {made:?}") };
        let metrics = Arc::new(Metrics::new(&Registry::new()));
        Self {
            recorder: Recorder::new(),
            ingest: Ingest::new(Arc::from(target), Arc::new(config), options, metrics),
            now: 1_000_000,
            content_type: TEXT,
        }
    }

    /// Scrapes a body as the loop does: what was stored, the counts, the error.
    fn scrape(&mut self, body: &str) -> (Vec<String>, Counts, Option<String>) {
        self.now += 1000;
        let recorder = Arc::clone(&self.recorder);
        let mut app = recorder.appender(AppendOptions::default());
        let (counts, result) =
            self.ingest.append(&mut *app, body.as_bytes(), self.content_type, self.now, self.now);
        let mut error = None;
        if let Err(err) = result {
            app.rollback();
            app = recorder.appender(AppendOptions::default());
            self.ingest.append_empty(&mut *app, self.now).unwrap();
            error = Some(err.to_string());
        }
        app.commit().unwrap();
        (recorder.take_values(), counts, error)
    }

    fn stored(&mut self, body: &str) -> Vec<String> {
        let (stored, _, error) = self.scrape(body);
        assert_eq!(error, None, "{body}");
        stored
    }
}

const TARGET: &str = r#"instance="h:1",job="j""#;

#[test]
fn known_lines_need_no_labels() {
    let mut bench = Bench::new(job(""));
    let body = "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\nb 3\n";
    let stored = bench.stored(body);
    assert_eq!(
        stored,
        [
            format!(r#"a{{{TARGET},x="1"}} 1"#),
            format!(r#"a{{{TARGET},x="2"}} 2"#),
            format!("b{{{TARGET}}} 3")
        ]
    );
    assert_eq!(bench.recorder.named(), 3);
    assert_eq!(bench.stored(body), stored);
    // Another order, other values.
    assert_eq!(bench.stored("b 4\na{x=\"2\"} 5\na{x=\"1\"} 6\n").len(), 3);
    assert_eq!(bench.recorder.named(), 3);
}

#[test]
fn series_that_storage_let_go_of_are_named_again() {
    let mut bench = Bench::new(job(""));
    bench.stored("a 1\nb 2\n");
    bench.recorder.forget_all();
    assert_eq!(
        bench.stored("a 1\nb 2\n"),
        [format!("a{{{TARGET}}} 1"), format!("b{{{TARGET}}} 2")]
    );
    let named = bench.recorder.named();
    bench.stored("a 1\nb 2\n");
    assert_eq!(bench.recorder.named(), named);
}

#[test]
fn missing_series_and_failed_scrapes_leave_stale_markers() {
    let mut bench = Bench::new(job(""));
    bench.stored("a 1\nb 2\nc 3\n");
    assert_eq!(
        bench.stored("a 1\nc 3\n"),
        [format!("a{{{TARGET}}} 1"), format!("c{{{TARGET}}} 3"), format!("b{{{TARGET}}} STALE")]
    );
    let (stored, counts, error) = bench.scrape("a 1\nc three\n");
    assert_eq!(stored, [format!("a{{{TARGET}}} STALE"), format!("c{{{TARGET}}} STALE")]);
    assert_eq!(counts.scraped, 1);
    assert_eq!(
        error.unwrap(),
        r#"strconv.ParseFloat: parsing "three": invalid syntax while parsing: "c three" (line 2, column 3)"#
    );
    // Stale once is enough.
    assert_eq!(bench.scrape("nonsense").0, Vec::<String>::new());
    assert_eq!(bench.stored("a 1\n"), [format!("a{{{TARGET}}} 1")]);
    assert_eq!(bench.stored(""), [format!("a{{{TARGET}}} STALE")]);
}

#[test]
fn own_timestamps_bypass_staleness_unless_tracked() {
    let body = |t: i64| format!("a 1 {t}\nb 2\n");
    let mut bench = Bench::new(job(""));
    bench.stored(&body(1_000_500));
    assert_eq!(bench.stored("b 2\n"), [format!("b{{{TARGET}}} 2")]);
    let mut bench = Bench::new(job("track_timestamps_staleness: true\n"));
    bench.stored(&body(1_000_500));
    assert_eq!(bench.stored("b 2\n"), [format!("b{{{TARGET}}} 2"), format!("a{{{TARGET}}} STALE")]);
    let mut bench = Bench::new(job("honor_timestamps: false\n"));
    bench.now = 2_000_000;
    let recorder = Arc::clone(&bench.recorder);
    let mut app = recorder.appender(AppendOptions::default());
    bench.ingest.append(&mut *app, body(5).as_bytes(), TEXT, 7, 7).1.unwrap();
    app.commit().unwrap();
    assert!(recorder.take().iter().all(|line| line.ends_with("@7")));
}

#[test]
fn faulty_samples_cost_themselves_only() {
    let mut bench = Bench::new(job(""));
    let (stored, counts, error) =
        bench.scrape("a 1\na 2\nahead 1 99999999\nlate 1 900\nlate 1 800\nb 2\n");
    assert_eq!(error, None);
    assert_eq!(
        stored,
        [format!("a{{{TARGET}}} 1"), format!("late{{{TARGET}}} 1"), format!("b{{{TARGET}}} 2")]
    );
    assert_eq!((counts.scraped, counts.kept, counts.added), (6, 6, 3));
}

#[test]
fn limits_fail_the_scrape_and_all_samples_are_counted() {
    let mut bench = Bench::new(job("sample_limit: 2\n"));
    assert_eq!(bench.stored("a 1\nb 2\n").len(), 2);
    let (stored, counts, error) = bench.scrape("a 1\nb 2\nc 3\nd 4\n");
    assert_eq!(error.unwrap(), "sample limit exceeded");
    assert_eq!((counts.scraped, counts.kept), (4, 4));
    assert_eq!(stored, [format!("a{{{TARGET}}} STALE"), format!("b{{{TARGET}}} STALE")]);

    let mut bench = Bench::new(job("label_limit: 3\n"));
    assert_eq!(
        bench.scrape("a{x=\"1\"} 1\n").2.unwrap(),
        "label_limit exceeded (metric: a, number of labels: 4, limit: 3)"
    );
}

#[test]
fn relabelling_may_drop_and_rename() {
    let mut bench = Bench::new(job(
        "metric_relabel_configs:\n- {source_labels: [__name__], regex: drop_.*, action: drop}\n- {regex: x, action: labeldrop}\n",
    ));
    let body = "drop_a 1\nkeep{x=\"1\"} 2\n";
    for _ in 0..2 {
        let (stored, counts, error) = bench.scrape(body);
        assert_eq!((stored, error), (vec![format!("keep{{{TARGET}}} 2")], None));
        assert_eq!((counts.scraped, counts.kept), (2, 1));
    }
    let mut bench =
        Bench::new(job("metric_relabel_configs:\n- {regex: __name__, action: labeldrop}\n"));
    assert_eq!(bench.scrape("a 1\n").2.unwrap(), "missing metric name (__name__ label)");
}

#[test]
fn content_types_decide_or_the_fallback_does() {
    let mut bench = Bench::new(job(""));
    bench.content_type = "text/html";
    assert_eq!(
        bench.scrape("a 1\n").2.unwrap(),
        "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol specified for target"
    );
    let mut bench = Bench::new(job("fallback_scrape_protocol: PrometheusText0.0.4\n"));
    bench.content_type = "";
    assert_eq!(bench.stored("a 1\n").len(), 1);
}

#[test]
fn exemplars_follow_their_samples() {
    let mut bench = Bench::new(job(""));
    bench.content_type = OPENMETRICS;
    let body = "# TYPE a counter\na_total 1 # {id=\"x\"} 0.5 900.5\na_total{x=\"1\"} 2 # {id=\"y\"} 0.25\n# EOF\n";
    bench.now += 1000;
    let recorder = Arc::clone(&bench.recorder);
    let mut app = recorder.appender(AppendOptions::default());
    bench.ingest.append(&mut *app, body.as_bytes(), OPENMETRICS, 5000, 5000).1.unwrap();
    app.commit().unwrap();
    assert_eq!(
        recorder.take(),
        [
            format!("a_total{{{TARGET}}} 1@5000"),
            format!("a_total{{{TARGET}}} exemplar {{id=\"x\"}} 0.5@Some(900500)"),
            format!("a_total{{{TARGET},x=\"1\"}} 2@5000"),
            format!("a_total{{{TARGET},x=\"1\"}} exemplar {{id=\"y\"}} 0.25@Some(5000)"),
        ]
    );
}

#[test]
fn classic_histograms_become_native_where_asked_for() {
    let mut bench = Bench::new(job("convert_classic_histograms_to_nhcb: true\n"));
    let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n# TYPE g gauge\ng 1\n";
    let expect =
        vec![format!("h{{{TARGET}}} histogram(schema -53, count 3)"), format!("g{{{TARGET}}} 1")];
    assert_eq!(bench.stored(body), expect);
    assert_eq!(bench.stored(body), expect);
    assert_eq!(bench.stored("# TYPE g gauge\ng 1\n").len(), 2);
    let mut bench = Bench::new(job(
        "convert_classic_histograms_to_nhcb: true\nnative_histogram_bucket_limit: 1\n",
    ));
    assert_eq!(bench.scrape(body).2.unwrap(), "histogram bucket limit exceeded");
}

#[test]
fn metadata_is_kept_and_written_when_it_changes() {
    let options = IngestOptions { append_metadata: true, ..IngestOptions::default() };
    let mut bench = Bench::with_options(job(""), options);
    let first = "# HELP a_total one\n# TYPE a_total counter\na_total 1\nother 2\n";
    assert_eq!(
        bench.stored(first),
        [
            format!("a_total{{{TARGET}}} 1"),
            format!("a_total{{{TARGET}}} metadata counter \"one\""),
            format!("other{{{TARGET}}} 2"),
        ]
    );
    assert_eq!(bench.stored(first).len(), 2);
    let second = first.replace("one", "two");
    assert!(
        bench.stored(&second).contains(&format!("a_total{{{TARGET}}} metadata counter \"two\""))
    );
    let list = bench.ingest.target.metadata.lock().list(None);
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].metric.as_str(), list[0].metadata.help.as_str()), ("a_total", "two"));
}

/// Values with their times, of bodies with start times.
fn with_starts(config: &str, bodies: &[&str]) -> Vec<Vec<String>> {
    let options =
        IngestOptions { parse_starts: true, start_zeros: true, ..IngestOptions::default() };
    let mut bench = Bench::with_options(job(config), options);
    bench.content_type = OPENMETRICS;
    bodies.iter().map(|body| bench.stored(body)).collect()
}

#[test]
fn a_zero_is_appended_where_counting_began() {
    let body = |total: u32, created: &str| {
        format!(
            "# TYPE c counter\nc_total {total}\nc_created {created}\n# TYPE g gauge\ng 1\n# EOF\n"
        )
    };
    let stored =
        with_starts("", &[&body(1, "999"), &body(2, "999"), &body(1, "1002.5"), &body(2, "9999")]);
    let c = |value: &str| format!("c_total{{{TARGET}}} {value}");
    let g = format!("g{{{TARGET}}} 1");
    assert_eq!(stored[0], [c("began"), c("1 since 999000"), g.clone()]);
    // The same start is older than what is there, a new one is not, and one in the future is no start.
    assert_eq!(stored[1], [c("2 since 999000"), g.clone()]);
    assert_eq!(stored[2], [c("began"), c("1 since 1002500"), g.clone()]);
    assert_eq!(stored[3], [c("2 since 9999000"), g]);
}

#[test]
fn histograms_begin_with_an_empty_one() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 3\nh_created 999\n# EOF\n";
    let stored = with_starts("convert_classic_histograms_to_nhcb: true", &[body]);
    assert_eq!(
        stored[0],
        [
            format!("h{{{TARGET}}} began(schema -53)"),
            format!("h{{{TARGET}}} histogram(schema -53, count 2) since 999000")
        ]
    );
    let classic = with_starts("", &[body]);
    assert_eq!(classic[0].iter().filter(|line| line.ends_with("began")).count(), 4);
    // Without zeros the start is told alone.
    let options = IngestOptions { parse_starts: true, ..IngestOptions::default() };
    let mut bench = Bench::with_options(job(""), options);
    bench.content_type = OPENMETRICS;
    assert_eq!(bench.stored(body).last().unwrap(), &format!("h_sum{{{TARGET}}} 3 since 999000"));
    // Without the feature it is a series like others.
    let mut bench = Bench::new(job(""));
    bench.content_type = OPENMETRICS;
    assert_eq!(bench.stored(body).last().unwrap(), &format!("h_created{{{TARGET}}} 999"));
}

#[test]
fn starts_take_no_place_within_the_sample_limit() {
    let body = "# TYPE c counter\nc_total{a=\"1\"} 1\nc_created{a=\"1\"} 999\nc_total{a=\"2\"} 1\nc_created{a=\"2\"} 999\n# EOF\n";
    let stored = with_starts("sample_limit: 2", &[body]);
    assert_eq!(stored[0].len(), 4);
}
