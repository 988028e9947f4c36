//! Alertmanager's layer on its own: who is joined again, what goes over streams, what is kept.

use super::*;
use crate::codec::{Alive, Message, NodeState, PushPull, Versions};
use crate::error::MergeError;

#[derive(Debug)]
struct Fixed;

impl State for Fixed {
    fn marshal(&self) -> Bytes {
        Bytes::from_static(b"all")
    }

    fn merge(&self, _: &[u8]) -> Result<(), MergeError> {
        Ok(())
    }
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 9094))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn machine() -> Machine {
    let config = MachineConfig {
        // Nothing of membership comes between.
        gossip_interval: seconds(1_000_000),
        probe_interval: seconds(1_000_000),
        push_pull_interval: Duration::ZERO,
        ..MachineConfig::new("own", address(1))
    };
    Machine::new(config, &Registry::new(), Chance::seeded(1), Duration::ZERO)
}

/// Tells of a node, in a packet.
fn meet(machine: &mut Machine, now: Duration, number: u8) {
    let alive = Alive {
        addr: vec![10, 0, 0, number],
        incarnation: 1,
        meta: vec![],
        node: format!("node {number}"),
        port: 9094,
        versions: Versions::OURS.0.to_vec(),
    };
    machine.on_packet(now, address(number), &Message::Alive(alive).encode());
}

/// Runs up to `until`; gives the streams asked for on the way, with when and to whom.
fn run(machine: &mut Machine, until: Duration) -> Vec<(Duration, StreamId, SocketAddr)> {
    let mut streams = Vec::new();
    let mut now = Duration::ZERO;
    while machine.deadline() <= until {
        now = now.max(machine.deadline());
        machine.advance(now);
        streams.extend(dialled(machine).into_iter().map(|(id, to)| (now, id, to)));
    }
    streams
}

fn dialled(machine: &mut Machine) -> Vec<(StreamId, SocketAddr)> {
    let actions = machine.take_actions().into_iter();
    let streams = actions.filter_map(|action| match action {
        Action::Stream { id, to, .. } => Some((id, to)),
        _ => None,
    });
    streams.collect()
}

fn answer(number: u8) -> Result<Option<StreamMessage>, String> {
    let node = NodeState {
        addr: vec![10, 0, 0, number],
        incarnation: 1,
        name: format!("node {number}"),
        port: 9094,
        versions: Versions::OURS.0.to_vec(),
        ..NodeState::default()
    };
    let all = PushPull { join: true, nodes: vec![node], user_state: Bytes::new() };
    Ok(Some(StreamMessage::PushPull(all)))
}

#[test]
fn a_join_goes_one_by_one_and_the_missing_are_tried_again() {
    let mut machine = machine();
    let now = seconds(1);
    let id = machine.join(now, vec![address(1), address(2), address(3)]);
    assert_eq!(machine.view().failed_peers(), 2, "all but the own address");
    for (number, result) in
        [(1, Err("itself".to_owned())), (2, answer(2)), (3, Err("no".to_owned()))]
    {
        let streams = dialled(&mut machine);
        assert_eq!(streams.len(), 1);
        assert_eq!(streams[0].1, address(number));
        machine.on_stream_end(now, streams[0].0, result);
    }
    let joined = machine.take_actions().into_iter().find_map(|action| match action {
        Action::Joined { id, outcome } => Some((id, outcome)),
        _ => None,
    });
    let (of, outcome) = joined.unwrap();
    assert_eq!((of, outcome.joined, outcome.errors.len()), (id, 1, 2));
    assert_eq!(machine.view().failed_peers(), 1);
    assert_eq!(machine.view().members().len(), 2);

    let again = run(&mut machine, seconds(60));
    assert_eq!(again.len(), 1, "no second try while the first goes on");
    assert_eq!((again[0].0, again[0].2), (seconds(11), address(3)));
    machine.on_stream_end(seconds(60), again[0].1, answer(3));
    assert_eq!(machine.view().failed_peers(), 0);
    assert_eq!(machine.metrics.reconnections.get(), 1.0);
    assert_eq!(machine.metrics.reconnections_failed.get(), 0.0);
}

#[test]
fn failed_peers_are_given_up_in_the_end() {
    let mut machine = machine();
    machine.join(Duration::ZERO, vec![address(2)]);
    let first = dialled(&mut machine)[0].0;
    machine.on_stream_end(seconds(1), first, Err("no".to_owned()));
    let mut now = Duration::ZERO;
    let mut given_up = None;
    while given_up.is_none() && now < seconds(8 * 3600) {
        now = now.max(machine.deadline());
        machine.advance(now);
        for (id, _) in dialled(&mut machine) {
            machine.on_stream_end(now, id, Err("no".to_owned()));
        }
        if machine.view().failed_peers() == 0 {
            given_up = Some(now);
        }
    }
    // After six hours, at the next sweep.
    assert_eq!(given_up, Some(seconds(6 * 3600)));
}

#[test]
fn peers_are_resolved_again_and_only_the_missing_joined() {
    let mut machine = machine();
    machine.join(Duration::ZERO, vec![]);
    meet(&mut machine, seconds(1), 2);
    machine.take_actions();
    let mut resolves = Vec::new();
    let mut now = Duration::ZERO;
    while machine.deadline() <= seconds(31) {
        now = now.max(machine.deadline());
        machine.advance(now);
        let actions = machine.take_actions();
        resolves.extend(actions.iter().filter(|a| matches!(a, Action::Resolve)).map(|_| now));
    }
    assert_eq!(resolves, [seconds(15), seconds(30)]);
    machine.on_resolved(now, vec![address(1), address(2), address(3)]);
    let streams = dialled(&mut machine);
    assert_eq!(streams.iter().map(|(_, to)| *to).collect::<Vec<_>>(), [address(3)]);
    machine.on_resolved(now, vec![address(4)]);
    assert!(dialled(&mut machine).is_empty(), "the last refresh still goes on");
    machine.on_stream_end(now, streams[0].0, Err("no".to_owned()));
    assert_eq!(machine.metrics.refresh_failed.get(), 1.0);
}

#[test]
fn messages_over_700_bytes_go_over_streams_one_at_a_time() {
    let mut machine = machine();
    let channel = machine.add_state("k", Arc::new(Fixed));
    let other = machine.add_state("other", Arc::new(Fixed));
    for number in 2..5 {
        meet(&mut machine, Duration::ZERO, number);
    }
    machine.take_actions();
    // Key and length take six bytes of the part.
    channel.broadcast(vec![0; 694]);
    assert_eq!(machine.deadline(), Duration::ZERO, "due at once");
    machine.advance(seconds(1));
    assert_eq!((machine.view().queued(), dialled(&mut machine).len()), (1, 0));
    channel.broadcast(vec![0; 695]);
    channel.broadcast(vec![1; 695]);
    machine.advance(seconds(1));
    let first = dialled(&mut machine);
    assert_eq!(first.len(), 3, "to all others");
    assert!(machine.deadline() > seconds(1), "the second waits");
    other.broadcast(vec![2; 2_000]);
    machine.advance(seconds(1));
    let others = dialled(&mut machine);
    assert_eq!(others.len(), 3, "another key does not wait");
    for (number, (id, _)) in first.iter().enumerate() {
        assert!(dialled(&mut machine).is_empty(), "{number}");
        let result = if number == 0 { Err("no".to_owned()) } else { Ok(None) };
        machine.on_stream_end(seconds(3), *id, result);
    }
    assert_eq!(machine.deadline(), Duration::ZERO);
    machine.advance(seconds(3));
    assert_eq!(dialled(&mut machine).len(), 3);
    assert_eq!(machine.metrics.oversize_sent.with(&["k"]).get(), 6.0);
    assert_eq!(machine.metrics.oversize_failed.with(&["k"]).get(), 1.0);
    for _ in 0..205 {
        channel.broadcast(vec![3; 800]);
    }
    assert_eq!(machine.metrics.oversize_dropped.with(&["k"]).get(), 5.0);
}

#[test]
fn queued_messages_are_pruned_now_and_then() {
    let mut machine = machine();
    let channel = machine.add_state("k", Arc::new(Fixed));
    for number in 0..5_000u32 {
        channel.broadcast(number.to_be_bytes().to_vec());
    }
    machine.advance(seconds(899));
    assert_eq!(machine.view().queued(), 5_000);
    machine.advance(seconds(900));
    assert_eq!(machine.view().queued(), 4_096);
    assert_eq!(machine.metrics.pruned.get(), 904.0);
}

#[test]
fn a_state_too_large_to_exchange_leaves_membership_working() {
    #[derive(Debug)]
    struct Huge;
    impl State for Huge {
        fn marshal(&self) -> Bytes {
            Bytes::from(vec![0; 21 << 20])
        }
        fn merge(&self, _: &[u8]) -> Result<(), MergeError> {
            Ok(())
        }
    }
    let mut machine = machine();
    machine.add_state("k", Arc::new(Huge));
    machine.join(Duration::ZERO, vec![address(2)]);
    let actions = machine.take_actions();
    let Some(Action::Stream { data, .. }) = actions.first() else { panic!("{actions:?}") };
    assert!(data.len() < 1_000);
}
