//! Constants in Go's syntax: every type a number can take on is worked out when it is parsed.

use super::node::Number;
use crate::number::{parse_float, parse_int, parse_uint};

/// `'a'`: a rune, an int for every purpose.
pub(super) fn char_constant(text: &[u8]) -> Result<Number, String> {
    let shown = || String::from_utf8_lossy(text).into_owned();
    let (rune, width) = crate::unquote::rune(&text[1..], b'\'').ok_or("invalid syntax")?;
    if &text[1 + width..] != b"'" {
        return Err(format!("malformed character constant: {}", shown()));
    }
    Ok(Number {
        text: shown().into(),
        int: Some(i64::from(rune)),
        uint: Some(u64::from(rune)),
        float: Some(f64::from(rune)),
        complex: None,
    })
}

/// `1+2i`.
pub(super) fn complex(text: &str) -> Result<Number, String> {
    let illegal = || format!("illegal number syntax: {}", crate::fmt::quoted(text.as_bytes()));
    let body = text.strip_suffix('i').ok_or_else(illegal)?;
    let bytes = body.as_bytes();
    let split = (1..bytes.len())
        .rev()
        .find(|i| {
            matches!(bytes[*i], b'+' | b'-') && !matches!(bytes[i - 1], b'e' | b'E' | b'p' | b'P')
        })
        .ok_or_else(illegal)?;
    let re = parse_float(&body[..split]).map_err(|_| illegal())?;
    let im = parse_float(&body[split..]).map_err(|_| illegal())?;
    let mut number = empty(text);
    number.complex = Some((re, im));
    simplify(&mut number, re, im);
    Ok(number)
}

pub(super) fn number(text: &str) -> Result<Number, String> {
    let mut number = empty(text);
    if let Some(body) = text.strip_suffix('i')
        && let Ok(im) = parse_float(body)
    {
        number.complex = Some((0.0, im));
        simplify(&mut number, 0.0, im);
        return Ok(number);
    }
    number.uint = parse_uint(text);
    number.int = parse_int(text);
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Ok(float) = parse_float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", crate::fmt::quoted(text.as_bytes())));
        }
        set_float(&mut number, float);
    } else {
        return Err(format!("illegal number syntax: {}", crate::fmt::quoted(text.as_bytes())));
    }
    Ok(number)
}

fn empty(text: &str) -> Number {
    Number { text: text.into(), int: None, uint: None, float: None, complex: None }
}

/// A float, and an int too if it is whole.
fn set_float(number: &mut Number, float: f64) {
    number.float = Some(float);
    if number.int.is_none() && float as i64 as f64 == float && float.abs() < 9.3e18 {
        number.int = Some(float as i64);
    }
    if number.uint.is_none() && float >= 0.0 && float as u64 as f64 == float {
        number.uint = Some(float as u64);
    }
}

/// A complex number without imaginary part is a float as well.
fn simplify(number: &mut Number, re: f64, im: f64) {
    if im == 0.0 {
        set_float(number, re);
    }
}
