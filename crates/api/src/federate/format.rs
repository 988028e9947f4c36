//! Which format an Accept header asks for, and how it wants names that the old rules do not allow.

use std::borrow::Cow;

use gauntlet_model::labels::{is_legacy_label_name, is_legacy_metric_name};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    Delimited,
}

/// What to do with names that the old rules do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escaping {
    AllowUtf8,
    Underscores,
    Dots,
    Values,
}

impl Escaping {
    const ALL: [(Self, &'static str); 4] = [
        (Self::AllowUtf8, "allow-utf-8"),
        (Self::Underscores, "underscores"),
        (Self::Dots, "dots"),
        (Self::Values, "values"),
    ];
}

/// What is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    shape: Shape,
    escaping: Escaping,
}

impl Format {
    pub(super) fn is_protobuf(self) -> bool {
        self.shape != Shape::Text
    }

    /// Whether exponential histograms can be told.
    pub(super) fn takes_native(self) -> bool {
        self.is_protobuf()
    }

    pub(super) fn content_type(self) -> String {
        let kind = match self.shape {
            Shape::Text => "text/plain; version=0.0.4; charset=utf-8",
            Shape::Delimited => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        };
        let escaping = Escaping::ALL.iter().find(|(one, _)| *one == self.escaping);
        format!("{kind}; escaping={}", escaping.map_or("", |(_, name)| name))
    }

    pub(super) fn metric_name<'a>(self, name: &'a str) -> Cow<'a, str> {
        if is_legacy_metric_name(name) { Cow::Borrowed(name) } else { self.escaped(name) }
    }

    pub(super) fn label_name<'a>(self, name: &'a str) -> Cow<'a, str> {
        if is_legacy_label_name(name) { Cow::Borrowed(name) } else { self.escaped(name) }
    }

    fn escaped<'a>(self, name: &'a str) -> Cow<'a, str> {
        let valid = |at: usize, c: char| {
            c.is_ascii_alphabetic() || c == '_' || c == ':' || c.is_ascii_digit() && at > 0
        };
        let chars = name.chars().enumerate();
        match self.escaping {
            Escaping::AllowUtf8 => Cow::Borrowed(name),
            Escaping::Underscores => {
                chars.map(|(at, c)| if valid(at, c) { c } else { '_' }).collect()
            }
            Escaping::Dots => {
                let mut out = String::new();
                for (at, c) in chars {
                    match c {
                        '_' => out.push_str("__"),
                        '.' => out.push_str("_dot_"),
                        c if valid(at, c) => out.push(c),
                        _ => out.push_str("__"),
                    }
                }
                out.into()
            }
            Escaping::Values => {
                let mut out = "U__".to_owned();
                for (at, c) in chars {
                    match c {
                        '_' => out.push_str("__"),
                        c if valid(at, c) => out.push(c),
                        c => out.push_str(&format!("_{:x}_", u32::from(c))),
                    }
                }
                out.into()
            }
        }
    }
}

/// The format that is asked for first among those we print; text if none is.
pub(super) fn negotiate(accept: &str) -> Format {
    let mut clauses: Vec<(f32, Clause<'_>)> = accept.split(',').map(Clause::parse).collect();
    clauses.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut escaping = Escaping::Underscores;
    for (_, clause) in clauses {
        let named = Escaping::ALL.iter().find(|(_, name)| *name == clause.escaping);
        escaping = named.map_or(escaping, |(one, _)| *one);
        let shape = match (clause.kind, clause.encoding) {
            ("application/vnd.google.protobuf", encoding)
                if clause.proto == "io.prometheus.client.MetricFamily" =>
            {
                // Protobuf printed for people is not offered: the next choice is taken.
                if encoding != "delimited" {
                    continue;
                }
                Shape::Delimited
            }
            ("text/plain", _) if matches!(clause.version, "" | "0.0.4") => Shape::Text,
            _ => continue,
        };
        return Format { shape, escaping };
    }
    Format { shape: Shape::Text, escaping }
}

#[derive(Default)]
struct Clause<'a> {
    kind: &'a str,
    version: &'a str,
    proto: &'a str,
    encoding: &'a str,
    escaping: &'a str,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> (f32, Self) {
        let mut parts = text.split(';').map(str::trim);
        let mut clause = Clause { kind: parts.next().unwrap_or_default(), ..Clause::default() };
        let mut weight = 1.0;
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim_matches('"');
            match name {
                "q" => weight = value.parse().unwrap_or(1.0),
                "version" => clause.version = value,
                "proto" => clause.proto = value,
                "encoding" => clause.encoding = value,
                "escaping" => clause.escaping = value,
                _ => {}
            }
        }
        (weight, clause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_format_that_is_known_is_taken() {
        let check = |accept: &str, expect: &str| {
            assert_eq!(negotiate(accept).content_type(), expect, "{accept}");
        };
        let text = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
        check("", text);
        check("*/*", text);
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
        );
        check(
            "text/plain;q=0.3,application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7",
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores",
        );
    }

    #[test]
    fn names_are_escaped_as_asked() {
        let of = |escaping| Format { shape: Shape::Text, escaping };
        assert_eq!(of(Escaping::Underscores).metric_name("a.b_c"), "a_b_c");
        assert_eq!(of(Escaping::Dots).metric_name("a.b_c"), "a_dot_b__c");
        assert_eq!(of(Escaping::Values).metric_name("a.b_c"), "U__a_2e_b__c");
        assert_eq!(of(Escaping::AllowUtf8).metric_name("a.b"), "a.b");
        assert_eq!(of(Escaping::Values).metric_name("a_b"), "a_b");
    }
}
