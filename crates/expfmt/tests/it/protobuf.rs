//! Protobuf bodies, made here field by field.

use gauntlet_expfmt::{Entry, HistogramSample, MediaType, Parser, ParserOptions, ScratchLabels};
use gauntlet_model::histogram::Span;
use gauntlet_model::{Exemplar, Labels};

/// A message under construction.
#[derive(Clone, Default)]
struct Msg(Vec<u8>);

impl Msg {
    fn varint(mut self, field: u32, value: u64) -> Self {
        put_varint(&mut self.0, u64::from(field) << 3);
        put_varint(&mut self.0, value);
        self
    }

    fn sint(self, field: u32, value: i64) -> Self {
        self.varint(field, ((value << 1) ^ (value >> 63)) as u64)
    }

    fn double(mut self, field: u32, value: f64) -> Self {
        put_varint(&mut self.0, u64::from(field) << 3 | 1);
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
        self
    }

    fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        put_varint(&mut self.0, u64::from(field) << 3 | 2);
        put_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    fn msg(self, field: u32, value: Msg) -> Self {
        self.bytes(field, &value.0)
    }

    fn delimited(self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.0.len() as u64);
        out.extend(self.0);
        out
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn label(name: &str, value: &str) -> Msg {
    Msg::default().text(1, name).text(2, value)
}

fn family(name: &str, kind: u64, metrics: &[Msg]) -> Vec<u8> {
    let mut family = Msg::default().text(1, name).text(2, "help").varint(3, kind);
    for metric in metrics {
        family = family.msg(4, metric.clone());
    }
    family.delimited()
}

fn exemplar(timestamp: Option<(u64, u64)>) -> Msg {
    let msg = Msg::default().msg(1, label("id", "x")).double(2, 0.5);
    match timestamp {
        Some((seconds, nanos)) => msg.msg(3, Msg::default().varint(1, seconds).varint(2, nanos)),
        None => msg,
    }
}

fn classic() -> Msg {
    let bucket = |bound: f64, count: u64| Msg::default().varint(1, count).double(2, bound);
    Msg::default()
        .varint(1, 4)
        .double(2, 2.5)
        .msg(3, bucket(0.1, 1).msg(3, exemplar(Some((5, 7_000_000)))))
        .msg(3, bucket(1.0, 3).msg(3, exemplar(None)))
}

fn native() -> Msg {
    let span = |offset: i64, length: u64| Msg::default().sint(1, offset).varint(2, length);
    let deltas: Vec<u8> = vec![2, 2, 1];
    classic()
        .sint(5, 3)
        .double(6, 0.001)
        .varint(7, 1)
        .msg(12, span(0, 2))
        .msg(12, span(1, 1))
        .bytes(13, &deltas)
}

/// One line an entry.
fn entries(body: &[u8], options: ParserOptions) -> Vec<String> {
    let mut parser = Parser::new(body, MediaType::Protobuf, options);
    let mut scratch = ScratchLabels::default();
    let mut out = Vec::new();
    loop {
        let entry = match parser.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => return out,
            Err(err) => {
                out.push(err.message);
                return out;
            }
        };
        let name = String::from_utf8(parser.name().to_vec()).unwrap();
        match entry {
            Entry::Help => out.push(format!("HELP {name}")),
            Entry::Type => out.push(format!("TYPE {name} {}", parser.metric_type().as_str())),
            Entry::Unit => out.push(format!("UNIT {name}")),
            Entry::Comment => unreachable!(),
            Entry::Series | Entry::Histogram => {
                parser.labels(&mut scratch).unwrap();
                let mut line: String = scratch.iter().map(|(n, v)| format!("{n}={v} ")).collect();
                let sample = parser.sample();
                line += &format!("{} {:?}", sample.value, sample.timestamp);
                if let Some(HistogramSample::Int(h)) = parser.take_histogram() {
                    line += &format!(
                        " schema {} {:?} {:?} {:?}",
                        h.schema,
                        h.positive_spans.iter().map(|s| (s.offset, s.length)).collect::<Vec<_>>(),
                        h.positive_buckets,
                        h.custom_values
                    );
                }
                let mut exemplars = Vec::new();
                parser.exemplars(&mut exemplars);
                for exemplar in exemplars {
                    line += &format!(" exemplar {:?}", exemplar.timestamp);
                }
                out.push(line);
            }
        }
    }
}

#[test]
fn simple_metrics_come_out() {
    let counter = Msg::default()
        .msg(1, label("b", "2"))
        .msg(1, label("a", "1"))
        .msg(3, Msg::default().double(1, 5.0).msg(2, exemplar(None)))
        .varint(6, 1234);
    let mut body = family("c_total", 0, &[counter]);
    body.extend(family("empty", 1, &[]));
    body.extend(family("u", 3, &[Msg::default().msg(5, Msg::default().double(1, 1.5))]));
    assert_eq!(
        entries(&body, ParserOptions::default()),
        [
            "HELP c_total",
            "TYPE c_total counter",
            "__name__=c_total a=1 b=2 5 Some(1234) exemplar None",
            "HELP u",
            "TYPE u unknown",
            "__name__=u 1.5 None",
        ]
    );
}

#[test]
fn summaries_give_their_quantiles_last() {
    let quantile = Msg::default().double(1, 0.5).double(2, 8.0);
    let summary = Msg::default().varint(1, 2).double(2, 10.0).msg(3, quantile);
    let body = family("s", 2, &[Msg::default().msg(4, summary)]);
    assert_eq!(
        entries(&body, ParserOptions::default())[2..],
        ["__name__=s_count 2 None", "__name__=s_sum 10 None", "__name__=s quantile=0.5 8 None"]
    );
}

#[test]
fn histograms_come_classic_native_or_both() {
    let body = family("h", 4, &[Msg::default().msg(7, native())]);
    let native_line =
        "__name__=h 0 None schema 3 [(0, 2), (1, 1)] [1, 1, -1] [] exemplar Some(5007)";
    let classic_lines = [
        "__name__=h_count 4 None",
        "__name__=h_sum 2.5 None",
        "__name__=h_bucket le=0.1 1 None exemplar Some(5007)",
        "__name__=h_bucket le=1.0 3 None exemplar None",
        "__name__=h_bucket le=+Inf 4 None",
    ];
    let options = ParserOptions::default();
    assert_eq!(entries(&body, options)[2..], [native_line]);
    let both = entries(&body, ParserOptions { keep_classic: true, ..options });
    assert_eq!(both[2], native_line);
    assert_eq!(both[3..], classic_lines);
    let classic = entries(&body, ParserOptions { ignore_native_histograms: true, ..options });
    assert_eq!(classic[2..], classic_lines);
    let nhcb =
        ParserOptions { ignore_native_histograms: true, convert_classic_to_nhcb: true, ..options };
    assert_eq!(
        entries(&body, nhcb)[2..],
        ["__name__=h 0 None schema -53 [(0, 3)] [1, 1, -1] [0.1, 1.0] exemplar Some(5007)"]
    );
}

#[test]
fn broken_bodies_are_refused() {
    let good = family("h", 4, &[Msg::default().msg(7, native())]);
    assert_eq!(entries(&good[..good.len() - 1], ParserOptions::default()), ["unexpected EOF"]);
    let span = Msg::default().sint(1, 0).varint(2, 9);
    let lying = family("h", 4, &[Msg::default().msg(7, Msg::default().msg(12, span))]);
    assert_eq!(
        entries(&lying, ParserOptions::default()).last().unwrap(),
        "histogram \"h\": positive side: spans require 9 buckets, have 0"
    );
    for cut in 0..good.len() {
        entries(&good[..cut], ParserOptions::default());
    }
}

#[test]
fn exemplars_keep_labels_and_value() {
    let body = family("h", 4, &[Msg::default().msg(7, native())]);
    let mut parser = Parser::new(&body, MediaType::Protobuf, ParserOptions::default());
    while parser.next().unwrap() != Some(Entry::Histogram) {}
    let mut exemplars = Vec::new();
    parser.exemplars(&mut exemplars);
    let labels = Labels::from_pairs([("id", "x")]);
    assert_eq!(exemplars, [Exemplar { labels, value: 0.5, timestamp: Some(5007) }]);
    let Some(HistogramSample::Int(h)) = parser.take_histogram() else { panic!("no histogram") };
    assert_eq!(h.positive_spans[0], Span { offset: 0, length: 2 });
}
