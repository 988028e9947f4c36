//! Kubernetes.

use super::super::check;
use super::super::schema::{Field, FieldKind, Schema};

const KUBERNETES_ROLES: &[&str] =
    &["node", "pod", "service", "endpoints", "endpointslice", "ingress"];

pub(super) static KUBERNETES: Schema = Schema {
    name: "kubernetes",
    key: "kubernetes_sd_configs",
    go_type: "kubernetes.plain",
    fields: &[
        Field::new("api_server", FieldKind::Url).omit(),
        Field::new(
            "role",
            FieldKind::Word {
                default: "",
                words: KUBERNETES_ROLES,
                unknown: "unknown Kubernetes SD role \"{}\"",
            },
        ),
        Field::path("kubeconfig_file"),
        Field::http(),
        Field::new("namespaces", FieldKind::Section(&KUBERNETES_NAMESPACES)).omit(),
        Field::new("selectors", FieldKind::Sections(&KUBERNETES_SELECTOR)).omit(),
        Field::new("attach_metadata", FieldKind::Section(&KUBERNETES_METADATA)).omit(),
    ],
    check: check::kubernetes,
};

static KUBERNETES_NAMESPACES: Schema = Schema {
    name: "namespaces",
    key: "namespaces",
    go_type: "kubernetes.plain",
    fields: &[Field::bool("own_namespace", false), Field::strings("names")],
    check: check::none,
};

static KUBERNETES_SELECTOR: Schema = Schema {
    name: "selector",
    key: "selectors",
    go_type: "kubernetes.SelectorConfig",
    fields: &[
        Field::new(
            "role",
            FieldKind::Word {
                default: "",
                words: KUBERNETES_ROLES,
                unknown: "unknown Kubernetes SD role \"{}\"",
            },
        )
        .omit(),
        Field::str("label", "").omit(),
        Field::str("field", "").omit(),
    ],
    check: check::none,
};

static KUBERNETES_METADATA: Schema = Schema {
    name: "attach_metadata",
    key: "attach_metadata",
    go_type: "kubernetes.AttachMetadataConfig",
    fields: &[
        Field::bool("node", false),
        Field::bool("namespace", false),
        Field::bool("deployment", false),
        Field::bool("job", false),
        Field::bool("cronjob", false),
    ],
    check: check::none,
};
