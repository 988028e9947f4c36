//! The shape that all configuration structs here have: a table of keys with type, default and how they are echoed.
//!
//! `section!` makes of such a table the struct, its `Default`, its reading (strict, with places) and its echo in the same order.

use super::GlobalReceivers;

/// Why a section is refused: the key to point at, and upstream's words.
pub(super) type Refusal = (&'static str, String);

/// Checks of a section after all its keys were read without fault.
pub(super) trait Check {
    fn check(&mut self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// What a kind of receiver takes from `global`.
pub(super) trait Fill {
    /// Fills in what was not said; errs in upstream's words if something needed is said nowhere.
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str>;
}

/// `Err` with a key and a fixed text.
pub(super) fn refuse(key: &'static str, reason: impl Into<String>) -> Result<(), Refusal> {
    Err((key, reason.into()))
}

/// Refuses two keys of which one may be set.
pub(super) fn at_most_one(
    key: &'static str,
    file_key: &'static str,
    value_set: bool,
    file: &str,
) -> Result<(), Refusal> {
    if value_set && !file.is_empty() {
        return refuse(file_key, format!("at most one of {key} & {file_key} must be configured"));
    }
    Ok(())
}

/// The text that calls a template: `{{ template "name" . }}`.
pub(super) fn template(name: &str) -> String {
    format!("{{{{ template \"{name}\" . }}}}")
}

/// Puts `global` in the place of a text that is empty.
pub(super) fn or_text(own: &mut String, global: &str) {
    if own.is_empty() {
        global.clone_into(own);
    }
}

/// Puts `global` in the place of what is not set.
pub(super) fn or_some<T: Clone>(own: &mut Option<T>, global: &Option<T>) {
    if own.is_none() {
        own.clone_from(global);
    }
}

/// `mode "key" field: Type = default;` with mode `put` (echoed always), `omit` (unless zero), `some` (if there
/// is one), `map` (unless empty, keys in Go's order) or `any` (if there is one, keys in Go's order).
/// `null` is what a null entry in a list is refused with.
macro_rules! section {
    (@echo put $map:ident $key:literal $value:expr) => { $map.put($key, &$value); };
    (@echo omit $map:ident $key:literal $value:expr) => { $map.put_nonzero($key, &$value); };
    (@echo some $map:ident $key:literal $value:expr) => { $map.put_some($key, $value.as_ref()); };
    (@echo map $map:ident $key:literal $value:expr) => {
        $map.put_nonzero($key, $crate::config::order::ordered(&$value));
    };
    (@echo any $map:ident $key:literal $value:expr) => {
        $map.put_some($key, $value.as_ref().map($crate::config::order::ordered));
    };
    (@default $default:expr) => { $default };
    (@default) => { Default::default() };
    (
        $(#[$meta:meta])*
        pub struct $name:ident, go = $go:literal, null = $null:literal;
        $(
            $(#[$field_meta:meta])*
            $mode:ident $key:literal $field:ident: $ty:ty $(= $default:expr)?;
        )*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $ty, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: section!(@default $($default)?), )* }
            }
        }

        impl gauntlet_yaml::FromYaml for $name {
            fn from_yaml(
                node: gauntlet_yaml::Node<'_>,
                cx: &mut gauntlet_yaml::Context,
            ) -> Option<Self> {
                let before = cx.len();
                let mut map = gauntlet_yaml::Mapping::read(node, $go, cx)?;
                let mut section = Self::default();
                $( map.set(cx, $key, &mut section.$field); )*
                if cx.len() == before
                    && map.rest().next().is_none()
                    && let Err((key, reason)) = $crate::config::section::Check::check(&mut section)
                {
                    map.problem(cx, key, reason);
                }
                map.finish(cx).then_some(section)
            }

            fn go_type() -> std::borrow::Cow<'static, str> {
                $go.into()
            }

            fn from_null(
                node: gauntlet_yaml::Node<'_>,
                cx: &mut gauntlet_yaml::Context,
            ) -> Option<Self> {
                cx.problem(node.position(), $null);
                None
            }
        }

        impl gauntlet_yaml::ToYaml for $name {
            fn to_yaml(&self) -> gauntlet_yaml::Value {
                let mut map = gauntlet_yaml::MapBuilder::new();
                $( section!(@echo $mode map $key self.$field); )*
                map.build()
            }
        }
    };
}
