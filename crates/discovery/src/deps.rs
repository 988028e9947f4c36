//! What discoverers need from outside.

use std::sync::Arc;

use gauntlet_net::ClientOptions;
use gauntlet_net::config::HttpClientConfig;
use gauntlet_runtime::Clock;

use crate::dns::Lookup;
use crate::fetch::{Fetch, FetchError, NetworkFetch};
pub use crate::kubernetes::watch::SharedWatches;
pub(crate) use crate::metrics::KubernetesMetrics;
pub use crate::metrics::Metrics;

/// The outside world of discoverers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Deps {
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub clients: Arc<dyn Clients>,
    pub resolver: Arc<dyn Lookup>,
    /// Watches that several discoveries share.
    pub watches: SharedWatches,
}

/// Makes HTTP clients from configuration.
pub trait Clients: std::fmt::Debug + Send + Sync {
    fn client(
        &self,
        config: &HttpClientConfig,
        options: ClientOptions,
    ) -> Result<Arc<dyn Fetch>, FetchError>;
}

/// Clients over the network.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkClients;

impl Clients for NetworkClients {
    fn client(
        &self,
        config: &HttpClientConfig,
        options: ClientOptions,
    ) -> Result<Arc<dyn Fetch>, FetchError> {
        Ok(Arc::new(NetworkFetch::new(config, options)?))
    }
}
