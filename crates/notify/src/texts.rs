//! Texts of notifications: the built-in templates, those of the user's files, and a field's own text rendered among them.
//!
//! Every rendering is bounded (steps, output, depth), for templates may come from many hands. Left out: finding and reading template
//! files, which the caller does.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gauntlet_runtime::Clock;
use gauntlet_template::functions::alertmanager;
use gauntlet_template::{
    Error, Funcs, Limits, MissingKey, Mode, Program, Set, Signature, Type, Value,
};
use gauntlet_yaml::{Dialect, Document, FromYaml as _};
use parking_lot::Mutex;
use tracing::warn;

use crate::data::{Data, Kv};
use crate::json;
use crate::notifier::{Alert, NotifyContext, NotifyError};
use crate::truncate;

/// The built-in templates of all receivers.
const DEFAULTS: &str = include_str!("texts/default.tmpl");
const EMAIL: &str = include_str!("texts/email.tmpl");
/// What the mail's template abbreviates, in the order of replacing.
const EMAIL_SHORT: [(&str, &str); 5] = [
    (
        "@cell",
        r#"<td class="content-block" style="@base; vertical-align: top; padding: 0 0 20px;" valign="top">"#,
    ),
    ("@row", r#"<tr style="@base;">"#),
    ("@br", r#"<br style="@base;">"#),
    ("@base", "margin: 0; @font; font-size: 14px"),
    (
        "@font",
        "font-family: 'Helvetica Neue', Helvetica, Arial, sans-serif; box-sizing: border-box",
    ),
];

/// What an alert adds to the bounds of a rendering, so that a storm of alerts is told of like a single one: steps, and bytes of output.
const STEPS_PER_ALERT: u64 = 20_000;
const BYTES_PER_ALERT: usize = 64 << 10;
/// Longest rendering, whatever else it may use up.
const LONGEST: Duration = Duration::from_secs(10);

/// Programs kept for texts rendered before. Configurations have a few hundred.
const MAX_PROGRAMS: usize = 4096;

/// All templates there are, parsed. Shared by all senders of one configuration.
#[derive(Debug)]
pub struct Templates {
    text: Set,
    html: Set,
    funcs: Funcs,
    clock: Arc<dyn Clock>,
    external_url: String,
    /// By whether it is HTML, and the text.
    programs: Mutex<HashMap<(bool, String), Program>>,
}

/// A file of templates.
#[derive(Clone, Debug)]
pub struct TemplateFile {
    /// The file's name without its folder; templates know it by that.
    pub name: String,
    pub text: Vec<u8>,
}

impl Templates {
    /// Parses the built-in templates and then the files, in this order; what is defined later counts. Errs in Go's words.
    pub fn new(
        external_url: &str,
        clock: Arc<dyn Clock>,
        files: &[TemplateFile],
    ) -> Result<Self, Error> {
        let mut funcs = alertmanager::funcs(Arc::clone(&clock));
        // Only for parsing; each rendering has its own.
        add_rendered_labels(&mut funcs, Kv::default());
        let mut text = Set::new(Mode::Text, MissingKey::Zero);
        let mut html = Set::new(Mode::Html, MissingKey::Zero);
        let email = EMAIL_SHORT
            .iter()
            .fold(EMAIL.to_owned(), |text, (short, long)| text.replace(short, long));
        for builtin in [DEFAULTS, email.as_str()] {
            text.parse("", builtin, &funcs)?;
            html.parse("", builtin, &funcs)?;
        }
        for file in files {
            text.parse(&file.name, &file.text, &funcs)?;
            html.parse(&file.name, &file.text, &funcs)?;
        }
        let programs = Mutex::new(HashMap::new());
        Ok(Self { text, html, funcs, clock, external_url: external_url.to_owned(), programs })
    }

    /// Names of all templates, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.text.names()
    }

    /// Renders a text over data; errs in Go's words.
    pub fn text(&self, template: &str, data: &Data) -> Result<String, Error> {
        self.render(false, template, data.to_value(), &self.funcs_for(data), data.alerts.len())
    }

    /// Renders a text as HTML, values escaped by where they stand.
    pub fn html(&self, template: &str, data: &Data) -> Result<String, Error> {
        self.render(true, template, data.to_value(), &self.funcs_for(data), data.alerts.len())
    }

    /// Renders the labels of a route for a group. Those that fail are logged and left out, as upstream does.
    pub fn route_labels(
        &self,
        labels: &BTreeMap<String, String>,
        receiver: &str,
        group_labels: &Kv,
        alerts: &[Alert],
    ) -> Kv {
        if labels.is_empty() {
            return Kv::default();
        }
        let cx = NotifyContext {
            receiver: receiver.to_owned(),
            group_labels: group_labels.clone(),
            route_labels: Kv::from(labels.clone()),
            reason: "unknown",
            ..NotifyContext::default()
        };
        let mut data = Data::new(&cx, alerts, &self.external_url);
        data.route_labels_rendered = false;
        let mut rendered = BTreeMap::new();
        for (name, text) in labels {
            match self.text(text, &data) {
                Ok(text) => {
                    rendered.insert(name.clone(), text);
                }
                Err(err) => {
                    warn!(label = name, %err, "left out a route label that cannot be rendered")
                }
            }
        }
        Kv::from(rendered)
    }

    pub(crate) fn texts(&self, cx: &NotifyContext, alerts: &[Alert]) -> Texts<'_> {
        let data = Data::new(cx, alerts, &self.external_url);
        Texts { templates: self, value: data.to_value(), funcs: self.funcs_for(&data), data }
    }

    fn funcs_for(&self, data: &Data) -> Funcs {
        let mut funcs = self.funcs.clone();
        if data.route_labels_rendered {
            add_rendered_labels(&mut funcs, data.route_labels.clone());
        } else {
            let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
            let labels = data.route_labels.iter().map(|(n, v)| (bytes(n), bytes(v)));
            alertmanager::add_route_labels(&mut funcs, labels.collect(), data.to_value());
        }
        funcs
    }

    fn render(
        &self,
        html: bool,
        template: &str,
        data: Value,
        funcs: &Funcs,
        alerts: usize,
    ) -> Result<String, Error> {
        if !template.contains("{{") {
            return Ok(template.to_owned());
        }
        let program = self.program(html, template)?;
        let mut limits = Limits::default().within(Arc::clone(&self.clock), LONGEST);
        limits.steps += STEPS_PER_ALERT * alerts as u64;
        limits.output_bytes += BYTES_PER_ALERT * alerts;
        let out = program.execute(data, funcs, &limits)?;
        Ok(String::from_utf8(out)
            .unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned()))
    }

    fn program(&self, html: bool, template: &str) -> Result<Program, Error> {
        let key = (html, template.to_owned());
        if let Some(program) = self.programs.lock().get(&key) {
            return Ok(program.clone());
        }
        let mut set = if html { self.html.clone() } else { self.text.clone() };
        set.parse("", template, &self.funcs)?;
        let program = set.program("")?;
        let mut programs = self.programs.lock();
        if programs.len() >= MAX_PROGRAMS {
            programs.clear();
        }
        programs.insert(key, program.clone());
        Ok(program)
    }
}

/// `routeLabels NAME` where the labels are texts already.
fn add_rendered_labels(funcs: &mut Funcs, labels: Kv) {
    funcs.add("routeLabels", Signature::of(&[Type::STRING]), move |args, _| {
        let name = args.first().and_then(Value::as_bytes).cloned().unwrap_or_default();
        let name = String::from_utf8_lossy(&name);
        Ok(Value::str(labels.get(&name).unwrap_or_default()))
    });
}

/// Renders the texts of one notification.
#[derive(Debug)]
pub(crate) struct Texts<'a> {
    templates: &'a Templates,
    data: Data,
    value: Value,
    funcs: Funcs,
}

impl Texts<'_> {
    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    /// Whether any of the alerts fires.
    pub(crate) fn is_firing(&self) -> bool {
        self.data.status == crate::data::FIRING
    }

    pub(crate) fn text(&self, template: &str) -> Result<String, NotifyError> {
        self.rendered(false, template)
    }

    pub(crate) fn html(&self, template: &str) -> Result<String, NotifyError> {
        self.rendered(true, template)
    }

    fn rendered(&self, html: bool, template: &str) -> Result<String, NotifyError> {
        let alerts = self.data.alerts.len();
        let value = self.value.clone();
        let rendered = self.templates.render(html, template, value, &self.funcs, alerts);
        rendered.map_err(|err| NotifyError::fatal(err.to_string()))
    }

    /// Texts of which one may fail without harm to those before it.
    pub(crate) fn lenient(&self) -> Lenient<'_> {
        Lenient { texts: self, failed: Cell::new(false) }
    }

    /// Cuts a text to a number of characters and logs that it did.
    pub(crate) fn cut(&self, what: &str, text: String, limit: usize) -> String {
        let (text, cut) = truncate::runes(text, limit);
        if cut {
            let receiver = &self.data.receiver;
            warn!(receiver, what, limit, "cut a text that is too long for the receiver");
        }
        text
    }

    /// A value of the configuration with every text in it rendered. What comes out and is YAML of another kind than text becomes
    /// that: `5` a number, nothing a null, JSON a structure. Keys that are no texts are left out.
    pub(crate) fn render(
        &self,
        value: &gauntlet_yaml::Value,
    ) -> Result<serde_json::Value, NotifyError> {
        use gauntlet_yaml::Value as Yaml;
        Ok(match value {
            Yaml::Str(text) => structure(self.text(text)?),
            Yaml::Seq(items) => {
                items.iter().map(|item| self.render(item)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Yaml::Map(pairs) => {
                let mut rendered = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    if let Yaml::Str(key) = key {
                        rendered.push((self.text(key)?, self.render(value)?));
                    }
                }
                json::object(rendered)
            }
            plain => plain_json(plain),
        })
    }
}

/// What a rendered text says if it is YAML, else the text.
fn structure(text: String) -> serde_json::Value {
    let Ok(document) = Document::parse(text.as_bytes(), Dialect::V2) else { return text.into() };
    let Some(root) = document.root() else { return serde_json::Value::Null };
    let mut cx = gauntlet_yaml::Context::new();
    let value = gauntlet_yaml::Value::from_yaml(root, &mut cx);
    match cx.finish(value) {
        Err(_) | Ok(gauntlet_yaml::Value::Str(_)) => text.into(),
        Ok(value) => plain_json(&value),
    }
}

/// A decoded value as JSON.
fn plain_json(value: &gauntlet_yaml::Value) -> serde_json::Value {
    use gauntlet_yaml::Value as Yaml;
    match value {
        Yaml::Null => serde_json::Value::Null,
        Yaml::Bool(value) => (*value).into(),
        Yaml::Int(value) => (*value).into(),
        Yaml::Uint(value) => (*value).into(),
        Yaml::Float(value) => (*value).into(),
        Yaml::Str(text) | Yaml::Timestamp(text) => text.as_str().into(),
        Yaml::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        Yaml::Seq(items) | Yaml::Flow(items) => {
            items.iter().map(plain_json).collect::<Vec<_>>().into()
        }
        Yaml::Map(pairs) => json::object(pairs.iter().filter_map(|(key, value)| match key {
            Yaml::Str(key) => Some((key.clone(), plain_json(value))),
            _ => None,
        })),
    }
}

/// See [`Texts::lenient`].
pub(crate) struct Lenient<'a> {
    texts: &'a Texts<'a>,
    failed: Cell<bool>,
}

impl Lenient<'_> {
    /// The text; empty from the first one that fails on.
    pub(crate) fn text(&self, template: &str) -> String {
        if self.failed.get() {
            return String::new();
        }
        self.texts.text(template).unwrap_or_else(|err| {
            let receiver = &self.texts.data.receiver;
            warn!(receiver, %err, "a text cannot be rendered; the notification goes without");
            self.failed.set(true);
            String::new()
        })
    }
}

/// Whether a text holds template actions; errs if they do not parse with Go's own functions.
pub(crate) fn is_template(text: &str) -> Result<bool, String> {
    if !text.contains("{{") {
        return Ok(false);
    }
    let mut set = Set::new(Mode::Text, MissingKey::Zero);
    set.parse("", text, &Funcs::new()).map(|()| true).map_err(|err| err.to_string())
}

#[cfg(test)]
mod tests;
