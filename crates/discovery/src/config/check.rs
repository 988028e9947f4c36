//! What each kind demands of its fields, in upstream's words and order.

use gauntlet_net::config::{HttpClientConfig, Url};

use super::fields::Fields;

type Checked = Result<(), String>;

fn fail(reason: impl Into<String>) -> Checked {
    Err(reason.into())
}

/// Errs with `reason` if the text field is empty.
fn require(fields: &Fields, key: &str, reason: &str) -> Checked {
    if fields.str(key).is_empty() { fail(reason) } else { Ok(()) }
}

fn url(text: &str) -> Result<Url, String> {
    text.parse::<Url>().map_err(|err| err.to_string())
}

/// An absolute URL over HTTP.
fn http_url(text: &str) -> Checked {
    if text.is_empty() {
        return fail("URL is missing");
    }
    let url = url(text)?;
    if !matches!(url.scheme().as_str(), "http" | "https") {
        return fail("URL scheme must be 'http' or 'https'");
    }
    if url.host().is_empty() {
        return fail("host is missing in URL");
    }
    Ok(())
}

/// Exactly one of `secret_key` and `secret_key_file`.
fn one_secret_key(fields: &Fields) -> Checked {
    match (fields.secret("secret_key").is_empty(), fields.str("secret_key_file").is_empty()) {
        (true, true) => fail("one of secret_key & secret_key_file must be configured"),
        (false, false) => fail("at most one of secret_key & secret_key_file must be configured"),
        _ => Ok(()),
    }
}

pub(super) fn none(_: &Fields) -> Checked {
    Ok(())
}

pub(super) fn aws(fields: &Fields) -> Checked {
    require(fields, "role", "unknown AWS SD role \"\"")
}

pub(super) fn azure(fields: &Fields) -> Checked {
    let method = fields.str("authentication_method");
    let missing = |key: &str| format!("azure SD configuration requires a {key}");
    require(fields, "subscription_id", &missing("subscription_id"))?;
    if method == "OAuth" {
        require(fields, "tenant_id", &missing("tenant_id"))?;
        require(fields, "client_id", &missing("client_id"))?;
        if fields.secret("client_secret").is_empty() {
            return fail(missing("client_secret"));
        }
    }
    if !matches!(method, "OAuth" | "ManagedIdentity" | "SDK" | "WorkloadIdentity") {
        return fail(format!(
            "unknown authentication_type {method:?}. Supported types are \"OAuth\", \"ManagedIdentity\", \"SDK\" or \"WorkloadIdentity\""
        ));
    }
    Ok(())
}

pub(super) fn consul(fields: &Fields) -> Checked {
    let http = fields.http();
    if fields.str("server").trim().is_empty() {
        return fail("consul SD configuration requires a server address");
    }
    let has_user = !fields.str("username").is_empty() || !fields.secret("password").is_empty();
    if has_user && http.basic_auth.is_some() {
        return fail(
            "at most one of consul SD configuration username and password and basic auth can be configured",
        );
    }
    if !fields.secret("token").is_empty() && (http.authorization.is_some() || http.oauth2.is_some())
    {
        return fail("at most one of consul SD token, authorization, or oauth2 can be configured");
    }
    Ok(())
}

pub(super) fn dns(fields: &Fields) -> Checked {
    if fields.strings("names").is_empty() {
        return fail("DNS-SD config must contain at least one SRV record name");
    }
    let kind = fields.str("type");
    match kind.to_ascii_uppercase().as_str() {
        "SRV" => Ok(()),
        "A" | "AAAA" | "MX" | "NS" if fields.int("port") == 0 => {
            fail("a port is required in DNS-SD configs for all record types except SRV")
        }
        "A" | "AAAA" | "MX" | "NS" => Ok(()),
        _ => fail(format!("invalid DNS-SD records type {kind}")),
    }
}

pub(super) fn docker(fields: &Fields) -> Checked {
    require(fields, "host", "host missing")?;
    url(fields.str("host")).map(|_| ())
}

pub(super) fn dockerswarm(fields: &Fields) -> Checked {
    docker(fields)?;
    match fields.str("role") {
        "services" | "nodes" | "tasks" => Ok(()),
        "" => fail("role missing (one of: tasks, services, nodes)"),
        role => fail(format!("invalid role {role}, expected tasks, services, or nodes")),
    }
}

pub(super) fn ec2(fields: &Fields) -> Checked {
    if fields.sections("filters").iter().any(|f| f.strings("values").is_empty()) {
        return fail("EC2 SD configuration filter values cannot be empty");
    }
    Ok(())
}

pub(super) fn eureka(fields: &Fields) -> Checked {
    require(fields, "server", "eureka_sd: empty or null eureka server")?;
    let server = url(fields.str("server"))?;
    if server.scheme().is_empty() || server.host().is_empty() {
        return fail("eureka_sd: invalid eureka server URL");
    }
    Ok(())
}

pub(super) fn file(fields: &Fields) -> Checked {
    let files = fields.strings("files");
    if files.is_empty() {
        return fail("file service discovery config must contain at least one path name");
    }
    match files.iter().find(|name| !is_file_pattern(name)) {
        Some(name) => fail(format!("path name {name:?} is not valid for file discovery")),
        None => Ok(()),
    }
}

/// JSON or YAML by its ending; a `*` only in the last part.
fn is_file_pattern(name: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    let known = ["json", "yml", "yaml", "JSON", "YML", "YAML"].contains(&ending);
    known && stem.find('*').is_none_or(|at| !stem[at..].contains('/'))
}

pub(super) fn gce(fields: &Fields) -> Checked {
    require(fields, "project", "GCE SD configuration requires a project")?;
    require(fields, "zone", "GCE SD configuration requires a zone")
}

pub(super) fn hetzner(fields: &Fields) -> Checked {
    require(fields, "role", "role missing (one of: robot, hcloud)")
}

pub(super) fn http(fields: &Fields) -> Checked {
    http_url(fields.str("url"))
}

pub(super) fn ionos(fields: &Fields) -> Checked {
    require(fields, "datacenter_id", "datacenter id can't be empty")
}

pub(super) fn kubernetes(fields: &Fields) -> Checked {
    let role = fields.str("role");
    let has_server = fields.url("api_server").is_some();
    let has_file = !fields.str("kubeconfig_file").is_empty();
    let own = fields.section("namespaces").is_some_and(|n| n.bool("own_namespace"));
    let custom_http = fields.http() != HttpClientConfig::default();
    if role.is_empty() {
        return fail(
            "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)",
        );
    }
    if has_server && has_file {
        return fail("cannot use 'kubeconfig_file' and 'api_server' simultaneously");
    }
    if has_file && custom_http {
        return fail(
            "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
        );
    }
    if !has_server && custom_http {
        return fail(
            "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
        );
    }
    if has_server && own {
        return fail("cannot use 'api_server' and 'namespaces.own_namespace' simultaneously");
    }
    if has_file && own {
        return fail("cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously");
    }
    kubernetes_selectors(role, fields.sections("selectors"))
}

fn kubernetes_selectors(role: &str, selectors: &[Fields]) -> Checked {
    let allowed: &[&str] = match role {
        "pod" => &["pod", "node"],
        "endpointslice" => &["pod", "service", "endpointslice"],
        "endpoints" => &["pod", "service", "endpoints"],
        "service" => &["service"],
        "node" => &["node"],
        _ => &["ingress"],
    };
    for (index, selector) in selectors.iter().enumerate() {
        let of = selector.str("role");
        if selectors[..index].iter().any(|s| s.str("role") == of) {
            return fail(format!("duplicated selector role: {of}"));
        }
        if !allowed.contains(&of) {
            return fail(format!("{role} role supports only {} selectors", allowed.join(", ")));
        }
        field_selector(selector.str("field"))?;
        label_selector(selector.str("label"))?;
    }
    Ok(())
}

/// Terms `a=b`, `a==b`, `a!=b` joined by commas.
fn field_selector(text: &str) -> Checked {
    for term in text.split(',').filter(|t| !t.is_empty()) {
        if !term.contains('=') {
            return fail(format!("invalid selector: '{text}'; can't understand '{term}'"));
        }
    }
    Ok(())
}

/// Terms `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b, c)`, `a notin (b)`, `a>1`, `a<1` joined by commas.
fn label_selector(text: &str) -> Checked {
    let (mut depth, mut start, mut terms) = (0i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if !(0..=1).contains(&depth) {
            return fail(format!(
                "unable to parse requirement: unbalanced parentheses in {text:?}"
            ));
        }
    }
    terms.push(&text[start..]);
    if depth != 0 {
        return fail(format!("unable to parse requirement: unbalanced parentheses in {text:?}"));
    }
    let word = |t: &str| t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    for term in terms.iter().map(|t| t.trim()).filter(|_| !text.trim().is_empty()) {
        let good = if let Some((head, set)) = term.split_once('(') {
            let mut head = head.split_whitespace();
            let (key, operator) =
                (head.next().unwrap_or_default(), head.next().unwrap_or_default());
            !key.is_empty()
                && word(key)
                && matches!(operator, "in" | "notin")
                && head.next().is_none()
                && set
                    .trim_end()
                    .strip_suffix(')')
                    .is_some_and(|s| s.split(',').all(|v| word(v.trim())))
        } else if let Some(at) = term.find(['=', '!', '<', '>']).filter(|at| *at > 0) {
            let operator =
                ["==", "!=", "=", "<", ">"].into_iter().find(|o| term[at..].starts_with(o));
            operator.is_some_and(|o| word(term[..at].trim()) && word(term[at + o.len()..].trim()))
        } else {
            let key = term.strip_prefix('!').unwrap_or(term).trim();
            !key.is_empty() && word(key)
        };
        if !good {
            return fail(format!("unable to parse requirement: {term:?}"));
        }
    }
    Ok(())
}

pub(super) fn kuma(fields: &Fields) -> Checked {
    let text = fields.str("server");
    if text.is_empty() {
        return fail("kuma SD server must not be empty: ");
    }
    let server = url(text)?;
    if server.scheme().is_empty() || server.host().is_empty() {
        return fail(format!("kuma SD server must not be empty and have a scheme: {text}"));
    }
    Ok(())
}

pub(super) fn marathon(fields: &Fields) -> Checked {
    let http = fields.http();
    let (token, file) =
        (!fields.secret("auth_token").is_empty(), !fields.str("auth_token_file").is_empty());
    if fields.strings("servers").is_empty() {
        return fail("marathon_sd: must contain at least one Marathon server");
    }
    if token && file {
        return fail("marathon_sd: at most one of auth_token & auth_token_file must be configured");
    }
    if token || file {
        if http.basic_auth.is_some() {
            return fail(
                "marathon_sd: at most one of basic_auth, auth_token & auth_token_file must be configured",
            );
        }
        if let Some(authorization) = &http.authorization {
            return fail(if authorization.from_bearer_token {
                "marathon_sd: at most one of bearer_token, bearer_token_file, auth_token & auth_token_file must be configured"
            } else {
                "marathon_sd: at most one of auth_token, auth_token_file & authorization must be configured"
            });
        }
    }
    Ok(())
}

/// Servers and absolute paths of ZooKeeper.
fn zookeeper(kind: &str, fields: &Fields) -> Checked {
    if fields.strings("servers").is_empty() {
        return fail(format!("{kind} SD config must contain at least one Zookeeper server"));
    }
    if fields.strings("paths").is_empty() {
        return fail(format!("{kind} SD config must contain at least one path"));
    }
    match fields.strings("paths").iter().find(|p| !p.starts_with('/')) {
        Some(path) => fail(format!("{kind} SD config paths must begin with '/': {path}")),
        None => Ok(()),
    }
}

pub(super) fn nerve(fields: &Fields) -> Checked {
    zookeeper("nerve", fields)
}

pub(super) fn serverset(fields: &Fields) -> Checked {
    zookeeper("serverset", fields)
}

pub(super) fn nomad(fields: &Fields) -> Checked {
    if fields.str("server").trim().is_empty() {
        return fail("nomad SD configuration requires a server address");
    }
    Ok(())
}

pub(super) fn oci(fields: &Fields) -> Checked {
    let credentials = ["tenancy", "user", "fingerprint", "key_file"];
    let passphrase = !fields.secret("key_passphrase").is_empty();
    let passphrase_file = !fields.str("key_passphrase_file").is_empty();
    require(fields, "region", "oci_sd: region is required")?;
    match fields.str("auth") {
        "api_key" => {
            for key in credentials {
                require(fields, key, &format!("oci_sd: api_key auth requires {key}"))?;
            }
            if passphrase && passphrase_file {
                return fail(
                    "oci_sd: at most one of key_passphrase and key_passphrase_file must be configured",
                );
            }
        }
        "instance_principal" => {
            if passphrase
                || passphrase_file
                || credentials.iter().any(|k| !fields.str(k).is_empty())
            {
                return fail(
                    "oci_sd: instance_principal auth must not have tenancy, user, fingerprint, key_file, key_passphrase, or key_passphrase_file set",
                );
            }
        }
        auth => {
            return fail(format!(
                "oci_sd: unknown auth method {auth:?}, expected \"api_key\" or \"instance_principal\""
            ));
        }
    }
    if let Some(index) = fields.strings("compartments").iter().position(String::is_empty) {
        return fail(format!("oci_sd: compartments[{index}] must not be empty"));
    }
    let interval = fields.duration("refresh_interval");
    if interval.as_ns() <= 0 {
        return fail(format!("oci_sd: refresh_interval must be positive, got {interval}"));
    }
    Ok(())
}

pub(super) fn openstack(fields: &Fields) -> Checked {
    let availability = fields.str("availability");
    if !matches!(availability, "public" | "internal" | "admin") {
        return fail(format!(
            "unknown availability {availability}, must be one of admin, internal or public"
        ));
    }
    require(fields, "role", "role missing (one of: instance, hypervisor, loadbalancer)")?;
    require(fields, "region", "openstack SD configuration requires a region")
}

pub(super) fn outscale(fields: &Fields) -> Checked {
    require(fields, "region", "outscale SD configuration requires a region")?;
    require(fields, "access_key", "outscale SD configuration requires access_key")?;
    one_secret_key(fields)
}

/// The endpoint of a region.
pub(super) fn outscale_endpoint(fields: &Fields) -> String {
    match fields.str("region") {
        "" => String::new(),
        region => format!("https://api.{region}.outscale.com/api/v1"),
    }
}

pub(super) fn ovhcloud(fields: &Fields) -> Checked {
    require(fields, "endpoint", "endpoint can not be empty")?;
    require(fields, "application_key", "application key can not be empty")?;
    if fields.secret("application_secret").is_empty() {
        return fail("application secret can not be empty");
    }
    if fields.secret("consumer_key").is_empty() {
        return fail("consumer key can not be empty");
    }
    match fields.str("service") {
        "dedicated_server" | "vps" => Ok(()),
        service => fail(format!("unknown service: {service}")),
    }
}

pub(super) fn puppetdb(fields: &Fields) -> Checked {
    http_url(fields.str("url"))?;
    require(fields, "query", "query missing")
}

pub(super) fn scaleway(fields: &Fields) -> Checked {
    require(fields, "role", "role missing (one of: instance, baremetal)")?;
    require(fields, "project_id", "project_id is mandatory")?;
    one_secret_key(fields)?;
    require(fields, "access_key", "access_key is mandatory")
}

pub(super) fn stackit(fields: &Fields) -> Checked {
    let endpoint = fields.str("endpoint");
    if endpoint.is_empty() && fields.str("region").is_empty() {
        return fail("stackit_sd: endpoint and region missing");
    }
    url(endpoint)
        .map(|_| ())
        .map_err(|err| format!("stackit_sd: invalid endpoint {endpoint:?}: {err}"))
}

pub(super) fn triton(fields: &Fields) -> Checked {
    if !matches!(fields.str("role"), "container" | "cn") {
        return fail("triton SD configuration requires role to be 'container' or 'cn'");
    }
    require(fields, "account", "triton SD configuration requires an account")?;
    require(fields, "dns_suffix", "triton SD configuration requires a dns_suffix")?;
    require(fields, "endpoint", "triton SD configuration requires an endpoint")?;
    if fields.duration("refresh_interval").as_ns() <= 0 {
        return fail("triton SD configuration requires RefreshInterval to be a positive integer");
    }
    Ok(())
}

pub(super) fn uyuni(fields: &Fields) -> Checked {
    require(fields, "server", "Uyuni SD configuration requires server host")?;
    url(fields.str("server")).map_err(|err| format!("Uyuni Server URL is not valid: {err}"))?;
    require(fields, "username", "Uyuni SD configuration requires a username")?;
    if fields.secret("password").is_empty() {
        return fail("Uyuni SD configuration requires a password");
    }
    Ok(())
}
