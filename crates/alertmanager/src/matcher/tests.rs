//! Both syntaxes, their disagreements, and the index. The error texts are upstream's own.

use super::*;

fn utf8(input: &str) -> Result<String, String> {
    parse_utf8_list(input).map(|m| Matchers::new(m).to_string()).map_err(|e| e.0)
}

fn classic(input: &str) -> Result<String, String> {
    parse_classic_list(input).map(|m| Matchers::new(m).to_string()).map_err(|e| e.0)
}

#[test]
fn the_utf8_syntax_reads() {
    for (input, printed) in [
        ("", "{}"),
        ("{}", "{}"),
        ("  {  } ", "{}"),
        ("foo=bar", r#"{foo="bar"}"#),
        (r#"{foo="bar", baz!=qux,}"#, r#"{foo="bar",baz!="qux"}"#),
        (r#"foo=~"[a-z]+",bar!~"x""#, r#"{foo=~"[a-z]+",bar!~"x"}"#),
        (r#"foo🙂=bar"#, r#"{foo🙂="bar"}"#),
        (r#""a b"="c\n""#, r#"{"a b"="c\n"}"#),
        (r#"foo="\u2603\"""#, r#"{foo="☃\""}"#),
        (r#"foo="""#, r#"{foo=""}"#),
    ] {
        assert_eq!(utf8(input).as_deref(), Ok(printed), "{input}");
    }
}

#[test]
fn the_utf8_syntax_says_what_is_wrong_and_where() {
    for (input, error) in [
        ("{", "0:1: end of input: expected close brace"),
        ("}", "0:1: }: expected opening brace"),
        ("{}}", "2:3: }: expected end of input"),
        ("foo", "end of input: expected an operator such as '=', '!=', '=~' or '!~'"),
        ("foo=", "end of input: expected label value"),
        ("=bar", "0:1: unexpected =: expected label name"),
        (
            "foo!bar",
            "3:4: !: expected one of '=~': expected an operator such as '=', '!=', '=~' or '!~'",
        ),
        (
            "foo!",
            "3:4: unexpected end of input, expected one of '=~': expected an operator such as '=', '!=', '=~' or '!~'",
        ),
        (r#"foo="bar"#, r#"4:8: "bar: missing end ": expected label value"#),
        ("foo=bar baz", "8:11: unexpected baz: expected a comma or close brace"),
        ("foo=bar,,", "8:9: unexpected ,: expected a matcher or close brace after comma"),
        ("{foo=bar", "0:8: end of input: expected close brace"),
        ("foo=bar}", "0:8: }: expected opening brace"),
        (r#"foo="\xff""#, r#"4:10: "\xff": invalid input"#),
        ("foo=~[", "failed to create matcher: error parsing regexp: missing closing ]: `[)$`"),
        ("a'b=c", "1:2: ': invalid input: expected an operator such as '=', '!=', '=~' or '!~'"),
    ] {
        assert_eq!(utf8(input).err().as_deref(), Some(error), "{input}");
    }
    assert_eq!(parse_utf8("").err(), Some(MatcherError("no matchers".into())));
    assert_eq!(
        parse_utf8("a=b,c=d").err(),
        Some(MatcherError("expected 1 matcher, found 2".into()))
    );
}

#[test]
fn the_classic_syntax_is_tolerant() {
    for (input, printed) in [
        ("", "{}"),
        (r#"{foo = "bar", dings != "bums", }"#, r#"{foo="bar",dings!="bums"}"#),
        ("foo=bar,dings!=bums", r#"{foo="bar",dings!="bums"}"#),
        (r#"{quote="She said: \"Hi, ladies!\""}"#, r#"{quote="She said: \"Hi, ladies!\""}"#),
        (r#"statuscode=~"5..""#, r#"{statuscode=~"5.."}"#),
        (r"foo=\d\n\\", r#"{foo="\\d\n\\"}"#),
        (r"foo=a\", r#"{foo="a\\"}"#),
        ("foo==x", r#"{foo="=x"}"#),
        ("foo=", r#"{foo=""}"#),
    ] {
        assert_eq!(classic(input).as_deref(), Ok(printed), "{input}");
    }
    for (input, error) in [
        ("foo", "bad matcher format: foo"),
        ("1a=b", "bad matcher format: 1a=b"),
        (",", "bad matcher format: "),
        (r#"foo="bar"#, r#"matcher value contains unescaped double quote: "bar"#),
        (r#"foo=b"ar"#, r#"matcher value contains unescaped double quote: b"ar"#),
    ] {
        assert_eq!(classic(input).err().as_deref(), Some(error), "{input}");
    }
}

#[test]
fn the_fallback_prefers_the_classic_reading_where_they_differ() {
    let check = |input: &str, printed: &str, wanted: fn(&Note) -> bool| {
        let mut notes = Vec::new();
        let found = ParseMode::Fallback.matchers(input, &mut notes).expect(input);
        assert_eq!(Matchers::new(found).to_string(), printed);
        assert!(notes.len() == 1 && wanted(&notes[0]), "{notes:?}");
    };
    check(r#"foo="\u2603""#, r#"{foo="\\u2603"}"#, |n| matches!(n, Note::Disagreement { .. }));
    check("foo={bar", r#"{foo="{bar"}"#, |n| matches!(n, Note::Incompatible { .. }));
    let mut notes = Vec::new();
    let both = ParseMode::Fallback.matchers("1foo=🙂", &mut notes).expect("utf8 alone");
    assert_eq!((both.len(), notes.len()), (1, 0));
    assert!(ParseMode::Fallback.matchers("foo={", &mut notes).is_ok());
    assert_eq!(
        ParseMode::Fallback.matchers("\"", &mut notes).err(),
        Some(MatcherError("bad matcher format: \"".into()))
    );
    assert!(ParseMode::Classic.matchers("1foo=🙂", &mut notes).is_err());
    assert!(ParseMode::Utf8.matchers(r"foo=\d", &mut notes).is_err());
    assert_eq!(
        ParseMode::Utf8.matcher("{a=b}", &mut notes).err(),
        Some(MatcherError("unexpected open or close brace: {a=b}".into()))
    );
}

#[test]
fn regexes_are_anchored_and_the_dot_stays_on_its_line() {
    let test = |pattern: &str, value: &str| {
        Matcher::new(MatchOp::Regex, "a", pattern).expect(pattern).matches(value)
    };
    assert!(test("foo|bar", "bar") && !test("foo|bar", "foobar"));
    assert!(test("a|", "") && !test("a|", "b"));
    assert!(test("a.c", "abc") && !test("a.c", "a\nc") && !test("a.c", "abcd"));
    let not = Matcher::new(MatchOp::NotRegex, "a", "x.*").expect("regex");
    assert!(not.matches("") && !not.matches("xy"));
}

#[test]
fn matchers_sort_by_name_value_and_kind() {
    let list = parse_utf8_list("b=1,a!=2,a=2,a=1").expect("list");
    assert_eq!(Matchers::sorted(list).to_string(), r#"{a="1",a="2",a!="2",b="1"}"#);
}

#[test]
fn the_index_offers_every_set_that_matches() {
    let sets = ["a=1", "a=1,b=2", "a=~\"1|2\"", "a!=1", "b=\"\"", "c=~\".+\"", ""];
    let sets: Vec<Matchers> =
        sets.iter().map(|s| Matchers::new(parse_utf8_list(s).expect("set"))).collect();
    let mut index = MatchIndex::default();
    sets.iter().enumerate().for_each(|(i, set)| index.insert(set, i));
    let labels = [
        Labels::from_pairs([("a", "1")]),
        Labels::from_pairs([("a", "2"), ("c", "x")]),
        Labels::from_pairs([("a", "1"), ("b", "2")]),
        Labels::empty(),
    ];
    let hits = |index: &MatchIndex<usize>, labels: &Labels| {
        let mut found = Vec::new();
        index.candidates(labels, |i| found.push(*i));
        found.retain(|i| sets[*i].matches(labels));
        found.sort_unstable();
        found
    };
    for labels in &labels {
        let wanted: Vec<usize> = (0..sets.len()).filter(|i| sets[*i].matches(labels)).collect();
        assert_eq!(hits(&index, labels), wanted, "{labels}");
    }
    for (i, set) in sets.iter().enumerate() {
        index.remove(set, &i);
    }
    assert!(labels.iter().all(|l| hits(&index, l).is_empty()));
    assert!(index.is_empty());
}

#[test]
fn the_seed_corpus_holds_what_the_fuzzer_asks() {
    for seed in [
        "",
        "{a=b}",
        "\"\"=1",
        "a=\"\\x41\"",
        "foo!~`x`",
        "\u{a0}a\u{2003}=\"\u{fffd}\"",
        "a=b,c=d,",
        "\\",
    ] {
        fuzz::check(seed.as_bytes());
    }
}
