//! One node among others that are played by the test.

use super::table::NodeStatus;
use super::*;
use crate::codec::{Ack, Alive, IndirectPing, NodeState, Ping, PushPull, Verdict, Versions};
use crate::machine::Machine;
use crate::machine::MachineConfig;
use table::ip_bytes;

/// Incarnation that other nodes are known with.
const KNOWN: u32 = 5;

struct Nobody;

impl LocalState for Nobody {
    fn local_state(&self) -> Bytes {
        Bytes::from_static(b"state")
    }
}

struct Rig {
    swim: Swim,
    now: Duration,
}

fn address(name: &str) -> SocketAddr {
    let number = name.bytes().next().unwrap_or_default() - b'a' + 1;
    SocketAddr::from(([10, 0, 0, number], 9094))
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn alive(name: &str, incarnation: u32) -> Alive {
    Alive {
        addr: ip_bytes(address(name).ip()),
        incarnation,
        meta: Vec::new(),
        node: name.to_owned(),
        port: 9094,
        versions: Versions::OURS.0.to_vec(),
    }
}

fn verdict(name: &str, from: &str, incarnation: u32) -> Verdict {
    Verdict { from: from.to_owned(), incarnation, node: name.to_owned() }
}

fn state(name: &str, state: u8, incarnation: u32) -> NodeState {
    NodeState {
        addr: ip_bytes(address(name).ip()),
        incarnation,
        meta: Vec::new(),
        name: name.to_owned(),
        port: 9094,
        state,
        versions: Versions::OURS.0.to_vec(),
    }
}

impl Rig {
    /// Node `a`, and others of these names.
    fn new(others: &[&str]) -> Self {
        let config = SwimConfig {
            name: "a".into(),
            label: String::new(),
            advertise: address("a"),
            bind_port: 9094,
            probe_interval: millis(1000),
            probe_timeout: millis(500),
            // No gossip tick comes by itself: what is queued can be looked at.
            gossip_interval: Duration::from_secs(1_000_000),
            push_pull_interval: Duration::ZERO,
            stream_timeout: millis(10_000),
            fan_out: 3,
        };
        let view = Machine::new(
            MachineConfig::new("x", address("x")),
            &gauntlet_telemetry::Registry::new(),
            Chance::seeded(1),
            Duration::ZERO,
        );
        let metrics = view.shared().metrics;
        let now = millis(100_000);
        let swim = Swim::new(config, Chance::seeded(3), metrics, Box::new(Nobody), now);
        let mut rig = Self { swim, now };
        for name in others {
            rig.tell(Message::Alive(alive(name, KNOWN)));
        }
        rig.told();
        rig.swim.take_notes();
        rig
    }

    fn tell(&mut self, message: Message) {
        self.tell_from("b", message);
    }

    fn tell_from(&mut self, from: &str, message: Message) {
        self.swim.on_packet(self.now, address(from), &message.encode());
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.swim.deadline() <= until {
            self.now = self.now.max(self.swim.deadline());
            self.swim.advance(self.now);
        }
        self.now = until;
    }

    /// All that is queued for broadcast; the queue is empty afterwards.
    fn told(&mut self) -> Vec<Message> {
        let mut found: Vec<Message> = Vec::new();
        loop {
            let taken = self.swim.queue.take(2, 1 << 20, 9);
            if taken.messages.is_empty() {
                return found;
            }
            for message in taken.messages {
                let message = Message::decode(&message).unwrap();
                if !found.contains(&message) {
                    found.push(message);
                }
            }
        }
    }

    fn status(&self, name: &str) -> Option<(NodeStatus, u32)> {
        self.swim.table.get(name).map(|record| (record.status, record.incarnation))
    }

    /// Packets since the last look, each as its target and messages.
    fn packets(&mut self) -> Vec<(SocketAddr, Vec<Message>)> {
        let mut packets = Vec::new();
        self.swim.sends.retain(|out| {
            if let Outgoing::Packet { to, data } = out {
                packets.push((*to, packet::open(data, "").messages));
                return false;
            }
            true
        });
        packets
    }

    fn streams(&mut self) -> Vec<(StreamId, SocketAddr, Duration)> {
        let sends = self.swim.take_sends().into_iter();
        let streams = sends.filter_map(|out| match out {
            Outgoing::Stream { id, to, timeout, .. } => Some((id, to, timeout)),
            Outgoing::Packet { .. } => None,
        });
        streams.collect()
    }

    /// The ping of the probe that runs.
    fn probed(&mut self) -> (SocketAddr, Ping) {
        let packets = self.packets();
        let found = packets.iter().find_map(|(to, messages)| match &messages[0] {
            Message::Ping(ping) => Some((*to, ping.clone())),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no ping in {packets:?}"))
    }

    fn exchange(&mut self, nodes: Vec<NodeState>) -> PushPull {
        let theirs = PushPull { join: true, nodes, user_state: Bytes::from_static(b"theirs") };
        let theirs = StreamMessage::PushPull(theirs);
        let answer = self.swim.on_stream(self.now, address("b"), theirs).unwrap();
        match crate::codec::StreamDecoder::answer().feed(&answer).unwrap() {
            Some(StreamMessage::PushPull(ours)) => ours,
            other => panic!("{other:?}"),
        }
    }
}

use NodeStatus::{Alive as IsAlive, Dead as IsDead, Left as HasLeft, Suspect as IsSuspect};

#[test]
fn alive_needs_a_higher_incarnation() {
    let mut rig = Rig::new(&["b"]);
    for incarnation in [KNOWN - 1, KNOWN] {
        rig.tell(Message::Alive(alive("b", incarnation)));
        assert_eq!(rig.told(), []);
    }
    rig.tell(Message::Alive(alive("b", KNOWN + 1)));
    assert_eq!(rig.told(), [Message::Alive(alive("b", KNOWN + 1))]);
    assert_eq!(rig.status("b"), Some((IsAlive, KNOWN + 1)));
    assert!(rig.swim.take_notes().is_empty(), "was here before");
}

#[test]
fn suspect_and_dead_need_no_lower_incarnation() {
    let mut rig = Rig::new(&["b", "c"]);
    for message in [
        Message::Suspect(verdict("b", "c", KNOWN - 1)),
        Message::Dead(verdict("b", "c", KNOWN - 1)),
        Message::Suspect(verdict("nobody", "c", 9)),
        Message::Dead(verdict("nobody", "c", 9)),
    ] {
        rig.tell(message);
        assert_eq!(rig.told(), []);
    }
    let suspect = Message::Suspect(verdict("b", "c", KNOWN));
    rig.tell(suspect.clone());
    assert_eq!((rig.told(), rig.status("b")), (vec![suspect.clone()], Some((IsSuspect, KNOWN))));
    rig.tell(suspect);
    assert_eq!(rig.told(), [], "the same accuser again is no news");
    let dead = Message::Dead(verdict("b", "c", KNOWN));
    rig.tell(dead.clone());
    assert_eq!((rig.told(), rig.status("b")), (vec![dead.clone()], Some((IsDead, KNOWN))));
    rig.tell(dead);
    rig.tell(Message::Suspect(verdict("b", "c", KNOWN)));
    assert_eq!(rig.told(), [], "dead already");
    assert!(matches!(rig.swim.take_notes()[..], [Note::Left(_)]));
    rig.tell(Message::Alive(alive("b", KNOWN)));
    assert_eq!(rig.status("b"), Some((IsDead, KNOWN)));
    rig.tell(Message::Alive(alive("b", KNOWN + 1)));
    assert!(matches!(rig.swim.take_notes()[..], [Note::Joined(_)]));
}

#[test]
fn who_says_it_of_itself_has_left() {
    let mut rig = Rig::new(&["b"]);
    rig.tell(Message::Dead(verdict("b", "b", KNOWN)));
    assert_eq!(rig.status("b"), Some((HasLeft, KNOWN)));
}

#[test]
fn accusations_of_this_node_are_refuted_above_their_incarnation() {
    for (message, refuted) in [
        (Message::Suspect(verdict("a", "b", 1)), 2),
        (Message::Dead(verdict("a", "b", 1)), 2),
        (Message::Suspect(verdict("a", "b", 2)), 3),
        (Message::Dead(verdict("a", "a", 7)), 8),
        (Message::Alive(alive("a", 7)), 8),
    ] {
        let mut rig = Rig::new(&["b"]);
        rig.tell(message.clone());
        assert_eq!(rig.told(), [Message::Alive(alive("a", refuted))], "{message:?}");
        assert_eq!(rig.status("a"), Some((IsAlive, refuted)));
        assert_eq!(rig.swim.health(), 1);
    }
    let mut rig = Rig::new(&["b"]);
    for message in [
        Message::Suspect(verdict("a", "b", 0)),
        Message::Dead(verdict("a", "b", 0)),
        Message::Alive(alive("a", 0)),
        Message::Alive(alive("a", 1)),
    ] {
        rig.tell(message);
        assert_eq!((rig.told(), rig.swim.health()), (vec![], 0), "old or known");
    }
    let mut other_meta = alive("a", 1);
    other_meta.meta = vec![1];
    rig.tell(Message::Alive(other_meta));
    assert_eq!(rig.told(), [Message::Alive(alive("a", 2))]);
}

#[test]
fn an_address_stays_until_its_node_has_left() {
    let elsewhere = |incarnation| Alive { port: 1, ..alive("b", incarnation) };
    let mut rig = Rig::new(&["b"]);
    rig.tell(Message::Alive(elsewhere(KNOWN + 1)));
    rig.tell(Message::Dead(verdict("b", "c", KNOWN)));
    rig.told();
    rig.tell(Message::Alive(elsewhere(KNOWN + 1)));
    assert_eq!((rig.status("b"), rig.told()), (Some((IsDead, KNOWN)), vec![]));
    assert_eq!(rig.swim.metrics.name_conflicts.get(), 2.0);

    let mut rig = Rig::new(&["b"]);
    rig.tell(Message::Dead(verdict("b", "b", KNOWN)));
    rig.tell(Message::Alive(elsewhere(1)));
    assert_eq!(rig.status("b"), Some((IsAlive, 1)), "whatever the incarnation");
    assert_eq!(rig.swim.table.get("b").unwrap().address().port(), 1);
}

#[test]
fn malformed_nodes_are_ignored() {
    let mut rig = Rig::new(&[]);
    for bad in [
        Alive { versions: vec![1, 5, 2], ..alive("b", 1) },
        Alive { versions: vec![], ..alive("b", 1) },
        Alive { versions: vec![0, 5, 2, 0, 0, 0], ..alive("b", 1) },
        Alive { versions: vec![5, 1, 2, 0, 0, 0], ..alive("b", 1) },
        Alive { addr: vec![1, 2, 3], ..alive("b", 1) },
        Alive { node: String::new(), ..alive("b", 1) },
        Alive { node: "x".repeat(513), ..alive("b", 1) },
        Alive { meta: vec![0; 513], ..alive("b", 1) },
    ] {
        rig.tell(Message::Alive(bad));
        assert_eq!((rig.swim.table.len(), rig.told()), (1, vec![]));
    }
    rig.tell(Message::Alive(Alive { port: 0, ..alive("b", 1) }));
    assert_eq!(rig.swim.table.get("b").unwrap().port, 9094, "0 is the own bind port");
}

#[test]
fn a_full_table_takes_nobody_more() {
    let mut rig = Rig::new(&[]);
    for number in 0..table::MAX_NODES + 5 {
        rig.swim.on_alive(rig.now, &Alive { node: format!("n{number}"), ..alive("b", 1) });
    }
    assert_eq!(rig.swim.table.len(), table::MAX_NODES);
    assert_eq!(rig.swim.metrics.refused_nodes.get(), 6.0);
}

#[test]
fn an_exchange_answers_with_what_was_known_before_it_merges() {
    let mut rig = Rig::new(&["b", "c", "d"]);
    let ours = rig.exchange(vec![
        state("b", 2, KNOWN),
        state("c", 3, KNOWN),
        state("d", 1, KNOWN),
        state("e", 0, 1),
        state("f", 2, 1),
    ]);
    assert!(ours.join);
    assert_eq!(&ours.user_state[..], b"state");
    assert_eq!(ours.nodes.len(), 4);
    assert!(ours.nodes.iter().all(|node| node.state == 0));
    // Another's dead is only suspected, by this node.
    assert_eq!(rig.status("b"), Some((IsSuspect, KNOWN)));
    assert_eq!(rig.status("c"), Some((HasLeft, KNOWN)));
    assert_eq!(rig.status("d"), Some((IsSuspect, KNOWN)));
    assert_eq!(rig.status("e"), Some((IsAlive, 1)));
    assert_eq!(rig.status("f"), None);
    let told = rig.told();
    assert!(told.contains(&Message::Suspect(verdict("b", "a", KNOWN))), "{told:?}");
    let notes = rig.swim.take_notes();
    assert!(notes.iter().any(|n| matches!(n, Note::UserState(data) if data[..] == *b"theirs")));
}

#[test]
fn tables_without_a_common_version_are_not_merged() {
    let with = |name, versions: &[u8], status| NodeState {
        versions: versions.to_vec(),
        ..state(name, status, 1)
    };
    for (bad, what) in [
        (with("c", &[3, 5, 3, 0, 0, 0], 0), "our current 2 is below 3"),
        (with("c", &[1, 1, 1, 0, 0, 0], 0), "our current 2 is above 1"),
        (with("c", &[1, 5, 2, 1, 1, 1], 0), "the layer above"),
        (with("c", &[1, 5, 6, 0, 0, 0], 2), "a current version outside, of a dead node too"),
        (with("c", &[1, 5, 2], 0), "three numbers"),
        (with("c", &[], 0), "none are zeros"),
        (NodeState { addr: vec![1], ..state("c", 0, 1) }, "an address of one byte"),
    ] {
        let mut rig = Rig::new(&["b"]);
        rig.exchange(vec![state("d", 0, 1), bad]);
        assert_eq!((rig.status("c"), rig.status("d")), (None, None), "{what}");
        assert!(rig.swim.take_notes().is_empty(), "{what}");
    }
    let mut rig = Rig::new(&["b"]);
    rig.exchange(vec![with("c", &[1, 4, 2, 0, 0, 0], 0), with("d", &[9, 9, 2, 0, 0, 0], 2)]);
    assert_eq!(rig.status("c"), Some((IsAlive, 1)), "the range of a dead node does not count");
}

#[test]
fn a_suspect_that_is_silent_dies_and_one_that_refutes_lives() {
    let mut rig = Rig::new(&["b", "c", "d", "e"]);
    for name in ["b", "c"] {
        rig.tell(Message::Suspect(verdict(name, "d", KNOWN)));
    }
    let start = rig.now;
    rig.swim.expire_suspicions(start + millis(23_999));
    assert_eq!(rig.status("b"), Some((IsSuspect, KNOWN)));
    rig.tell(Message::Suspect(verdict("b", "e", KNOWN)));
    rig.tell(Message::Alive(alive("c", KNOWN + 1)));
    rig.swim.expire_suspicions(start + millis(11_380));
    assert_eq!(rig.status("b"), Some((IsSuspect, KNOWN)));
    rig.told();
    rig.swim.expire_suspicions(start + millis(11_381));
    assert_eq!(rig.status("b"), Some((IsDead, KNOWN)), "confirmed once");
    assert_eq!(rig.told(), [Message::Dead(verdict("b", "a", KNOWN))]);
    rig.swim.expire_suspicions(start + millis(60_000));
    assert_eq!(rig.status("c"), Some((IsAlive, KNOWN + 1)));
}

#[test]
fn an_answered_probe_changes_nothing() {
    let mut rig = Rig::new(&["b"]);
    rig.swim.health = 2;
    rig.pass(millis(1000));
    let (to, ping) = rig.probed();
    assert_eq!(
        (to, &*ping.node, &*ping.source_node, ping.source_port),
        (address("b"), "b", "a", 9094)
    );
    assert_eq!(ping.source_addr, [10, 0, 0, 1]);
    rig.pass(millis(30));
    rig.tell(Message::Ack(Ack { payload: Some(vec![]), seq: ping.seq + 1 }));
    assert_eq!(rig.swim.health(), 2, "another's");
    rig.tell(Message::Ack(Ack { payload: Some(vec![]), seq: ping.seq }));
    rig.tell(Message::Ack(Ack { payload: Some(vec![]), seq: ping.seq }));
    assert_eq!(rig.swim.health(), 1);
    rig.pass(millis(960));
    assert_eq!((rig.packets(), rig.streams()), (vec![], vec![]));
    rig.pass(millis(20));
    assert_eq!(rig.probed().1.seq, ping.seq + 1, "the next second, the next probe");
}

#[test]
fn an_unanswered_probe_asks_others_then_suspects() {
    let mut rig = Rig::new(&["b", "c", "d", "e", "f"]);
    rig.pass(millis(1000));
    let (to, ping) = rig.probed();
    rig.pass(millis(499));
    assert_eq!(rig.packets(), []);
    rig.pass(millis(1));
    let asked = rig.packets();
    assert_eq!(asked.len(), 3);
    for (helper, messages) in &asked {
        let [Message::IndirectPing(ask)] = &messages[..] else { panic!("{messages:?}") };
        assert!(*helper != to && *helper != address("a"));
        assert_eq!((&*ask.node, ask.seq, ask.nack, ask.port), (&*ping.node, ping.seq, true, 9094));
        assert_eq!(ask.target, ip_bytes(to.ip()));
    }
    let streams = rig.streams();
    assert_eq!(streams.len(), 1);
    assert_eq!((streams[0].1, streams[0].2), (to, millis(500)));
    rig.tell(Message::Nack(ping.seq));
    rig.tell(Message::Nack(ping.seq + 9));
    rig.swim.on_stream_end(rig.now, streams[0].0, Err("refused".to_owned()));
    rig.pass(millis(499));
    assert_eq!(rig.status(&ping.node), Some((IsAlive, KNOWN)));
    rig.pass(millis(1));
    assert_eq!(rig.status(&ping.node), Some((IsSuspect, KNOWN)));
    assert_eq!(rig.swim.health(), 2, "three asked, one nack came");
    let own = Message::Suspect(verdict(&ping.node, "a", KNOWN));
    assert!(rig.told().contains(&own) || rig.packets().iter().any(|(_, m)| m.contains(&own)));
    // The next probe is due at once; while health is 2 it lasts three times as long.
    let next = rig.swim.probe.as_ref().map(Probe::deadline);
    assert_eq!(next, Some(rig.now + millis(500)));
}

#[test]
fn without_helpers_a_failed_probe_costs_one() {
    let mut rig = Rig::new(&["b"]);
    rig.pass(millis(2000));
    assert_eq!((rig.status("b"), rig.swim.health()), (Some((IsSuspect, KNOWN)), 1));
    // The suspect is told with the next ping, in one packet with a checksum and nothing else.
    let sends = rig.swim.take_sends();
    let last = sends.iter().rev().find_map(|out| match out {
        Outgoing::Packet { data, .. } => Some(data),
        Outgoing::Stream { .. } => None,
    });
    let last = last.unwrap();
    assert_eq!(last[0], crate::codec::message::kind::CHECKSUM);
    let messages = packet::open(last, "").messages;
    let [Message::Ping(_), Message::Suspect(suspect)] = &messages[..] else { panic!() };
    assert_eq!(*suspect, verdict("b", "a", KNOWN));
}

#[test]
fn an_answer_by_stream_or_through_others_saves_the_probed() {
    for by_stream in [true, false] {
        let mut rig = Rig::new(&["b"]);
        rig.swim.health = 3;
        rig.pass(millis(1500));
        let (_, ping) = rig.probed();
        let streams = rig.streams();
        let ack = Ack { payload: None, seq: ping.seq };
        if by_stream {
            let wrong = StreamMessage::Ack(Ack { payload: None, seq: 77 });
            rig.swim.on_stream_end(rig.now, StreamId(99), Ok(Some(wrong)));
            rig.swim.on_stream_end(rig.now, streams[0].0, Ok(Some(StreamMessage::Ack(ack))));
        } else {
            rig.tell(Message::Ack(ack));
        }
        if by_stream {
            // Health 3: the probe lasts four seconds, as packets may still be answered.
            assert_eq!(rig.swim.health(), 3);
            rig.pass(millis(3500));
        }
        assert_eq!(rig.swim.health(), 2, "{by_stream}");
        assert_eq!(rig.status("b"), Some((IsAlive, KNOWN)), "{by_stream}");
    }
}

#[test]
fn a_packet_that_cannot_be_sent_is_not_waited_for() {
    let mut rig = Rig::new(&["b"]);
    rig.pass(millis(1000));
    rig.swim.on_packet_failed(address("c"));
    assert_eq!(rig.streams(), []);
    rig.swim.on_packet_failed(address("b"));
    assert_eq!(rig.streams().len(), 1);
}

#[test]
fn pings_are_answered_where_they_ask_and_only_under_the_own_name() {
    let mut rig = Rig::new(&[]);
    let ping = |node: &str, source_addr: &[u8], source_port| {
        Message::Ping(Ping {
            node: node.to_owned(),
            seq: 4,
            source_addr: source_addr.to_vec(),
            source_port,
            ..Ping::default()
        })
    };
    let ack = || vec![Message::Ack(Ack { payload: Some(vec![]), seq: 4 })];
    for (node, addr, port, to) in [
        ("a", &[][..], 0, Some("b")),
        ("", &[], 9094, Some("b")),
        ("a", &[10, 0, 0, 3], 9094, Some("c")),
        ("a", &[10, 0, 0, 3], 0, Some("b")),
        ("b", &[], 0, None),
    ] {
        rig.tell(ping(node, addr, port));
        let expected: Vec<_> = to.into_iter().map(|to| (address(to), ack())).collect();
        assert_eq!(rig.packets(), expected, "{node} {addr:?} {port}");
    }
}

#[test]
fn pings_for_others_are_made_and_their_end_told() {
    let ask = |nack| {
        Message::IndirectPing(IndirectPing {
            nack,
            node: "c".to_owned(),
            port: 9094,
            seq: 70,
            source_addr: vec![10, 0, 0, 2],
            source_node: "b".to_owned(),
            source_port: 9094,
            target: vec![10, 0, 0, 3],
        })
    };
    let mut rig = Rig::new(&[]);
    rig.tell(ask(true));
    let (to, ping) = rig.probed();
    assert_eq!((to, &*ping.node, &*ping.source_node), (address("c"), "c", "a"));
    rig.tell_from("c", Message::Ack(Ack { payload: Some(vec![]), seq: ping.seq }));
    let relayed = vec![Message::Ack(Ack { payload: None, seq: 70 })];
    assert_eq!(rig.packets(), [(address("b"), relayed)]);
    for (nack, told) in [(true, vec![(address("b"), vec![Message::Nack(70)])]), (false, vec![])] {
        rig.tell(ask(nack));
        let (_, ping) = rig.probed();
        rig.pass(millis(499));
        assert_eq!(rig.packets(), []);
        rig.pass(millis(1));
        assert_eq!(rig.packets(), told);
        rig.tell_from("c", Message::Ack(Ack { payload: None, seq: ping.seq }));
        assert_eq!(rig.packets(), [], "too late");
    }
    for _ in 0..2_000 {
        rig.tell(ask(true));
    }
    assert_eq!(rig.swim.relays.len(), 1024);
}

#[test]
fn gossip_goes_to_the_living_and_the_lately_dead() {
    let mut rig = Rig::new(&["b", "c", "d"]);
    rig.tell(Message::Dead(verdict("c", "b", KNOWN)));
    rig.tell(Message::Dead(verdict("d", "d", KNOWN)));
    let targets = |rig: &mut Rig, at| {
        rig.told();
        rig.swim.queue_user(Bytes::from_static(b"news"));
        rig.swim.gossip(at);
        let mut to: Vec<_> = rig.packets().into_iter().map(|(to, _)| to).collect();
        to.sort();
        to
    };
    let now = rig.now;
    assert_eq!(targets(&mut rig, now + millis(30_000)), [address("b"), address("c")]);
    assert_eq!(targets(&mut rig, now + millis(30_001)), [address("b")]);
}

#[test]
fn packets_keep_to_their_budget_and_membership_comes_first() {
    let mut rig = Rig::new(&["b"]);
    for number in 0..600u32 {
        rig.swim.queue_user(Bytes::from((number as u16).to_be_bytes().to_vec()));
    }
    rig.tell(Message::Suspect(verdict("b", "c", KNOWN)));
    let messages = rig.swim.fill(PACKET_BUDGET - 2);
    let used: usize = messages.iter().map(|message| message.len() + 2).sum();
    assert!((1_394..=1_398).contains(&used), "{used}");
    assert_eq!(messages[0][0], crate::codec::message::kind::SUSPECT);
    assert!(messages[1..].iter().all(|m| m[0] == 8 && m.len() == 3));
    assert_eq!(rig.swim.metrics.sent.update.get(), (messages.len() - 1) as f64);
}

#[test]
fn the_dead_are_forgotten_after_a_while() {
    let mut rig = Rig::new(&["b", "c"]);
    rig.tell(Message::Dead(verdict("b", "c", KNOWN)));
    rig.swim.take_notes();
    rig.swim.probe_place = 99;
    rig.swim.start_probe(rig.now + millis(30_000));
    assert!(rig.status("b").is_some());
    rig.swim.probe_place = 99;
    rig.swim.start_probe(rig.now + millis(30_001));
    assert_eq!(rig.status("b"), None);
    assert!(matches!(&rig.swim.take_notes()[..], [Note::Forgotten(name)] if **name == *"b"));
}

#[test]
fn exchanges_are_rarer_in_large_clusters() {
    let mut rig = Rig::new(&[]);
    rig.swim.config.push_pull_interval = millis(1000);
    for (nodes, seconds) in [(1, 1), (32, 1), (33, 2), (64, 2), (65, 3), (129, 4)] {
        while rig.swim.table.len() < nodes {
            let node = format!("n{}", rig.swim.table.len());
            rig.swim.on_alive(rig.now, &Alive { node, ..alive("b", 1) });
        }
        assert_eq!(rig.swim.push_pull_pause(), millis(1000 * seconds), "{nodes} nodes");
    }
}

#[test]
fn leaving_is_told_and_no_more_refuted() {
    let mut rig = Rig::new(&["b"]);
    rig.swim.leave(rig.now);
    assert_eq!(rig.status("a"), Some((HasLeft, 1)));
    rig.tell(Message::Dead(verdict("a", "b", 9)));
    rig.tell(Message::Alive(alive("a", 9)));
    assert!(!rig.swim.take_notes().iter().any(|note| matches!(note, Note::LeaveTold)));
    // Four transmits: as many as three nodes ask for.
    for tick in 0..4 {
        let told = rig.swim.take_notes().iter().any(|note| matches!(note, Note::LeaveTold));
        assert!(!told, "after {tick}");
        rig.swim.gossip(rig.now);
        let leave = Message::Dead(verdict("a", "a", 1));
        assert!(rig.packets().iter().all(|(_, messages)| *messages == [leave.clone()]));
    }
    assert!(rig.swim.take_notes().iter().any(|note| matches!(note, Note::LeaveTold)));

    let mut alone = Rig::new(&[]);
    alone.swim.leave(alone.now);
    assert!(alone.swim.take_notes().iter().any(|note| matches!(note, Note::LeaveTold)));
}

#[test]
fn checksums_are_for_those_who_know_them() {
    for (max, checksum) in [(4, false), (5, true)] {
        let mut rig = Rig::new(&[]);
        let versions = vec![1, max, 2, 0, 0, 0];
        rig.tell(Message::Alive(Alive { versions, ..alive("b", 1) }));
        rig.swim.gossip(rig.now);
        let sends = rig.swim.take_sends();
        let [Outgoing::Packet { data, .. }] = &sends[..] else { panic!("{sends:?}") };
        assert_eq!(data[0] == crate::codec::message::kind::CHECKSUM, checksum);
    }
}
