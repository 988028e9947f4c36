//! The kinds that ask Amazon's services.

use super::super::check;
use super::super::schema::{Field, FieldKind, Schema};

static FILTER: Schema = Schema {
    name: "filter",
    key: "filters",
    go_type: "aws.Filter",
    fields: &[Field::str("name", ""), Field::strings("values")],
    check: check::none,
};

pub(super) static AWS: Schema = Schema {
    name: "aws",
    key: "aws_sd_configs",
    go_type: "aws.plain",
    fields: &[
        Field::new(
            "role",
            FieldKind::Word {
                default: "",
                words: &["ec2", "ecs", "elasticache", "lightsail", "msk", "rds"],
                unknown: "unknown AWS SD role \"{}\"",
            },
        ),
        Field::str("region", "").omit(),
        Field::str("endpoint", "").omit(),
        Field::str("access_key", "").omit(),
        Field::secret("secret_key").omit(),
        Field::str("profile", "").omit(),
        Field::str("role_arn", "").omit(),
        Field::str("external_id", "").omit(),
        Field::secs("refresh_interval", 60).omit(),
        Field::int("port", 0).omit(),
        Field::http(),
        Field::new("filters", FieldKind::Sections(&FILTER)).omit(),
        Field::strings("clusters").omit(),
    ],
    check: check::aws,
};

pub(super) static EC2: Schema = Schema {
    name: "ec2",
    key: "ec2_sd_configs",
    go_type: "aws.plain",
    fields: &[
        Field::str("endpoint", ""),
        Field::str("region", ""),
        Field::str("access_key", "").omit(),
        Field::secret("secret_key").omit(),
        Field::str("profile", "").omit(),
        Field::str("role_arn", "").omit(),
        Field::str("external_id", "").omit(),
        Field::secs("refresh_interval", 60).omit(),
        Field::int("port", 80),
        Field::new("filters", FieldKind::Sections(&FILTER)),
        Field::http(),
    ],
    check: check::ec2,
};

pub(super) static LIGHTSAIL: Schema = Schema {
    name: "lightsail",
    key: "lightsail_sd_configs",
    go_type: "aws.plain",
    fields: &[
        Field::str("endpoint", ""),
        Field::str("region", ""),
        Field::str("access_key", "").omit(),
        Field::secret("secret_key").omit(),
        Field::str("profile", "").omit(),
        Field::str("role_arn", "").omit(),
        Field::str("external_id", "").omit(),
        Field::secs("refresh_interval", 60).omit(),
        Field::int("port", 80),
        Field::http(),
    ],
    check: check::none,
};

/// The fields that ECS and its kin share.
macro_rules! aws_clusters {
    ($concurrency:literal $(, $more:expr)*) => {
        &[
            Field::str("region", ""),
            Field::str("endpoint", ""),
            Field::str("access_key", "").omit(),
            Field::secret("secret_key").omit(),
            Field::str("profile", "").omit(),
            Field::str("role_arn", "").omit(),
            Field::str("external_id", "").omit(),
            Field::strings("clusters").omit(),
            Field::int("port", 80),
            Field::secs("refresh_interval", 60).omit(),
            $($more,)*
            Field::int("request_concurrency", $concurrency).omit(),
            Field::http(),
        ]
    };
}

pub(super) static ECS: Schema = Schema {
    name: "ecs",
    key: "ecs_sd_configs",
    go_type: "aws.plain",
    fields: aws_clusters!(20),
    check: check::none,
};

pub(super) static ELASTICACHE: Schema = Schema {
    name: "elasticache",
    key: "elasticache_sd_configs",
    go_type: "aws.plain",
    fields: aws_clusters!(10),
    check: check::none,
};

pub(super) static MSK: Schema = Schema {
    name: "msk",
    key: "msk_sd_configs",
    go_type: "aws.plain",
    fields: aws_clusters!(10),
    check: check::none,
};

pub(super) static RDS: Schema = Schema {
    name: "rds",
    key: "rds_sd_configs",
    go_type: "aws.plain",
    fields: aws_clusters!(10, Field::new("filters", FieldKind::Sections(&FILTER))),
    check: check::none,
};
