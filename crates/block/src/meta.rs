//! `meta.json`: what a block is, where it came from, and Thanos' section of it. Page: docs/formats/meta.md.
//!
//! Fields we do not know are kept and written back, in both sections: a block passes through us unchanged. Written with tabs and in the
//! peers' order, so that reading and writing gives the same bytes. Leaves out where the file lies.

use std::collections::BTreeMap;
use std::path::Path;

use gauntlet_model::Timestamp;
use gauntlet_runtime::Fs;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ulid::Ulid;

use crate::BlockError;

/// Name of the file in a block's folder.
pub const META_FILE: &str = "meta.json";
/// The only version there is.
pub const META_VERSION: u32 = 1;
/// A meta.json beyond this is refused unread.
pub const META_LIMIT_BYTES: u64 = 64 << 20;

/// Hints of [`Compaction::hints`].
pub const HINT_OUT_OF_ORDER: &str = "from-out-of-order";
pub const HINT_STALE_SERIES: &str = "from-stale-series";
pub const HINT_SELECTED_SERIES: &str = "from-selected-series";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockMeta {
    pub ulid: Ulid,
    /// Samples lie in `min_time <= t < max_time`.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    #[serde(default)]
    pub stats: BlockStats,
    pub compaction: Compaction,
    pub version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thanos: Option<ThanosMeta>,
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BlockStats {
    #[serde(skip_serializing_if = "is_zero")]
    pub num_samples: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub num_float_samples: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub num_histogram_samples: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub num_series: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub num_chunks: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub num_tombstones: u64,
}

/// How a block came to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Compaction {
    /// Compactions on the longest way from a head; a block of the head has 1.
    pub level: u32,
    /// The head's blocks that all this came from, ascending.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub sources: Vec<Ulid>,
    /// Holds no samples: may be deleted at the next reload.
    #[serde(skip_serializing_if = "is_false")]
    pub deletable: bool,
    /// The blocks that this one was made of.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub parents: Vec<Parent>,
    /// A compaction of it failed: leave it alone.
    #[serde(skip_serializing_if = "is_false")]
    pub failed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub hints: Vec<String>,
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Compaction {
    pub fn has_hint(&self, hint: &str) -> bool {
        self.hints.iter().any(|h| h == hint)
    }

    /// Adds a hint, keeping them sorted.
    pub fn add_hint(&mut self, hint: &str) {
        if let Err(at) = self.hints.binary_search_by(|h| h.as_str().cmp(hint)) {
            self.hints.insert(at, hint.to_owned());
        }
    }

    /// Whether the block shows a part of the series only, and so is never merged with others.
    pub fn is_partial_view(&self) -> bool {
        self.has_hint(HINT_STALE_SERIES) || self.has_hint(HINT_SELECTED_SERIES)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parent {
    pub ulid: Ulid,
    pub min_time: Timestamp,
    pub max_time: Timestamp,
}

/// Thanos' section: who the block belongs to and what is in its folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThanosMeta {
    #[serde(skip_serializing_if = "is_zero_u32")]
    pub version: u32,
    /// External labels of the producer.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    pub downsample: Downsample,
    /// Component that made the block: `sidecar`, `compactor`, ...
    pub source: String,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub segment_files: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub files: Vec<BlockFile>,
    /// What was deleted from or relabelled in the block after it was made; kept as it is.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub rewrites: Vec<Value>,
    pub index_stats: IndexStats,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Value>,
    /// RFC 3339; absent in blocks of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_time: Option<String>,
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Downsample {
    /// Milliseconds between windows; 0 for raw samples.
    #[serde(rename = "resolution")]
    pub resolution_ms: i64,
}

/// A file of the block, by path below its folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockFile {
    pub rel_path: String,
    /// 0 for meta.json, which cannot know its own.
    #[serde(skip_serializing_if = "is_zero")]
    pub size_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<FileHash>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileHash {
    /// `SHA256` is the only one.
    #[serde(rename = "hashFunc")]
    pub function: String,
    #[serde(rename = "hashString")]
    pub value: String,
}

/// Largest entries, for readers that guess ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexStats {
    #[serde(skip_serializing_if = "is_zero")]
    pub series_max_size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub chunk_max_size: u64,
}

impl BlockMeta {
    /// A block that was compacted from nothing: level 1, its own source.
    pub fn new(ulid: Ulid, min_time: Timestamp, max_time: Timestamp) -> Self {
        Self {
            ulid,
            min_time,
            max_time,
            stats: BlockStats::default(),
            compaction: Compaction { level: 1, sources: vec![ulid], ..Compaction::default() },
            version: META_VERSION,
            thanos: None,
            unknown: Map::new(),
        }
    }

    /// Parses a meta.json. `path` is for errors.
    pub fn parse(path: &str, content: &[u8]) -> Result<Self, BlockError> {
        let meta: Self = serde_json::from_slice(content).map_err(|err| {
            let offset = offset_of(content, err.line(), err.column());
            BlockError::corrupt(path, offset, "a block's meta.json", err)
        })?;
        if let Some((found, expected)) = meta.misspelt() {
            return Err(BlockError::corrupt(path, 0, expected, found));
        }
        if meta.version != META_VERSION {
            let reason = format!("unexpected meta file version {}", meta.version);
            return Err(BlockError::Unsupported { path: path.to_owned(), reason });
        }
        if let Some(thanos) = &meta.thanos
            && thanos.version > META_VERSION
        {
            let reason = format!("unexpected Thanos section version {}", thanos.version);
            return Err(BlockError::Unsupported { path: path.to_owned(), reason });
        }
        Ok(meta)
    }

    /// A name that differs from one we know in a single byte, and that one: no later version calls a field so, a flipped bit does.
    fn misspelt(&self) -> Option<(&str, &'static str)> {
        const FIELDS: &[&str] =
            &["ulid", "minTime", "maxTime", "stats", "compaction", "version", "thanos"];
        const OF_COMPACTION: &[&str] =
            &["level", "sources", "deletable", "parents", "failed", "hints"];
        const HINTS: &[&str] = &[HINT_OUT_OF_ORDER, HINT_STALE_SERIES, HINT_SELECTED_SERIES];
        let fields = self.unknown.keys().map(|name| (name.as_str(), FIELDS));
        let of_compaction =
            self.compaction.unknown.keys().map(|name| (name.as_str(), OF_COMPACTION));
        let hints = self.compaction.hints.iter().map(|hint| (hint.as_str(), HINTS));
        fields.chain(of_compaction).chain(hints).find_map(|(found, known)| {
            let near = |name: &&&str| {
                let differing = name.bytes().zip(found.bytes()).filter(|(a, b)| a != b).count();
                name.len() == found.len() && differing == 1
            };
            Some((found, *known.iter().find(near)?))
        })
    }

    /// Reads the meta.json of a block's folder.
    pub fn read(fs: &dyn Fs, folder: &Path) -> Result<Self, BlockError> {
        let path = folder.join(META_FILE);
        let content = fs
            .read(&path, META_LIMIT_BYTES)
            .map_err(|err| BlockError::io(path.display(), "read", err))?;
        Self::parse(&path.display().to_string(), &content)
    }

    /// Replaces the meta.json of a block's folder as a whole.
    pub fn write(&self, fs: &dyn Fs, folder: &Path) -> Result<(), BlockError> {
        let path = folder.join(META_FILE);
        fs.replace(&path, &self.to_json())
            .map_err(|err| BlockError::io(path.display(), "write", err))
    }

    /// The file's bytes, as the peers write them. With a Thanos section they end in a line feed.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, tabs);
        self.serialize(&mut serializer).expect("BUG: meta has string keys only");
        let mut out = escape_as_go(out);
        if self.thanos.is_some() {
            out.push(b'\n');
        }
        out
    }

    /// Whether the block has samples in `min_t <= t <= max_t`, as far as its range tells.
    pub fn overlaps(&self, min_t: Timestamp, max_t: Timestamp) -> bool {
        self.min_time <= max_t && min_t < self.max_time
    }

    pub fn as_parent(&self) -> Parent {
        Parent { ulid: self.ulid, min_time: self.min_time, max_time: self.max_time }
    }
}

/// Go's encoder writes these as escapes wherever they occur, which in JSON is in strings only.
fn escape_as_go(json: Vec<u8>) -> Vec<u8> {
    if !json.iter().any(|b| matches!(b, b'<' | b'>' | b'&' | 0xe2)) {
        return json;
    }
    let text = String::from_utf8(json).expect("BUG: JSON is UTF-8");
    let escaped = text
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    escaped.into_bytes()
}

fn offset_of(content: &[u8], line: usize, column: usize) -> u64 {
    let before: usize =
        content.split(|b| *b == b'\n').take(line.saturating_sub(1)).map(|l| l.len() + 1).sum();
    (before + column.saturating_sub(1)) as u64
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn is_zero_u32(value: &u32) -> bool {
    *value == 0
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"ulid":"01M8625SQFSCG4A9PKR1A9Q90W","minTime":1,"maxTime":5,
        "stats":{"numSamples":3},"compaction":{"level":1,"sources":null,"later":true},"version":1,"new":{"a":[1]}}"#;

    #[test]
    fn unknown_fields_survive() {
        let meta = BlockMeta::parse("m", PLAIN.as_bytes()).unwrap();
        let again = String::from_utf8(meta.to_json()).unwrap();
        assert!(again.contains("\"later\": true") && again.contains("\"new\": {"), "{again}");
        assert_eq!(BlockMeta::parse("m", again.as_bytes()).unwrap(), meta);
    }

    #[test]
    fn damage_is_named_with_its_place() {
        let err = BlockMeta::parse("m", b"{\n\"ulid\": 5}").unwrap_err();
        assert!(matches!(err, BlockError::Corrupt { offset: 8..=11, .. }), "{err:?}");
        let other = PLAIN.replace("\"version\":1", "\"version\":2");
        let err = BlockMeta::parse("m", other.as_bytes()).unwrap_err();
        assert_eq!(err.to_string(), "m: unexpected meta file version 2");
    }

    #[test]
    fn a_name_with_a_flipped_bit_is_damage() {
        let text = |hint: &str, field: &str| {
            format!(
                r#"{{"ulid":"01ARZ3NDEKTSV4RRFFQ69G5FAV","minTime":0,"maxTime":1,"{field}":7,"compaction":{{"level":1,"hints":["{hint}"]}},"version":1}}"#
            )
        };
        let parse = |hint, field| BlockMeta::parse("m", text(hint, field).as_bytes());
        assert!(parse(HINT_OUT_OF_ORDER, "new").is_ok());
        assert!(parse("from-somewhere-else", "new").is_ok());
        assert!(parse("from-out-of-ordmr", "new").is_err());
        assert!(parse(HINT_OUT_OF_ORDER, "thanoS").is_err());
    }

    #[test]
    fn the_range_has_its_end_outside() {
        let meta = BlockMeta::new(Ulid::nil(), 10, 20);
        assert!(meta.overlaps(0, 10) && meta.overlaps(19, 30));
        assert!(!meta.overlaps(0, 9) && !meta.overlaps(20, 30));
    }

    #[test]
    fn text_is_escaped_as_go_does() {
        let mut meta = BlockMeta::new(Ulid::nil(), 10, 20);
        let labels = [("a".to_owned(), "<&>".to_owned())].into();
        meta.thanos = Some(ThanosMeta { labels, ..ThanosMeta::default() });
        let json = String::from_utf8(meta.to_json()).unwrap();
        assert!(json.contains(r#""a": "\u003c\u0026\u003e""#), "{json}");
    }
}
