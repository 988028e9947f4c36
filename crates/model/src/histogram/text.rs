//! The text form: `{count:3, sum:6, [-0.001,0.001]:1, (1,2]:2}`.

use std::fmt;

use super::{Bucket, FloatHistogram};
use crate::float::push_go_float;

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(40);
        text.push(if self.lower_inclusive { '[' } else { '(' });
        push_go_float(&mut text, self.lower);
        text.push(',');
        push_go_float(&mut text, self.upper);
        text.push(if self.upper_inclusive { ']' } else { ')' });
        text.push(':');
        push_go_float(&mut text, self.count);
        f.write_str(&text)
    }
}

impl fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from("{count:");
        push_go_float(&mut text, self.count);
        text.push_str(", sum:");
        push_go_float(&mut text, self.sum);
        f.write_str(&text)?;
        for bucket in self.negative_bucket_iter().rev().filter(|b| b.count != 0.0) {
            write!(f, ", {bucket}")?;
        }
        if self.zero_count != 0.0 {
            write!(f, ", {}", self.zero_bucket())?;
        }
        for bucket in self.positive_bucket_iter().filter(|b| b.count != 0.0) {
            write!(f, ", {bucket}")?;
        }
        f.write_str("}")
    }
}
