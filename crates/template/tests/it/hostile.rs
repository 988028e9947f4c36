//! Whatever the text: an answer or an error, never a panic.

use gauntlet_template::fuzz::check;

use crate::golden::{self, bytes_at};

/// Small texts that exercise every part; the fuzzer starts from them too.
const SEEDS: &[&str] = &[
    "",
    "{{",
    "{{-",
    "{{- -}}",
    "{{/**/}}",
    "{{ .s | printf \"%[2]*[1]d|%-+# 05.3v|%x|%q|%U\" 1 2 3 }}",
    "{{ range $k, $v := .m }}{{ $k }}{{ break }}{{ else }}{{ end }}",
    "{{ with $x := .l }}{{ index $x 0 }}{{ else with .t }}{{ .Format \"Jan _2\" }}{{ end }}",
    "{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}",
    "<a href=\"{{ .s }}?q={{ .s }}\" onclick='f({{ .l }}, \"{{ .s }}\")' style=\"color: {{ .s }}\">",
    "<script>var a = `x${ {b: {{ .s }}} }y{{ .s }}`; /* {{ .s }} */ x = /[{{ .s }}]/</script>",
    "<style>p { background: url('{{ .s }}') \\{{ .s }}</style><!-- {{ .s }} --><img srcset={{ .s }}>",
    "<meta http-equiv=refresh content=\"0;URL={{ .s }};x\">",
    "{{ date .s .t }}{{ toDate .s .s }}{{ tz .s .t }}{{ base64decode .s }}{{ urlUnescape .s }}",
    "{{ humanize .s }}{{ parseDuration .s }}{{ query .s | first | value }}{{ title .s }}",
    "{{ routeLabels \"a\" }}{{ toJson . }}{{ match .s .s }}{{ reReplaceAll .s .s .s }}",
    "{{ slice .l 1 2 3 }}{{ slice .s 1 }}{{ eq .l .m }}{{ lt .d 1 }}{{ call .s }}{{ len .t }}",
    "{{ 1i }}{{ 0x1p-2000 }}{{ 1e400 }}{{ '\\U00110000' }}{{ \"\\xff\" }}{{ 9223372036854775808 }}",
    "{{ .t.AddDate 9223372036854775807 9223372036854775807 9223372036854775807 }}",
    "{{ (.t.Add -9223372036854775808).String }}{{ .t.Truncate 1 }}{{ .d.Round 7 }}{{ .d.Abs }}",
    "\u{fffd}{{ \u{fffd} }}\u{2028}{{ .\u{e9} }}",
];

/// Bytes that mean something somewhere.
const ODD: &[u8] = b"{}()|.$\"'`\\-/<>=& \n\xff%0";

#[test]
fn seeds_and_their_pieces_do_no_harm() {
    for seed in SEEDS {
        check_pieces(seed.as_bytes());
    }
}

#[test]
fn broken_vectors_do_no_harm() {
    for file in ["text-template.json", "html-template.json", "alertmanager-template.json"] {
        let Some(vectors) = golden::load(file) else { return };
        let mut random = 88_172_645_463_325_252_u64;
        for case in vectors["cases"].as_array().unwrap() {
            let Some(mut text) = bytes_at(case, "template") else { continue };
            check(&text);
            for _ in 0..2 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                if !text.is_empty() {
                    let at = random as usize % text.len();
                    text[at] = ODD[(random >> 32) as usize % ODD.len()];
                    check(&text);
                }
            }
        }
    }
}

/// The text, and all of its beginnings and ends.
fn check_pieces(text: &[u8]) {
    for at in 0..=text.len() {
        check(&text[..at]);
        check(&text[at..]);
    }
}
