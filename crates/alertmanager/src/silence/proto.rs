//! Silences on the wire and in the snapshot. Source: upstream `silencepb`; field numbers are those of its schema.
//!
//! Upstream writes the first matcher set a second time in the old field `matchers`, for its own older versions; so do we.

use std::collections::BTreeMap;

use gauntlet_model::MatchOp;
use prost::Message;

use super::{Silence, SilenceMatcher};
use crate::snapshot::Timestamp;
use crate::time::Time;

#[derive(Clone, PartialEq, Message)]
pub(super) struct MatcherProto {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    pattern: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MatcherSetProto {
    #[prost(message, repeated, tag = "1")]
    matchers: Vec<MatcherProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommentProto {
    #[prost(string, tag = "1")]
    author: String,
    #[prost(string, tag = "2")]
    comment: String,
    #[prost(message, optional, tag = "3")]
    timestamp: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SilenceProto {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, repeated, tag = "2")]
    matchers: Vec<MatcherProto>,
    #[prost(message, optional, tag = "3")]
    starts_at: Option<Timestamp>,
    #[prost(message, optional, tag = "4")]
    ends_at: Option<Timestamp>,
    #[prost(message, optional, tag = "5")]
    updated_at: Option<Timestamp>,
    #[prost(message, repeated, tag = "7")]
    comments: Vec<CommentProto>,
    #[prost(string, tag = "8")]
    created_by: String,
    #[prost(string, tag = "9")]
    comment: String,
    #[prost(btree_map = "string, string", tag = "10")]
    annotations: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "11")]
    matcher_sets: Vec<MatcherSetProto>,
    #[prost(message, repeated, tag = "12")]
    receiver_matcher_sets: Vec<MatcherSetProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MeshSilenceProto {
    #[prost(message, optional, tag = "1")]
    pub(super) silence: Option<SilenceProto>,
    #[prost(message, optional, tag = "2")]
    pub(super) expires_at: Option<Timestamp>,
}

impl MeshSilenceProto {
    pub(super) fn new(silence: &Silence, expires_at: Time) -> Self {
        let sets = sets_to(&silence.matcher_sets);
        let proto = SilenceProto {
            id: silence.id.clone(),
            matchers: sets.first().map(|set| set.matchers.clone()).unwrap_or_default(),
            starts_at: Some(silence.starts_at.into()),
            ends_at: Some(silence.ends_at.into()),
            updated_at: Some(silence.updated_at.into()),
            comments: Vec::new(),
            created_by: silence.created_by.clone(),
            comment: silence.comment.clone(),
            annotations: silence.annotations.clone(),
            matcher_sets: sets,
            receiver_matcher_sets: sets_to(&silence.receiver_matcher_sets),
        };
        Self { silence: Some(proto), expires_at: Some(expires_at.into()) }
    }
}

impl SilenceProto {
    /// Errs on a kind of matcher that is not known.
    pub(super) fn into_silence(self) -> Result<Silence, String> {
        let mut sets = self.matcher_sets;
        if sets.is_empty() && !self.matchers.is_empty() {
            sets.push(MatcherSetProto { matchers: self.matchers });
        }
        let (mut created_by, mut comment) = (self.created_by, self.comment);
        if let Some(first) = self.comments.into_iter().next() {
            (created_by, comment) = (first.author, first.comment);
        }
        Ok(Silence {
            id: self.id,
            matcher_sets: sets_from(sets)?,
            receiver_matcher_sets: sets_from(self.receiver_matcher_sets)?,
            starts_at: Time::from(self.starts_at.unwrap_or_default()),
            ends_at: Time::from(self.ends_at.unwrap_or_default()),
            updated_at: Time::from(self.updated_at.unwrap_or_default()),
            created_by,
            comment,
            annotations: self.annotations,
        })
    }
}

fn sets_to(sets: &[Vec<SilenceMatcher>]) -> Vec<MatcherSetProto> {
    let matcher = |m: &SilenceMatcher| MatcherProto {
        kind: match m.op {
            MatchOp::Equal => 0,
            MatchOp::Regex => 1,
            MatchOp::NotEqual => 2,
            MatchOp::NotRegex => 3,
        },
        name: m.name.clone(),
        pattern: m.pattern.clone(),
    };
    sets.iter().map(|set| MatcherSetProto { matchers: set.iter().map(matcher).collect() }).collect()
}

fn sets_from(sets: Vec<MatcherSetProto>) -> Result<Vec<Vec<SilenceMatcher>>, String> {
    let matcher = |m: MatcherProto| {
        let op = match m.kind {
            0 => MatchOp::Equal,
            1 => MatchOp::Regex,
            2 => MatchOp::NotEqual,
            3 => MatchOp::NotRegex,
            other => return Err(format!("unknown matcher type \"{other}\"")),
        };
        Ok(SilenceMatcher { op, name: m.name, pattern: m.pattern })
    };
    sets.into_iter().map(|set| set.matchers.into_iter().map(matcher).collect()).collect()
}
