//! The syntax tree as JSON, for the `parse_query` API and editors. Shape: upstream `web/api/v1/translate_ast.go`.

use gauntlet_model::float::plain_float;
use gauntlet_model::{MatchOp, Matcher};
use serde_json::{Value, json};

use crate::ast::{
    Aggregate, At, Binary, Call, DurationExpr, Expr, MatrixSelector, NumberLiteral, Paren,
    StringLiteral, Subquery, Unary, VectorMatching, VectorSelector,
};

/// The tree as JSON.
pub fn to_json(expr: &Expr) -> Value {
    // One function per kind keeps the frames of this recursion small.
    match expr {
        Expr::StepInvariant(e) => to_json(e),
        Expr::Number(e) => number(e),
        Expr::String(e) => string(e),
        Expr::Paren(e) => paren(e),
        Expr::Unary(e) => unary(e),
        Expr::Vector(e) => selector(e, "vectorSelector"),
        Expr::Matrix(e) => matrix(e),
        Expr::Subquery(e) => subquery(e),
        Expr::Binary(e) => binary(e),
        Expr::Aggregate(e) => aggregate(e),
        Expr::Call(e) => call(e),
    }
}

fn number(e: &NumberLiteral) -> Value {
    json!({ "type": "numberLiteral", "val": plain_float(e.value) })
}

fn string(e: &StringLiteral) -> Value {
    json!({ "type": "stringLiteral", "val": e.value })
}

fn paren(e: &Paren) -> Value {
    json!({ "type": "parenExpr", "expr": to_json(&e.expr) })
}

fn unary(e: &Unary) -> Value {
    let op = if e.negative { "-" } else { "+" };
    json!({ "type": "unaryExpr", "op": op, "expr": to_json(&e.expr) })
}

fn matrix(e: &MatrixSelector) -> Value {
    let mut value = selector(&e.selector, "matrixSelector");
    value["range"] = json!(e.range_ms);
    value["rangeExpr"] = optional_duration(e.range_expr.as_deref());
    value
}

fn subquery(e: &Subquery) -> Value {
    json!({
        "type": "subquery",
        "expr": to_json(&e.expr),
        "range": e.range_ms,
        "rangeExpr": optional_duration(e.range_expr.as_deref()),
        "offset": e.offset.original_ms,
        "offsetExpr": optional_duration(e.offset.expr.as_deref()),
        "step": e.step_ms,
        "stepExpr": optional_duration(e.step_expr.as_deref()),
        "timestamp": timestamp(e.at),
        "startOrEnd": start_or_end(e.at),
    })
}

fn binary(e: &Binary) -> Value {
    json!({
        "type": "binaryExpr",
        "op": e.op.as_str(),
        "lhs": to_json(&e.lhs),
        "rhs": to_json(&e.rhs),
        "matching": e.matching.as_ref().map(matching),
        "bool": e.return_bool,
    })
}

fn aggregate(e: &Aggregate) -> Value {
    json!({
        "type": "aggregation",
        "op": e.op.as_str(),
        "expr": to_json(&e.expr),
        "param": e.param.as_deref().map(to_json),
        "grouping": e.grouping,
        "without": e.without,
    })
}

fn call(e: &Call) -> Value {
    let types: Vec<&str> = e.func.arg_types.iter().map(|t| t.as_str()).collect();
    let args: Vec<Value> = e.args.iter().map(to_json).collect();
    json!({
        "type": "call",
        "func": {
            "name": e.func.name,
            "argTypes": types,
            "variadic": e.func.variadic,
            "returnType": e.func.return_type.as_str(),
        },
        "args": args,
    })
}

fn selector(e: &VectorSelector, kind: &str) -> Value {
    json!({
        "type": kind,
        "name": e.name,
        "offset": e.offset.original_ms,
        "offsetExpr": optional_duration(e.offset.expr.as_deref()),
        "matchers": e.matchers.iter().map(matcher).collect::<Vec<_>>(),
        "timestamp": timestamp(e.at),
        "startOrEnd": start_or_end(e.at),
        "anchored": e.anchored,
        "smoothed": e.smoothed,
    })
}

fn matcher(m: &Matcher) -> Value {
    let op: MatchOp = m.op;
    json!({ "name": m.name, "value": m.value, "type": op.as_str() })
}

fn matching(m: &VectorMatching) -> Value {
    json!({
        "card": m.card.as_str(),
        "labels": m.labels,
        "on": m.on,
        "include": m.include,
        "fillValues": { "lhs": m.fill_lhs, "rhs": m.fill_rhs },
    })
}

fn timestamp(at: Option<At>) -> Value {
    match at {
        Some(At::Timestamp(ms)) => json!(ms),
        _ => Value::Null,
    }
}

fn start_or_end(at: Option<At>) -> Value {
    match at {
        Some(At::Start) => json!("start"),
        Some(At::End) => json!("end"),
        _ => Value::Null,
    }
}

fn optional_duration(expr: Option<&DurationExpr>) -> Value {
    expr.map_or(Value::Null, duration)
}

fn duration(expr: &DurationExpr) -> Value {
    let node = |op: &str, lhs: Value, rhs: Value, wrapped: bool| json!({ "type": "durationExpr", "op": op, "lhs": lhs, "rhs": rhs, "wrapped": wrapped });
    match expr {
        DurationExpr::Number(NumberLiteral { value, is_duration, .. }) => {
            json!({ "type": "numberLiteral", "val": plain_float(*value), "duration": is_duration })
        }
        DurationExpr::Step { wrapped, .. } => node("step", Value::Null, Value::Null, *wrapped),
        DurationExpr::Range { wrapped, .. } => node("range", Value::Null, Value::Null, *wrapped),
        DurationExpr::Unary { negative, expr, wrapped, .. } => {
            node(if *negative { "-" } else { "+" }, Value::Null, duration(expr), *wrapped)
        }
        DurationExpr::Binary { op, lhs, rhs, wrapped, .. } => {
            node(op.as_str(), duration(lhs), duration(rhs), *wrapped)
        }
        DurationExpr::MinMax { max, lhs, rhs, wrapped, .. } => {
            node(if *max { "max_of" } else { "min_of" }, duration(lhs), duration(rhs), *wrapped)
        }
    }
}
