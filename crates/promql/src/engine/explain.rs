//! A plan as a tree for people and programs: what runs, over what, and, after a run, what it did and cost.
//!
//! The tree shows operators as they run: where the engine runs several in one pass over a series they say so. JSON is made of it
//! in crate `api`; page: docs/formats/query-explain.md.

use gauntlet_model::Timestamp;

use super::grid::Grid;
use super::node::{
    Extension, Grouping, MapOp, Node, NodeId, Origin, Plan, RangeSource, Selector, SortKey,
    Subquery,
};
use super::profile::{OperatorStats, Profile};
use crate::ast::{Cardinality, PosRange, VectorMatching};

/// A query's plan.
#[derive(Clone, Debug)]
pub struct Explain {
    pub grid: Grid,
    /// Threads that tiles of series are spread over.
    pub workers: usize,
    pub selections: Vec<Selection>,
    pub plan: PlanNode,
}

/// One selection from the storage: asked once, however many operators read it.
#[derive(Clone, Debug)]
pub struct Selection {
    pub matchers: Vec<String>,
    /// Span of time asked for, both ends in.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    /// What was found; known after a run.
    pub found: Option<Found>,
}

/// What a storage answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub series: u64,
    pub chunks: u64,
    /// Label sets and chunks, as they were charged.
    pub bytes: u64,
}

/// An operator and its inputs.
#[derive(Clone, Debug)]
pub struct PlanNode {
    /// What it is: `select`, `window`, `map`, `aggregate` ... The page has the list.
    pub operator: &'static str,
    /// The function, operator or aggregation of the query; the metric's name for a selection.
    pub name: String,
    /// What it gives: `vector`, `scalar`, `range` or `string`.
    pub gives: &'static str,
    /// Where in the query it stands, in bytes.
    pub pos: Option<PosRange>,
    pub args: Vec<(&'static str, Arg)>,
    /// Instants at which it is evaluated, where they are not its consumer's.
    pub grid: Option<Grid>,
    /// Runs in one pass over each series with the operator above it.
    pub fused: bool,
    pub inputs: Vec<PlanNode>,
    /// After a run.
    pub stats: Option<OperatorStats>,
}

/// An operator's argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    Text(String),
    Number(f64),
    Int(i64),
    Bool(bool),
    List(Vec<String>),
}

/// Makes trees of a plan.
pub(super) struct Explainer<'a> {
    pub plan: &'a Plan,
    pub profile: Option<&'a Profile>,
}

impl Explainer<'_> {
    pub(super) fn explain(&self, workers: usize) -> Explain {
        let selections = self.plan.selects.iter().map(|spec| Selection {
            matchers: spec.matchers.iter().map(ToString::to_string).collect(),
            min_time: spec.range.min,
            max_time: spec.range.max,
            found: None,
        });
        Explain {
            grid: self.plan.grid,
            workers,
            selections: selections.collect(),
            plan: self.node(&self.plan.root),
        }
    }

    fn origin(&self, id: NodeId) -> Option<&Origin> {
        self.plan.origins.iter().find(|(other, _)| *other == id).map(|(_, origin)| origin)
    }

    fn leaf(&self, node: &Node, gives: &'static str) -> PlanNode {
        let id = NodeId::of(node);
        let origin = self.origin(id);
        PlanNode {
            operator: node.operator(),
            name: origin.map_or_else(String::new, |o| o.name.clone()),
            gives,
            pos: origin.map(|o| o.pos),
            args: Vec::new(),
            grid: None,
            fused: false,
            inputs: Vec::new(),
            stats: self.profile.and_then(|profile| profile.get(id)),
        }
    }

    fn node(&self, node: &Node) -> PlanNode {
        let vector = || self.leaf(node, "vector");
        let scalar = || self.leaf(node, "scalar");
        match node {
            Node::Text(text) => self.leaf(node, "string").arg("value", text.as_str()),
            Node::Number(value) => scalar().arg("value", *value),
            Node::Time => scalar(),
            Node::ScalarOf(inner) => scalar().input(self.node(inner)),
            Node::ScalarNegate(inner) => scalar().input(self.node(inner)),
            Node::ScalarBinary { op, lhs, rhs } => {
                scalar().arg("op", op.as_str()).input(self.node(lhs)).input(self.node(rhs))
            }
            Node::ScalarMinMax { max, lhs, rhs } => {
                scalar().arg("max", *max).input(self.node(lhs)).input(self.node(rhs))
            }
            Node::ScalarOnce(inner) => scalar().input(self.node(inner)),
            Node::Instant(selector) => self.selector(vector(), selector),
            Node::Smoothed(selector) => self.selector(vector(), selector).arg("smoothed", true),
            Node::SampleTime { selector, start } => {
                vector().arg("start", *start).input(self.inner_selector(selector, None))
            }
            Node::Window(call) => {
                let mut out = vector().arg("rangeMs", call.range_ms);
                out = match &call.source {
                    RangeSource::Selector { selector, extension } => {
                        let mut select = self.inner_selector(selector, Some(call.range_ms));
                        if *extension != Extension::None {
                            let name = format!("{extension:?}").to_lowercase();
                            select = select.arg("extension", name);
                        }
                        out.input(select)
                    }
                    RangeSource::Subquery(subquery) => out.input(self.subquery(subquery)),
                };
                call.params.iter().fold(out, |out, param| out.input(self.node(param)))
            }
            Node::VectorOf(inner) => vector().input(self.node(inner)),
            Node::TimeFunction(_) => vector(),
            Node::Map { input, op } => self.map(vector(), input, op),
            Node::Aggregate(aggregate) => {
                let out = vector()
                    .arg("op", aggregate.op.as_str())
                    .grouping(&aggregate.grouping)
                    .input(self.fused(&aggregate.input));
                match &aggregate.param {
                    Some(param) => out.input(self.node(param)),
                    None => out,
                }
            }
            Node::CountValues { input, label, grouping } => {
                vector().arg("label", label.as_str()).grouping(grouping).input(self.node(input))
            }
            Node::VectorBinary { op, lhs, rhs, matching, return_bool, .. } => vector()
                .arg("op", op.as_str())
                .arg("bool", *return_bool)
                .matching(matching)
                .input(self.node(lhs))
                .input(self.node(rhs)),
            Node::Set { op, lhs, rhs, matching } => vector()
                .arg("op", op.as_str())
                .matching(matching)
                .input(self.node(lhs))
                .input(self.node(rhs)),
            Node::Absent { input, labels } => {
                vector().arg("labels", labels.to_string()).input(self.node(input))
            }
            Node::AbsentOverTime { input, labels } => {
                vector().arg("labels", labels.to_string()).input(self.fused(input))
            }
            Node::Sort { input, key, descending, labels, .. } => vector()
                .arg("by", if *key == SortKey::Value { "value" } else { "labels" })
                .arg("descending", *descending)
                .arg("labels", labels.clone())
                .input(self.node(input)),
            Node::LabelReplace { input, target, source, .. } => vector()
                .arg("target", target.as_str())
                .arg("source", source.as_str())
                .input(self.node(input)),
            Node::LabelJoin { input, target, separator, sources } => vector()
                .arg("target", target.as_str())
                .arg("separator", separator.as_str())
                .arg("sources", sources.clone())
                .input(self.node(input)),
            Node::HistogramQuantile { q, input, .. } => {
                vector().input(self.node(input)).input(self.node(q))
            }
            Node::HistogramQuantiles { input, label, qs, .. } => {
                let out = vector().arg("label", label.as_str()).input(self.node(input));
                qs.iter().fold(out, |out, (q, _)| out.input(self.node(q)))
            }
            Node::HistogramFraction { lower, upper, input, .. } => {
                vector().input(self.node(input)).input(self.node(lower)).input(self.node(upper))
            }
            Node::Info(info) => vector()
                .input(self.node(&info.input))
                .input(self.inner_selector(&info.selector, None)),
            Node::Nothing(input) => vector().input(self.node(input)),
            Node::Once(inner) => vector().input(self.node(inner)),
            Node::Range { selector, range_ms, .. } => {
                self.selector(self.leaf(node, "range"), selector).arg("rangeMs", *range_ms)
            }
            Node::Subquery(subquery) => {
                let inner = self.subquery(subquery);
                PlanNode { pos: self.origin(NodeId::of(node)).map(|o| o.pos), ..inner }
            }
        }
    }

    /// A node that its consumer runs in the same pass, if it can.
    fn fused(&self, node: &Node) -> PlanNode {
        let fused = matches!(
            node,
            Node::Instant(_)
                | Node::Smoothed(_)
                | Node::SampleTime { .. }
                | Node::Window(_)
                | Node::Map { .. }
        );
        PlanNode { fused, ..self.node(node) }
    }

    fn map(&self, mut out: PlanNode, input: &Node, op: &MapOp) -> PlanNode {
        out = out.input(self.fused(input));
        match op {
            MapOp::Float(_) | MapOp::Negate | MapOp::StepTime | MapOp::Histogram(_) => out,
            MapOp::Clamp { min, max } => {
                let mut out = out.arg("min", min.is_some()).arg("max", max.is_some());
                for bound in [min, max].into_iter().flatten() {
                    out = out.input(self.node(bound));
                }
                out
            }
            MapOp::Round(to) => match to {
                Some(to) => out.input(self.node(to)),
                None => out,
            },
            MapOp::Binary { op, scalar, swap, return_bool, .. } => out
                .arg("op", op.as_str())
                .arg("scalarOnTheLeft", *swap)
                .arg("bool", *return_bool)
                .arg("filters", op.is_comparison() && !return_bool)
                .input(self.node(scalar)),
        }
    }

    fn subquery(&self, subquery: &Subquery) -> PlanNode {
        let inner = self.node(&subquery.inner);
        let out = PlanNode {
            operator: "subquery",
            name: String::new(),
            gives: "range",
            pos: inner.pos,
            args: Vec::new(),
            grid: Some(subquery.grid),
            fused: false,
            inputs: vec![inner],
            stats: None,
        };
        out.times(subquery.at, subquery.offset_ms)
    }

    /// The selection inside a window, an operator of its own.
    fn inner_selector(&self, selector: &Selector, range_ms: Option<i64>) -> PlanNode {
        let matchers = selector.select.map(|i| &self.plan.selects[i].matchers);
        let name = matchers.into_iter().flat_map(|m| m.iter()).find(|m| m.name == "__name__");
        let out = PlanNode {
            operator: "select",
            name: name.map_or_else(String::new, |m| m.value.clone()),
            gives: if range_ms.is_some() { "range" } else { "vector" },
            pos: Some(selector.pos),
            args: Vec::new(),
            grid: None,
            fused: true,
            inputs: Vec::new(),
            stats: self.profile.and_then(|p| p.get(NodeId::of_selector(selector))),
        };
        let out = self.selector(out, selector);
        match range_ms {
            Some(range_ms) => out.arg("rangeMs", range_ms),
            None => out,
        }
    }

    fn selector(&self, mut out: PlanNode, selector: &Selector) -> PlanNode {
        if let Some(select) = selector.select {
            out = out.arg("selection", select as i64);
        }
        if selector.skip_buckets {
            out = out.arg("skipBuckets", true);
        }
        out.times(selector.at, selector.offset_ms)
    }
}

impl PlanNode {
    fn arg(mut self, name: &'static str, value: impl Into<Arg>) -> Self {
        self.args.push((name, value.into()));
        self
    }

    fn input(mut self, input: Self) -> Self {
        self.inputs.push(input);
        self
    }

    fn times(mut self, at: Option<Timestamp>, offset_ms: i64) -> Self {
        if let Some(at) = at {
            self = self.arg("atMs", at);
        }
        if offset_ms != 0 {
            self = self.arg("offsetMs", offset_ms);
        }
        self
    }

    fn grouping(self, grouping: &Grouping) -> Self {
        let name = if grouping.without { "without" } else { "by" };
        self.arg(name, grouping.names.clone())
    }

    fn matching(mut self, matching: &VectorMatching) -> Self {
        let card = match matching.card {
            Cardinality::OneToOne => "one-to-one",
            Cardinality::ManyToOne => "many-to-one",
            Cardinality::OneToMany => "one-to-many",
            Cardinality::ManyToMany => "many-to-many",
        };
        self = self.arg("card", card);
        self = self.arg(if matching.on { "on" } else { "ignoring" }, matching.labels.clone());
        if !matching.include.is_empty() {
            self = self.arg("include", matching.include.clone());
        }
        for (name, fill) in [("fillLeft", matching.fill_lhs), ("fillRight", matching.fill_rhs)] {
            if let Some(fill) = fill {
                self = self.arg(name, fill);
            }
        }
        self
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Arg {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Arg {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<String>> for Arg {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}
