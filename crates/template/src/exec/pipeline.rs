//! Pipelines, commands, fields and calls.

use super::builtin::Builtin;
use super::{At, Done, Slot, State};
use crate::func::{CallError, Context, Func, Signature};
use crate::limits::Limit;
use crate::parse::node::{Arg, Command, Number, Pipe};
use crate::set::MissingKey;
use crate::value::{Object, StrType, Type, Value};
use crate::{fmt, time};
use std::sync::Arc;

/// What is called.
enum Callee {
    Builtin(Builtin),
    Func(Arc<Func>),
    /// A method of a built-in type.
    Own(Value),
    Object(Arc<dyn Object>),
}

/// The words of a command, the first of them being called, and what the pipe brought.
#[derive(Clone, Copy)]
struct Words<'t> {
    args: &'t [Arg],
}

impl<'t> State<'t, '_> {
    pub(super) fn pipeline(&mut self, dot: &Slot, pipe: &'t Pipe) -> Done<Slot> {
        self.at = At::Pipe(pipe);
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?.unwrapped());
        }
        let value = value.unwrap_or(Slot::MISSING);
        for name in &pipe.vars {
            if pipe.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.vars.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Slot, command: &'t Command, piped: Option<Slot>) -> Done<Slot> {
        self.spend(1)?;
        let words = Words { args: &command.args };
        let first = &command.args[0];
        match first {
            Arg::Field { path, .. } => {
                self.at = At::Arg(first);
                return self.fields(dot, dot.clone(), first, path, words, piped);
            }
            Arg::Chain { operand, path, .. } => {
                let receiver = self.chain_operand(dot, first, operand)?;
                return self.fields(dot, receiver, first, path, words, piped);
            }
            Arg::Ident { name, .. } => {
                return self.function(dot, first, name, At::Command(command), words, piped);
            }
            Arg::Pipe(pipe) => {
                self.not_a_function(words, &piped)?;
                return self.pipeline(dot, pipe);
            }
            Arg::Variable { path, .. } => return self.variable(dot, first, path, words, piped),
            _ => {}
        }
        self.at = At::Arg(first);
        self.not_a_function(words, &piped)?;
        Ok(match first {
            Arg::Bool { value, .. } => Slot::of(Value::Bool(*value)),
            Arg::Dot { .. } => dot.clone(),
            Arg::Number { number, .. } => Slot::of(self.constant(number)?),
            Arg::Str { text, .. } => Slot::of(Value::Str(text.clone(), StrType::String)),
            _ => return self.fail("nil is not a command"),
        })
    }

    fn not_a_function(&self, words: Words<'t>, piped: &Option<Slot>) -> Done<()> {
        if words.args.len() > 1 || piped.is_some() {
            return self.fail(format!("can't give argument to non-function {}", words.args[0]));
        }
        Ok(())
    }

    /// A constant where no type is asked for.
    fn constant(&self, number: &Number) -> Done<Value> {
        let text = &*number.text;
        let is_hex = text.len() > 2 && text.starts_with("0x") || text.starts_with("0X");
        let is_hex_int = is_hex && !text.contains(['p', 'P']);
        let has_point = text.contains(['.', 'e', 'E', 'p', 'P']);
        if let Some((re, im)) = number.complex {
            return Ok(Value::Complex(re, im));
        }
        if let Some(float) = number.float
            && !is_hex_int
            && !text.starts_with('\'')
            && has_point
        {
            return Ok(Value::Float(float));
        }
        match number.int {
            Some(int) => Ok(Value::int(int)),
            None => self.fail(format!("{text} overflows int")),
        }
    }

    fn chain_operand(&mut self, dot: &Slot, chain: &'t Arg, operand: &'t Arg) -> Done<Slot> {
        self.at = At::Arg(chain);
        if let Arg::Nil { .. } = operand {
            return self.fail(format!("indirection through explicit nil in {chain}"));
        }
        self.operand(dot, operand)
    }

    /// An operand that is no constant, as it is.
    fn operand(&mut self, dot: &Slot, arg: &'t Arg) -> Done<Slot> {
        self.at = At::Arg(arg);
        let none = Words { args: &[] };
        match arg {
            Arg::Dot { .. } => Ok(dot.clone()),
            Arg::Field { path, .. } => self.fields(dot, dot.clone(), arg, path, none, None),
            Arg::Variable { path, .. } => self.variable(dot, arg, path, none, None),
            Arg::Pipe(pipe) => self.pipeline(dot, pipe),
            Arg::Ident { name, .. } => self.function(dot, arg, name, At::Arg(arg), none, None),
            Arg::Chain { operand, path, .. } => {
                let receiver = self.chain_operand(dot, arg, operand)?;
                self.fields(dot, receiver, arg, path, none, None)
            }
            _ => self.fail(format!("can't evaluate {arg}")),
        }
    }

    fn variable(
        &mut self,
        dot: &Slot,
        node: &'t Arg,
        path: &'t [Box<str>],
        words: Words<'t>,
        piped: Option<Slot>,
    ) -> Done<Slot> {
        self.at = At::Arg(node);
        let name = &*path[0];
        let Some((_, value)) = self.vars.iter().rev().find(|(n, _)| *n == name) else {
            return self.fail(format!("undefined variable: {name}"));
        };
        let value = value.clone();
        if path.len() == 1 {
            self.not_a_function(words, &piped)?;
            return Ok(value);
        }
        self.fields(dot, value, node, &path[1..], words, piped)
    }

    fn fields(
        &mut self,
        dot: &Slot,
        mut receiver: Slot,
        node: &'t Arg,
        path: &'t [Box<str>],
        words: Words<'t>,
        piped: Option<Slot>,
    ) -> Done<Slot> {
        let Some((last, before)) = path.split_last() else { return Ok(receiver) };
        for name in before {
            receiver = self.field(dot, name, node, Words { args: &[] }, None, receiver)?;
        }
        self.field(dot, last, node, words, piped, receiver)
    }

    /// A method's result, a struct's field or a map's entry.
    fn field(
        &mut self,
        dot: &Slot,
        name: &'t str,
        node: &'t Arg,
        words: Words<'t>,
        piped: Option<Slot>,
        receiver: Slot,
    ) -> Done<Slot> {
        if matches!(receiver.value, Value::Missing) {
            if self.scope.set.missing_key() == MissingKey::Error {
                let key = fmt::quoted(name.as_bytes());
                return self.fail(format!("nil data; no entry for key {key}"));
            }
            return Ok(Slot::MISSING);
        }
        let type_name = || receiver.type_name();
        let has_args = words.args.len() > 1 || piped.is_some();
        match &receiver.value {
            Value::Nil | Value::NilPointer(_) => {
                return self.fail(format!("nil pointer evaluating {}.{name}", type_name()));
            }
            Value::Object(object) => {
                if let Some(signature) = object.method(name) {
                    let callee = Callee::Object(object.clone());
                    return self.call(dot, callee, signature, At::Arg(node), name, words, piped);
                }
                if let Some(Value::Map(map)) = object.underlying() {
                    return self.entry(&map, name, has_args, &receiver);
                }
                if object.has_private_field(name) {
                    let ty = type_name();
                    return self.fail(format!("{name} is an unexported field of struct type {ty}"));
                }
                if let Some(value) = object.field(name) {
                    if has_args {
                        return self.fail(format!(
                            "{name} has arguments but cannot be invoked as function"
                        ));
                    }
                    let elem = if object.is_any_field(name) { Type::Any } else { Type::Reflect };
                    return Ok(Slot::within(value, elem));
                }
            }
            Value::Map(map) => return self.entry(map, name, has_args, &receiver),
            own => {
                if let Some(signature) = time::signature(own, name) {
                    let callee = Callee::Own(own.clone());
                    return self.call(dot, callee, signature, At::Arg(node), name, words, piped);
                }
            }
        }
        self.fail(format!("can't evaluate field {name} in type {}", type_name()))
    }

    fn entry(
        &self,
        map: &crate::value::Map,
        name: &str,
        has_args: bool,
        receiver: &Slot,
    ) -> Done<Slot> {
        if !matches!(map.key, Type::Str(StrType::String) | Type::Any) {
            let ty = receiver.type_name();
            return self.fail(format!("can't evaluate field {name} in type {ty}"));
        }
        if has_args {
            return self.fail(format!("{name} is not a method but has arguments"));
        }
        if let Some(value) = map.get_str(name.as_bytes()) {
            return Ok(Slot::within(value.clone(), map.elem));
        }
        match self.scope.set.missing_key() {
            MissingKey::Default => Ok(Slot::MISSING),
            MissingKey::Zero => Ok(Slot::within(map.elem.zero(), map.elem)),
            MissingKey::Error => {
                let key = fmt::quoted(name.as_bytes());
                self.fail(format!("map has no entry for key {key}"))
            }
        }
    }

    fn function(
        &mut self,
        dot: &Slot,
        ident: &'t Arg,
        name: &'t str,
        node: At<'t>,
        words: Words<'t>,
        piped: Option<Slot>,
    ) -> Done<Slot> {
        self.at = At::Arg(ident);
        let (callee, signature) = match self.scope.funcs.get(name) {
            Some(func) => (Callee::Func(func.clone()), func.signature()),
            None => match Builtin::find(name) {
                Some(builtin) => (Callee::Builtin(builtin), builtin.signature()),
                None => {
                    let name = fmt::quoted(name.as_bytes());
                    return self.fail(format!("{name} is not a defined function"));
                }
            },
        };
        self.call(dot, callee, signature, node, name, words, piped)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a call, each from another place")]
    fn call(
        &mut self,
        dot: &Slot,
        callee: Callee,
        signature: Signature,
        node: At<'t>,
        name: &'t str,
        words: Words<'t>,
        piped: Option<Slot>,
    ) -> Done<Slot> {
        let args = words.args.get(1..).unwrap_or_default();
        let count = args.len() + usize::from(piped.is_some());
        let params = signature.params;
        if signature.variadic {
            let least = params.len() - 1;
            if count < least {
                let got = args.len();
                return self.fail(format!(
                    "wrong number of args for {name}: want at least {least} got {got}"
                ));
            }
        } else if count != params.len() {
            let want = params.len();
            return self.fail(format!("wrong number of args for {name}: want {want} got {count}"));
        }
        if let Callee::Builtin(builtin @ (Builtin::And | Builtin::Or)) = callee {
            return self.and_or(dot, builtin == Builtin::Or, args, piped);
        }
        let last = params.len().saturating_sub(1);
        let mut values = Vec::with_capacity(count);
        let is_slice = matches!(callee, Callee::Builtin(Builtin::Slice));
        for (i, arg) in args.iter().enumerate() {
            if is_slice && i > 0 && !arg.is_constant() {
                values.push(self.bound(dot, arg)?);
            } else {
                values.push(self.argument(dot, params[i.min(last)], arg)?);
            }
        }
        if let Some(piped) = piped {
            values.push(self.fit(piped, params[args.len().min(last)])?);
        }
        let result = match callee {
            Callee::Builtin(Builtin::Call) => {
                let called = args.first().map_or_else(|| "<value>".to_owned(), Arg::to_string);
                self.call_value(&called, &values)
            }
            Callee::Builtin(builtin) => builtin.call(&values, self.budget),
            Callee::Own(value) => time::call(&value, name, &values),
            Callee::Func(func) => func.call(&values, &mut self.context()),
            Callee::Object(object) => object.call(name, &values, &mut self.context()),
        };
        let result = match result {
            Ok(Value::Str(text, _)) if text.len() > self.budget.output_bytes() => {
                let limit = Limit::Output(self.budget.output_bytes());
                Err(CallError::Limit(limit, limit.to_string()))
            }
            other => other,
        };
        match result {
            Ok(value) => Ok(Slot::of(value)),
            Err(error) => {
                if !matches!(error, CallError::Refused(_)) {
                    self.at = node;
                }
                self.call_failed(name, error)
            }
        }
    }

    /// An index of `slice`, which Go does not take out of an interface: such a one is refused by its type.
    fn bound(&mut self, dot: &Slot, arg: &'t Arg) -> Done<Value> {
        let slot = self.operand(dot, arg)?;
        Ok(if slot.any { Value::NilPointer("interface {}") } else { slot.value })
    }

    fn context(&mut self) -> Context<'_> {
        Context { scope: self.scope, budget: self.budget }
    }

    fn and_or(
        &mut self,
        dot: &Slot,
        is_or: bool,
        args: &'t [Arg],
        piped: Option<Slot>,
    ) -> Done<Slot> {
        let mut value = Value::Missing;
        for arg in args {
            value = self.argument(dot, Type::Reflect, arg)?;
            if value.is_true() == is_or {
                return Ok(Slot::of(value));
            }
        }
        match piped {
            Some(piped) => Ok(piped),
            None => Ok(Slot::of(value)),
        }
    }

    /// The `call` function: its operand is a function value.
    fn call_value(&mut self, name: &str, values: &[Value]) -> Result<Value, CallError> {
        let (func, args) = match values.split_first() {
            Some((Value::Func(func), args)) => (func.clone(), args),
            Some((Value::Missing | Value::Nil, _)) | None => return Err("call of nil".into()),
            Some((other, _)) => {
                return Err(format!("non-function {name} of type {}", other.type_name()).into());
            }
        };
        let Signature { params, variadic } = func.signature();
        let least = params.len() - usize::from(variadic);
        let got = args.len();
        if got < least || !variadic && got > least {
            let at_least = if variadic { "at least " } else { "" };
            return Err(format!(
                "wrong number of args for {name}: got {got} want {at_least}{least}"
            )
            .into());
        }
        let mut fitted = Vec::with_capacity(got);
        for (i, arg) in args.iter().enumerate() {
            let ty = params[i.min(params.len() - 1)];
            let value = prepare(arg, ty).map_err(|why| format!("arg {i}: {why}"))?;
            fitted.push(value);
        }
        func.call(&fitted, &mut self.context())
    }

    /// An argument for a parameter of type `ty`.
    fn argument(&mut self, dot: &Slot, ty: Type, arg: &'t Arg) -> Done<Value> {
        self.at = At::Arg(arg);
        match arg {
            Arg::Nil { .. } => {
                if ty.takes_nil() {
                    return Ok(ty.zero());
                }
                return self.fail(format!("cannot assign nil to {}", ty.name()));
            }
            _ if arg.is_constant() => {}
            _ => {
                let value = self.operand(dot, arg)?;
                return self.fit(value, ty);
            }
        }
        let wanted = |what: &str| format!("expected {what}; found {arg}");
        match (ty, arg) {
            (Type::Any | Type::Reflect, Arg::Number { number, .. }) => self.constant(number),
            (Type::Any | Type::Reflect | Type::Bool, Arg::Bool { value, .. }) => {
                Ok(Value::Bool(*value))
            }
            (Type::Any | Type::Reflect, Arg::Str { text, .. }) => {
                Ok(Value::Str(text.clone(), StrType::String))
            }
            (Type::Str(ty), Arg::Str { text, .. }) => Ok(Value::Str(text.clone(), ty)),
            (Type::Str(_), _) => self.fail(wanted("string")),
            (Type::Bool, _) => self.fail(wanted("bool")),
            (Type::Int(ty), Arg::Number { number: Number { uint: Some(uint), .. }, .. })
                if ty.is_unsigned() =>
            {
                Ok(Value::Int(*uint as i64, ty))
            }
            (Type::Int(ty), _) if ty.is_unsigned() => self.fail(wanted("unsigned integer")),
            (Type::Int(ty), Arg::Number { number: Number { int: Some(int), .. }, .. }) => {
                Ok(Value::Int(*int, ty))
            }
            (Type::Int(_), _) => self.fail(wanted("integer")),
            (Type::Float, Arg::Number { number: Number { float: Some(float), .. }, .. }) => {
                Ok(Value::Float(*float))
            }
            (Type::Float, _) => self.fail(wanted("float")),
            (Type::Complex, Arg::Number { number: Number { complex: Some((re, im)), .. }, .. }) => {
                Ok(Value::Complex(*re, *im))
            }
            (Type::Complex, _) => self.fail(wanted("complex")),
            _ => self.fail(format!("can't handle {arg} for arg of type {}", ty.name())),
        }
    }

    /// Checks that a value may be passed as `ty`.
    fn fit(&self, slot: Slot, ty: Type) -> Done<Value> {
        if matches!(slot.value, Value::Missing) {
            if ty.takes_nil() {
                return Ok(ty.zero());
            }
            return self.fail(format!("invalid value; expected {}", ty.name()));
        }
        if let Some(value) = assigned(&slot.value, ty) {
            return Ok(value);
        }
        let got = if matches!(slot.value, Value::Nil) {
            "interface {}".to_owned()
        } else {
            slot.value.type_name().into_owned()
        };
        self.fail(format!("wrong type for value; expected {}; got {got}", ty.name()))
    }
}

/// The value as a parameter of type `ty` holds it, if it may.
fn assigned(value: &Value, ty: Type) -> Option<Value> {
    if !value.assignable_to(ty) {
        let Value::Object(object) = value else { return None };
        return object.pointee().filter(|to| to.assignable_to(ty));
    }
    Some(match (value, ty) {
        (Value::Object(_), Type::List(_) | Type::Map(..)) => value.plain().into_owned(),
        _ => value.clone(),
    })
}

/// As `call` and `index` fit their arguments: integers convert among each other.
pub(super) fn prepare(value: &Value, ty: Type) -> Result<Value, String> {
    if matches!(value, Value::Missing | Value::Nil) {
        if ty.takes_nil() {
            return Ok(ty.zero());
        }
        return Err(format!("value is nil; should be of type {}", ty.name()));
    }
    if let Some(value) = assigned(value, ty) {
        return Ok(value);
    }
    match (value, ty) {
        (Value::Int(code, _), Type::Int(to)) => Ok(Value::Int(*code, to)),
        _ => Err(format!("value has type {}; should be {}", value.type_name(), ty.name())),
    }
}
