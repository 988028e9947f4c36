//! The order in which Go prints the keys of maps: numbers by value, then texts with digits in them read as numbers.

use std::cmp::Ordering;

use gauntlet_yaml::{ToYaml, Value};

/// A value for the echo with the keys of all its maps in Go's order.
pub(super) fn ordered(value: &impl ToYaml) -> Value {
    sort(value.to_yaml())
}

fn sort(value: Value) -> Value {
    match value {
        Value::Seq(items) => Value::Seq(items.into_iter().map(sort).collect()),
        Value::Map(pairs) => {
            let mut sorted: Vec<(Value, Value)> = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                // Go's order is no order: it has circles (a10 < a1b < a2 < a10), at which library sorts may panic.
                let behind = sorted.iter().rev().take_while(|(k, _)| keys(&key, k).is_lt());
                sorted.insert(sorted.len() - behind.count(), (key, sort(value)));
            }
            Value::Map(sorted)
        }
        other => other,
    }
}

fn keys(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => texts(a, b),
        _ => match (number(a), number(b)) {
            (Some(x), Some(y)) => x.total_cmp(&y).then(kind(a).cmp(&kind(b))),
            _ => kind(a).cmp(&kind(b)),
        },
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Int(value) => Some(*value as f64),
        Value::Uint(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

/// The order of Go's kinds.
fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) => 2,
        Value::Uint(_) => 3,
        Value::Float(_) => 4,
        _ => 5,
    }
}

fn texts(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else {
        return a.len().cmp(&b.len());
    };
    let (x, y) = (a[at], b[at]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // Behind digits that are not all zeros a zero counts: `10` is more than `1`.
    let digits = a[..at].iter().rev().take_while(|c| c.is_ascii_digit());
    let lead = u64::from((x == '0' || y == '0') && digits.into_iter().any(|c| *c != '0'));
    let read = |text: &[char]| {
        let digits = text.iter().take_while(|c| c.is_ascii_digit());
        digits.fold((lead, 0usize), |(value, length), digit| {
            let digit = u64::from(*digit) - u64::from('0');
            (value.wrapping_mul(10).wrapping_add(digit), length + 1)
        })
    };
    read(&a[at..]).cmp(&read(&b[at..])).then(x.cmp(&y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_gos_order() {
        let keys =
            ["a10", "a2", "A", "_", "ab", "a_b", "1", "10", "9", "", "a", "b00", "b0", "b10"];
        let map = keys.iter().map(|key| (Value::Str((*key).to_owned()), Value::Null)).collect();
        let Value::Map(sorted) = sort(Value::Map(map)) else { panic!("no map") };
        let wanted =
            ["", "_", "1", "9", "10", "A", "a", "a_b", "a2", "a10", "ab", "b0", "b00", "b10"];
        let sorted: Vec<_> = sorted.into_iter().map(|(key, _)| key).collect();
        assert_eq!(sorted, wanted.map(|key| Value::Str(key.to_owned())));
        let mut mixed =
            [Value::Str("a".into()), Value::Int(5), Value::Bool(true), Value::Float(0.5)];
        mixed.sort_by(super::keys);
        assert_eq!(mixed[0], Value::Float(0.5));
        assert_eq!(mixed[3], Value::Str("a".into()));
    }
}
