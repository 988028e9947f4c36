//! Names of metrics, labels and units as upstream makes them from OpenTelemetry's. Source: the module `otlptranslator`.

/// What decides a metric's suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Gauge,
    /// A sum that only rises.
    Counter,
    Other,
}

/// How metric names are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct MetricNamer {
    pub(super) suffixes: bool,
    pub(super) utf8: bool,
}

impl MetricNamer {
    pub(super) fn name(&self, name: &str, unit: &str, shape: Shape) -> Result<String, String> {
        if self.utf8 {
            return Ok(if self.suffixes { suffixed(name, unit, shape) } else { name.to_owned() });
        }
        let normalized = if self.suffixes {
            normalized(name, unit, shape)
        } else {
            let parts = name.split(|c: char| !is_metric_char(c) && c != '_');
            let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
            digit_first(parts.join("_"))
        };
        if normalized.is_empty() {
            return Err(format!(
                "normalization for metric {} resulted in empty name",
                quoted(name)
            ));
        }
        if normalized != name && normalized.chars().all(|c| c == '_') {
            return Err(format!(
                "normalization for metric {} resulted in invalid name {}",
                quoted(name),
                quoted(&normalized)
            ));
        }
        Ok(normalized)
    }
}

fn quoted(text: &str) -> String {
    gauntlet_model::float::GoQuoted(text).to_string()
}

fn is_metric_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

/// A name cannot begin with a digit.
fn digit_first(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn normalized(name: &str, unit: &str, shape: Shape) -> String {
    let tokens = name.split(|c: char| !is_metric_char(c)).filter(|token| !token.is_empty());
    let mut tokens: Vec<String> = tokens.map(str::to_owned).collect();
    let (main, per) = unit_suffixes(unit);
    add_unit_tokens(&mut tokens, clean_unit(&main), clean_unit(&per));
    let mut end_with = |word: &str| {
        tokens.retain(|token| token != word);
        tokens.push(word.to_owned());
    };
    if shape == Shape::Counter {
        end_with("total");
    }
    if unit == "1" && shape == Shape::Gauge {
        end_with("ratio");
    }
    digit_first(tokens.join("_"))
}

fn add_unit_tokens(tokens: &mut Vec<String>, mut main: String, mut per: String) {
    let has = |word: &str| tokens.iter().any(|token| token == word);
    if has(&main) {
        main.clear();
    }
    if per == "per_" {
        per.clear();
    } else {
        per = per.strip_suffix('_').map_or(per.clone(), str::to_owned);
        if has(&per) {
            per.clear();
        }
    }
    if !per.is_empty() {
        main = main.strip_suffix('_').map_or(main.clone(), str::to_owned);
    }
    tokens.extend([main, per].into_iter().filter(|token| !token.is_empty()));
}

/// A name that keeps its characters, with suffixes for unit and shape.
fn suffixed(name: &str, unit: &str, shape: Shape) -> String {
    let mut name = name.to_owned();
    let (is_ratio, is_counter) = (unit == "1" && shape == Shape::Gauge, shape == Shape::Counter);
    if is_ratio {
        name = without_suffix(name, "ratio");
    }
    if is_counter {
        name = without_suffix(name, "total");
    }
    let (main, per) = unit_suffixes(unit);
    if !per.is_empty() {
        name = without_suffix(name, &per);
    }
    if !main.is_empty() && !name.ends_with(&main) {
        name = format!("{name}_{main}");
    }
    for (wanted, suffix) in
        [(!per.is_empty(), per.as_str()), (is_counter, "total"), (is_ratio, "ratio")]
    {
        if wanted {
            name = format!("{name}_{suffix}");
        }
    }
    name
}

/// Takes off a suffix and the one byte before it, if something is left.
fn without_suffix(name: String, suffix: &str) -> String {
    if !name.ends_with(suffix) || name.len() <= suffix.len() + 1 {
        return name;
    }
    let mut end = name.len() - suffix.len() - 1;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

/// The unit as metadata and labels have it.
pub(super) fn unit_name(unit: &str, utf8: bool) -> String {
    let (mut main, mut per) = unit_suffixes(unit);
    if !utf8 {
        (main, per) = (clean_unit(&main), clean_unit(&per));
    }
    let joined = match (main.is_empty(), per.is_empty()) {
        (false, false) => format!("{main}_{per}"),
        (false, true) => main,
        (true, _) => per,
    };
    let joined = joined.strip_prefix('_').unwrap_or(&joined);
    joined.strip_suffix('_').unwrap_or(joined).to_owned()
}

/// The suffixes of a unit `main/per`, untouched but for the known words.
fn unit_suffixes(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let plain = |text: &str| !text.is_empty() && !text.contains(['{', '}']);
    let (main, per) = (main.trim(), per.trim());
    let main_word = if plain(main) { main_unit(main).to_owned() } else { String::new() };
    let per_word = if plain(per) { per_unit(per) } else { "" };
    let per_word = if per_word.is_empty() { String::new() } else { format!("per_{per_word}") };
    (main_word, per_word)
}

fn main_unit(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        other => other,
    }
}

fn per_unit(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

fn clean_unit(unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    for c in unit.chars() {
        let c = if is_metric_char(c) { c } else { '_' };
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    out.strip_prefix('_').map_or(out.clone(), str::to_owned)
}

/// How label names are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelNamer {
    pub(super) utf8: bool,
    /// `label_name_underscore_sanitization`
    pub(super) prefix_underscores: bool,
    /// `label_name_preserve_multiple_underscores`
    pub(super) keep_underscores: bool,
}

impl LabelNamer {
    pub(super) fn name(&self, label: &str) -> Result<String, String> {
        if label.is_empty() {
            return Err("label name is empty".to_owned());
        }
        let underscores = |text: &str| text.chars().all(|c| c == '_');
        if self.utf8 {
            if underscores(label) {
                return Err(format!("label name {} contains only underscores", quoted(label)));
            }
            return Ok(label.to_owned());
        }
        let mut name = self.sanitized(label);
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name = format!("key_{name}");
        } else if self.prefix_underscores && name.starts_with('_') && !name.starts_with("__") {
            name = format!("key{name}");
        }
        if underscores(&name) {
            return Err(format!(
                "normalization for label name {} resulted in invalid name {}",
                quoted(label),
                quoted(&name)
            ));
        }
        Ok(name)
    }

    fn sanitized(&self, label: &str) -> String {
        let valid = |c: char| c.is_ascii_alphanumeric();
        if self.keep_underscores {
            return label.chars().map(|c| if valid(c) { c } else { '_' }).collect();
        }
        let reserved = label.len() >= 4 && label.starts_with("__") && label.ends_with("__");
        let inner = if reserved { &label[2..label.len() - 2] } else { label };
        let mut out = String::with_capacity(label.len());
        let mut after_underscore = false;
        for c in inner.chars() {
            if valid(c) {
                out.push(c);
            } else if !after_underscore {
                out.push('_');
            }
            after_underscore = !valid(c);
        }
        if reserved { format!("__{out}__") } else { out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names_are_upstreams() {
        let full = MetricNamer { suffixes: true, utf8: false };
        let plain = MetricNamer { suffixes: false, utf8: false };
        let utf8 = MetricNamer { suffixes: true, utf8: true };
        let cases = [
            (full, "http.server.duration", "s", Shape::Other, "http_server_duration_seconds"),
            (full, "requests.count", "1", Shape::Counter, "requests_count_total"),
            (full, "memory.usage", "By", Shape::Gauge, "memory_usage_bytes"),
            (full, "total.rate", "{req}/s", Shape::Counter, "rate_per_second_total"),
            (full, "cpu.usage", "1", Shape::Gauge, "cpu_usage_ratio"),
            (full, "seconds.waited", "s", Shape::Gauge, "seconds_waited"),
            (full, "1st", "", Shape::Gauge, "_1st"),
            (full, "a__b", "m/s", Shape::Gauge, "a_b_meters_per_second"),
            (plain, "a.b__c", "s", Shape::Counter, "a_b__c"),
            (utf8, "a.b", "s", Shape::Counter, "a.b_seconds_total"),
            (utf8, "a.b.total", "By/s", Shape::Counter, "a.b_bytes_per_second_total"),
            (utf8, "x.ratio", "1", Shape::Gauge, "x_ratio"),
        ];
        for (namer, name, unit, shape, expect) in cases {
            assert_eq!(namer.name(name, unit, shape).unwrap(), expect, "{name} {unit}");
        }
        let empty = full.name("...", "", Shape::Gauge).unwrap_err();
        assert_eq!(empty, "normalization for metric \"...\" resulted in empty name");
    }

    #[test]
    fn label_names_are_upstreams() {
        let old = LabelNamer { utf8: false, prefix_underscores: true, keep_underscores: true };
        let strict = LabelNamer { prefix_underscores: false, keep_underscores: false, ..old };
        let cases = [
            (old, "http.method", "http_method"),
            (old, "a..b", "a__b"),
            (old, "_private", "key_private"),
            (old, "__x", "__x"),
            (old, "9lives", "key_9lives"),
            (strict, "a..b__c", "a_b_c"),
            (strict, "__a..b__", "__a_b__"),
            (strict, "_x", "_x"),
        ];
        for (namer, label, expect) in cases {
            assert_eq!(namer.name(label).unwrap(), expect, "{label}");
        }
        assert!(old.name("").is_err());
        assert!(strict.name("...").is_err());
    }

    #[test]
    fn units_are_words() {
        for (unit, expect) in [
            ("s", "seconds"),
            ("By/s", "bytes_per_second"),
            ("1", ""),
            ("{x}", ""),
            ("a/b c", "a_per_b_c"),
        ] {
            assert_eq!(unit_name(unit, false), expect, "{unit}");
        }
    }
}
