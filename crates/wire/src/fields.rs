//! Protobuf fields of a message, one by one, borrowed from its bytes. Errors have the texts of upstream's generated code, since
//! remote-write senders are shown them. Leaves out meaning: see [`crate::write`].

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtoError {
    #[error("unexpected EOF")]
    UnexpectedEof,
    #[error("proto: integer overflow")]
    Overflow,
    #[error("proto: illegal tag {0} (wire type {1})")]
    IllegalTag(u64, u8),
    #[error("proto: wrong wireType = {wire} for field {field}")]
    WrongWireType { wire: u8, field: &'static str },
    #[error("proto: wiretype end group for non-group")]
    EndGroup,
    #[error("proto: illegal wireType {0}")]
    IllegalWireType(u8),
    #[error("proto: negative length found during unmarshaling")]
    NegativeLength,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
    /// A group, passed over: no message here has one.
    Group,
}

impl<'a> Value<'a> {
    fn wire_type(&self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Group => 3,
            Self::Fixed32(_) => 5,
        }
    }

    fn wrong(&self, field: &'static str) -> ProtoError {
        ProtoError::WrongWireType { wire: self.wire_type(), field }
    }

    pub fn bytes(self, field: &'static str) -> Result<&'a [u8], ProtoError> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(self.wrong(field)) }
    }

    pub fn varint(self, field: &'static str) -> Result<u64, ProtoError> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(self.wrong(field)) }
    }

    pub fn double(self, field: &'static str) -> Result<f64, ProtoError> {
        if let Self::Fixed64(bits) = self {
            Ok(f64::from_bits(bits))
        } else {
            Err(self.wrong(field))
        }
    }
}

/// A message's fields in the order of its bytes. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Groups inside groups that are passed over.
const MAX_GROUP_DEPTH: usize = 64;

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// From a place between two fields on.
    #[inline]
    pub(crate) fn from(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where the next field begins.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next field's number and value, `None` at the end.
    #[inline]
    pub fn next_field(&mut self) -> Result<Option<(u32, Value<'a>)>, ProtoError> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let (number, wire) = self.tag()?;
        self.value(number, wire).map(|value| Some((number, value)))
    }

    #[inline]
    fn tag(&mut self) -> Result<(u32, u8), ProtoError> {
        let tag = self.varint()?;
        let (number, wire) = (tag >> 3, (tag & 7) as u8);
        if wire == 4 {
            return Err(ProtoError::EndGroup);
        }
        match u32::try_from(number) {
            Ok(number) if number > 0 && number <= i32::MAX as u32 => Ok((number, wire)),
            _ => Err(ProtoError::IllegalTag(number, wire)),
        }
    }

    #[inline]
    fn value(&mut self, number: u32, wire: u8) -> Result<Value<'a>, ProtoError> {
        Ok(match wire {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = self.varint()?;
                if len > i64::MAX as u64 {
                    return Err(ProtoError::NegativeLength);
                }
                let left = self.bytes.len() - self.at;
                let len = usize::try_from(len).map_err(|_| ProtoError::UnexpectedEof)?;
                if len > left {
                    return Err(ProtoError::UnexpectedEof);
                }
                let bytes = &self.bytes[self.at..self.at + len];
                self.at += len;
                Value::Bytes(bytes)
            }
            3 => {
                self.skip_group(number)?;
                Value::Group
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(ProtoError::IllegalWireType(other)),
        })
    }

    fn skip_group(&mut self, number: u32) -> Result<(), ProtoError> {
        let mut open = vec![number];
        while let Some(current) = open.last().copied() {
            if self.at >= self.bytes.len() {
                return Err(ProtoError::UnexpectedEof);
            }
            let tag = self.varint()?;
            let (number, wire) = ((tag >> 3) as u32, (tag & 7) as u8);
            match wire {
                3 if open.len() < MAX_GROUP_DEPTH => open.push(number),
                3 => return Err(ProtoError::IllegalWireType(3)),
                4 if number == current => {
                    open.pop();
                }
                4 => return Err(ProtoError::EndGroup),
                _ => {
                    self.value(number, wire)?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtoError> {
        let found = self.bytes.get(self.at..self.at + N).and_then(|bytes| bytes.try_into().ok());
        self.at += N;
        found.ok_or(ProtoError::UnexpectedEof)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, ProtoError> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, ProtoError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(ProtoError::UnexpectedEof)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ProtoError::Overflow)
    }
}

/// Numbers of a repeated varint field: packed in one value, or one number a value.
pub fn packed_varints(
    value: Value<'_>,
    field: &'static str,
    mut each: impl FnMut(u64),
) -> Result<(), ProtoError> {
    match value {
        Value::Varint(number) => each(number),
        Value::Bytes(bytes) => {
            let mut fields = Fields::new(bytes);
            while fields.at < bytes.len() {
                each(fields.varint()?);
            }
        }
        other => return Err(other.wrong(field)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Result<usize, ProtoError>) {
        let mut fields = Fields::new(bytes);
        let mut count = 0;
        let found = loop {
            match fields.next_field() {
                Ok(None) => break Ok(count),
                Ok(Some(_)) => count += 1,
                Err(err) => break Err(err),
            }
        };
        assert_eq!(found, expect, "{bytes:x?}");
    }

    #[test]
    fn fields_are_read_or_refused_with_a_reason() {
        check(&[], Ok(0));
        check(&[0x08, 0x96, 0x01, 0x12, 0x02, b'a', b'b'], Ok(2));
        check(&[0x0b, 0x08, 0x01, 0x13, 0x14, 0x0c, 0x08, 0x01], Ok(2));
        check(&[0x0b, 0x08, 0x01], Err(ProtoError::UnexpectedEof));
        check(b"junk", Err(ProtoError::UnexpectedEof));
        check(&[0x09, 1, 2], Err(ProtoError::UnexpectedEof));
        check(&[0x0c], Err(ProtoError::EndGroup));
        check(&[0x00], Err(ProtoError::IllegalTag(0, 0)));
        check(&[0x0f], Err(ProtoError::IllegalWireType(7)));
        check(&[0xff; 11], Err(ProtoError::Overflow));
        check(
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            Err(ProtoError::NegativeLength),
        );
    }

    #[test]
    fn packed_and_single_numbers_are_the_same() {
        for bytes in [&[0x0a, 3, 1, 2, 3][..], &[0x08, 1, 0x08, 2, 0x08, 3]] {
            let (mut fields, mut found) = (Fields::new(bytes), Vec::new());
            while let Some((_, value)) = fields.next_field().unwrap() {
                packed_varints(value, "Refs", |n| found.push(n)).unwrap();
            }
            assert_eq!(found, [1, 2, 3]);
        }
    }
}
