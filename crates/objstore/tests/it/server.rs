//! A real S3 server for the suite: versitygw over a folder, by env `VERSITYGW_BIN` or on the PATH.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gauntlet_objstore::BucketConfig;

pub(crate) struct VersityGw {
    process: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl VersityGw {
    /// `None`, said loudly, where there is no such program; with CI=true that is a failure.
    pub(crate) async fn start() -> Option<Self> {
        let program = std::env::var("VERSITYGW_BIN").unwrap_or_else(|_| "versitygw".to_owned());
        let dir = tempfile::tempdir().unwrap();
        let (data, home) = (dir.path().join("data"), dir.path().join("home"));
        std::fs::create_dir_all(data.join("suite")).unwrap();
        std::fs::create_dir_all(&home).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let started = Command::new(&program)
            .args(["--port", &address, "posix"])
            .arg(&data)
            .env("ROOT_ACCESS_KEY", "key")
            .env("ROOT_SECRET_KEY", "secret")
            .env("HOME", &home)
            .current_dir(&home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = match started {
            Ok(process) => process,
            Err(err) => {
                println!("SKIPPED: no S3 server, {program}: {err} (set VERSITYGW_BIN)");
                assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs versitygw");
                return None;
            }
        };
        let server = Self { process, address, _dir: dir };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(&server.address).await.is_ok() {
                return Some(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{program} does not listen on {}", server.address);
    }

    pub(crate) fn config(&self, bucket: &str) -> BucketConfig {
        self.config_with(bucket, "secret")
    }

    pub(crate) fn config_with(&self, bucket: &str, secret: &str) -> BucketConfig {
        let address = &self.address;
        let text = format!(
            "type: S3\nconfig: {{bucket: {bucket}, endpoint: '{address}', insecure: true, \
             access_key: key, secret_key: {secret}, part_size: 5242880}}\n"
        );
        BucketConfig::parse(text.as_bytes()).unwrap()
    }
}

impl Drop for VersityGw {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
