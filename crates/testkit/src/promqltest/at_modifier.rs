//! A query with the time of its evaluation put on every selector: then it may be evaluated at any time.

use gauntlet_model::Timestamp;
use gauntlet_promql::ast::At;
use gauntlet_promql::{Expr, FunctionId, ParserOptions, parse};

/// The query with `@ at` on every selector and subquery (not within subqueries, which then stand still themselves), and the
/// times at which it must answer the same. Empty where the query has a function that depends on the time of evaluation.
pub(super) fn variants(query: &str, at: Timestamp) -> Vec<(String, Timestamp)> {
    let Ok(mut expr) = parse(query, &ParserOptions::all()) else { return Vec::new() };
    let mut depends_on_time = false;
    fix(&mut expr, at, &mut depends_on_time);
    if depends_on_time {
        return Vec::new();
    }
    let query = expr.to_string();
    let times = if at == 0 { vec![-1000, 0, 1000] } else { vec![-10 * at, 0, at / 5, at, 10 * at] };
    times.into_iter().map(|t| (query.clone(), t)).collect()
}

fn fix(expr: &mut Expr, at: Timestamp, depends_on_time: &mut bool) {
    let fix_at = |place: &mut Option<At>| {
        if !matches!(place, Some(At::Timestamp(_))) {
            *place = Some(At::Timestamp(at));
        }
    };
    match expr {
        Expr::Number(_) | Expr::String(_) => {}
        Expr::Vector(e) => fix_at(&mut e.at),
        Expr::Matrix(e) => fix_at(&mut e.selector.at),
        Expr::Subquery(e) => fix_at(&mut e.at),
        Expr::Unary(e) => fix(&mut e.expr, at, depends_on_time),
        Expr::Paren(e) => fix(&mut e.expr, at, depends_on_time),
        Expr::StepInvariant(e) => fix(e, at, depends_on_time),
        Expr::Binary(e) => {
            fix(&mut e.lhs, at, depends_on_time);
            fix(&mut e.rhs, at, depends_on_time);
        }
        Expr::Aggregate(e) => {
            fix(&mut e.expr, at, depends_on_time);
            if let Some(param) = &mut e.param {
                fix(param, at, depends_on_time);
            }
        }
        Expr::Call(e) => {
            *depends_on_time |= depends(e.func.id);
            e.args.iter_mut().for_each(|arg| fix(arg, at, depends_on_time));
        }
    }
}

fn depends(id: FunctionId) -> bool {
    use FunctionId as F;
    matches!(
        id,
        F::DaysInMonth
            | F::DayOfMonth
            | F::DayOfWeek
            | F::DayOfYear
            | F::End
            | F::Hour
            | F::Minute
            | F::Month
            | F::Year
            | F::PredictLinear
            | F::Range
            | F::Start
            | F::Step
            | F::Time
            | F::Timestamp
    )
}
