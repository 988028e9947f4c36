//! The kinds of token, the keyword tables, and how error texts name a token.

use gauntlet_model::float::GoQuoted;

use crate::ast::{AggregateOp, PosRange};

/// A token: bytes `start..end` of the input.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// What is wrong, for [`TokenKind::Error`].
    pub(crate) error: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Eof,
    Error,
    Identifier,
    MetricIdentifier,
    Number,
    Duration,
    String,

    Comma,
    Colon,
    Eql,
    EqlRegex,
    NeqRegex,
    LeftBrace,
    RightBrace,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,

    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    EqlC,
    Neq,
    Lss,
    Lte,
    Gtr,
    Gte,
    TrimUpper,
    TrimLower,
    And,
    Or,
    Unless,
    At,

    Aggregate(AggregateOp),

    Bool,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Offset,
    Anchored,
    Smoothed,

    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,

    // Series descriptions.
    Space,
    Blank,
    Times,
    OpenHist,
    CloseHist,
    HistogramKey(HistogramKey),
    HintUnknown,
    HintReset,
    HintNotReset,
    HintGauge,
}

/// Keys of a histogram in a series description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistogramKey {
    Sum,
    Count,
    Schema,
    Offset,
    NegativeOffset,
    Buckets,
    NegativeBuckets,
    ZeroBucket,
    ZeroBucketWidth,
    CustomValues,
    CounterResetHint,
}

impl HistogramKey {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Count => "count",
            Self::Schema => "schema",
            Self::Offset => "offset",
            Self::NegativeOffset => "n_offset",
            Self::Buckets => "buckets",
            Self::NegativeBuckets => "n_buckets",
            Self::ZeroBucket => "z_bucket",
            Self::ZeroBucketWidth => "z_bucket_w",
            Self::CustomValues => "custom_values",
            Self::CounterResetHint => "counter_reset_hint",
        }
    }
}

/// The keyword that `word` is, in any case of letters.
pub(crate) fn keyword(word: &str) -> Option<TokenKind> {
    use AggregateOp as A;
    use TokenKind as T;
    if word.len() > 12 {
        return None;
    }
    Some(match word.to_ascii_lowercase().as_str() {
        "and" => T::And,
        "or" => T::Or,
        "unless" => T::Unless,
        "atan2" => T::Atan2,
        "sum" => T::Aggregate(A::Sum),
        "avg" => T::Aggregate(A::Avg),
        "count" => T::Aggregate(A::Count),
        "min" => T::Aggregate(A::Min),
        "max" => T::Aggregate(A::Max),
        "group" => T::Aggregate(A::Group),
        "stddev" => T::Aggregate(A::Stddev),
        "stdvar" => T::Aggregate(A::Stdvar),
        "topk" => T::Aggregate(A::Topk),
        "bottomk" => T::Aggregate(A::Bottomk),
        "count_values" => T::Aggregate(A::CountValues),
        "quantile" => T::Aggregate(A::Quantile),
        "limitk" => T::Aggregate(A::Limitk),
        "limit_ratio" => T::Aggregate(A::LimitRatio),
        "offset" => T::Offset,
        "smoothed" => T::Smoothed,
        "anchored" => T::Anchored,
        "by" => T::By,
        "without" => T::Without,
        "on" => T::On,
        "ignoring" => T::Ignoring,
        "group_left" => T::GroupLeft,
        "group_right" => T::GroupRight,
        "fill" => T::Fill,
        "fill_left" => T::FillLeft,
        "fill_right" => T::FillRight,
        "bool" => T::Bool,
        "start" => T::Start,
        "end" => T::End,
        "step" => T::Step,
        "range" => T::Range,
        "max_of" => T::MaxOf,
        "min_of" => T::MinOf,
        "inf" | "nan" => T::Number,
        _ => return None,
    })
}

pub(crate) fn histogram_key(word: &str) -> Option<TokenKind> {
    use HistogramKey as K;
    const KEYS: [HistogramKey; 11] = [
        K::Sum,
        K::Count,
        K::Schema,
        K::Offset,
        K::NegativeOffset,
        K::Buckets,
        K::NegativeBuckets,
        K::ZeroBucket,
        K::ZeroBucketWidth,
        K::CustomValues,
        K::CounterResetHint,
    ];
    let found = KEYS.into_iter().find(|k| k.as_str().eq_ignore_ascii_case(word))?;
    Some(TokenKind::HistogramKey(found))
}

pub(crate) fn counter_reset_hint(word: &str) -> Option<TokenKind> {
    Some(match word.to_ascii_lowercase().as_str() {
        "unknown" => TokenKind::HintUnknown,
        "reset" => TokenKind::HintReset,
        "not_reset" => TokenKind::HintNotReset,
        "gauge" => TokenKind::HintGauge,
        _ => return None,
    })
}

impl Token {
    pub(crate) fn pos(&self) -> PosRange {
        PosRange::new(self.start, self.end)
    }

    pub(crate) fn text<'a>(&self, input: &'a str) -> &'a str {
        &input[self.start..self.end]
    }

    /// The token as error texts name it.
    pub(crate) fn describe(&self, input: &str) -> String {
        use TokenKind as T;
        let text = self.text(input);
        match self.kind {
            T::Eof => "end of input".to_owned(),
            T::Error => "error".to_owned(),
            T::Identifier => format!("identifier {}", GoQuoted(text)),
            T::MetricIdentifier => format!("metric identifier {}", GoQuoted(text)),
            T::Number => format!("number {}", shortened(text)),
            T::Duration => format!("duration {}", shortened(text)),
            T::String => format!("string {}", shortened(text)),
            T::Aggregate(_) => format!("<aggr:{text}>"),
            kind if kind.is_keyword() => format!("<{text}>"),
            kind if kind.is_operator() => format!("<op:{text}>"),
            _ => shortened(text),
        }
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= 10 {
        return GoQuoted(text).to_string();
    }
    let cut = text.char_indices().nth(10).map_or(text.len(), |(i, _)| i);
    format!("{}...", GoQuoted(&text[..cut]))
}

impl TokenKind {
    fn is_keyword(self) -> bool {
        use TokenKind as T;
        matches!(
            self,
            T::Bool
                | T::By
                | T::GroupLeft
                | T::GroupRight
                | T::Fill
                | T::FillLeft
                | T::FillRight
                | T::Ignoring
                | T::Offset
                | T::Smoothed
                | T::Anchored
                | T::On
                | T::Without
        )
    }

    fn is_operator(self) -> bool {
        use TokenKind as T;
        matches!(
            self,
            T::Add
                | T::Div
                | T::EqlC
                | T::EqlRegex
                | T::Gte
                | T::Gtr
                | T::TrimUpper
                | T::TrimLower
                | T::And
                | T::Or
                | T::Lss
                | T::Lte
                | T::Unless
                | T::Mod
                | T::Mul
                | T::Neq
                | T::NeqRegex
                | T::Pow
                | T::Sub
                | T::At
                | T::Atan2
        )
    }

    /// Words that may be a metric's name where an expression begins.
    pub(crate) fn is_metric_word(self) -> bool {
        use TokenKind as T;
        matches!(
            self,
            T::Aggregate(_)
                | T::By
                | T::Fill
                | T::FillLeft
                | T::FillRight
                | T::Identifier
                | T::MetricIdentifier
                | T::And
                | T::Or
                | T::Unless
                | T::Offset
                | T::Without
                | T::Start
                | T::End
                | T::Step
                | T::Range
                | T::MaxOf
                | T::MinOf
                | T::Anchored
                | T::Smoothed
        )
    }

    /// Words that may be a label's name in `by (...)`, `on (...)` and their kin.
    pub(crate) fn is_label_word(self) -> bool {
        use TokenKind as T;
        self != T::Without
            && (self.is_metric_word()
                || matches!(
                    self,
                    T::Bool | T::GroupLeft | T::GroupRight | T::Ignoring | T::On | T::Atan2
                ))
    }

    /// Whether an expression may begin with this token.
    pub(crate) fn starts_expr(self) -> bool {
        use TokenKind as T;
        self.is_metric_word()
            || matches!(
                self,
                T::LeftParen | T::LeftBrace | T::Number | T::Duration | T::String | T::Add | T::Sub
            )
    }
}
