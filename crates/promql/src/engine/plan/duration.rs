//! Duration expressions, evaluated with the query's step and range.

use super::Planner;
use crate::ast::{self, DurationExpr, DurationOp};
use crate::engine::error::EngineError;
use gauntlet_model::gomath;

/// Milliseconds as Go's `Duration.Seconds` gives them.
pub(in crate::engine) fn go_seconds(ms: i64) -> f64 {
    (ms / 1000) as f64 + ((ms % 1000) * 1_000_000) as f64 / 1e9
}

impl Planner<'_> {
    pub(super) fn offset(&self, offset: &ast::Offset) -> Result<i64, EngineError> {
        match &offset.expr {
            Some(expr) => self.resolve(expr, true),
            None => Ok(offset.original_ms),
        }
    }

    pub(super) fn range(&self, matrix: &ast::MatrixSelector) -> Result<i64, EngineError> {
        self.duration(matrix.range_expr.as_deref(), matrix.range_ms)
    }

    pub(super) fn duration(
        &self,
        expr: Option<&DurationExpr>,
        literal_ms: i64,
    ) -> Result<i64, EngineError> {
        expr.map_or(Ok(literal_ms), |expr| self.resolve(expr, false))
    }

    fn resolve(&self, expr: &DurationExpr, may_be_negative: bool) -> Result<i64, EngineError> {
        let seconds = self.seconds(expr)?;
        if !seconds.is_finite() {
            return Err(bad(expr, "duration is NaN or infinite"));
        }
        if seconds <= 0.0 && !may_be_negative {
            return Err(bad(expr, "duration must be greater than 0"));
        }
        const MOST_SECONDS: f64 = (1u64 << 63) as f64 / 1e9;
        if !(-MOST_SECONDS..=MOST_SECONDS).contains(&seconds) {
            return Err(bad(expr, "duration is out of range"));
        }
        Ok((seconds * 1000.0) as i64)
    }

    fn seconds(&self, expr: &DurationExpr) -> Result<f64, EngineError> {
        Ok(match expr {
            DurationExpr::Number(number) => number.value,
            DurationExpr::Step { .. } => go_seconds(self.context.step_ms),
            DurationExpr::Range { .. } => {
                go_seconds(self.context.end.saturating_sub(self.context.start))
            }
            DurationExpr::Unary { negative, expr, .. } => {
                let value = self.seconds(expr)?;
                if *negative { -value } else { value }
            }
            DurationExpr::MinMax { max, lhs, rhs, .. } => {
                let (a, b) = (self.seconds(lhs)?, self.seconds(rhs)?);
                if *max { gomath::max(a, b) } else { gomath::min(a, b) }
            }
            DurationExpr::Binary { op, lhs, rhs, .. } => {
                let (a, b) = (self.seconds(lhs)?, self.seconds(rhs)?);
                match op {
                    DurationOp::Add => a + b,
                    DurationOp::Sub => a - b,
                    DurationOp::Mul => a * b,
                    DurationOp::Div if b == 0.0 => return Err(bad(expr, "division by zero")),
                    DurationOp::Div => a / b,
                    DurationOp::Mod if b == 0.0 => return Err(bad(expr, "modulo by zero")),
                    DurationOp::Mod => gomath::fmod(a, b),
                    DurationOp::Pow => gomath::pow(a, b),
                }
            }
        })
    }
}

fn bad(expr: &DurationExpr, what: &str) -> EngineError {
    let pos = expr.pos();
    EngineError::BadData(format!("{}:{}: {what}", pos.start, pos.end))
}
