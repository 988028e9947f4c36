//! What several files of these tests share: starting roles on free ports, copying recordings, asking for JSON.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gauntlet_testkit::http::{self, encode};
use gauntlet_testkit::process::{Process, ask_until};
use serde_json::Value;

/// A running role with the addresses that it announced.
pub(crate) struct Role {
    pub(crate) process: Process,
    pub(crate) http: SocketAddr,
    /// The StoreAPI, where the role has one.
    pub(crate) grpc: Option<SocketAddr>,
}

impl Role {
    /// A path with a query string made of `params`, asked once.
    pub(crate) fn ask(&self, path: &str, params: &[(&str, &str)]) -> Value {
        json(self.http, &with_params(path, params))
    }

    pub(crate) fn grpc(&self) -> String {
        self.grpc.expect("the role has a StoreAPI").to_string()
    }
}

pub(crate) fn with_params(path: &str, params: &[(&str, &str)]) -> String {
    let query: Vec<String> =
        params.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    format!("{path}?{}", query.join("&"))
}

/// The answer as JSON, whatever its status.
pub(crate) fn json(address: SocketAddr, path: &str) -> Value {
    let answer = http::get(address, path).unwrap();
    serde_json::from_slice(&answer.body)
        .unwrap_or_else(|err| panic!("{path}: {err}: {} {}", answer.status, answer.text()))
}

pub(crate) fn gauntlet(called: &str, arguments: &[String]) -> Process {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Process::start(Path::new(env!("CARGO_BIN_EXE_gauntlet")), called, &arguments)
}

/// A server over `data`, ready for requests.
pub(crate) fn server(config: &Path, data: &Path, more: &[&str]) -> Role {
    let role = starting_server(config, data, "127.0.0.1:0", more);
    wait_ready(role.http);
    wait_replayed(role.http);
    role
}

/// A server whose listener is open.
pub(crate) fn starting_server(config: &Path, data: &Path, listen: &str, more: &[&str]) -> Role {
    let mut arguments = vec![
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", data.display()),
        format!("--web.listen-address={listen}"),
    ];
    arguments.extend(more.iter().map(|&a| a.to_owned()));
    let mut process = gauntlet("prometheus", &arguments);
    let http = process.wait_for_address("Listening on");
    Role { process, http, grpc: None }
}

/// A Thanos role by its command.
pub(crate) fn thanos(command: &str, more: &[String]) -> Role {
    let mut arguments = vec![
        command.to_owned(),
        "--http-address=127.0.0.1:0".to_owned(),
        "--grpc-address=127.0.0.1:0".to_owned(),
    ];
    arguments.extend(more.iter().cloned());
    let mut process = gauntlet("thanos", &arguments);
    let http = process.wait_for_address("listening for requests and metrics");
    let grpc = process.wait_for_address("listening for serving gRPC");
    Role { process, http, grpc: Some(grpc) }
}

pub(crate) fn node() -> Role {
    let mut process = gauntlet(
        "node_exporter",
        &[
            "--web.listen-address=127.0.0.1:0".to_owned(),
            "--collector.disable-defaults".to_owned(),
            "--collector.loadavg".to_owned(),
        ],
    );
    let http = process.wait_for_address("Listening on");
    Role { process, http, grpc: None }
}

/// A store over a bucket folder that has finished its first look.
pub(crate) fn store(bucket: &Path, data: &Path) -> Role {
    let role = thanos("store", &[bucket_flag(bucket), format!("--data-dir={}", data.display())]);
    wait_ready(role.http);
    role
}

/// A query that sees `count` endpoints up.
pub(crate) fn query(endpoints: &[String], count: usize, more: &[&str]) -> Role {
    let mut arguments: Vec<String> = endpoints.iter().map(|e| format!("--endpoint={e}")).collect();
    arguments.extend(more.iter().map(|&a| a.to_owned()));
    let role = thanos("query", &arguments);
    ask_until(role.http, "/api/v1/stores", |answer| {
        let stores: Value = serde_json::from_slice(&answer.body).ok()?;
        let lists = stores["data"].as_object()?.values().filter_map(Value::as_array);
        let up = lists.flatten().filter(|store| store["lastError"].is_null()).count();
        (up == count).then_some(())
    });
    role
}

pub(crate) fn bucket_flag(folder: &Path) -> String {
    format!(
        "--objstore.config={{type: FILESYSTEM, config: {{directory: {:?}}}}}",
        folder.display().to_string()
    )
}

pub(crate) fn wait_ready(address: SocketAddr) {
    ask_until(address, "/-/ready", |answer| (answer.status == 200).then_some(()));
}

/// A server serves while its log is replayed; what it had before is whole after that.
pub(crate) fn wait_replayed(address: SocketAddr) {
    ask_until(address, "/api/v1/status/walreplay", |answer| {
        let found: Value = serde_json::from_slice(&answer.body).ok()?;
        (found["data"]["done"] == true).then_some(())
    });
}

/// Copies a folder of a recording; the copy can be written.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::write(&target, std::fs::read(entry.path()).unwrap()).unwrap();
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
}

/// Parses a JSON file.
pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
