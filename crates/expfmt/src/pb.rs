//! Just enough protobuf to walk a message: fields over borrowed bytes, in the order they come, unknown ones included.

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'b> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'b [u8]),
}

/// A message that ends early or has a wire type that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("unexpected EOF")]
    Truncated,
    #[error("proto: integer overflow")]
    Overflow,
    #[error("proto: illegal wireType {0}")]
    WireType(u8),
    #[error("proto: wrong wireType for field {0}")]
    FieldType(u32),
    #[error("proto: string field contains invalid UTF-8")]
    Utf8,
}

impl<'b> Value<'b> {
    pub(crate) fn double(self) -> Result<f64, WireError> {
        match self {
            Self::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(WireError::FieldType(0)),
        }
    }

    pub(crate) fn varint(self) -> Result<u64, WireError> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(WireError::FieldType(0)),
        }
    }

    pub(crate) fn bytes(self) -> Result<&'b [u8], WireError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::FieldType(0)),
        }
    }

    pub(crate) fn text(self) -> Result<&'b str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Utf8)
    }
}

pub(crate) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Walks the fields of a message.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'b> {
    data: &'b [u8],
    pub(crate) pos: usize,
}

impl<'b> Fields<'b> {
    pub(crate) fn new(data: &'b [u8]) -> Self {
        Self { data, pos: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pos >= self.data.len()
    }

    /// The next field's number and value.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'b>)>, WireError> {
        if self.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| WireError::Overflow)?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => Value::Bytes(self.delimited()?),
            5 => Value::Fixed32(u32::from_le_bytes(self.fixed()?)),
            other => return Err(WireError::WireType(other as u8)),
        };
        Ok(Some((number, value)))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.data.get(self.pos).ok_or(WireError::Truncated)?;
            self.pos += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Overflow)
    }

    /// Bytes behind their length.
    pub(crate) fn delimited(&mut self) -> Result<&'b [u8], WireError> {
        let len = usize::try_from(self.varint()?).map_err(|_| WireError::Overflow)?;
        let end = self.pos.checked_add(len).ok_or(WireError::Overflow)?;
        let bytes = self.data.get(self.pos..end).ok_or(WireError::Truncated)?;
        self.pos = end;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let bytes = self.data.get(self.pos..self.pos + N).ok_or(WireError::Truncated)?;
        self.pos += N;
        bytes.try_into().map_err(|_| WireError::Truncated)
    }
}

/// Calls `each` for every number of a repeated numeric field, packed or not.
pub(crate) fn repeated_varints(
    value: Value<'_>,
    mut each: impl FnMut(u64),
) -> Result<(), WireError> {
    match value {
        Value::Varint(value) => each(value),
        Value::Bytes(packed) => {
            let mut fields = Fields::new(packed);
            while !fields.is_empty() {
                each(fields.varint()?);
            }
        }
        _ => return Err(WireError::FieldType(0)),
    }
    Ok(())
}

/// [`repeated_varints`] for doubles.
pub(crate) fn repeated_doubles(
    value: Value<'_>,
    mut each: impl FnMut(f64),
) -> Result<(), WireError> {
    match value {
        Value::Fixed64(bits) => each(f64::from_bits(bits)),
        Value::Bytes(packed) => {
            let (doubles, rest) = packed.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(WireError::Truncated);
            }
            for bytes in doubles {
                each(f64::from_le_bytes(*bytes));
            }
        }
        _ => return Err(WireError::FieldType(0)),
    }
    Ok(())
}
