//! `template render`: a text over data, an example's unless a file is named.

use std::io::Read as _;
use std::sync::Arc;

use gauntlet_notify::data::{AlertData, Data, Kv, Moment};
use gauntlet_template::Time;

use crate::args::io_text;
use crate::check::{MAX_TEXT_BYTES, templates};
use crate::{Failure, Run};

pub(crate) fn run(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    let patterns = run.call.texts("template.glob").to_vec();
    let templates = templates(run, &patterns).map_err(Failure::Message)?;
    let data = match run.call.text("template.data") {
        "" => example(run.world.clock.now_ms()),
        path => {
            let mut text = Vec::new();
            std::fs::File::open(path)
                .and_then(|file| file.take(MAX_TEXT_BYTES).read_to_end(&mut text))
                .map_err(|err| Failure::Message(io_text("open", path, &err)))?;
            serde_json::from_slice(&text).map_err(|err| Failure::Message(json_text(&text, &err)))?
        }
    };
    let text = run.call.text("template.text");
    let rendered = match run.call.text("template.type") {
        "html" => templates.html(text, &data),
        _ => templates.text(text, &data),
    };
    // Here the peer hands the data over by value, in notifications by pointer.
    let by_value = |text: String| text.replace("type *template.Data", "type template.Data");
    run.out.stdout += &rendered.map_err(|err| Failure::Message(by_value(err.to_string())))?;
    Ok(())
}

/// The commonest mistakes in Go's words; all others in ours, with line and column.
fn json_text(text: &[u8], err: &serde_json::Error) -> String {
    if err.to_string().starts_with("key must be a string") {
        let at = text
            .split(|b| *b == b'\n')
            .nth(err.line().saturating_sub(1))
            .and_then(|line| line.get(err.column().saturating_sub(1)));
        if let Some(byte) = at {
            return format!(
                "invalid character '{}' looking for beginning of object key string",
                char::from(*byte)
            );
        }
    }
    if err.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    err.to_string()
}

fn example(now_ms: i64) -> Data {
    let minutes_ago = |minutes: i64| Moment(Time::from_unix_ms(now_ms - minutes * 60_000));
    let numbered = |what: &str| {
        let pair = |n: u8| (format!("{what}key{n}"), format!("{what}value{n}"));
        [pair(1), pair(2)]
    };
    let labels = |own: &[(&str, &str)], common: &str| {
        let own = own.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Kv::from_pairs(own.chain(numbered(common)))
    };
    let firing = AlertData {
        status: "firing".to_owned(),
        labels: labels(
            &[("label1", "value1"), ("label2", "value2"), ("instance", "foo.bar:1234")],
            "commonlabel",
        ),
        annotations: labels(
            &[("annotation1", "value1"), ("annotation2", "value2")],
            "commonannotation",
        ),
        starts_at: minutes_ago(5),
        ends_at: minutes_ago(0),
        generator_url: "https://generatorurl.com".to_owned(),
        fingerprint: "fingerprint1".to_owned(),
    };
    let resolved = AlertData {
        status: "resolved".to_owned(),
        labels: labels(&[("foo", "bar"), ("baz", "qux")], "commonlabel"),
        annotations: labels(&[("aaa", "bbb"), ("ccc", "ddd")], "commonannotation"),
        starts_at: minutes_ago(10),
        fingerprint: "fingerprint2".to_owned(),
        ..firing.clone()
    };
    Data {
        receiver: "receiver".to_owned(),
        status: "alertstatus".to_owned(),
        alerts: vec![Arc::new(firing), Arc::new(resolved)],
        group_labels: labels(&[], "grouplabel"),
        common_labels: labels(&[], "commonlabel"),
        common_annotations: labels(&[], "commonannotation"),
        external_url: "https://example.com".to_owned(),
        ..Data::default()
    }
}
