//! Odd and broken texts: no panic, no hang; and what is printed reads back.

use gauntlet_yaml::{Context, Dialect, Document, FromYaml, Value, fuzz, to_string};

/// Texts that have bent parsers before, and shapes of our own limits.
fn corpus() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = [
        "",
        "---",
        "a: b",
        "- - - a",
        "{a: [b, {c: d}]}",
        "? a\n: b",
        "&a [*a]",
        "a: &x [1]\nb: *x",
        "<<: {a: 1}\nb: 2",
        "<<: [{a: 1}, {a: 2}]",
        "<<: 1",
        "a: !!binary aGk=",
        "a: !!int x",
        "%YAML 1.1\n---\na",
        "\u{feff}a: b",
        "a: |\n  x\n y",
        "a: >-\n  x\n\n  y\n",
        "\"\\x41\\u263a\"",
        "'it''s'",
        "a: 0x1F\nb: 1_000\nc: .inf\nd: 2001-01-01",
        "a: b: c",
        "\t",
        "[a, , b]",
        "{a: b, a: c}",
        "a: *missing",
        "!<tag:yaml.org,2002:str> 1",
        "? [a]\n: b",
        "a: \u{1F600}",
        "a: \"\\ud83d\"",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    texts.push(b"a: \xff".to_vec());
    texts.push(vec![0xff, 0xfe, b'a', 0]);
    texts.push("[".repeat(1500).into_bytes());
    texts.push("{a: ".repeat(1500).into_bytes());
    texts.push("- ".repeat(1500).into_bytes());
    texts.push(format!("{}: x", "k".repeat(1500)).into_bytes());
    let bomb: String =
        (0..30).map(|i| format!("a{}: &a{} [*a{i}, *a{i}, *a{i}]\n", i + 1, i + 1)).collect();
    texts.push(format!("a0: &a0 x\n{bomb}").into_bytes());
    texts
}

#[test]
fn broken_texts_neither_panic_nor_hang() {
    for text in corpus() {
        fuzz::check(&text);
        for cut in 0..text.len().min(24) {
            fuzz::check(&text[..cut]);
            let mut flipped = text.clone();
            flipped[cut] ^= 0x55;
            fuzz::check(&flipped);
        }
    }
}

#[test]
fn alias_bombs_are_refused() {
    let bomb = corpus().pop().unwrap();
    let err = Document::parse(&bomb, Dialect::V2).unwrap_err();
    assert_eq!(err.to_string(), "yaml: document contains excessive aliasing");
}

fn read(text: &str) -> Value {
    let document = Document::parse(text.as_bytes(), Dialect::V2).expect("parses");
    let mut cx = Context::new();
    let value = Value::from_yaml(document.root().expect("not empty"), &mut cx);
    cx.finish(value).expect("decodes")
}

#[test]
fn text_is_printed_so_that_it_reads_back() {
    for text in [
        "plain",
        "with space",
        " lead",
        "trail ",
        "yes",
        "on",
        "null",
        "~",
        "1",
        "1.5",
        "0x10",
        "1:30",
        "2001-01-01",
        "a: b",
        "a #b",
        "- a",
        "? a",
        "[a",
        "{a",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "'a'",
        "\"a\"",
        "a\nb",
        "a\n",
        "\n",
        "tab\there",
        "",
        "<<",
        "=",
        "é☃",
        "\u{1F600}",
        "\u{7}",
        "a\\b",
        "---",
        "...",
        ".inf",
        "NaN",
        "long ".repeat(60).as_str(),
    ] {
        let printed =
            to_string(&Value::Map(vec![(Value::Str("k".to_owned()), Value::Str(text.to_owned()))]));
        assert_eq!(read(&printed).get("k"), Some(&Value::Str(text.to_owned())), "{printed}");
    }
}

#[test]
fn blocks_are_printed_as_go_prints_them() {
    let text = "a: 1\nb:\n- x\n- w: 2\n  z: [p, q]\nc: {}\nd: []\ne: \"yes\"\nf: 1e+21\ng: null\n";
    let value = read(text);
    let want =
        "a: 1\nb:\n- x\n- w: 2\n  z:\n  - p\n  - q\nc: {}\nd: []\ne: \"yes\"\nf: 1e+21\ng: null\n";
    assert_eq!(to_string(&value), want);
}

#[test]
fn text_is_styled_as_go_styles_it() {
    let check = |text: &str, want: &str| {
        let value = Value::Map(vec![(Value::Str("k".to_owned()), Value::Str(text.to_owned()))]);
        assert_eq!(to_string(&value), format!("k: {want}\n"), "{text:?}");
    };
    check("(.*)", "(.*)");
    check("yes", "\"yes\"");
    check("1:30", "\"1:30\"");
    check("a: b", "'a: b'");
    check("it's: x", "'it''s: x'");
    check(" lead", "' lead'");
    check("*a", "'*a'");
    check("tab\there", "\"tab\\there\"");
    check("\u{1F600}", "\"\\U0001F600\"");
    check("a\nb\n", "|\n  a\n  b");
    check("a\nb", "|-\n  a\n  b");
    check(" a\nb\n\n", "|2+\n   a\n  b\n");
    let long = ["word"; 24].join(" ");
    check(&long, &format!("{}\n  {}", ["word"; 16].join(" "), ["word"; 8].join(" ")));
}
