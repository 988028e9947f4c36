//! TLS between equals: a file with `tls_server_config` (as in the web config file) and `tls_client_config`, for a node that both
//! listens and dials. Source: the peer's `--cluster.tls-config`.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use gauntlet_yaml::{Context, Dialect, Document, FromYaml as _, Mapping};
use parking_lot::Mutex;
use rustls::{ClientConfig, ServerConfig};

use crate::client::{ClientError, ClientTls};
use crate::config::{TlsConfig, join_dir};
use crate::server::{Material, ServerTls, WebConfigError};

/// Both sides of TLS. Certificate files are read again for each connection; equal bytes reuse what was built of them.
pub struct PeerTls {
    server: ServerTls,
    client: ClientTls,
    built: Mutex<Option<(Material, Arc<ServerConfig>)>>,
}

impl fmt::Debug for PeerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerTls").field("client", &self.client).finish_non_exhaustive()
    }
}

impl PeerTls {
    /// Reads and checks the text of the file at `path`; relative file names are taken from its folder.
    ///
    /// # Errors
    /// When it is not strict YAML of the two blocks, or one of them is missing.
    pub fn parse(path: &str, text: &[u8]) -> Result<Self, WebConfigError> {
        let fail = |reason: String| WebConfigError { path: path.to_owned(), reason };
        let document = Document::parse(text, Dialect::V2).map_err(|err| fail(err.to_string()))?;
        let mut cx = Context::new();
        let (mut server, mut client) = (None, Some(TlsConfig::default()));
        if let Some(root) = document.root()
            && let Some(mut map) = Mapping::read(root, "cluster.TLSTransportConfig", &mut cx)
        {
            if let Some(node) = map.node("tls_server_config").filter(|node| !node.is_null()) {
                server = cx.in_key("tls_server_config", |cx| ServerTls::read(node, cx));
            }
            let is_given = map.rest().any(|key| key == "tls_client_config");
            match map.node("tls_client_config") {
                Some(node) => {
                    client = cx.in_key("tls_client_config", |cx| TlsConfig::from_yaml(node, cx));
                }
                None if is_given => client = None,
                None => {}
            }
            map.finish(&mut cx);
        }
        cx.finish(Some(())).map_err(|problems| fail(problems.to_string()))?;
        let missing = |key| fail(format!("missing '{key}' entry in the TLS configuration"));
        let mut server = server.ok_or_else(|| missing("tls_server_config"))?;
        let mut client = client.ok_or_else(|| missing("tls_client_config"))?;
        let dir = Path::new(path).parent().map_or("", |dir| dir.to_str().unwrap_or_default());
        let dir = if dir.is_empty() { "." } else { dir };
        server.files().into_iter().for_each(|file| join_dir(dir, file));
        client.set_directory(dir);
        let client = ClientTls::new(&client, false).map_err(|err| fail(err.to_string()))?;
        Ok(Self { server, client, built: Mutex::new(None) })
    }

    /// The listening side. Gives no session tickets, and no protocol by name.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub fn server(&self) -> Result<Arc<ServerConfig>, String> {
        let material = self.server.material()?;
        if let Some((of, config)) = &*self.built.lock()
            && *of == material
        {
            return Ok(Arc::clone(config));
        }
        let mut config = self.server.build(&material, false)?;
        config.alpn_protocols.clear();
        config.send_tls13_tickets = 0;
        let config = Arc::new(config);
        *self.built.lock() = Some((material, Arc::clone(&config)));
        Ok(config)
    }

    /// The dialling side.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub async fn client(&self) -> Result<Arc<ClientConfig>, ClientError> {
        self.client.config().await
    }

    /// The name to check the certificate against, if it is not the dialled host.
    pub fn server_name(&self) -> Option<&str> {
        self.client.server_name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_blocks_are_needed_and_unknown_keys_refused() {
        let parse = |text: &str| PeerTls::parse("dir/tls.yml", text.as_bytes());
        let server = "tls_server_config: {cert_file: a, key_file: b}\n";
        let found = parse(&format!("{server}tls_client_config: {{ca_file: c}}\n")).unwrap();
        assert!(found.server().unwrap_err().contains("open dir/a: no such file"), "joined");
        assert!(parse(server).is_ok(), "the client's is empty unless it is null");
        for (bad, reason) in [
            ("", "missing 'tls_server_config' entry"),
            ("tls_client_config: {}\n", "missing 'tls_server_config' entry"),
            (&format!("{server}tls_client_config:\n"), "missing 'tls_client_config' entry"),
            (&format!("{server}other: 1\n"), "other"),
            (&format!("{server}tls_client_config: {{nope: 1}}\n"), "nope"),
        ] {
            let err = parse(bad).unwrap_err().to_string();
            assert!(err.contains(reason), "{bad}: {err}");
        }
    }
}
