//! Hostile templates cost their limits, not more.

use std::sync::Arc;
use std::time::Duration;

use gauntlet_runtime::ManualClock;
use gauntlet_template::functions::{alertmanager, prometheus};
use gauntlet_template::{Error, Limit, Limits, MissingKey, Mode, Set, Value};

fn run(mode: Mode, text: &str, limits: &Limits) -> Result<String, Error> {
    let funcs = alertmanager::funcs(Arc::new(ManualClock::new(0)));
    let mut set = Set::new(mode, MissingKey::Zero);
    set.parse("t", text, &funcs)?;
    let out = set.program("t")?.execute(Value::Missing, &funcs, limits)?;
    Ok(String::from_utf8(out).unwrap())
}

fn limit_of(text: &str, limits: &Limits) -> Limit {
    match run(Mode::Text, text, limits) {
        Err(Error::Limit(limit, _)) => limit,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn loops_stop_at_the_step_limit() {
    let limits = Limits { steps: 1000, ..Limits::default() };
    assert_eq!(limit_of("{{ range 1000000000000 }}{{ end }}", &limits), Limit::Steps(1000));
    let nested = "{{ range 100 }}{{ range 100 }}{{ range 100 }}{{ end }}{{ end }}{{ end }}";
    assert_eq!(limit_of(nested, &limits), Limit::Steps(1000));
    let list = "{{ $l := list 1 }}{{ range 10000 }}{{ $l = append $l 1 }}{{ end }}";
    assert_eq!(limit_of(list, &Limits::default()), Limit::Steps(2_000_000));
}

#[test]
fn output_and_strings_stop_at_the_size_limit() {
    let limits = Limits { output_bytes: 1000, ..Limits::default() };
    assert_eq!(limit_of("{{ range 1001 }}x{{ end }}", &limits), Limit::Output(1000));
    assert_eq!(limit_of(r#"{{ printf "%1001d" 1 }}"#, &limits), Limit::Output(1000));
    let double = "{{ $x := \"0123456789\" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}";
    assert_eq!(limit_of(double, &limits), Limit::Output(1000));
    let tree = "{{ $x := list 1 2 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}";
    assert_eq!(limit_of(tree, &limits), Limit::Output(1000));
    let replaced =
        r#"{{ $x := "a" }}{{ range 40 }}{{ $x = reReplaceAll "a" "aaaaaaaa" $x }}{{ end }}"#;
    assert_eq!(limit_of(replaced, &limits), Limit::Output(1000));
    let joined = r#"{{ join (printf "%900d" 1) (stringSlice "a" "b" "c") }}"#;
    assert_eq!(limit_of(joined, &limits), Limit::Output(1000));
}

#[test]
fn templates_that_call_themselves_stop_at_the_depth_limit() {
    let text = r#"{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}"#;
    assert_eq!(limit_of(text, &Limits::default()), Limit::Depth(400));
    let text = r#"{{ define "x" }}{{ if true }}{{ with 1 }}{{ range 1 }}{{ template "x" (print (print (print .))) }}{{ end }}{{ end }}{{ end }}{{ end }}{{ template "x" . }}"#;
    assert_eq!(limit_of(text, &Limits::default()), Limit::Depth(400));
}

#[test]
fn deep_nesting_is_refused_when_parsed() {
    for text in [
        format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000)),
        "{{ if 1 }}".repeat(10_000),
        format!("{{{{ if 1 }}}}{}", "{{ else if 1 }}".repeat(10_000)),
    ] {
        let error = run(Mode::Text, &text, &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), "template: t:1: nested more than 100 deep");
    }
    let depth = 99;
    let text = format!("{}x{}", "{{ if 1 }}".repeat(depth), "{{ end }}".repeat(depth));
    assert_eq!(run(Mode::Text, &text, &Limits::default()).unwrap(), "x");
}

#[test]
fn html_mode_gives_up_on_loops_within_loops() {
    let text = format!("{}x{}", "{{ range 1 }}".repeat(60), "{{ end }}".repeat(60));
    let error = run(Mode::Html, &text, &Limits::default()).unwrap_err();
    let want = "html/template:t: template is too large or too deeply nested to escape";
    assert_eq!(error.to_string(), want);
    let text = format!("{}x{}", "{{ range 1 }}".repeat(8), "{{ end }}".repeat(8));
    assert_eq!(run(Mode::Html, &text, &Limits::default()).unwrap(), "x");
}

#[test]
fn the_deadline_stops_a_loop() {
    let clock = Arc::new(ManualClock::new(0));
    let limits = Limits::default().within(clock.clone(), Duration::from_millis(10));
    assert_eq!(run(Mode::Text, "{{ range 1000 }}{{ end }}", &limits).unwrap(), "");
    clock.advance_ms(11);
    assert_eq!(limit_of("{{ range 1000 }}{{ end }}", &limits), Limit::Time);
}

#[test]
fn a_limit_says_where_it_was_hit() {
    let limits = Limits { steps: 10, ..Limits::default() };
    let error = run(Mode::Text, "a\n {{ range 100 }}x{{ end }}", &limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        "template: t:2:16: executing \"t\" at <x>: took more than 10 steps"
    );
}

/// A console that executes itself by name, each time a program of its own.
#[test]
fn templates_that_execute_themselves_by_name_stop_too() {
    #[derive(Debug)]
    struct Nothing;
    impl prometheus::Query for Nothing {
        fn query(&self, _: &str) -> Result<Vec<prometheus::Sample>, String> {
            Ok(Vec::new())
        }
    }
    let mut funcs = prometheus::funcs(prometheus::Env {
        query: Arc::new(Nothing),
        external_url: String::new(),
        path_prefix: String::new(),
        now_ms: 0,
    });
    prometheus::add_console(&mut funcs);
    let text =
        r#"{{ define "x" }}<b>{{ if true }}{{ tmpl "x" . }}{{ end }}{{ end }}{{ tmpl "x" . }}"#;
    let mut set = Set::new(Mode::Html, MissingKey::Zero);
    set.parse("t", text, &funcs).unwrap();
    let program = set.program("t").unwrap();
    match program.execute(Value::Missing, &funcs, &Limits::default()) {
        Err(Error::Limit(limit, _)) => assert_eq!(limit, Limit::Depth(400)),
        other => panic!("{other:?}"),
    }
}
