//! The functions of PromQL as data: names and types. What they compute is the engine's business.
//!
//! Source: the function table of the upstream parser. `variadic` counts the optional arguments at the end: 0 none, n at
//! most n beyond the required ones, -1 any number.

use crate::ast::ValueType;

/// A function's signature.
#[derive(Debug)]
pub struct Function {
    pub id: FunctionId,
    pub name: &'static str,
    pub arg_types: &'static [ValueType],
    /// See the file's head.
    pub variadic: i32,
    pub return_type: ValueType,
    /// Needs the feature flag `promql-experimental-functions`.
    pub experimental: bool,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

macro_rules! functions {
    ($($id:ident $name:literal [$($arg:ident),*] $variadic:literal $ret:ident $stage:ident,)*) => {
        /// Every function, to dispatch on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FunctionId {
            $($id,)*
        }

        /// All functions in ascending order of name.
        pub static FUNCTIONS: &[Function] = &[
            $(Function {
                id: FunctionId::$id,
                name: $name,
                arg_types: &[$(ValueType::$arg),*],
                variadic: $variadic,
                return_type: ValueType::$ret,
                experimental: is_experimental(stringify!($stage)),
            },)*
        ];
    };
}

const fn is_experimental(stage: &str) -> bool {
    stage.as_bytes()[0] == b'e'
}

functions! {
    Abs "abs" [Vector] 0 Vector stable,
    Absent "absent" [Vector] 0 Vector stable,
    AbsentOverTime "absent_over_time" [Matrix] 0 Vector stable,
    Acos "acos" [Vector] 0 Vector stable,
    Acosh "acosh" [Vector] 0 Vector stable,
    Asin "asin" [Vector] 0 Vector stable,
    Asinh "asinh" [Vector] 0 Vector stable,
    Atan "atan" [Vector] 0 Vector stable,
    Atanh "atanh" [Vector] 0 Vector stable,
    AvgOverTime "avg_over_time" [Matrix] 0 Vector stable,
    Ceil "ceil" [Vector] 0 Vector stable,
    Changes "changes" [Matrix] 0 Vector stable,
    Clamp "clamp" [Vector, Scalar, Scalar] 0 Vector stable,
    ClampMax "clamp_max" [Vector, Scalar] 0 Vector stable,
    ClampMin "clamp_min" [Vector, Scalar] 0 Vector stable,
    Cos "cos" [Vector] 0 Vector stable,
    Cosh "cosh" [Vector] 0 Vector stable,
    CountOverTime "count_over_time" [Matrix] 0 Vector stable,
    DayOfMonth "day_of_month" [Vector] 1 Vector stable,
    DayOfWeek "day_of_week" [Vector] 1 Vector stable,
    DayOfYear "day_of_year" [Vector] 1 Vector stable,
    DaysInMonth "days_in_month" [Vector] 1 Vector stable,
    Deg "deg" [Vector] 0 Vector stable,
    Delta "delta" [Matrix] 0 Vector stable,
    Deriv "deriv" [Matrix] 0 Vector stable,
    DoubleExponentialSmoothing "double_exponential_smoothing" [Matrix, Scalar, Scalar] 0 Vector experimental,
    End "end" [] 0 Scalar experimental,
    Exp "exp" [Vector] 0 Vector stable,
    FirstOverTime "first_over_time" [Matrix] 0 Vector stable,
    Floor "floor" [Vector] 0 Vector stable,
    HistogramAvg "histogram_avg" [Vector] 0 Vector stable,
    HistogramCount "histogram_count" [Vector] 0 Vector stable,
    HistogramFraction "histogram_fraction" [Scalar, Scalar, Vector] 0 Vector stable,
    HistogramQuantile "histogram_quantile" [Scalar, Vector] 0 Vector stable,
    HistogramQuantiles "histogram_quantiles" [Vector, String, Scalar, Scalar] 9 Vector experimental,
    HistogramStddev "histogram_stddev" [Vector] 0 Vector stable,
    HistogramStdvar "histogram_stdvar" [Vector] 0 Vector stable,
    HistogramSum "histogram_sum" [Vector] 0 Vector stable,
    Hour "hour" [Vector] 1 Vector stable,
    Idelta "idelta" [Matrix] 0 Vector stable,
    Increase "increase" [Matrix] 0 Vector stable,
    Info "info" [Vector, Vector] 1 Vector experimental,
    Irate "irate" [Matrix] 0 Vector stable,
    LabelJoin "label_join" [Vector, String, String, String] -1 Vector stable,
    LabelReplace "label_replace" [Vector, String, String, String, String] 0 Vector stable,
    LastOverTime "last_over_time" [Matrix] 0 Vector stable,
    Ln "ln" [Vector] 0 Vector stable,
    Log10 "log10" [Vector] 0 Vector stable,
    Log2 "log2" [Vector] 0 Vector stable,
    MadOverTime "mad_over_time" [Matrix] 0 Vector experimental,
    MaxOf "max_of" [Scalar, Scalar] 0 Scalar experimental,
    MaxOverTime "max_over_time" [Matrix] 0 Vector stable,
    MinOf "min_of" [Scalar, Scalar] 0 Scalar experimental,
    MinOverTime "min_over_time" [Matrix] 0 Vector stable,
    Minute "minute" [Vector] 1 Vector stable,
    Month "month" [Vector] 1 Vector stable,
    Pi "pi" [] 0 Scalar stable,
    PredictLinear "predict_linear" [Matrix, Scalar] 0 Vector stable,
    PresentOverTime "present_over_time" [Matrix] 0 Vector stable,
    QuantileOverTime "quantile_over_time" [Scalar, Matrix] 0 Vector stable,
    Rad "rad" [Vector] 0 Vector stable,
    Range "range" [] 0 Scalar experimental,
    Rate "rate" [Matrix] 0 Vector stable,
    Resets "resets" [Matrix] 0 Vector stable,
    Round "round" [Vector, Scalar] 1 Vector stable,
    Scalar "scalar" [Vector] 0 Scalar stable,
    Sgn "sgn" [Vector] 0 Vector stable,
    Sin "sin" [Vector] 0 Vector stable,
    Sinh "sinh" [Vector] 0 Vector stable,
    Sort "sort" [Vector] 0 Vector stable,
    SortByLabel "sort_by_label" [Vector, String] -1 Vector experimental,
    SortByLabelDesc "sort_by_label_desc" [Vector, String] -1 Vector experimental,
    SortDesc "sort_desc" [Vector] 0 Vector stable,
    Sqrt "sqrt" [Vector] 0 Vector stable,
    Start "start" [] 0 Scalar experimental,
    StartTimestamp "start_timestamp" [Vector] 0 Vector experimental,
    StddevOverTime "stddev_over_time" [Matrix] 0 Vector stable,
    StdvarOverTime "stdvar_over_time" [Matrix] 0 Vector stable,
    Step "step" [] 0 Scalar experimental,
    SumOverTime "sum_over_time" [Matrix] 0 Vector stable,
    Tan "tan" [Vector] 0 Vector stable,
    Tanh "tanh" [Vector] 0 Vector stable,
    Time "time" [] 0 Scalar stable,
    Timestamp "timestamp" [Vector] 0 Vector stable,
    TsOfFirstOverTime "ts_of_first_over_time" [Matrix] 0 Vector experimental,
    TsOfLastOverTime "ts_of_last_over_time" [Matrix] 0 Vector experimental,
    TsOfMaxOverTime "ts_of_max_over_time" [Matrix] 0 Vector experimental,
    TsOfMinOverTime "ts_of_min_over_time" [Matrix] 0 Vector experimental,
    Vector "vector" [Scalar] 0 Vector stable,
    Year "year" [Vector] 1 Vector stable,
}

/// The function of that name. Names are case-sensitive.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok().map(|i| &FUNCTIONS[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_ascends_so_that_lookup_finds_each() {
        assert!(FUNCTIONS.windows(2).all(|w| w[0].name < w[1].name));
        assert!(FUNCTIONS.iter().all(|f| function(f.name) == Some(f)));
        assert_eq!(function("Rate"), None);
    }
}
