//! Go's answers, from golden/go/regexp.json, and a few facts of our own API.

use super::*;

mod golden;

#[test]
fn sets_and_prefixes_are_found() {
    let check = |pattern: &str, set: Option<&[&str]>, prefix: &str| {
        let regex = AnchoredRegex::new(pattern).unwrap();
        let found = regex.set_matches().map(|s| s.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((found.as_deref(), regex.prefix()), (set, prefix), "{pattern}");
    };
    check("b|a|b", Some(&["a", "b"]), "");
    check("foo", Some(&["foo"]), "foo");
    check("foo(bar|baz)?", Some(&["foo", "foobar", "foobaz"]), "foo");
    check("node-[0-2]", Some(&["node-0", "node-1", "node-2"]), "node-");
    check("foo.*", None, "foo");
    check("(foo.*|fob)", None, "fo");
    check("(?i)foo", None, "");
    check(r"a\.b", Some(&["a.b"]), "a.b");
    check("", Some(&[""]), "");
    check("[a-z]{3}", None, "");
}

#[test]
fn globs_match_like_the_automaton() {
    let patterns = [
        ".*",
        ".+",
        "a.*",
        ".*a",
        ".*a.*",
        "a.+b",
        "a.*b.*c",
        ".+a.+",
        "a.*.+b",
        "..*",
        "é.+é",
        "[ab].*",
        "(a|b.*)c?",
        "a[bé]?.+",
        "(ab?|b).*|é",
        ".*|a",
        "a(b|.+)[bc]",
        "(.*a)?b.*",
        "a[a-z]+b",
        "[ab]+.*",
        "(?i)A.*",
    ];
    let values =
        ["", "a", "b", "ab", "aab", "abc", "axbxc", "ba", "bab", "éé", "éaé", "é", "a\nb", "aéb"];
    for pattern in patterns {
        let fast = AnchoredRegex::new(pattern).unwrap();
        let slow = Regex::relabel(pattern).unwrap();
        for value in values {
            assert_eq!(fast.is_match(value), slow.is_match(value), "{pattern} on {value:?}");
        }
    }
}

#[test]
fn deep_patterns_neither_crash_nor_hang() {
    for depth in [999, 1000, 5000, 100_000] {
        let pattern = "(".repeat(depth) + "a" + &")".repeat(depth);
        let _ = AnchoredRegex::new(&pattern);
        let _ = Regex::new(&pattern).map(|r| r.is_match("a"));
    }
    assert!(AnchoredRegex::new("((a{30}){30}){2}").is_err());
    assert!(Regex::new("(?i)[a-z]{300}").is_ok());
}

#[test]
fn corpus_of_odd_patterns_holds() {
    let corpus = [
        "a|b|c\nb",
        "(a*)*\naaa",
        "(?i)k+\nK",
        ".*x.*\naxb",
        "a.+b\na\u{e9}b",
        "(?s).\n\n",
        "[^a]\n\u{fffd}",
        "\\Qa.b\\E\na.b",
        "x{2,3}?\nxx",
        "(|a)+\naa",
        "a**\n",
        "[[:^word:]]\n-",
        "(?P<n>a)(?P<n>b)?\na",
        "^$\n",
        "\\b\na b",
        "é{2}\néé",
        "a{,5}\na{,5}",
        "(?U)a+\naa",
        "\\pL\\PL\na1",
    ];
    for text in corpus {
        super::fuzz::check(text.as_bytes());
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 0x11;
            super::fuzz::check(&bytes);
            super::fuzz::check(&text.as_bytes()[..at]);
        }
    }
}
