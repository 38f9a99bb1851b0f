//! Executes a template, as Go's text/template/exec.go does. Pure, and bounded in steps, depth and output.

use super::failure::Failure;
use super::function::{self, Fault};
use super::parser::{Block, Command, Expr, ExprKind, Node, Pipe, Tree};
use super::shape::UNTYPED;
use super::value::{Data, heading};

/// Nodes and commands of one execution.
const MAX_STEPS: usize = 5_000_000;
/// Templates and blocks within each other.
const MAX_DEPTH: usize = 200;
/// Bytes of output and of any text made on the way.
pub(super) const MAX_OUTPUT: usize = 64 << 20;

/// A method of the struct that is the dot at the start: its receiver and arguments.
pub(crate) type Method = fn(&Data, &[Data]) -> Result<Data, String>;

/// What executes.
pub(super) struct Executor<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) tree: &'a Tree,
    pub(super) methods: &'a [(&'static str, Method)],
    variables: Vec<(String, Data)>,
    steps: usize,
    depth: usize,
    /// Bytes of text that functions made.
    made: usize,
    out: String,
}

/// How a block ended.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

impl<'a> Executor<'a> {
    pub(super) fn new(name: &'a str, text: &'a str, tree: &'a Tree, methods: &'a [(&'static str, Method)]) -> Self {
        Self { name, text, tree, methods, variables: Vec::new(), steps: 0, depth: 0, made: 0, out: String::new() }
    }

    /// Executes the main template on `dot`.
    pub(super) fn run(mut self, dot: &Data) -> Result<String, Failure> {
        self.variables.push(("$".to_owned(), dot.clone()));
        self.block(&self.tree.main, dot)?;
        Ok(self.out)
    }

    fn fail<T>(&self, expr: &Expr, message: impl std::fmt::Display) -> Result<T, Failure> {
        let context = self.text.get(expr.span.0..expr.span.1).unwrap_or_default();
        Err(Failure::execute(self.name, self.text, expr.place, context, message))
    }

    fn fail_at<T>(&self, span: (usize, usize), message: impl std::fmt::Display) -> Result<T, Failure> {
        let context = self.text.get(span.0..span.1).unwrap_or_default().trim();
        Err(Failure::execute(self.name, self.text, span.0, context, message))
    }

    fn step(&mut self) -> Result<(), Failure> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(Failure::limit(self.name, "too many steps"));
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        if self.out.len() + text.len() > MAX_OUTPUT {
            return Err(Failure::limit(self.name, "too much output"));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn block(&mut self, block: &'a Block, dot: &Data) -> Result<Flow, Failure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Failure::limit(self.name, "exceeded maximum template depth"));
        }
        let scope = self.variables.len();
        let mut flow = Flow::Next;
        for node in block {
            flow = self.node(node, dot)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &'a Node, dot: &Data) -> Result<Flow, Failure> {
        self.step()?;
        match node {
            Node::Text(text) => self.write(text)?,
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    let text = value.printed();
                    self.write(&text)?;
                }
            }
            Node::If { pipe, then, otherwise } | Node::With { pipe, then, otherwise } => {
                let scope = self.variables.len();
                let value = self.pipe(pipe, dot)?;
                let branch = if value.truth() { then } else { otherwise };
                let changes_dot = matches!(node, Node::With { .. }) && value.truth();
                let flow = self.block(branch, if changes_dot { &value } else { dot })?;
                self.variables.truncate(scope);
                return Ok(flow);
            }
            Node::Range { pipe, body, otherwise } => return self.range(pipe, body, otherwise, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::Template { at, name, pipe } => {
                let Some(block) = self.tree.defined.get(name) else {
                    let start = self.text[..*at].rfind("{{").unwrap_or(*at);
                    let end = self.text[*at..].find("}}").map_or(self.text.len(), |end| at + end + 2);
                    let context = &self.text[start..end];
                    let message = format_args!("template {name:?} not defined");
                    return Err(Failure::execute(self.name, self.text, *at, context, message));
                };
                let value = pipe.as_ref().map_or(Ok(Data::Nil), |pipe| self.pipe(pipe, dot))?;
                let outer = std::mem::replace(&mut self.variables, vec![("$".to_owned(), value.clone())]);
                self.block(block, &value)?;
                self.variables = outer;
            }
        }
        Ok(Flow::Next)
    }

    fn range(&mut self, pipe: &'a Pipe, body: &'a Block, otherwise: &'a Block, dot: &Data) -> Result<Flow, Failure> {
        let scope = self.variables.len();
        // The loop sets its variables itself.
        let value = self.commands(pipe, dot)?;
        let flow = match &value {
            Data::List(list) => {
                let items = list.iter().enumerate().map(|(i, item)| (Data::Int(i as i128), item.clone()));
                self.each(pipe, body, items)?
            }
            Data::Map(pairs) => {
                let items = pairs.iter().map(|(key, value)| (Data::Text(key.clone()), value.clone()));
                self.each(pipe, body, items)?
            }
            Data::Struct(inner) if inner.type_name == UNTYPED => {
                let mut pairs: Vec<_> = inner.fields.iter().collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                let items = pairs.into_iter().map(|(key, value)| (Data::Text(key.clone()), value.clone()));
                self.each(pipe, body, items)?
            }
            Data::Int(n) => self.each(pipe, body, (0..*n).map(|i| (Data::Int(i), Data::Int(i))))?,
            Data::Nil | Data::NilList | Data::NilMap | Data::NoValue | Data::Heading(_) => false,
            other => return self.fail_at(pipe.span, format_args!("range can't iterate over {}", other.printed())),
        };
        let result = if flow { Flow::Next } else { self.block(otherwise, dot)? };
        self.variables.truncate(scope);
        Ok(result)
    }

    /// Executes the body for each item; tells whether there was one.
    fn each(
        &mut self,
        pipe: &'a Pipe,
        body: &'a Block,
        items: impl Iterator<Item = (Data, Data)>,
    ) -> Result<bool, Failure> {
        let mut any = false;
        for (key, item) in items {
            any = true;
            self.step()?;
            let scope = self.variables.len();
            match pipe.variables.as_slice() {
                [one] => self.set(one, item.clone(), pipe.assigns),
                [first, second, ..] => {
                    self.set(first, key, pipe.assigns);
                    self.set(second, item.clone(), pipe.assigns);
                }
                [] => {}
            }
            let flow = self.block(body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(any)
    }

    fn set(&mut self, name: &str, value: Data, assigns: bool) {
        match self.variables.iter_mut().rev().find(|(n, _)| n == name).filter(|_| assigns) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipe(&mut self, pipe: &'a Pipe, dot: &Data) -> Result<Data, Failure> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.variables {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &'a Pipe, dot: &Data) -> Result<Data, Failure> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or(Data::NoValue))
    }

    fn command(&mut self, command: &'a Command, dot: &Data, piped: Option<Data>) -> Result<Data, Failure> {
        self.step()?;
        let (first, rest) = (&command.words[0], &command.words[1..]);
        match &first.kind {
            ExprKind::Nil => self.fail(first, "nil is not a command"),
            ExprKind::Function(name) => self.call(name, command, dot, rest, piped),
            ExprKind::Field(names) => {
                let receiver = dot.clone();
                self.chain(first, receiver, names, dot, rest, piped)
            }
            ExprKind::Variable(name, names) if !names.is_empty() => {
                let receiver = self.variable(name);
                self.chain(first, receiver, names, dot, rest, piped)
            }
            ExprKind::Chain(inner, names) => {
                let receiver = self.argument(inner, dot)?;
                self.chain(first, receiver, names, dot, rest, piped)
            }
            _ if !rest.is_empty() || piped.is_some() => {
                let shown = self.text.get(first.span.0..first.span.1).unwrap_or_default().to_owned();
                self.fail(first, format_args!("can't give argument to non-function {shown}"))
            }
            _ => self.argument(first, dot),
        }
    }

    /// Evaluates a word that is given to a function, or stands alone.
    fn argument(&mut self, expr: &'a Expr, dot: &Data) -> Result<Data, Failure> {
        self.step()?;
        match &expr.kind {
            ExprKind::Dot => Ok(dot.clone()),
            ExprKind::Nil => Ok(Data::Nil),
            ExprKind::Bool(b) => Ok(Data::Bool(*b)),
            ExprKind::Int(n) => Ok(Data::Int(*n)),
            ExprKind::Float(f) => Ok(Data::Float(*f)),
            ExprKind::Literal(text) => Ok(Data::text(text.as_str())),
            ExprKind::Function(name) => self.finish_call(name, expr.span, &[], &[]),
            ExprKind::Field(names) => self.chain(expr, dot.clone(), names, dot, &[], None),
            ExprKind::Variable(name, names) => {
                let receiver = self.variable(name);
                self.chain(expr, receiver, names, dot, &[], None)
            }
            ExprKind::Pipe(pipe) => self.pipe(pipe, dot),
            ExprKind::Chain(inner, names) => {
                let receiver = self.argument(inner, dot)?;
                self.chain(expr, receiver, names, dot, &[], None)
            }
        }
    }

    fn variable(&self, name: &str) -> Data {
        self.variables.iter().rev().find(|(n, _)| n == name).map_or(Data::NoValue, |(_, value)| value.clone())
    }

    /// Follows fields; the last may be a method that takes the arguments.
    fn chain(
        &mut self,
        expr: &'a Expr,
        receiver: Data,
        names: &[String],
        dot: &Data,
        rest: &'a [Expr],
        piped: Option<Data>,
    ) -> Result<Data, Failure> {
        let mut value = receiver;
        for (index, name) in names.iter().enumerate() {
            let last = index + 1 == names.len();
            let arguments = if last && (!rest.is_empty() || piped.is_some()) {
                let mut arguments = Vec::with_capacity(rest.len() + 1);
                for word in rest {
                    arguments.push(self.argument(word, dot)?);
                }
                arguments.extend(piped.clone());
                Some(arguments)
            } else {
                None
            };
            value = self.field(expr, &value, name, arguments)?;
        }
        Ok(value)
    }

    fn field(&self, expr: &Expr, receiver: &Data, name: &str, arguments: Option<Vec<Data>>) -> Result<Data, Failure> {
        let found = match receiver {
            Data::Headings(headings) => {
                let known = headings.iter().find(|(field, _)| field == name).map(|(_, heading)| heading.clone());
                return Ok(Data::Heading(known.unwrap_or_else(|| heading(name)).into()));
            }
            Data::Heading(_) => return Ok(Data::Heading(heading(name).into())),
            Data::NoValue | Data::NilMap => return Ok(Data::NoValue),
            Data::Time(at, _) => {
                let called = super::moment::method(*at, name, arguments.as_deref().unwrap_or_default());
                return match called {
                    Some(done) => done.or_else(|why| self.fail(expr, format_args!("error calling {name}: {why}"))),
                    None => self.fail(expr, format_args!("can't evaluate field {name} in type time.Time")),
                };
            }
            Data::Nil => return self.fail(expr, format_args!("nil pointer evaluating interface {{}}.{name}")),
            other => other.field(name),
        };
        let absent = if found.is_none() { receiver.absent(name) } else { None };
        let found = found.or(absent.as_ref());
        let typed = matches!(receiver, Data::Struct(s) if s.type_name != UNTYPED);
        let method = self.methods.iter().find(|(method, _)| typed && *method == name);
        if let Some((_, method)) = method.filter(|_| arguments.is_some() || found.is_none()) {
            let arguments = arguments.unwrap_or_default();
            return method(receiver, &arguments)
                .or_else(|why| self.fail(expr, format_args!("error calling {name}: {why}")));
        }
        match (found, arguments, receiver) {
            (Some(value), None, _) => Ok(value.clone()),
            (Some(_), Some(_), Data::Map(_)) => {
                self.fail(expr, format_args!("{name} is not a method but has arguments"))
            }
            (Some(_), Some(_), _) => {
                self.fail(expr, format_args!("{name} has arguments but cannot be invoked as function"))
            }
            (None, None, Data::Map(_)) => Ok(Data::NoValue),
            (None, ..) => self.fail(expr, format_args!("can't evaluate field {name} in type {}", receiver.type_name())),
        }
    }

    fn call(
        &mut self,
        name: &str,
        command: &Command,
        dot: &Data,
        rest: &'a [Expr],
        piped: Option<Data>,
    ) -> Result<Data, Failure> {
        // `and` and `or` evaluate no further than they must.
        if let ("and" | "or", false) = (name, rest.is_empty()) {
            let wanted = name == "or";
            let mut value = Data::NoValue;
            for word in rest {
                value = self.argument(word, dot)?;
                if value.truth() == wanted {
                    return Ok(value);
                }
            }
            return Ok(piped.unwrap_or(value));
        }
        let mut arguments = Vec::with_capacity(rest.len() + 1);
        for word in rest {
            arguments.push(self.argument(word, dot)?);
        }
        arguments.extend(piped);
        self.finish_call(name, command.span, rest, &arguments)
    }

    fn finish_call(
        &mut self,
        name: &str,
        span: (usize, usize),
        words: &[Expr],
        arguments: &[Data],
    ) -> Result<Data, Failure> {
        match function::call(name, arguments, MAX_OUTPUT) {
            Ok(value) => {
                // Text that is made and thrown away costs as much as text that is printed.
                self.made += value.as_text().map_or(0, |text| text.len());
                if self.made > 4 * MAX_OUTPUT {
                    return Err(Failure::limit(self.name, "too much output"));
                }
                Ok(value)
            }
            Err(Fault::Arguments(message)) => self.fail_at((span.0, span.0 + name.len()), message),
            Err(Fault::Type(index, message)) => match words.get(index) {
                Some(word) => self.fail(word, message),
                None => self.fail_at(span, message),
            },
            Err(Fault::Call(why)) => self.fail_at(span, format_args!("error calling {name}: {why}")),
        }
    }
}
