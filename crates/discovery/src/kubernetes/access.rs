//! Where the API server is and how it is spoken to: as configured, by a kubeconfig file, or from inside a pod.
//!
//! Left out of kubeconfig: plugins that fetch credentials (`exec`, `auth-provider`) and impersonation; both are refused. Facts:
//! Kubernetes' "Organizing cluster access using kubeconfig files" and "Accessing the API from a pod".

use std::path::Path;

use base64::Engine as _;
use gauntlet_net::config::{Authorization, BasicAuth, HttpClientConfig, Secret, Url};
use gauntlet_yaml::{Dialect, Document, Kind, Node};

use crate::config::Fields;

/// Files that a pod finds in itself.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Largest kubeconfig that is read, in bytes.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// How to reach an API server.
#[derive(Debug)]
pub(super) struct Access {
    /// Without a slash at its end.
    pub(super) base: String,
    pub(super) http: HttpClientConfig,
    /// The namespace of the pod that this runs in, where it was asked for.
    pub(super) own_namespace: Option<String>,
}

impl Access {
    pub(super) fn new(fields: &Fields) -> Result<Self, String> {
        let file = fields.str("kubeconfig_file");
        if !file.is_empty() {
            let text = read_file(Path::new(file))?;
            let dir = Path::new(file).parent().unwrap_or(Path::new(""));
            return of_kubeconfig(&text, dir).map_err(|err| format!("{file}: {err}"));
        }
        if let Some(url) = fields.url("api_server") {
            let base = url.as_str().trim_end_matches('/').to_owned();
            return Ok(Self { base, http: fields.http(), own_namespace: None });
        }
        let namespaces = fields.section("namespaces");
        let wants_own = namespaces.is_some_and(|section| section.bool("own_namespace"));
        let host = std::env::var("KUBERNETES_SERVICE_HOST").unwrap_or_default();
        let port = std::env::var("KUBERNETES_SERVICE_PORT").unwrap_or_default();
        in_cluster(&host, &port, SERVICE_ACCOUNT, wants_own)
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|err| format!("{shown}: {err}"))?;
    if meta.len() > MAX_FILE_BYTES {
        return Err(format!("{shown}: larger than {MAX_FILE_BYTES} bytes"));
    }
    std::fs::read(path).map_err(|err| format!("{shown}: {err}"))
}

fn in_cluster(host: &str, port: &str, dir: &str, wants_own: bool) -> Result<Access, String> {
    if host.is_empty() || port.is_empty() {
        return Err(
            "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined".to_owned(),
        );
    }
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let mut http = HttpClientConfig::default();
    // The token is rotated; it is read again for each request.
    let token = format!("{dir}/token");
    read_file(Path::new(&token))?;
    http.authorization = Some(Authorization::bearer(Secret::default(), token));
    http.proxy.proxy_from_environment = true;
    let ca = format!("{dir}/ca.crt");
    if Path::new(&ca).exists() {
        http.tls_config.ca_file = ca;
    }
    let own_namespace = if wants_own {
        let text = read_file(Path::new(&format!("{dir}/namespace")))
            .map_err(|err| format!("could not determine the pod's namespace: {err}"))?;
        let name = String::from_utf8_lossy(&text).trim().to_owned();
        if name.is_empty() {
            return Err("could not read own namespace name (empty file)".to_owned());
        }
        Some(name)
    } else {
        None
    };
    Ok(Access { base: format!("https://{host}:{port}"), http, own_namespace })
}

/// The cluster and user of the current context.
fn of_kubeconfig(text: &[u8], dir: &Path) -> Result<Access, String> {
    let document = Document::parse(text, Dialect::V2).map_err(|err| err.to_string())?;
    let root = document.root().ok_or("is empty")?;
    let current = text_of(Some(root), "current-context");
    let context = Some(named(root, "contexts", current, "context")?);
    let cluster = Some(named(root, "clusters", text_of(context, "cluster"), "cluster")?);
    let user = match text_of(context, "user") {
        "" => None,
        name => Some(named(root, "users", name, "user")?),
    };
    let path = |node: Option<Node<'_>>, key: &str| match text_of(node, key) {
        "" => String::new(),
        file => dir.join(file).display().to_string(),
    };
    let mut http = HttpClientConfig::default();
    let tls = &mut http.tls_config;
    tls.ca = data(cluster, "certificate-authority-data")?;
    if tls.ca.is_empty() {
        tls.ca_file = path(cluster, "certificate-authority");
    }
    tls.server_name = text_of(cluster, "tls-server-name").to_owned();
    tls.insecure_skip_verify = text_of(cluster, "insecure-skip-tls-verify") == "true";
    tls.cert = data(user, "client-certificate-data")?;
    if tls.cert.is_empty() {
        tls.cert_file = path(user, "client-certificate");
    }
    tls.key = Secret::new(data(user, "client-key-data")?);
    if tls.key.is_empty() {
        tls.key_file = path(user, "client-key");
    }
    match text_of(cluster, "proxy-url") {
        "" => http.proxy.proxy_from_environment = true,
        proxy => {
            let url = proxy.parse::<Url>().map_err(|err| format!("proxy-url: {err}"))?;
            http.proxy.proxy_url = Some(url);
        }
    }
    for key in ["exec", "auth-provider", "as", "as-uid", "as-groups"] {
        if child(user, key).is_some_and(|value| !value.is_null()) {
            return Err(format!("user setting {key:?} is not supported"));
        }
    }
    let (token, token_file) = (text_of(user, "token"), path(user, "tokenFile"));
    let username = text_of(user, "username");
    if !token.is_empty() || !token_file.is_empty() {
        // Of both the file counts.
        let token = if token_file.is_empty() { token } else { "" };
        http.authorization = Some(Authorization::bearer(Secret::new(token), token_file));
    } else if !username.is_empty() {
        let password = Secret::new(text_of(user, "password"));
        let username = username.to_owned();
        http.basic_auth = Some(BasicAuth { username, password, ..BasicAuth::default() });
    }
    let server = text_of(cluster, "server").trim_end_matches('/');
    if server.is_empty() {
        return Err("cluster has no server".to_owned());
    }
    let base = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    Ok(Access { base, http, own_namespace: None })
}

/// The value of a key.
fn child<'d>(node: Option<Node<'d>>, key: &str) -> Option<Node<'d>> {
    let node = node.filter(|node| node.kind() == Kind::Mapping)?;
    node.pairs().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
}

/// The text of a key as it is written; empty if there is none.
fn text_of<'d>(node: Option<Node<'d>>, key: &str) -> &'d str {
    child(node, key).filter(|n| !n.is_null()).and_then(Node::text).unwrap_or_default()
}

/// The body of the named element of a list.
fn named<'d>(root: Node<'d>, list: &str, name: &str, body: &str) -> Result<Node<'d>, String> {
    let items = child(Some(root), list).filter(|node| node.kind() == Kind::Sequence);
    let items = items.ok_or_else(|| format!("no {list}"))?;
    let found = items.items().find(|item| text_of(Some(*item), "name") == name);
    child(found, body).ok_or_else(|| format!("{list}: no {body} {name:?}"))
}

/// A base64 field's text.
fn data(node: Option<Node<'_>>, key: &str) -> Result<String, String> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text_of(node, key))
        .map_err(|err| format!("{key}: {err}"))?;
    String::from_utf8(bytes).map_err(|err| format!("{key}: {err}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
current-context: b
clusters:
- {name: c, cluster: {server: 'https://k:6443/', certificate-authority-data: Q0E=, tls-server-name: n}}
contexts:
- {name: a, context: {cluster: x, user: y}}
- {name: b, context: {cluster: c, user: u, namespace: ignored}}
users:
- {name: u, user: {token: t, client-certificate: cert.pem, client-key: /abs/key.pem}}
- {name: p, user: {username: me, password: pw}}
- {name: e, user: {exec: {command: x}}}
";

    fn read(text: &str) -> Result<Access, String> {
        of_kubeconfig(text.as_bytes(), Path::new("/etc/k"))
    }

    #[test]
    fn the_current_context_counts() {
        let access = read(FILE).unwrap();
        assert_eq!(access.base, "https://k:6443");
        let tls = &access.http.tls_config;
        assert_eq!((tls.ca.as_str(), tls.server_name.as_str()), ("CA", "n"));
        assert_eq!(
            (tls.cert_file.as_str(), tls.key_file.as_str()),
            ("/etc/k/cert.pem", "/abs/key.pem")
        );
        assert_eq!(access.http.authorization.unwrap().credentials.expose(), "t");
        let basic = read(&FILE.replace("user: u", "user: p")).unwrap().http.basic_auth.unwrap();
        assert_eq!((basic.username.as_str(), basic.password.expose()), ("me", "pw"));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let fails = |from: &str, to: &str| read(&FILE.replace(from, to)).unwrap_err();
        assert_eq!(fails("user: u,", "user: e,"), "user setting \"exec\" is not supported");
        assert_eq!(fails("context: b", "context: q"), "contexts: no context \"q\"");
        assert_eq!(fails("cluster: c,", "cluster: q,"), "clusters: no cluster \"q\"");
        assert!(fails("Q0E=", "A").starts_with("certificate-authority-data: "));
        assert!(read("a: [").is_err() && read("").is_err());
    }

    #[test]
    fn pods_find_their_server_and_namespace() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        assert!(in_cluster("", "443", &path, false).unwrap_err().contains("must be defined"));
        assert!(in_cluster("10.0.0.1", "443", &path, false).is_err());
        std::fs::write(dir.path().join("token"), "t").unwrap();
        assert_eq!(in_cluster("::1", "443", &path, false).unwrap().base, "https://[::1]:443");
        assert!(in_cluster("h", "1", &path, true).unwrap_err().contains("could not determine"));
        std::fs::write(dir.path().join("namespace"), "mine\n").unwrap();
        std::fs::write(dir.path().join("ca.crt"), "x").unwrap();
        let access = in_cluster("h", "1", &path, true).unwrap();
        assert_eq!(access.own_namespace.as_deref(), Some("mine"));
        assert!(access.http.tls_config.ca_file.ends_with("/ca.crt"));
        assert!(access.http.authorization.unwrap().credentials_file.ends_with("/token"));
    }
}
