//! Commands about alerts.

use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::{Failure, Run, format, silence};

/// `alert query`.
pub(crate) async fn query(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    let filter = run.words_with_name();
    let mut states =
        ["active", "inhibited", "silenced", "unprocessed"].map(|name| (name, run.call.bool(name)));
    if states.iter().all(|(_, on)| !on) {
        states[0].1 = true;
    }
    let client = Client::new(run)?;
    let alerts = client.alerts(states, run.call.text("receiver"), &filter).await?;
    run.out.stdout += &format::alerts(run.call.output, &run.call.date_format, alerts);
    Ok(())
}

/// `alert add`.
pub(crate) async fn add(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    let words = run.words_with_name();
    let labels = run.pairs(&words, "labels")?;
    let annotations = run.call.texts("annotation").to_vec();
    let annotations = run.pairs(&annotations, "annotations")?;
    let mut alert = Map::new();
    alert.insert("annotations".into(), object(annotations));
    for (flag, field) in [("end", "endsAt"), ("start", "startsAt")] {
        let text = run.call.text(flag);
        let time = if text.is_empty() {
            "0001-01-01T00:00:00.000Z".to_owned()
        } else {
            silence::time(text)?.to_ms_text()
        };
        alert.insert(field.into(), time.into());
    }
    let url = run.call.text("generator-url");
    if !url.is_empty() {
        alert.insert("generatorURL".into(), url.into());
    }
    alert.insert("labels".into(), object(labels));
    Client::new(run)?.post_alerts(&json!([alert])).await
}

/// Of two pairs with one name the later counts.
pub(crate) fn object(pairs: Vec<(String, String)>) -> Value {
    Value::Object(pairs.into_iter().map(|(name, value)| (name, value.into())).collect())
}
