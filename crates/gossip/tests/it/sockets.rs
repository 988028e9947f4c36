//! Nodes of ours over real sockets, plain and over TLS, and what strangers send them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gauntlet_gossip::codec::{Message, Ping, StreamDecoder, StreamMessage, open_packet};
use gauntlet_gossip::{Cluster, ClusterOptions, GossipError};
use gauntlet_runtime::{Chance, SystemClock};
use gauntlet_telemetry::{MetricValue, Registry};

use crate::store::Words;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) cluster: Cluster,
    pub(crate) words: Arc<Words>,
    pub(crate) registry: Registry,
}

impl Node {
    pub(crate) async fn start(options: ClusterOptions) -> Self {
        let registry = Registry::new();
        let clock = Arc::new(SystemClock);
        let chance = Chance::from_system();
        let cluster = Cluster::create(options, &registry, clock, chance).await.unwrap();
        let words = Words::new();
        words.set_channel(cluster.add_state("words", words.clone()));
        Self { cluster, words, registry }
    }

    /// The sum of a counter's values.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let Some(family) = families.iter().find(|family| family.name == name) else { return 0.0 };
        let values = family.metrics.iter().map(|metric| match metric.value {
            MetricValue::Counter(value) | MetricValue::Gauge(value) => value,
            MetricValue::Histogram { count, .. } => count as f64,
            _ => 0.0,
        });
        values.sum()
    }
}

pub(crate) fn options(name: &str, peers: &[SocketAddr]) -> ClusterOptions {
    ClusterOptions {
        name: Some(name.to_owned()),
        bind: "127.0.0.1:0".to_owned(),
        peers: peers.iter().map(SocketAddr::to_string).collect(),
        gossip_interval: Duration::from_millis(20),
        ..ClusterOptions::default()
    }
}

/// Looks again and again until `done` holds.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    let looked = tokio::time::timeout(PATIENCE, async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(looked.await.is_ok(), "{what}: not within {PATIENCE:?}");
}

async fn share_all(first: ClusterOptions, second: ClusterOptions) {
    let one = Node::start(first).await;
    one.words.say("told before the join");
    assert_eq!(one.cluster.join().await.unwrap(), 0);
    let peers = vec![one.cluster.advertise().to_string()];
    let two = Node::start(ClusterOptions { peers, ..second }).await;
    two.words.say("brought along");
    assert_eq!(two.cluster.join().await.unwrap(), 1);
    assert!(two.words.has("told before the join"), "merged when the join is done");
    until("two members", || [&one, &two].iter().all(|n| n.cluster.members().len() == 2)).await;
    until("exchange", || one.words.has("brought along")).await;
    assert_eq!((one.cluster.position(), two.cluster.position()), (0, 1));

    one.words.say("short");
    until("gossip", || two.words.has("short")).await;
    let long = "y".repeat(100_000);
    two.words.say(&long);
    until("stream", || one.words.has(&long)).await;
    until("counted", || two.metric("alertmanager_oversize_gossip_message_duration_seconds") == 1.0)
        .await;
    assert_eq!(two.metric("alertmanager_oversized_gossip_message_failure_total"), 0.0);

    for node in [&one, &two] {
        node.cluster.settle(PATIENCE).await.unwrap();
    }
    assert_eq!(one.cluster.status(), "settling");
    one.cluster.wait_ready().await;
    assert_eq!(one.cluster.status(), "ready");
    until("pings", || one.metric("alertmanager_cluster_pings_seconds") > 0.0).await;

    two.cluster.leave(PATIENCE).await.unwrap();
    until("left", || one.cluster.members().len() == 1).await;
    assert_eq!(one.metric("alertmanager_cluster_peers_left_total"), 1.0);
}

#[tokio::test]
async fn two_nodes_share_all_over_udp_and_tcp() {
    share_all(options("one", &[]), options("two", &[])).await;
}

#[tokio::test]
async fn two_nodes_share_all_under_a_label() {
    let labelled = |name| ClusterOptions { label: "blue".to_owned(), ..options(name, &[]) };
    share_all(labelled("one"), labelled("two")).await;
}

#[tokio::test]
async fn two_nodes_share_all_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let file = tls_file(dir.path());
    let tls = |name| ClusterOptions { tls_config_file: Some(file.clone()), ..options(name, &[]) };
    share_all(tls("one"), tls("two")).await;
}

/// A file that makes both sides show certificates and check the other's.
pub(crate) fn tls_file(dir: &Path) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../net/tests/it/testdata");
    let data = data.canonicalize().unwrap();
    let of = |name: &str| data.join(name).display().to_string();
    let text = format!(
        "tls_server_config:\n  cert_file: {}\n  key_file: {}\n  client_ca_file: {}\n  client_auth_type: RequireAndVerifyClientCert\n\
         tls_client_config:\n  ca_file: {}\n  cert_file: {}\n  key_file: {}\n",
        of("server.pem"),
        of("server.key"),
        of("ca.pem"),
        of("ca.pem"),
        of("client.pem"),
        of("client.key"),
    );
    let file = dir.join("tls.yml");
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let create = async |options: ClusterOptions| {
        let (registry, clock) = (Registry::new(), Arc::new(SystemClock));
        Cluster::create(options, &registry, clock, Chance::seeded(1)).await.unwrap_err()
    };
    let missing = Some(PathBuf::from("no-such-file.yml"));
    let err = create(ClusterOptions { tls_config_file: missing, ..options("a", &[]) }).await;
    assert!(matches!(&err, GossipError::Tls(text) if text.contains("no-such-file.yml")), "{err}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let err = create(ClusterOptions { bind, ..options("a", &[]) }).await;
    assert!(matches!(err, GossipError::Listen { .. }), "{err}");
    let err = create(ClusterOptions { peers: vec!["host".to_owned()], ..options("a", &[]) }).await;
    assert!(matches!(err, GossipError::Resolve(_)), "{err}");
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_tried_again() {
    let spare = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = spare.local_addr().unwrap();
    let options = ClusterOptions {
        reconnect_interval: Duration::from_millis(50),
        ..options("early", &[address])
    };
    let early = Node::start(options).await;
    let err = early.cluster.join().await.unwrap_err();
    assert!(matches!(&err, GossipError::Join(text) if text.contains("refused")), "{err}");
    until("failures", || {
        early.metric("alertmanager_cluster_reconnections_failed_total") >= 2.0
            && early.metric("alertmanager_cluster_failed_peers") == 1.0
    })
    .await;
    drop(spare);
    let late = ClusterOptions { bind: address.to_string(), ..self::options("late", &[]) };
    let late = Node::start(late).await;
    until("both", || late.cluster.members().len() == 2 && early.cluster.members().len() == 2).await;
    until("none failed", || early.metric("alertmanager_cluster_failed_peers") == 0.0).await;
    assert!(early.metric("alertmanager_cluster_reconnections_total") >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_do_no_harm() {
    let node = Node::start(options("node", &[])).await;
    node.cluster.join().await.unwrap();
    let address = node.cluster.advertise();
    let ask = move || {
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut chance = Chance::seeded(4);
        for len in 0..300 {
            let noise: Vec<u8> = (0..len).map(|_| chance.next_u64() as u8).collect();
            stranger.send_to(&noise, address).unwrap();
        }
        let ping = |node: &str, seq| {
            Message::Ping(Ping { node: node.to_owned(), seq, ..Ping::default() }).encode()
        };
        // For another name there is no answer; the first that comes is to the second question.
        stranger.send_to(&ping("other", 1), address).unwrap();
        stranger.send_to(&ping("node", 2), address).unwrap();
        let mut buf = [0; 2000];
        let (len, _) = stranger.recv_from(&mut buf).unwrap();
        // Broadcasts may come along.
        let messages = open_packet(&buf[..len], "").messages;
        let [Message::Ack(ack), ..] = &messages[..] else { panic!("no ack: {messages:?}") };
        assert_eq!((ack.seq, &ack.payload), (2, &Some(Vec::new())));

        let say = |data: &[u8]| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(data).unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            answer
        };
        let encrypted = say(&[10, 0, 0, 0, 1, 0]);
        let told = StreamDecoder::answer().feed(&encrypted).unwrap();
        let text = "remote state is encrypted and encryption is not configured";
        assert_eq!(told, Some(StreamMessage::Error(text.to_owned())));
        assert!(say(&[99]).is_empty() && say(&[0xf4, 3, b'r', b'e', b'd', 6]).is_empty());
        let ping = StreamMessage::Ping(Ping { node: "node".to_owned(), seq: 7, ..Ping::default() });
        let answer = StreamDecoder::answer().feed(&say(&ping.encode(""))).unwrap();
        assert!(matches!(answer, Some(StreamMessage::Ack(ack)) if ack.seq == 7));
    };
    tokio::task::spawn_blocking(ask).await.unwrap();
    assert!(node.metric("gauntlet_gossip_packets_refused_total") > 100.0);
    assert_eq!(node.cluster.members().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_keep_out_nobody() {
    let node = Node::start(options("node", &[])).await;
    let address = node.cluster.advertise();
    let ask = move || {
        let _idle: Vec<_> = (0..300).map(|_| TcpStream::connect(address).unwrap()).collect();
        let ping = StreamMessage::Ping(Ping { node: "node".to_owned(), seq: 7, ..Ping::default() });
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&ping.encode("")).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(matches!(StreamDecoder::answer().feed(&answer), Ok(Some(StreamMessage::Ack(_)))));
    };
    tokio::task::spawn_blocking(ask).await.unwrap();
}
