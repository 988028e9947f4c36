//! Clusters in virtual time: loss, delay, partition, crash, restart, leave.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_gossip::MachineConfig;
use gauntlet_gossip::sim::{Conditions, Network};
use gauntlet_runtime::Chance;

use crate::store::Words;

const SETTLE: Duration = Duration::from_secs(60);

struct Cluster {
    network: Network,
    words: BTreeMap<SocketAddr, Arc<Words>>,
    addresses: Vec<SocketAddr>,
}

fn address(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number as u8], 9094))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Cluster {
    fn new(seed: u64, nodes: u16, conditions: Conditions) -> Self {
        let addresses: Vec<_> = (1..=nodes).map(address).collect();
        let network = Network::new(seed, conditions);
        let mut cluster = Self { network, words: BTreeMap::new(), addresses };
        for number in 1..=nodes {
            cluster.start(number, &format!("node-{number:02}"));
        }
        cluster
    }

    fn start(&mut self, number: u16, name: &str) {
        let own = address(number);
        let peers = self.addresses.clone();
        let config =
            MachineConfig { configured_peers: peers.len(), ..MachineConfig::new(name, own) };
        let words = Words::new();
        let channel = self.network.start(config, vec![("words", words.clone())]).remove(0);
        words.set_channel(channel);
        self.words.insert(own, words);
        self.network.join(own, &peers, SETTLE);
    }

    fn crash(&mut self, number: u16) {
        self.network.crash(address(number));
        self.words.remove(&address(number));
    }

    fn say(&self, number: u16, word: &str) {
        self.words[&address(number)].say(word);
    }

    fn all_have(&self, word: &str) -> bool {
        self.words.values().all(|words| words.has(word))
    }

    /// Waits for all to know a word; a note is made of how long it took.
    fn spreads(&mut self, word: &str, within: Duration) {
        let words: Vec<_> = self.words.values().cloned().collect();
        let spread = |_: &Network| words.iter().all(|words| words.has(word));
        assert!(self.network.run_until_true(within, spread), "{word:?} did not spread");
    }

    fn becomes_whole(&mut self, within: Duration) {
        let whole = self.network.run_until_true(within, Network::is_whole);
        assert!(whole, "not whole at {:?}", self.network.now());
    }

    fn members(&self, number: u16) -> Vec<String> {
        let view = self.network.view(address(number)).unwrap();
        view.members().iter().map(|member| member.name.clone()).collect()
    }
}

fn rough(loss_per_mille: u32) -> Conditions {
    Conditions {
        loss_per_mille,
        duplicated_per_mille: 50,
        min_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(120),
    }
}

#[test]
fn three_nodes_find_each_other_settle_and_share_news() {
    let mut cluster = Cluster::new(1, 3, Conditions::default());
    cluster.becomes_whole(seconds(1));
    cluster.say(2, "hello");
    cluster.spreads("hello", seconds(1));
    let long = "x".repeat(5_000);
    cluster.say(3, &long);
    cluster.spreads(&long, seconds(1));
    cluster.network.run_until(seconds(9));
    for number in 1..=3 {
        let view = cluster.network.view(address(number)).unwrap();
        assert!(!view.is_ready(), "settles in ten seconds, not before");
        assert_eq!(view.position(), usize::from(number) - 1);
        assert_eq!((view.health(), view.failed_peers(), view.queued()), (0, 0, 0));
    }
    cluster.network.run_until(seconds(13));
    assert!((1..=3).all(|n| cluster.network.view(address(n)).unwrap().is_ready()));
}

#[test]
fn a_quiet_cluster_is_quiet() {
    let mut cluster = Cluster::new(2, 3, Conditions::default());
    cluster.say(1, "once");
    cluster.network.run_until(seconds(10));
    let before = cluster.network.sent;
    cluster.network.run_until(seconds(70));
    // A minute of three nodes: a ping and an ack each second each, an exchange each minute each.
    let sent = cluster.network.sent - before;
    assert!((3 * 2 * 58..3 * 2 * 60 + 12).contains(&sent), "{sent}");
}

#[test]
fn a_crashed_node_is_found_out_and_comes_back_under_its_name() {
    let mut cluster = Cluster::new(3, 3, Conditions::default());
    cluster.becomes_whole(seconds(2));
    cluster.say(1, "before");
    cluster.network.run_for(seconds(10));
    cluster.crash(2);
    cluster.becomes_whole(seconds(12));
    assert_eq!(cluster.members(1), ["node-01", "node-03"]);
    assert_eq!(cluster.network.view(address(1)).unwrap().failed_peers(), 1);
    cluster.say(3, "meanwhile");
    cluster.network.run_for(seconds(2));
    cluster.start(2, "node-02");
    cluster.becomes_whole(seconds(3));
    assert!(cluster.all_have("before") && cluster.all_have("meanwhile"), "by the exchange");
    cluster.network.run_for(seconds(60));
    assert!(cluster.network.is_whole(), "stays");
    assert_eq!(cluster.network.view(address(1)).unwrap().failed_peers(), 0);
}

#[test]
fn a_restart_under_a_new_name_drops_the_old_one() {
    let mut cluster = Cluster::new(4, 3, Conditions::default());
    cluster.becomes_whole(seconds(2));
    cluster.crash(3);
    cluster.start(3, "other-name");
    cluster.network.run_for(seconds(30));
    for number in 1..=3 {
        assert_eq!(cluster.members(number), ["node-01", "node-02", "other-name"]);
        assert_eq!(cluster.network.view(address(number)).unwrap().failed_peers(), 0);
    }
}

#[test]
fn a_leaving_node_is_gone_at_once_and_not_taken_for_dead() {
    let mut cluster = Cluster::new(5, 3, Conditions::default());
    cluster.becomes_whole(seconds(2));
    cluster.network.leave(address(1));
    cluster.network.run_for(seconds(1));
    cluster.crash(1);
    assert_eq!(cluster.members(2), ["node-02", "node-03"]);
    // Having left, it may come back from elsewhere under its name.
    let moved = address(9);
    let words = Words::new();
    let config = MachineConfig::new("node-01", moved);
    words.set_channel(cluster.network.start(config, vec![("words", words.clone())]).remove(0));
    cluster.network.join(moved, &[address(2)], SETTLE);
    cluster.becomes_whole(seconds(3));
}

#[test]
fn a_name_in_use_elsewhere_is_refused() {
    let mut cluster = Cluster::new(6, 2, Conditions::default());
    cluster.becomes_whole(seconds(2));
    cluster.network.start(MachineConfig::new("node-01", address(9)), vec![]);
    cluster.network.join(address(9), &[address(2)], SETTLE);
    cluster.network.run_for(seconds(5));
    let view = cluster.network.view(address(2)).unwrap();
    let of = view.members().iter().find(|m| m.name == "node-01").unwrap().address;
    assert_eq!(of, address(1));
}

#[test]
fn a_partition_heals() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(100 + seed, 3, rough(10));
        cluster.becomes_whole(seconds(5));
        cluster.network.partition(&[address(3)]);
        cluster.network.run_for(seconds(60));
        assert_eq!(cluster.members(3), ["node-03"], "seed {seed}");
        assert_eq!(cluster.members(1), ["node-01", "node-02"], "seed {seed}");
        cluster.say(1, "here");
        cluster.say(3, "there");
        cluster.network.run_for(seconds(20));
        assert!(!cluster.all_have("here") && !cluster.all_have("there"));
        cluster.network.heal();
        cluster.becomes_whole(seconds(60));
        cluster.spreads("here", seconds(60));
        cluster.spreads("there", seconds(60));
    }
}

#[test]
fn heavy_loss_never_loses_news() {
    for seed in 0..8 {
        let mut cluster = Cluster::new(200 + seed, 5, rough(250));
        cluster.becomes_whole(seconds(30));
        for number in 1..=5 {
            cluster.say(number, &format!("word {number}"));
        }
        for number in 1..=5 {
            cluster.spreads(&format!("word {number}"), seconds(180));
        }
    }
}

#[test]
fn storms_of_crashes_and_partitions_end_in_one_cluster() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(300 + seed, 4, rough(100));
        let mut chance = Chance::seeded(seed);
        let mut said = Vec::new();
        let mut down = None;
        for round in 0..12 {
            cluster.network.run_for(Duration::from_millis(500 + chance.below(15_000)));
            match chance.below(4) {
                0 if down.is_none() => {
                    let number = 1 + chance.below(4) as u16;
                    cluster.crash(number);
                    down = Some(number);
                }
                1 => cluster.network.partition(&[address(1 + chance.below(4) as u16)]),
                2 => cluster.network.heal(),
                _ => {
                    if let Some(number) = down.take() {
                        cluster.start(number, &format!("node-{number:02}"));
                    }
                }
            }
            let speaker = 1 + chance.below(4) as u16;
            if down != Some(speaker) {
                let word = format!("round {round}");
                cluster.say(speaker, &word);
                said.push((speaker, word));
            }
        }
        cluster.network.heal();
        if let Some(number) = down {
            cluster.start(number, &format!("node-{number:02}"));
        }
        cluster.becomes_whole(seconds(120));
        cluster.network.run_for(seconds(180));
        assert!(cluster.network.is_whole(), "seed {seed}");
        let first = cluster.words[&address(1)].all();
        for words in cluster.words.values() {
            assert_eq!(words.all(), first, "seed {seed}");
        }
    }
}

#[test]
fn streams_carry_on_where_packets_are_lost() {
    let mut cluster = Cluster::new(9, 3, Conditions::default());
    cluster.becomes_whole(seconds(2));
    cluster.network.set_conditions(Conditions { loss_per_mille: 1000, ..Conditions::default() });
    cluster.say(2, "by exchange alone");
    let long = "x".repeat(1_000);
    cluster.say(1, &long);
    cluster.spreads(&long, seconds(1));
    for _ in 0..60 {
        cluster.network.run_for(seconds(2));
        assert!(cluster.network.is_whole(), "a ping by stream is enough");
    }
    assert!(cluster.all_have("by exchange alone"));
}

#[test]
fn a_paused_node_refutes_when_it_goes_on() {
    for (pause, dies) in [(3, false), (20, true)] {
        let mut cluster = Cluster::new(10, 3, Conditions::default());
        cluster.becomes_whole(seconds(2));
        cluster.network.freeze(address(2));
        cluster.network.run_for(seconds(pause));
        assert_eq!(cluster.members(1).len(), if dies { 2 } else { 3 });
        cluster.say(1, "meanwhile");
        cluster.network.thaw(address(2));
        cluster.becomes_whole(seconds(15));
        cluster.spreads("meanwhile", seconds(15));
        cluster.network.run_for(seconds(60));
        assert!(cluster.network.is_whole());
    }
}

#[test]
fn one_seed_is_one_run() {
    let run = || {
        let mut cluster = Cluster::new(7, 4, rough(150));
        cluster.say(1, "a");
        cluster.network.run_for(seconds(50));
        cluster.crash(2);
        cluster.network.run_for(seconds(50));
        (cluster.network.sent, cluster.members(1), cluster.words[&address(3)].len())
    };
    assert_eq!(run(), run());
}

#[test]
fn a_large_cluster_stays_together_and_finds_the_dead() {
    let mut cluster = Cluster::new(8, 20, rough(20));
    cluster.becomes_whole(seconds(20));
    cluster.say(7, "to all twenty");
    cluster.spreads("to all twenty", seconds(5));
    cluster.crash(13);
    // Few suspect at first: up to six times the least time.
    cluster.becomes_whole(seconds(90));
}
