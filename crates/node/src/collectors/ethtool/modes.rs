//! Link modes by their bit in the kernel's sets (linux/ethtool.h), as far as the 32-bit sets reach.

/// (bit, megabits per second, duplex, medium)
pub(super) const SPEEDS: &[(u32, u32, &str, &str)] = &[
    (0, 10, "half", "T"),
    (1, 10, "full", "T"),
    (2, 100, "half", "T"),
    (3, 100, "full", "T"),
    (4, 1000, "half", "T"),
    (5, 1000, "full", "T"),
    (12, 10000, "full", "T"),
    (17, 1000, "full", "KX"),
    (18, 10000, "full", "KX4"),
    (19, 10000, "full", "KR"),
    (20, 10000, "full", "R_FEC"),
    (21, 20000, "full", "MLD2"),
    (22, 20000, "full", "KR2"),
    (23, 40000, "full", "KR4"),
    (24, 40000, "full", "CR4"),
    (25, 40000, "full", "SR4"),
    (26, 40000, "full", "LR4"),
    (27, 56000, "full", "KR4"),
    (28, 56000, "full", "CR4"),
    (29, 56000, "full", "SR4"),
    (30, 56000, "full", "LR4"),
    (31, 25000, "full", "CR"),
];

/// (bit, port)
pub(super) const PORTS: &[(u32, &str)] =
    &[(7, "TP"), (8, "AUI"), (9, "MII"), (10, "FIBRE"), (11, "BNC"), (16, "Backplane")];

/// (bit, feature, help where supported, help where advertised)
pub(super) const FEATURES: &[(u32, &str, &str, &str)] = &[
    (
        6,
        "autonegotiate",
        "If this port device supports autonegotiate",
        "If this port device offers autonegotiate",
    ),
    (
        13,
        "pause",
        "If this port device supports pause frames",
        "If this port device offers pause capability",
    ),
    (
        14,
        "asymmetricpause",
        "If this port device supports asymmetric pause frames",
        "If this port device offers asymmetric pause capability",
    ),
];
