//! `static_configs`: groups written in the configuration.

use futures::future::BoxFuture;
use gauntlet_runtime::Shutdown;

use crate::discoverer::{Discoverer, Updates};
use gauntlet_model::TargetGroup;

/// Reports its groups once.
#[derive(Debug)]
pub(crate) struct StaticDiscoverer {
    groups: Vec<TargetGroup>,
}

impl StaticDiscoverer {
    pub(crate) fn new(groups: Vec<TargetGroup>) -> Self {
        Self { groups }
    }
}

impl Discoverer for StaticDiscoverer {
    fn run(self: Box<Self>, updates: Updates, _: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            updates.send(self.groups).await;
        })
    }
}
