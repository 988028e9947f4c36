//! text/template against Go's vectors.

use std::sync::Arc;

use gauntlet_template::{
    Error, Func, Funcs, Limits, Map, MissingKey, Mode, Set, Signature, Type, Value,
};

use crate::golden::{self, Outcome, bytes_at};
use crate::item::{Item, int};

/// Templates whose answer differs, and why.
const GAPS: &[(&str, &str)] = &[
    ("{{ eq fn fn }}", "Go prints the function's address"),
    ("{{ ne fn fn }}", "Go prints the function's address"),
];

#[test]
fn text_templates_answer_as_go_does() {
    let Some(vectors) = golden::load("text-template.json") else { return };
    // The recording marked its standard data with an entry that the description leaves out.
    let mut described = vectors["standard_data"].clone();
    described["v"]["__std"] = serde_json::json!({"kind": "bool", "v": true});
    let standard = golden::value(&described);
    let funcs = funcs();
    golden::run("text/template", vectors["cases"].as_array().unwrap(), GAPS, |case| {
        let data = match case.get("data") {
            None => standard.clone(),
            Some(json) => match json["kind"].as_str().unwrap() {
                "nil" => Value::Missing,
                kind @ ("Item" | "*Item") => {
                    Value::object(Item { name: "it", pointer: kind == "*Item" })
                }
                _ => golden::value(json),
            },
        };
        let missing = match case["option"].as_str() {
            None | Some("missingkey=default" | "missingkey=invalid") => MissingKey::Default,
            Some("missingkey=zero") => MissingKey::Zero,
            Some("missingkey=error") => MissingKey::Error,
            Some(other) => panic!("option {other}"),
        };
        let text = bytes_at(case, "template").unwrap();
        let mut set = Set::new(Mode::Text, missing);
        let mut out = Vec::new();
        let done = set
            .parse("t", &text, &funcs)
            .and_then(|()| set.program("t"))
            .and_then(|program| program.execute_into(&mut out, data, &funcs, &Limits::default()));
        match done {
            Ok(()) => Outcome::Output(out),
            Err(error) => Outcome::Error {
                partial: matches!(error, Error::Exec(_)).then_some(out),
                text: error.to_string(),
            },
        }
    });
}

fn funcs() -> Funcs {
    let mut funcs = Funcs::new();
    funcs.add("fail", Signature::NONE, |_, _| Err("func failed".into()));
    funcs.add("boom", Signature::NONE, |_, _| Err("bang".into()));
    funcs.add("up", Signature::of(&[Type::STRING]), |args, _| {
        Ok(Value::string(args[0].as_bytes().unwrap().to_ascii_uppercase()))
    });
    funcs.add("add", Signature::of(&[Type::INT, Type::INT]), |args, _| {
        Ok(Value::int(int(&args[0]) + int(&args[1])))
    });
    funcs.add("list", Signature::variadic(&[Type::Any]), |args, _| {
        Ok(Value::list(Type::Any, args.to_vec()))
    });
    funcs.add("mapOf", Signature::of(&[Type::STRING, Type::Any]), |args, _| {
        let entries = vec![(args[0].clone(), args[1].clone())];
        Ok(Value::map(Map::new(Type::STRING, Type::Any, entries)))
    });
    funcs.add("nilp", Signature::NONE, |_, _| Ok(Value::NilPointer("*main.Item")));
    let double = Func::new("func(int) int", Signature::of(&[Type::INT]), |args, _| {
        Ok(Value::int(2 * int(&args[0])))
    });
    let double = Arc::new(double);
    funcs.add("fn", Signature::NONE, move |_, _| Ok(Value::Func(double.clone())));
    funcs.add("f64", Signature::of(&[Type::Float]), |args, _| Ok(args[0].clone()));
    funcs.add("dur", Signature::of(&[Type::INT]), |args, _| Ok(Value::duration(int(&args[0]))));
    funcs
}
