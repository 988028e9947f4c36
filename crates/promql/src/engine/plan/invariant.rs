//! Which expressions have the same value at every step.

use crate::ast::Expr;
use crate::functions::FunctionId;

/// Whether an expression is the same at every step, and whether it is worth hoisting.
#[derive(Clone, Copy)]
pub(super) struct Invariance {
    pub invariant: bool,
    pub wrap: bool,
}

const VARIES: Invariance = Invariance { invariant: false, wrap: false };

/// The peer's rules, its oddities included: an aggregation's parameter does not count.
pub(super) fn of(expr: &Expr) -> Invariance {
    match expr {
        Expr::Number(_) | Expr::String(_) => Invariance { invariant: true, wrap: false },
        Expr::Vector(selector) => {
            let fixed = selector.at.is_some();
            Invariance { invariant: fixed, wrap: fixed }
        }
        Expr::Matrix(matrix) => Invariance { invariant: matrix.selector.at.is_some(), wrap: false },
        Expr::Subquery(subquery) => Invariance { invariant: subquery.at.is_some(), wrap: false },
        Expr::Paren(paren) => of(&paren.expr),
        Expr::Unary(unary) => of(&unary.expr),
        Expr::StepInvariant(_) => Invariance { invariant: true, wrap: false },
        Expr::Aggregate(aggregate) => of(&aggregate.expr),
        Expr::Binary(binary) => {
            let invariant = of(&binary.lhs).invariant && of(&binary.rhs).invariant;
            Invariance { invariant, wrap: invariant }
        }
        Expr::Call(call) => {
            let args = call.args.iter().all(|arg| of(arg).invariant);
            let own_time = call.func.id == FunctionId::Timestamp
                && call.args.iter().all(|arg| matches!(super::unparen(arg), Expr::Vector(_)));
            if args && (!depends_on_time(call.func.id) || own_time) {
                Invariance { invariant: true, wrap: true }
            } else {
                VARIES
            }
        }
    }
}

/// Functions whose result changes with the instant even if the arguments do not. `start`, `end`, `range` and `step` are folded to
/// numbers before this question is asked.
fn depends_on_time(func: FunctionId) -> bool {
    use FunctionId::{
        DayOfMonth, DayOfWeek, DayOfYear, DaysInMonth, Hour, Minute, Month, PredictLinear, Time,
        Timestamp, Year,
    };
    matches!(
        func,
        DaysInMonth
            | DayOfMonth
            | DayOfWeek
            | DayOfYear
            | Hour
            | Minute
            | Month
            | Year
            | PredictLinear
            | Time
            | Timestamp
    )
}
