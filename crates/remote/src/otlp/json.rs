//! OTLP in JSON: the protobuf mapping with its own rules (ids in hex, enums as numbers, 64-bit numbers as text or number).
//! Unknown fields are passed over, as receivers must.

use gauntlet_wire::otlp::any_value::Value as Any;
use gauntlet_wire::otlp::metric::Data;
use gauntlet_wire::otlp::{
    AnyValue, ArrayValue, Buckets, Exemplar, ExemplarNumber, ExponentialHistogram,
    ExponentialHistogramDataPoint, ExportMetricsServiceRequest, Gauge, Histogram,
    HistogramDataPoint, InstrumentationScope, KeyValue, KeyValueList, Metric, Number,
    NumberDataPoint, Resource, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
    ValueAtQuantile,
};
use serde_json::{Map, Value};

type Result<T> = std::result::Result<T, String>;

pub(super) fn decode(body: &[u8]) -> Result<ExportMetricsServiceRequest> {
    let value: Value = serde_json::from_slice(body).map_err(|err| err.to_string())?;
    let request = object(&value, "request")?;
    Ok(ExportMetricsServiceRequest {
        resource_metrics: list(request, "resourceMetrics", resource_metrics)?,
    })
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| format!("{what}: expected an object"))
}

/// A field by its JSON name or its name in the message.
fn field<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = map.get(name).or_else(|| {
        let mut snake = String::with_capacity(name.len() + 4);
        for c in name.chars() {
            if c.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        map.get(&snake)
    });
    found.filter(|value| !value.is_null())
}

fn list<T>(
    map: &Map<String, Value>,
    name: &str,
    read: fn(&Map<String, Value>) -> Result<T>,
) -> Result<Vec<T>> {
    let Some(value) = field(map, name) else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or_else(|| format!("{name}: expected a list"))?;
    items.iter().map(|item| read(object(item, name)?)).collect()
}

fn one<T>(
    map: &Map<String, Value>,
    name: &str,
    read: fn(&Map<String, Value>) -> Result<T>,
) -> Result<Option<T>> {
    field(map, name).map(|value| read(object(value, name)?)).transpose()
}

fn text(map: &Map<String, Value>, name: &str) -> Result<String> {
    match field(map, name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("{name}: expected a string")),
    }
}

fn unsigned(value: &Value, name: &str) -> Result<u64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    number.ok_or_else(|| format!("{name}: expected an unsigned number"))
}

fn signed(value: &Value, name: &str) -> Result<i64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    number.ok_or_else(|| format!("{name}: expected a number"))
}

fn float(value: &Value, name: &str) -> Result<f64> {
    let number = match value {
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        other => other.as_f64(),
    };
    number.ok_or_else(|| format!("{name}: expected a number"))
}

fn unsigned_or_zero(map: &Map<String, Value>, name: &str) -> Result<u64> {
    field(map, name).map_or(Ok(0), |value| unsigned(value, name))
}

fn int32(map: &Map<String, Value>, name: &str) -> Result<i32> {
    let number = field(map, name).map_or(Ok(0), |value| signed(value, name))?;
    i32::try_from(number).map_err(|_| format!("{name}: {number} does not fit 32 bits"))
}

fn float_or_zero(map: &Map<String, Value>, name: &str) -> Result<f64> {
    field(map, name).map_or(Ok(0.0), |value| float(value, name))
}

fn numbers<T>(
    map: &Map<String, Value>,
    name: &str,
    read: fn(&Value, &str) -> Result<T>,
) -> Result<Vec<T>> {
    let Some(value) = field(map, name) else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or_else(|| format!("{name}: expected a list"))?;
    items.iter().map(|item| read(item, name)).collect()
}

/// `AGGREGATION_TEMPORALITY_*` by number or name.
fn temporality(map: &Map<String, Value>) -> Result<i32> {
    match field(map, "aggregationTemporality") {
        Some(Value::String(name)) => Ok(match name.as_str() {
            "AGGREGATION_TEMPORALITY_DELTA" => 1,
            "AGGREGATION_TEMPORALITY_CUMULATIVE" => 2,
            _ => 0,
        }),
        _ => int32(map, "aggregationTemporality"),
    }
}

fn resource_metrics(map: &Map<String, Value>) -> Result<ResourceMetrics> {
    Ok(ResourceMetrics {
        resource: one(map, "resource", |m| {
            Ok(Resource { attributes: attributes(m, "attributes")? })
        })?,
        scope_metrics: list(map, "scopeMetrics", scope_metrics)?,
        schema_url: text(map, "schemaUrl")?,
    })
}

fn scope_metrics(map: &Map<String, Value>) -> Result<ScopeMetrics> {
    let scope = |m: &Map<String, Value>| {
        Ok(InstrumentationScope {
            name: text(m, "name")?,
            version: text(m, "version")?,
            attributes: attributes(m, "attributes")?,
        })
    };
    Ok(ScopeMetrics {
        scope: one(map, "scope", scope)?,
        metrics: list(map, "metrics", metric)?,
        schema_url: text(map, "schemaUrl")?,
    })
}

fn metric(map: &Map<String, Value>) -> Result<Metric> {
    let gauge =
        |m: &Map<String, Value>| Ok(Gauge { data_points: list(m, "dataPoints", number_point)? });
    let sum = |m: &Map<String, Value>| {
        Ok(Sum {
            data_points: list(m, "dataPoints", number_point)?,
            aggregation_temporality: temporality(m)?,
            is_monotonic: field(m, "isMonotonic").and_then(Value::as_bool).unwrap_or(false),
        })
    };
    let histogram = |m: &Map<String, Value>| {
        Ok(Histogram {
            data_points: list(m, "dataPoints", histogram_point)?,
            aggregation_temporality: temporality(m)?,
        })
    };
    let exponential = |m: &Map<String, Value>| {
        Ok(ExponentialHistogram {
            data_points: list(m, "dataPoints", exponential_point)?,
            aggregation_temporality: temporality(m)?,
        })
    };
    let summary =
        |m: &Map<String, Value>| Ok(Summary { data_points: list(m, "dataPoints", summary_point)? });
    let mut data = one(map, "gauge", gauge)?.map(Data::Gauge);
    data = one(map, "sum", sum)?.map(Data::Sum).or(data);
    data = one(map, "histogram", histogram)?.map(Data::Histogram).or(data);
    data = one(map, "exponentialHistogram", exponential)?.map(Data::ExponentialHistogram).or(data);
    data = one(map, "summary", summary)?.map(Data::Summary).or(data);
    Ok(Metric {
        name: text(map, "name")?,
        description: text(map, "description")?,
        unit: text(map, "unit")?,
        data,
    })
}

fn number_point(map: &Map<String, Value>) -> Result<NumberDataPoint> {
    let mut value =
        field(map, "asDouble").map(|v| float(v, "asDouble")).transpose()?.map(Number::Double);
    if let Some(int) = field(map, "asInt") {
        value = Some(Number::Int(signed(int, "asInt")?));
    }
    Ok(NumberDataPoint {
        start_time_unix_nano: unsigned_or_zero(map, "startTimeUnixNano")?,
        time_unix_nano: unsigned_or_zero(map, "timeUnixNano")?,
        value,
        exemplars: list(map, "exemplars", exemplar)?,
        attributes: attributes(map, "attributes")?,
        flags: unsigned_or_zero(map, "flags")? as u32,
    })
}

fn histogram_point(map: &Map<String, Value>) -> Result<HistogramDataPoint> {
    Ok(HistogramDataPoint {
        start_time_unix_nano: unsigned_or_zero(map, "startTimeUnixNano")?,
        time_unix_nano: unsigned_or_zero(map, "timeUnixNano")?,
        count: unsigned_or_zero(map, "count")?,
        sum: field(map, "sum").map(|v| float(v, "sum")).transpose()?,
        bucket_counts: numbers(map, "bucketCounts", unsigned)?,
        explicit_bounds: numbers(map, "explicitBounds", float)?,
        exemplars: list(map, "exemplars", exemplar)?,
        attributes: attributes(map, "attributes")?,
        flags: unsigned_or_zero(map, "flags")? as u32,
    })
}

fn exponential_point(map: &Map<String, Value>) -> Result<ExponentialHistogramDataPoint> {
    let buckets = |m: &Map<String, Value>| {
        Ok(Buckets {
            offset: int32(m, "offset")?,
            bucket_counts: numbers(m, "bucketCounts", unsigned)?,
        })
    };
    Ok(ExponentialHistogramDataPoint {
        attributes: attributes(map, "attributes")?,
        start_time_unix_nano: unsigned_or_zero(map, "startTimeUnixNano")?,
        time_unix_nano: unsigned_or_zero(map, "timeUnixNano")?,
        count: unsigned_or_zero(map, "count")?,
        sum: field(map, "sum").map(|v| float(v, "sum")).transpose()?,
        scale: int32(map, "scale")?,
        zero_count: unsigned_or_zero(map, "zeroCount")?,
        positive: one(map, "positive", buckets)?,
        negative: one(map, "negative", buckets)?,
        flags: unsigned_or_zero(map, "flags")? as u32,
        exemplars: list(map, "exemplars", exemplar)?,
    })
}

fn summary_point(map: &Map<String, Value>) -> Result<SummaryDataPoint> {
    let quantile = |m: &Map<String, Value>| {
        Ok(ValueAtQuantile {
            quantile: float_or_zero(m, "quantile")?,
            value: float_or_zero(m, "value")?,
        })
    };
    Ok(SummaryDataPoint {
        start_time_unix_nano: unsigned_or_zero(map, "startTimeUnixNano")?,
        time_unix_nano: unsigned_or_zero(map, "timeUnixNano")?,
        count: unsigned_or_zero(map, "count")?,
        sum: float_or_zero(map, "sum")?,
        quantile_values: list(map, "quantileValues", quantile)?,
        attributes: attributes(map, "attributes")?,
        flags: unsigned_or_zero(map, "flags")? as u32,
    })
}

fn exemplar(map: &Map<String, Value>) -> Result<Exemplar> {
    let mut value = field(map, "asDouble")
        .map(|v| float(v, "asDouble"))
        .transpose()?
        .map(ExemplarNumber::Double);
    if let Some(int) = field(map, "asInt") {
        value = Some(ExemplarNumber::Int(signed(int, "asInt")?));
    }
    Ok(Exemplar {
        time_unix_nano: unsigned_or_zero(map, "timeUnixNano")?,
        value,
        span_id: hex(&text(map, "spanId")?).ok_or("spanId: expected hexadecimal digits")?,
        trace_id: hex(&text(map, "traceId")?).ok_or("traceId: expected hexadecimal digits")?,
        filtered_attributes: attributes(map, "filteredAttributes")?,
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn attributes(map: &Map<String, Value>, name: &str) -> Result<Vec<KeyValue>> {
    list(map, name, |m| Ok(KeyValue { key: text(m, "key")?, value: one(m, "value", any)? }))
}

/// Depth of a value is bounded by the JSON parser's.
fn any(map: &Map<String, Value>) -> Result<AnyValue> {
    let value = if let Some(value) = field(map, "stringValue") {
        Some(Any::String(value.as_str().ok_or("stringValue: expected a string")?.to_owned()))
    } else if let Some(value) = field(map, "boolValue") {
        Some(Any::Bool(value.as_bool().ok_or("boolValue: expected true or false")?))
    } else if let Some(value) = field(map, "intValue") {
        Some(Any::Int(signed(value, "intValue")?))
    } else if let Some(value) = field(map, "doubleValue") {
        Some(Any::Double(float(value, "doubleValue")?))
    } else if let Some(array) =
        one(map, "arrayValue", |m| Ok(ArrayValue { values: list(m, "values", any)? }))?
    {
        Some(Any::Array(array))
    } else if let Some(values) =
        one(map, "kvlistValue", |m| Ok(KeyValueList { values: attributes(m, "values")? }))?
    {
        Some(Any::KeyValues(values))
    } else if let Some(value) = field(map, "bytesValue") {
        let text = value.as_str().ok_or("bytesValue: expected base64")?;
        Some(Any::Bytes(unbase64(text).ok_or("bytesValue: expected base64")?))
    } else {
        None
    };
    Ok(AnyValue { value })
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        word = word << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
        }
    }
    Some(out)
}
