//! Packets that IPsec dropped, by reason.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "xfrm",
    default_on: false,
    reads: "/proc/net/xfrm_stat",
    families: "node_xfrm_*_packets_total",
    make: |_| Ok(Box::new(Xfrm)),
};

struct Xfrm;

impl Collector for Xfrm {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("net/xfrm_stat");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        let values = parse(bytes).map_err(|e| e.at(&path))?;
        for ((_, suffix, help), value) in COUNTERS.iter().zip(values) {
            out.counter(&format!("node_xfrm_{suffix}"), help, &[], value as f64);
        }
        Ok(())
    }
}

/// Values in the order of the table; lines that are not in it are left out, missing ones count as zero.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<i64>, Malformed> {
    let mut values = vec![0; COUNTERS.len()];
    for line in scan::text(input).lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(key), Some(value)) = (words.next(), words.next()) else {
            return Err(scan::bad("a name and a value", line));
        };
        if let Some(at) = COUNTERS.iter().position(|(name, ..)| *name == key) {
            values[at] = scan::i64(value)?;
        }
    }
    Ok(values)
}

/// (name in the file, family suffix, help)
const COUNTERS: &[(&str, &str, &str)] = &[
    ("XfrmInError", "in_error_packets_total", "All errors not matched by other"),
    ("XfrmInBufferError", "in_buffer_error_packets_total", "No buffer is left"),
    ("XfrmInHdrError", "in_hdr_error_packets_total", "Header error"),
    (
        "XfrmInNoStates",
        "in_no_states_packets_total",
        "No state is found i.e. Either inbound SPI, address, or IPsec protocol at SA is wrong",
    ),
    (
        "XfrmInStateProtoError",
        "in_state_proto_error_packets_total",
        "Transformation protocol specific error e.g. SA key is wrong",
    ),
    (
        "XfrmInStateModeError",
        "in_state_mode_error_packets_total",
        "Transformation mode specific error",
    ),
    (
        "XfrmInStateSeqError",
        "in_state_seq_error_packets_total",
        "Sequence error i.e. Sequence number is out of window",
    ),
    ("XfrmInStateExpired", "in_state_expired_packets_total", "State is expired"),
    (
        "XfrmInStateMismatch",
        "in_state_mismatch_packets_total",
        "State has mismatch option e.g. UDP encapsulation type is mismatch",
    ),
    ("XfrmInStateInvalid", "in_state_invalid_packets_total", "State is invalid"),
    (
        "XfrmInTmplMismatch",
        "in_tmpl_mismatch_packets_total",
        "No matching template for states e.g. Inbound SAs are correct but SP rule is wrong",
    ),
    (
        "XfrmInNoPols",
        "in_no_pols_packets_total",
        "No policy is found for states e.g. Inbound SAs are correct but no SP is found",
    ),
    ("XfrmInPolBlock", "in_pol_block_packets_total", "Policy discards"),
    ("XfrmInPolError", "in_pol_error_packets_total", "Policy error"),
    ("XfrmOutError", "out_error_packets_total", "All errors which is not matched others"),
    ("XfrmOutBundleGenError", "out_bundle_gen_error_packets_total", "Bundle generation error"),
    ("XfrmOutBundleCheckError", "out_bundle_check_error_packets_total", "Bundle check error"),
    ("XfrmOutNoStates", "out_no_states_packets_total", "No state is found"),
    (
        "XfrmOutStateProtoError",
        "out_state_proto_error_packets_total",
        "Transformation protocol specific error",
    ),
    (
        "XfrmOutStateModeError",
        "out_state_mode_error_packets_total",
        "Transformation mode specific error",
    ),
    (
        "XfrmOutStateSeqError",
        "out_state_seq_error_packets_total",
        "Sequence error i.e. Sequence number overflow",
    ),
    ("XfrmOutStateExpired", "out_state_expired_packets_total", "State is expired"),
    ("XfrmOutPolBlock", "out_pol_block_packets_total", "Policy discards"),
    ("XfrmOutPolDead", "out_pol_dead_packets_total", "Policy is dead"),
    ("XfrmOutPolError", "out_pol_error_packets_total", "Policy error"),
    (
        "XfrmFwdHdrError",
        "fwd_hdr_error_packets_total",
        "Forward routing of a packet is not allowed",
    ),
    ("XfrmOutStateInvalid", "out_state_invalid_packets_total", "State is invalid, perhaps expired"),
    (
        "XfrmAcquireError",
        "acquire_error_packets_total",
        "State hasn’t been fully acquired before use",
    ),
];
