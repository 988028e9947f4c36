//! Tests of the parser: errors with positions, precedence, hostile input. Real servers' answers are in `tests/it`.

use super::*;
use crate::ast::At;

/// `input` parses to what prints as `expect`, or fails with the error `expect`.
fn check(input: &str, expect: &str) {
    let got = match parse(input, &ParserOptions::all()) {
        Ok(expr) => expr.to_string(),
        Err(err) => err.to_string(),
    };
    assert_eq!(got, expect, "{input}");
}

/// Shows how operators were grouped.
fn grouped(expr: &Expr) -> String {
    match expr {
        Expr::Binary(e) => {
            format!("({} {} {})", grouped(&e.lhs), e.op.as_str(), grouped(&e.rhs))
        }
        Expr::Unary(e) => format!("({}{})", if e.negative { "-" } else { "+" }, grouped(&e.expr)),
        other => other.to_string(),
    }
}

#[test]
fn operators_bind_by_precedence() {
    for (input, expect) in [
        ("a + b * c", "(a + (b * c))"),
        ("a * b + c", "((a * b) + c)"),
        ("a - b - c", "((a - b) - c)"),
        ("a ^ b ^ c", "(a ^ (b ^ c))"),
        ("-a ^ b", "(-(a ^ b))"),
        ("-a * b", "((-a) * b)"),
        ("a ^ -b ^ c", "(a ^ (-(b ^ c)))"),
        ("a ^ -b * c", "((a ^ (-b)) * c)"),
        ("a or b and c unless d", "(a or ((b and c) unless d))"),
        ("a + b == c or d", "(((a + b) == c) or d)"),
        ("a </ b >/ c", "((a </ b) >/ c)"),
        ("a atan2 b % c", "((a atan2 b) % c)"),
        ("-1 ^ 2", "(-(1 ^ 2))"),
        ("a + b offset 5m", "(a + b offset 5m)"),
        ("a offset 5m + 3", "(a offset 5m + 3)"),
        ("a offset -5m ^ 2", "(a offset -5m ^ 2)"),
        ("a offset (5m) + 3m", "a offset (5m) + 3m"),
        ("-a[5m]", "1:1: parse error"),
    ] {
        let got = match parse(input, &ParserOptions::all()) {
            Ok(expr) => grouped(&expr),
            Err(err) => err.to_string(),
        };
        assert!(
            got == expect || (got.starts_with(expect) && got.contains("error")),
            "{input}: {got}"
        );
    }
}

#[test]
fn errors_name_what_was_expected_and_where() {
    for (input, expect) in [
        ("", "unknown position: parse error: no expression found in input"),
        ("# only a comment", "1:1: parse error: no expression found in input"),
        ("sum(a b)", "1:7: parse error: unexpected identifier \"b\" in aggregation"),
        (
            "sum by a (b)",
            "1:8: parse error: unexpected identifier \"a\" in grouping opts, expected \"(\"",
        ),
        (
            "sum by (a b) (c)",
            "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\"",
        ),
        ("rate(a[5m],)", "1:11: parse error: trailing commas not allowed in function call args"),
        (
            "a{b=\"c\" d}",
            "1:9: parse error: unexpected identifier \"d\" in label matching, expected \",\" or \"}\"",
        ),
        (
            "a{b=~\"*\"}",
            "1:3: parse error: error parsing regexp: missing argument to repetition operator: `*`",
        ),
        ("a\n+\n)", "3:2: parse error: unexpected right parenthesis ')'"),
        ("nope(a)", "1:1: parse error: unknown function with name \"nope\""),
        (
            "topk(a)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        (
            "a and 1",
            "1:1: parse error: set operator \"and\" not allowed in binary scalar expression",
        ),
        (
            "{a=\"\"}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "a[5m] + 1",
            "1:1: parse error: binary expression must contain only scalar and instant vector types",
        ),
        ("a[5m][1m]", "1:6: parse error: ranges only allowed for vector selectors"),
        ("a @ Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"),
        (
            "info(a, b)",
            "1:9: parse error: expected label selectors only, got vector selector instead",
        ),
        ("a[0]", "1:3: parse error: duration must be greater than 0"),
        ("a[5m/0]", "1:5: parse error: division by zero"),
    ] {
        check(input, expect);
    }
}

#[test]
fn features_are_off_by_default() {
    for (input, expect) in [
        (
            "limitk(1, a)",
            "1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
        ),
        ("mad_over_time(a[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled"),
        ("a anchored", "1:1: parse error: anchored modifier is experimental and not enabled"),
        (
            "a + fill(1) b",
            "1:1: parse error: binop fill modifiers are experimental and not enabled",
        ),
    ] {
        let err = parse(input, &ParserOptions::default()).unwrap_err();
        assert_eq!(err.to_string(), expect, "{input}");
    }
    let plain = ParserOptions { duration_expressions: false, ..ParserOptions::default() };
    let err = parse("a[5m * 2]", &plain).unwrap_err();
    assert_eq!(
        err.to_string(),
        "1:3: parse error: experimental duration expression is not enabled"
    );
    assert!(parse("a[5m * 2]", &ParserOptions::default()).is_ok());
}

#[test]
fn words_are_names_where_they_can_be() {
    for text in
        ["sum", "offset", "by", "start", "fill", "fill + fill", "and", "step", "sum{by=\"x\"}"]
    {
        check(text, text);
    }
    check("sum(sum) by (on, offset, bool)", "sum by (on, offset, bool) (sum)");
}

#[test]
fn modifiers_are_kept_on_their_selector() {
    let expr = parse("a[5m] @ start() offset 1m", &ParserOptions::default()).unwrap();
    let Expr::Matrix(matrix) = expr else { panic!() };
    assert_eq!((matrix.range_ms, matrix.selector.offset.original_ms), (300_000, 60_000));
    assert_eq!(matrix.selector.at, Some(At::Start));
    assert_eq!(matrix.pos, PosRange::new(0, 25));
}

#[test]
fn hostile_input_gives_an_error_and_no_overflow() {
    let deep = 100_000;
    for text in [
        "(".repeat(deep),
        format!("{}a{}", "(".repeat(deep), ")".repeat(deep)),
        "-".repeat(deep),
        "sum(".repeat(deep),
        format!("a{}", "[1m:1m]".repeat(deep)),
        format!("1{}", "+1".repeat(deep)),
        format!("1{}", "^1".repeat(deep)),
        format!("a[{}1m]", "(".repeat(deep)),
        format!("a[1m{}]", "+1m".repeat(deep)),
        format!("a[{}1m]", "-".repeat(deep)),
        format!("a offset {}1m", "-(".repeat(deep)),
        format!("a[{}", "min_of(".repeat(deep)),
        "{{{{{{{{".to_owned(),
        "a[[[[".to_owned(),
        "\"\\".to_owned(),
        "\u{fffd}\"\u{fffd}\"".to_owned(),
    ] {
        assert!(parse(&text, &ParserOptions::all()).is_err(), "{}", &text[..text.len().min(20)]);
    }
    // As deep as it may be, it prints, becomes JSON and is dropped within a thread's stack.
    for text in [
        format!("{}a{}", "(".repeat(MAX_NESTING - 1), ")".repeat(MAX_NESTING - 1)),
        format!("1{}", "+1".repeat(MAX_DEPTH - 1)),
        format!("{}a{}", "abs(".repeat(MAX_NESTING - 1), ")".repeat(MAX_NESTING - 1)),
    ] {
        let expr = parse(&text, &ParserOptions::all()).unwrap_or_else(|e| panic!("{e}"));
        assert!(!crate::printer::pretty(&expr).is_empty());
        assert!(crate::json::to_json(&expr).is_object());
    }
}

#[test]
fn series_descriptions_parse() {
    let parsed = parse_series_description("m{a=\"b\"} 1+2x3 _x2 stale -1 {{schema:1 sum:-2.5 count:3 buckets:[1 2] offset:-1 n_buckets:[4] counter_reset_hint:gauge}}x2").unwrap();
    assert_eq!(parsed.labels.to_string(), "{__name__=\"m\", a=\"b\"}");
    assert_eq!(parsed.items[0], SeriesItem::Floats { start: 1.0, step: 2.0, times: 3 });
    assert_eq!(parsed.items[1], SeriesItem::Omitted { count: 2 });
    let SeriesItem::Histograms(histograms) = &parsed.items[4] else { panic!() };
    assert!(histograms.times == 2 && histograms.hint_is_set);
    assert_eq!(histograms.start.positive_buckets, [1.0, 2.0]);
    assert_eq!(histograms.start.positive_spans[0].offset, -1);
    for (text, error) in [
        ("m 1x99999999999", "repetition of series values beyond"),
        ("m foo", "unexpected identifier \"foo\" in series values, expected number or \"stale\""),
        ("m {{nope:1}}", "bad histogram descriptor found: \"nope\""),
        ("m {{sum:1 sum:2}}", "duplicate key \"sum\" in histogram"),
    ] {
        let err = parse_series_description(text).unwrap_err().to_string();
        assert!(err.contains(error), "{text}: {err}");
    }
}
