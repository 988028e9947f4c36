//! `storage`: the parts of the local storage that a reload may change.

use std::borrow::Cow;

use gauntlet_model::duration::Duration;
use gauntlet_model::size::ByteSize;
use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

/// `storage.tsdb.retention`; zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RetentionConfig {
    pub time: Duration,
    pub size: ByteSize,
    /// Of the disk; wins over the size.
    pub percentage: f64,
}

impl FromYaml for RetentionConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let retention = Self {
            time: map.take_default(cx, "time"),
            size: map.take_default(cx, "size"),
            percentage: map.take_default(cx, "percentage"),
        };
        if retention.size.0 < 0 {
            let reason = format!(
                "'storage.tsdb.retention.size' must be greater than or equal to 0, got {}",
                retention.size
            );
            map.problem(cx, "size", reason);
        }
        if !(0.0..=100.0).contains(&retention.percentage) {
            let reason = format!(
                "'storage.tsdb.retention.percentage' must be in the range [0, 100], got {}",
                retention.percentage
            );
            map.problem(cx, "percentage", reason);
        }
        map.finish(cx).then_some(retention)
    }

    fn go_type() -> Cow<'static, str> {
        "config.plain".into()
    }
}

impl ToYaml for RetentionConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put_some("time", (!self.time.is_zero()).then_some(self.time))
            .put_some("size", (self.size != ByteSize(0)).then_some(self.size))
            .put_nonzero("percentage", self.percentage)
            .build()
    }
}

/// How float chunks are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatEncoding {
    Xor,
    Xor2,
}

/// `storage.tsdb`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TsdbConfig {
    /// How late a sample may come.
    pub out_of_order_time_window: Duration,
    /// Ratio of stale series in the head that starts a compaction; 0: never.
    pub stale_series_compaction_threshold: f64,
    /// `None`: the storage's default.
    pub float_encoding: Option<FloatEncoding>,
    pub retention: RetentionConfig,
}

impl FromYaml for TsdbConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let float_encoding = map.node("chunk_encoding").and_then(|node| {
            cx.in_key("chunk_encoding", |cx| read_float_encoding(node, cx)).flatten()
        });
        // Upstream's struct has this name too, without a use: what it holds is overwritten.
        let _: Option<i64> = map.take(cx, "outofordertimewindow");
        let tsdb = Self {
            out_of_order_time_window: map.take_default(cx, "out_of_order_time_window"),
            stale_series_compaction_threshold: map
                .take_default(cx, "stale_series_compaction_threshold"),
            float_encoding,
            retention: map.take_default(cx, "retention"),
        };
        map.finish(cx).then_some(tsdb)
    }

    fn go_type() -> Cow<'static, str> {
        "config.plain".into()
    }
}

fn read_float_encoding(node: Node<'_>, cx: &mut Context) -> Option<Option<FloatEncoding>> {
    let mut map = Mapping::read(node, "config.ChunkEncodingConfig", cx)?;
    let name: String = map.take_default(cx, "floats");
    let encoding = match name.as_str() {
        "" => None,
        "xor" => Some(FloatEncoding::Xor),
        "xor2" => Some(FloatEncoding::Xor2),
        _ => {
            let reason = format!(
                "'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or the field must be omitted entirely, got {name:?}"
            );
            map.problem(cx, "floats", reason);
            None
        }
    };
    map.finish(cx).then_some(encoding)
}

impl ToYaml for TsdbConfig {
    fn to_yaml(&self) -> Value {
        let window = self.out_of_order_time_window;
        let encoding = self.float_encoding.map(|encoding| {
            let name = match encoding {
                FloatEncoding::Xor => "xor",
                FloatEncoding::Xor2 => "xor2",
            };
            MapBuilder::new().put("floats", name).build()
        });
        MapBuilder::new()
            .put("outofordertimewindow", window.as_ms())
            .put_some("out_of_order_time_window", (!window.is_zero()).then_some(window))
            .put_nonzero(
                "stale_series_compaction_threshold",
                self.stale_series_compaction_threshold,
            )
            .put_some("chunk_encoding", encoding)
            .put("retention", self.retention)
            .build()
    }
}

/// The section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StorageConfig {
    pub tsdb: TsdbConfig,
    /// Most exemplars kept; `None`: the default of the storage.
    pub max_exemplars: Option<i64>,
}

impl FromYaml for StorageConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.StorageConfig", cx)?;
        let tsdb = map.take_default(cx, "tsdb");
        let max_exemplars = map
            .node("exemplars")
            .and_then(|node| cx.in_key("exemplars", |cx| read_exemplars(node, cx)));
        map.finish(cx).then_some(Self { tsdb, max_exemplars })
    }

    fn go_type() -> Cow<'static, str> {
        "config.StorageConfig".into()
    }
}

fn read_exemplars(node: Node<'_>, cx: &mut Context) -> Option<i64> {
    let mut map = Mapping::read(node, "config.ExemplarsConfig", cx)?;
    let max = map.take_default(cx, "max_exemplars");
    map.finish(cx).then_some(max)
}

impl ToYaml for StorageConfig {
    fn to_yaml(&self) -> Value {
        let exemplars = self
            .max_exemplars
            .map(|max| MapBuilder::new().put_nonzero("max_exemplars", max).build());
        MapBuilder::new().put("tsdb", &self.tsdb).put_some("exemplars", exemplars).build()
    }
}
