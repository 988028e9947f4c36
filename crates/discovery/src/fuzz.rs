//! What the fuzz target and the corpus test do with any bytes: every kind is served them as its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use gauntlet_net::ClientOptions;
use gauntlet_net::config::HttpClientConfig;
use gauntlet_runtime::ManualClock;
use gauntlet_telemetry::Registry;
use gauntlet_yaml::{Context, Dialect, Document, Mapping};

use crate::config::{SdConfig, SdConfigs};
use crate::deps::{Clients, Deps, Metrics, SharedWatches};
use crate::dns::SystemLookup;
use crate::fetch::{Answer, Ask, Fetch, FetchError, Lines};
use crate::{kinds, parse};

/// Requests that are answered in a refresh; further ones fail, so that lists without end have one.
const ANSWERS: usize = 6;

/// Kinds with the least configuration that each takes.
const KINDS: &[(&str, &str)] = &[
    (
        "azure",
        "subscription_id: s, tenant_id: t, client_id: c, client_secret: s, authentication_method: OAuth",
    ),
    ("digitalocean", "role: droplets"),
    ("digitalocean", "role: databases"),
    ("docker", "host: 'http://h'"),
    ("dockerswarm", "host: 'http://h', role: services"),
    ("dockerswarm", "host: 'http://h', role: tasks"),
    ("dockerswarm", "host: 'http://h', role: nodes"),
    ("ec2", "region: r, access_key: a, secret_key: s"),
    ("ecs", "region: r, access_key: a, secret_key: s, clusters: [c]"),
    ("elasticache", "region: r, access_key: a, secret_key: s"),
    ("eureka", "server: 'http://h'"),
    ("hetzner", "role: hcloud"),
    ("hetzner", "role: robot"),
    ("ionos", "datacenter_id: d"),
    ("lightsail", "region: r, access_key: a, secret_key: s"),
    ("linode", ""),
    ("marathon", "servers: ['http://h']"),
    ("msk", "region: r, access_key: a, secret_key: s"),
    ("nomad", ""),
    (
        "openstack",
        "identity_endpoint: 'http://h/v3', username: u, password: p, domain_id: d, role: hypervisor, region: r",
    ),
    (
        "openstack",
        "identity_endpoint: 'http://h/v3', username: u, password: p, domain_id: d, role: instance, region: r",
    ),
    ("outscale", "region: r, access_key: a, secret_key: s"),
    (
        "ovhcloud",
        "application_key: a, application_secret: s, consumer_key: c, service: dedicated_server",
    ),
    ("ovhcloud", "application_key: a, application_secret: s, consumer_key: c, service: vps"),
    ("puppetdb", "url: 'http://h', query: q, include_parameters: true"),
    ("rds", "region: r, access_key: a, secret_key: s"),
    ("scaleway", "role: instance, project_id: p, access_key: a, secret_key: s"),
    ("scaleway", "role: baremetal, project_id: p, access_key: a, secret_key: s"),
    ("stackit", "project: p"),
    ("triton", "account: a, dns_suffix: d, endpoint: e"),
    ("triton", "role: cn, account: a, dns_suffix: d, endpoint: e"),
    ("uyuni", "server: 'http://h', username: u, password: p"),
    ("vultr", ""),
];

/// Serves the same bytes a few times.
#[derive(Debug)]
struct Same(Vec<u8>, AtomicUsize);

#[derive(Debug)]
struct SameClients(Arc<Same>);

impl Clients for SameClients {
    fn client(&self, _: &HttpClientConfig, _: ClientOptions) -> Result<Arc<dyn Fetch>, FetchError> {
        Ok(Arc::clone(&self.0) as Arc<dyn Fetch>)
    }
}

impl Fetch for Same {
    fn send(&self, _: Ask) -> BoxFuture<'_, Result<Answer, FetchError>> {
        let is_over = self.1.fetch_add(1, Ordering::Relaxed) >= ANSWERS;
        let headers = [("content-type", "application/json"), ("x-subject-token", "t")];
        let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
        let status = if is_over { 500 } else { 200 };
        Box::pin(async move { Ok(Answer { status, headers, body: self.0.clone() }) })
    }

    fn open(&self, ask: Ask) -> BoxFuture<'_, Result<Lines, FetchError>> {
        Box::pin(async move { Ok(Lines::of_answer(self.send(ask).await?)) })
    }
}

/// The first byte chooses a kind, the others are what it is answered.
pub fn check(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let (kind, config) = KINDS[usize::from(*first) % KINDS.len()];
    refresh(kind, config, rest);
    let _ = parse::groups_from_json(rest);
    let _ = parse::groups_from_yaml(rest);
    crate::kubernetes::fuzz(rest);
    crate::consul::fuzz(rest);
}

/// Serves bytes to every kind.
pub fn check_all(bytes: &[u8]) {
    for first in 0..KINDS.len() {
        let first = u8::try_from(first).unwrap_or(u8::MAX);
        check(&[&[first], bytes].concat());
    }
}

fn refresh(kind: &str, config: &str, body: &[u8]) {
    let text = format!("{kind}_sd_configs: [{{{config}}}]\n");
    let document = Document::parse(text.as_bytes(), Dialect::V2).expect("BUG: own configuration");
    let mut cx = Context::new();
    let root = document.root().expect("BUG: own configuration");
    let mut map = Mapping::read(root, "job", &mut cx).expect("BUG: own configuration");
    let configs = SdConfigs::read(&mut map, &mut cx);
    let Some(config @ SdConfig::Described { fields, .. }) = configs.0.first() else {
        panic!("BUG: own configuration of {kind}: {:?}", cx.finish::<()>(None));
    };
    let deps = Deps {
        clock: Arc::new(ManualClock::new(1_700_000_000_000)),
        metrics: Metrics::new(&Registry::new()),
        clients: Arc::new(SameClients(Arc::new(Same(body.to_vec(), AtomicUsize::new(0))))),
        resolver: Arc::new(SystemLookup::default()),
        watches: SharedWatches::default(),
    };
    let mut source = kinds::build(config.kind(), fields, &deps).expect("BUG: own configuration");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("BUG: a runtime without drivers");
    for group in runtime.block_on(source.refresh()).unwrap_or_default() {
        // Whatever comes out can be shown.
        for target in &group.targets {
            let _ = target.to_string();
        }
    }
}
