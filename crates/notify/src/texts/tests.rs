//! The built-in templates and the data's methods against recordings of the peer's template package.

use std::collections::BTreeMap;

use gauntlet_runtime::ManualClock;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    default_names: Vec<String>,
    groups: BTreeMap<String, Group>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Group {
    data: Data,
}

#[derive(Deserialize)]
struct Case {
    group: String,
    #[serde(default)]
    html: bool,
    template: String,
    output: Option<String>,
    /// Output that is no text.
    output_b64: Option<String>,
    error: Option<String>,
}

fn templates() -> Templates {
    // Cases that look at the clock use times after this one.
    Templates::new("http://am", Arc::new(ManualClock::new(1_767_225_600_000)), &[]).unwrap()
}

#[test]
fn texts_are_those_of_the_peer() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let path = dir.join("golden/go/alertmanager-template.json");
    let mut golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // JSON keeps the offset of a zone and not its name.
    let alert = golden.groups.get_mut("mixed").unwrap().data.alerts.last_mut().unwrap();
    let zone = gauntlet_template::Zone::load("Europe/Paris").unwrap();
    let alert = Arc::get_mut(alert).unwrap();
    alert.starts_at.0 = alert.starts_at.0.clone().in_zone(zone);
    let templates = templates();
    let names = templates.names();
    for name in &golden.default_names {
        assert!(names.contains(&name.as_str()), "{name} is missing");
    }
    let mut wrong = Vec::new();
    for case in &golden.cases {
        // In HTML a text of blanks alone shows what the peer's file has between its definitions; what is no UTF-8 is replaced here.
        if (case.html && case.template == " ") || case.output_b64.is_some() {
            continue;
        }
        let data = &golden.groups[&case.group].data;
        let rendered = if case.html {
            templates.html(&case.template, data)
        } else {
            templates.text(&case.template, data)
        };
        let rendered = rendered.map_err(|err| err.to_string());
        let wanted = match (&case.output, &case.error) {
            (_, Some(error)) => Err(error.clone()),
            (output, None) => Ok(output.clone().unwrap_or_default()),
        };
        if rendered != wanted {
            wrong.push((&case.group, case.html, &case.template, wanted, rendered));
        }
    }
    for (group, html, template, wanted, got) in wrong.iter().take(10) {
        eprintln!("{group} html={html} {template}\n wanted {wanted:?}\n got    {got:?}");
    }
    let (failed, all) = (wrong.len(), golden.cases.len());
    assert_eq!(failed, 0, "of {all} cases");
}

#[test]
fn files_define_anew_and_broken_ones_are_named() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(0));
    let file = |text: &str| TemplateFile { name: "own.tmpl".to_owned(), text: text.into() };
    let own = file("{{ define \"__subject\" }}mine{{ end }}");
    let templates = Templates::new("http://am", Arc::clone(&clock), &[own]).unwrap();
    let data = Data::default();
    let title = "{{ template \"slack.default.title\" . }}";
    assert_eq!(templates.text(title, &data).unwrap(), "mine");
    let broken = file("\n{{ nofunc }}");
    let err = Templates::new("http://am", clock, &[broken]).unwrap_err();
    assert_eq!(err.to_string(), "template: own.tmpl:2: function \"nofunc\" not defined");
}

#[test]
fn hostile_texts_end() {
    let templates = templates();
    let data = Data::default();
    for text in [
        "{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}",
        "{{ define \"x\" }}{{ template \"y\" . }}{{ template \"y\" . }}{{ end }}{{ define \"y\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}",
        "{{ range 9999999999 }}{{ range 9999999999 }}x{{ end }}{{ end }}",
        "{{ range 9999999999 }}{{ end }}",
    ] {
        assert!(templates.text(text, &data).is_err(), "{text}");
    }
}

#[test]
fn labels_of_routes_are_rendered_once_and_cycles_left_out() {
    let labels = [
        ("a", "{{ routeLabels \"b\" }}!"),
        ("b", "{{ .GroupLabels.team }}"),
        ("loop", "{{ routeLabels \"loop\" }}"),
        ("plain", "x"),
    ];
    let labels = labels.map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter().collect();
    let group = Kv::from_pairs([("team", "ops {{ x }}")]);
    let rendered = templates().route_labels(&labels, "r", &group, &[]);
    let wanted = Kv::from_pairs([("a", "ops {{ x }}!"), ("b", "ops {{ x }}"), ("plain", "x")]);
    assert_eq!(rendered, wanted);
    let cx = NotifyContext { route_labels: rendered, ..NotifyContext::default() };
    let templates = templates();
    let texts = templates.texts(&cx, &[]);
    assert_eq!(texts.text("{{ routeLabels \"b\" }}").unwrap(), "ops {{ x }}");
}

#[test]
fn rendered_values_become_what_they_say() {
    let templates = templates();
    let texts = templates.texts(&NotifyContext::default(), &[]);
    let text = "a: '{{ len .Alerts }}'\nb: ['', 'x: z', '[1, {\"k\": 1.0}]', 2024-01-02, 1e21]\n5: left out\n'k{{ .Status }}': null\n";
    let document = Document::parse(text.as_bytes(), Dialect::V2).unwrap();
    let mut cx = gauntlet_yaml::Context::new();
    let value = gauntlet_yaml::Value::from_yaml(document.root().unwrap(), &mut cx).unwrap();
    let json = texts.render(&value).unwrap();
    assert_eq!(
        String::from_utf8(json::encode(&json).unwrap()).unwrap(),
        "{\"a\":0,\"b\":[null,{\"x\":\"z\"},[1,{\"k\":1}],\"2024-01-02\",1e+21],\"kresolved\":null}\n"
    );
}
