//! The struct of the text vectors, with its fields and methods.

use bytes::Bytes;
use gauntlet_template::{CallError, Context, IntType, Map, Object, Signature, Time, Type, Value};

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: &'static str,
    pub(crate) pointer: bool,
}

const FIELDS: &[&str] =
    &["Name", "N", "F", "Tags", "M", "Next", "T", "D", "Any", "B", "KV", "Bytes"];

impl Object for Item {
    fn type_name(&self) -> &'static str {
        if self.pointer { "*main.Item" } else { "main.Item" }
    }

    fn field_names(&self) -> &'static [&'static str] {
        FIELDS
    }

    fn field(&self, name: &str) -> Option<Value> {
        let is_next = self.name == "nx";
        Some(match name {
            "Name" => Value::str(self.name),
            "N" => Value::int(5),
            "F" => Value::Float(2.5),
            "Tags" => Value::strings(["p", "q"]),
            "M" => Value::map(Map::new(
                Type::STRING,
                Type::Any,
                vec![(Value::str("k"), Value::str("v"))],
            )),
            "Next" if is_next => Value::NilPointer("*main.Item"),
            "Next" => Value::object(Self { name: "nx", pointer: true }),
            "T" => Value::Time(Time::parse_rfc3339("2024-02-29T12:34:56.789Z").unwrap()),
            "D" => Value::duration(60_000_000_000),
            "Any" => Value::str("any"),
            "B" => Value::Bool(true),
            "KV" => Value::object(Kv),
            "Bytes" => {
                let items = b"hi".iter().map(|b| Value::Int(i64::from(*b), IntType::Uint8));
                Value::list(Type::Int(IntType::Uint8), items.collect())
            }
            _ => return None,
        })
    }

    fn is_any_field(&self, name: &str) -> bool {
        name == "Any"
    }

    fn has_private_field(&self, name: &str) -> bool {
        name == "priv"
    }

    fn method(&self, name: &str) -> Option<Signature> {
        Some(match name {
            "Hello" => Signature::of(&[Type::STRING]),
            "Ptr" if self.pointer => Signature::NONE,
            "Fail" | "Boom" | "String" => Signature::NONE,
            "Add" => Signature::variadic(&[Type::INT]),
            "Two" => Signature::of(&[Type::STRING, Type::INT]),
            "FloatArg" => Signature::of(&[Type::Float]),
            "AnyArg" => Signature::of(&[Type::Any]),
            "MapArg" => Signature::of(&[Type::ANY_MAP]),
            _ => return None,
        })
    }

    fn call(&self, name: &str, args: &[Value], _cx: &mut Context<'_>) -> Result<Value, CallError> {
        let text = |at: usize| String::from_utf8_lossy(args[at].as_bytes().unwrap()).into_owned();
        Ok(match name {
            "Hello" => Value::from(format!("hello {} from {}", text(0), self.name)),
            "Ptr" => Value::from(format!("ptr {}", self.name)),
            "Fail" => return Err("method failed".into()),
            "Boom" => return Err("boom".into()),
            "Add" => Value::int(5 + args.iter().map(int).sum::<i64>()),
            "Two" => Value::from(format!("{}{}", text(0), int(&args[1]))),
            "FloatArg" => args[0].clone(),
            "AnyArg" => Value::from(args[0].type_name().into_owned()),
            "MapArg" => match &args[0] {
                Value::Map(map) => Value::int(map.entries().len() as i64),
                other => panic!("{other:?}"),
            },
            _ => Value::string(self.string().unwrap()),
        })
    }

    fn string(&self) -> Option<Bytes> {
        Some(format!("Item({})", self.name).into())
    }
}

pub(crate) fn int(value: &Value) -> i64 {
    match value {
        Value::Int(value, _) => *value,
        other => panic!("{other:?} is no int"),
    }
}

#[derive(Debug)]
struct Kv;

impl Object for Kv {
    fn type_name(&self) -> &'static str {
        "main.KV"
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::map(Map::strings([("k", "v")])))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "Get").then_some(Signature::of(&[Type::STRING]))
    }

    fn call(
        &self,
        _name: &str,
        _args: &[Value],
        _cx: &mut Context<'_>,
    ) -> Result<Value, CallError> {
        Ok(Value::str("v"))
    }
}
