//! `uyuni_sd_configs`: exporters of the systems that Uyuni manages. Source: Uyuni API, over XML-RPC.

use std::collections::BTreeMap;
use std::sync::Arc;

use gauntlet_model::{ADDRESS_LABEL, TargetGroup};
use gauntlet_net::config::Secret;
use gauntlet_runtime::Clock;

use super::{Making, refresh};
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};
use crate::rest::Api;
use crate::xml::Element;

/// How long a login holds, in seconds; it is made anew after half of it.
const LOGIN_SECS: i64 = 600;

#[derive(Debug)]
pub(super) struct Uyuni {
    api: Api,
    url: String,
    username: String,
    password: Secret,
    entitlement: String,
    separator: String,
    clock: Arc<dyn Clock>,
    /// The session and when to make a new one.
    session: Option<(Secret, i64)>,
}

/// A parameter of a call.
enum Parameter<'a> {
    Text(&'a str),
    Int(i64),
    Ints(&'a [i64]),
}

impl Uyuni {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        Ok(Self {
            api: making.api()?,
            url: format!("{}/rpc/api", fields.str("server").trim_end_matches('/')),
            username: fields.str("username").to_owned(),
            password: fields.secret("password"),
            entitlement: fields.str("entitlement").to_owned(),
            separator: fields.str("separator").to_owned(),
            clock: Arc::clone(&making.deps.clock),
            session: None,
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let now = self.clock.now_ms();
        let known = self.session.take().filter(|(_, until)| now < *until);
        let (session, until) = match known {
            Some(known) => known,
            None => {
                let parameters = [
                    Parameter::Text(&self.username),
                    Parameter::Text(self.password.expose()),
                    Parameter::Int(LOGIN_SECS),
                ];
                let body = self.call("auth.login", &parameters).await;
                let body = body.map_err(|err| format!("unable to login to Uyuni API: {err}"))?;
                let session = Secret::new(text(result(&Element::of_bytes(&body)?)?));
                (session, now + LOGIN_SECS * 1000 / 2)
            }
        };
        let found = self.find(&session).await?;
        // Kept only while it works.
        self.session = Some((session, until));
        Ok(found)
    }

    async fn find(&self, session: &Secret) -> Result<Vec<TargetGroup>, String> {
        let token = || Parameter::Text(session.expose());
        let failed = |what: &'static str| move |err: String| format!("unable to get {what}: {err}");
        let method = "system.listSystemGroupsForSystemsWithEntitlement";
        let body = self.call(method, &[token(), Parameter::Text(&self.entitlement)]).await;
        let body =
            body.map_err(failed("the managed system groups information of monitored clients"))?;
        let root = Element::of_bytes(&body)?;
        let mut groups: BTreeMap<i64, String> = BTreeMap::new();
        for system in items(result(&root)?) {
            let names: Vec<&str> = member(system, "system_groups")
                .into_iter()
                .flat_map(items)
                .map(|g| text_of(g, "name"))
                .collect();
            groups.insert(int_of(system, "id")?, names.join(&self.separator));
        }
        let ids: Vec<i64> = groups.keys().copied().collect();
        let method = "system.monitoring.listEndpoints";
        let endpoints = self.call(method, &[token(), Parameter::Ints(&ids)]).await;
        let endpoints = endpoints.map_err(failed("endpoints information"))?;
        let networks =
            self.call("system.getNetworkForSystems", &[token(), Parameter::Ints(&ids)]).await;
        let networks = networks.map_err(failed("the systems network information"))?;
        let networks = Element::of_bytes(&networks)?;
        let mut hosts = BTreeMap::new();
        for network in items(result(&networks)?) {
            let names = (text_of(network, "hostname"), text_of(network, "primary_fqdn"));
            hosts.insert(int_of(network, "system_id")?, names);
        }
        let endpoints = Element::of_bytes(&endpoints)?;
        let mut targets = Vec::new();
        for endpoint in items(result(&endpoints)?) {
            let id = int_of(endpoint, "system_id")?;
            let (host, fqdn) = hosts.get(&id).copied().unwrap_or_default();
            let is_tls = matches!(text_of(endpoint, "tls_enabled"), "1" | "true");
            let target = Meta::new("__meta_uyuni_")
                .set(ADDRESS_LABEL, format!("{host}:{}", int_of(endpoint, "port")?))
                .put("minion_hostname", host)
                .put("primary_fqdn", fqdn)
                .show("system_id", id)
                .put_some("groups", groups.get(&id))
                .put("endpoint_name", text_of(endpoint, "endpoint_name"))
                .put("exporter", text_of(endpoint, "exporter_name"))
                .put("proxy_module", text_of(endpoint, "module"))
                .put("metrics_path", text_of(endpoint, "path"))
                .put("scheme", if is_tls { "https" } else { "http" })
                .build();
            targets.push(target);
        }
        Ok(one_group(&self.url, targets))
    }

    async fn call(&self, method: &str, parameters: &[Parameter<'_>]) -> Result<Vec<u8>, String> {
        let parameters: String =
            parameters.iter().map(|p| format!("<param>{}</param>", written(p))).collect();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><methodCall><methodName>{method}</methodName><params>{parameters}</params></methodCall>"
        );
        let ask = self.api.post_ask(&self.url, body).header("content-type", "text/xml");
        Ok(self.api.send(ask).await?.body)
    }
}

refresh!(Uyuni);

fn written(parameter: &Parameter<'_>) -> String {
    let int = |n: &i64| format!("<value><int>{n}</int></value>");
    match parameter {
        Parameter::Text(text) => {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            format!("<value><string>{text}</string></value>")
        }
        Parameter::Int(n) => int(n),
        Parameter::Ints(list) => {
            let list: String = list.iter().map(int).collect();
            format!("<value><array><data>{list}</data></array></value>")
        }
    }
}

/// The value that a call gave, or its fault.
fn result<'e>(root: &'e Element<'e>) -> Result<&'e Element<'e>, String> {
    if let Some(fault) = root.child("fault").and_then(|fault| fault.child("value")) {
        let code = text_of(fault, "faultCode");
        return Err(format!("fault {code}: {}", text_of(fault, "faultString")));
    }
    let param = root.child("params").and_then(|params| params.child("param"));
    param.and_then(|param| param.child("value")).ok_or_else(|| "no value in the answer".to_owned())
}

/// Values of an array.
fn items<'e>(value: &'e Element<'e>) -> impl Iterator<Item = &'e Element<'e>> {
    let data = value.child("array").and_then(|array| array.child("data"));
    data.into_iter().flat_map(|data| data.all("value"))
}

/// The value of a struct's member.
fn member<'e>(value: &'e Element<'e>, name: &str) -> Option<&'e Element<'e>> {
    let members = value.child("struct").into_iter().flat_map(|s| s.all("member"));
    members.into_iter().find(|member| member.str("name") == name)?.child("value")
}

/// The text of a value of any simple type; without a type it is text.
fn text<'e>(value: &'e Element<'e>) -> &'e str {
    value.children.first().map_or(&value.text, |typed| &typed.text)
}

fn text_of<'e>(value: &'e Element<'e>, name: &str) -> &'e str {
    member(value, name).map_or("", text)
}

fn int_of(value: &Element<'_>, name: &str) -> Result<i64, String> {
    match text_of(value, name).trim() {
        "" => Ok(0),
        text => text.parse().map_err(|_| format!("{name} {text:?} is not a number")),
    }
}
