//! Structs of JSON answers: what is missing or null is as good as nothing, as Go reads it; a value of a wrong type is an error.

use serde::{Deserialize, Deserializer};

/// A null is as good as nothing.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    de: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(de)?.unwrap_or_default())
}

/// Declares structs of an answer: every field may be missing or null.
macro_rules! answer {
    ($(
        $(#[$meta:meta])*
        struct $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty),* $(,)? }
    )*) => {$(
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        $(#[$meta])*
        pub(crate) struct $name {
            $(
                #[serde(default, deserialize_with = "crate::answer::or_default")]
                $(#[$of_field])*
                pub(crate) $field: $type,
            )*
        }
    )*};
}

pub(crate) use answer;

/// A number or text that an API spells either way; its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Loose(pub(crate) String);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        match serde_json::Value::deserialize(de)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            serde_json::Value::Number(n) => Ok(Self(n.to_string())),
            serde_json::Value::Bool(b) => Ok(Self(b.to_string())),
            serde_json::Value::Null => Ok(Self::default()),
            _ => Err(D::Error::custom("expected a number or text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    answer! {
        #[serde(rename_all = "camelCase")]
        struct Thing {
            name: String,
            #[serde(rename = "ID")]
            id: i64,
            tags: Vec<String>,
            labels: BTreeMap<String, String>,
            maybe: Option<bool>,
        }
    }

    #[test]
    fn nulls_and_gaps_are_nothing() {
        let read = |text: &str| serde_json::from_str::<Thing>(text);
        assert_eq!(read("{}").unwrap(), Thing::default());
        let nulls = r#"{"name": null, "ID": null, "tags": null, "labels": null, "x": 1}"#;
        assert_eq!(read(nulls).unwrap(), Thing::default());
        let full = read(r#"{"name": "a", "ID": 3, "tags": ["t"], "maybe": true}"#).unwrap();
        assert_eq!((full.name.as_str(), full.id, full.maybe), ("a", 3, Some(true)));
        assert!(read(r#"{"ID": "3"}"#).is_err());
        assert_eq!(serde_json::from_str::<Loose>("12").unwrap().0, "12");
    }
}
