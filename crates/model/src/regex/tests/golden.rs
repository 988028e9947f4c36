//! Every vector of golden/go/regexp.json.

use serde_json::Value;

use super::*;

fn bytes(value: &Value, key: &str) -> Option<Vec<u8>> {
    if let Some(text) = value[key].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    value[format!("{key}_b64")].as_str().map(decode_base64)
}

fn decode_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.bytes().filter(|b| *b != b'=') {
        bits = bits << 6 | ALPHABET.iter().position(|a| *a == byte).unwrap() as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

fn spans(value: &Value) -> Option<Vec<Option<(usize, usize)>>> {
    let numbers: Vec<i64> = value.as_array()?.iter().map(|n| n.as_i64().unwrap()).collect();
    Some(numbers.chunks(2).map(|c| (c[0] >= 0).then_some((c[0] as usize, c[1] as usize))).collect())
}

fn all(captures: &Captures) -> Vec<Option<(usize, usize)>> {
    (0..captures.len()).map(|i| captures.get(i)).collect()
}

fn text_of(err: &RegexError) -> Vec<u8> {
    let mut text = format!("error parsing regexp: {}: `", err.kind).into_bytes();
    text.extend_from_slice(&err.fragment);
    text.push(b'`');
    text
}

/// What the three users of a pattern make of it; `Err` holds the error's bytes.
fn check_error<T>(
    what: &str,
    got: &Result<T, RegexError>,
    want: Option<Vec<u8>>,
    problems: &mut Vec<String>,
) {
    let got = got.as_ref().err().map(text_of);
    let want = want.filter(|w| !w.is_empty());
    if got != want {
        let show = |b: &Option<Vec<u8>>| {
            b.as_ref().map(|b| String::from_utf8_lossy(b).chars().take(200).collect::<String>())
        };
        problems.push(format!("{what}: got {:?}, want {:?}", show(&got), show(&want)));
    }
}

#[test]
fn go_vectors_are_equal() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let file: Value =
        serde_json::from_slice(&std::fs::read(dir.join("golden/go/regexp.json")).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let mut problems = Vec::new();
    let mut compiled = std::collections::HashMap::new();
    for case in cases {
        let pattern = bytes(case, "pattern").unwrap();
        let shown = String::from_utf8_lossy(&pattern).chars().take(80).collect::<String>();
        let before = problems.len();
        if case["kind"] == "expand" {
            let pair = compiled.entry(pattern.clone()).or_insert_with(|| {
                let wrapped = [b"^(?s:", pattern.as_slice(), b")$"].concat();
                (
                    Regex::from_text(&pattern, "", Surrogate::Nothing).unwrap(),
                    Regex::from_text(&wrapped, "", Surrogate::Replaced).unwrap(),
                )
            });
            check_expand(case, pair, &mut problems);
        } else {
            check_pattern(case, &pattern, &mut problems);
        }
        for problem in &mut problems[before..] {
            *problem = format!("{shown:?}: {problem}");
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems in {} cases:\n{}",
        problems.len(),
        cases.len(),
        problems.iter().take(60).cloned().collect::<Vec<_>>().join("\n")
    );
    println!("regexp.json: {} of {} cases", cases.len(), cases.len());
}

fn check_pattern(case: &Value, pattern: &[u8], problems: &mut Vec<String>) {
    let matcher = AnchoredRegex::from_bytes(pattern);
    let error = bytes(case, "error");
    check_error("matcher", &matcher, error.clone(), problems);
    let wrap = |prefix: &str| [prefix.as_bytes(), pattern, b")$"].concat();
    let plain = Regex::from_text(pattern, "", Surrogate::Nothing);
    let relabel = Regex::from_text(&wrap("^(?s:"), "", Surrogate::Replaced);
    let alertmanager = Regex::from_text(&wrap("^(?:"), "", Surrogate::Replaced);
    check_error("plain", &plain, bytes(case, "go_error").or(error), problems);
    check_error("relabel", &relabel, bytes(case, "relabel_error"), problems);
    check_error("alertmanager", &alertmanager, bytes(case, "alertmanager_error"), problems);
    if let (Some(groups), Ok(plain)) = (case["groups"].as_array(), &plain) {
        let want: Vec<&str> = groups.iter().map(|g| g.as_str().unwrap()).collect();
        let got: Vec<&str> = plain.names().collect();
        if got != want {
            problems.push(format!("groups {got:?}, want {want:?}"));
        }
    }
    for input in case["inputs"].as_array().into_iter().flatten() {
        let text = bytes(input, "in").unwrap();
        let shown = String::from_utf8_lossy(&text).chars().take(60).collect::<String>();
        let mut differ = |what: &str, got: String, want: String| {
            if got != want {
                problems.push(format!("{what} on {shown:?}: got {got}, want {want}"));
            }
        };
        let matched = input["match"].as_bool();
        if let (Some(want), Ok(matcher)) = (matched, &matcher) {
            differ("match", matcher.is_match_bytes(&text).to_string(), want.to_string());
            if let Ok(text) = std::str::from_utf8(&text) {
                differ("match str", matcher.is_match(text).to_string(), want.to_string());
                let set = matcher.set_matches();
                if let Some(set) = set {
                    differ("set", set.iter().any(|s| s == text).to_string(), want.to_string());
                }
                if want && !text.starts_with(matcher.prefix()) {
                    differ("prefix", matcher.prefix().to_owned(), text.to_owned());
                }
            }
        }
        if let (Some(want), Ok(plain)) = (input.get("find"), &plain) {
            let got = plain.captures_bytes(&text).map(|c| all(&c));
            differ("find", format!("{got:?}"), format!("{:?}", spans(want)));
        }
        if let Ok(relabel) = &relabel {
            let got = relabel.captures_bytes(&text);
            if let Some(want) = input.get("relabel").or(input.get("full")) {
                differ(
                    "relabel",
                    format!("{:?}", got.as_ref().map(all)),
                    format!("{:?}", spans(want)),
                );
            } else if let Some(want) = matched {
                differ("relabel match", got.is_some().to_string(), want.to_string());
            }
        }
        if let Ok(alertmanager) = &alertmanager {
            let got = alertmanager.captures_bytes(&text).is_some();
            if let Some(want) = input["alertmanager"].as_bool().or(matched) {
                differ("alertmanager", got.to_string(), want.to_string());
            }
        }
    }
}

fn check_expand(case: &Value, (plain, relabel): &(Regex, Regex), problems: &mut Vec<String>) {
    let (text, template) = (bytes(case, "in").unwrap(), bytes(case, "template").unwrap());
    let show = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    let got = plain.replace_all_bytes(&text, &template);
    let want = bytes(case, "replace_all").unwrap();
    if got != want {
        problems.push(format!(
            "replace_all {} by {}: got {}, want {}",
            show(&text),
            show(&template),
            show(&got),
            show(&want)
        ));
    }
    let got = relabel.captures_bytes(&text).map(|captures| {
        let mut out = Vec::new();
        Template::new(&template, relabel).expand(&text, &captures, &mut out);
        out
    });
    if got != bytes(case, "relabel") {
        problems.push(format!("relabel {} by {}: got {got:?}", show(&text), show(&template)));
    }
}
