//! Makes a tree of a template, as Go's text/template/parse/parse.go does.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::function;
use super::lexer::{Kind, Token, tokens};

/// How deep blocks and parentheses may nest, so that a hostile template cannot exhaust the stack.
const MAX_DEPTH: usize = 64;

/// A sequence of nodes.
pub(super) type Block = Vec<Node>;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    If { pipe: Pipe, then: Block, otherwise: Block },
    With { pipe: Pipe, then: Block, otherwise: Block },
    Range { pipe: Pipe, body: Block, otherwise: Block },
    Break,
    Continue,
    Template { at: usize, name: String, pipe: Option<Pipe> },
}

/// `$x, $y := command | command`.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    pub(super) span: (usize, usize),
    pub(super) variables: Vec<String>,
    /// `=` and not `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) span: (usize, usize),
    pub(super) words: Vec<Expr>,
}

#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub(super) span: (usize, usize),
    /// Where Go says that it is: a chain is at its second link.
    pub(super) place: usize,
    pub(super) kind: ExprKind,
}

#[derive(Clone, Debug)]
pub(super) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Int(i128),
    Float(f64),
    Literal(String),
    Function(String),
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Pipe(Box<Pipe>),
    Chain(Box<Expr>, Vec<String>),
}

/// The main template and those that it defines.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub(super) main: Block,
    pub(super) defined: BTreeMap<String, Block>,
}

/// What ends a block.
#[derive(Debug, PartialEq)]
enum Stop {
    End,
    Else,
    Eof,
}

/// Parses the text of a template.
pub(super) fn parse(name: &str, text: &str) -> Result<Tree, Failure> {
    let (tokens, failure) = tokens(name, text);
    let mut parser =
        Parser { name, text, tokens, at: 0, depth: 0, loops: 0, variables: vec!["$".into()], defined: BTreeMap::new() };
    let result = parser.block().and_then(|(main, stop)| match stop {
        Stop::Eof => Ok(main),
        Stop::End => parser.fail("unexpected {{end}}"),
        Stop::Else => parser.fail("unexpected {{else}}"),
    });
    match failure {
        // The parser came to where the tokens end too early.
        Some(failure) if parser.at >= parser.tokens.len() => Err(failure),
        _ => Ok(Tree { main: result?, defined: parser.defined }),
    }
}

struct Parser<'a> {
    name: &'a str,
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    loops: usize,
    variables: Vec<String>,
    defined: BTreeMap<String, Block>,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        // The last token is End, and nothing goes past it.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn skip_spaces(&mut self) {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
    }

    fn next_solid(&mut self) -> Token {
        self.skip_spaces();
        self.next()
    }

    fn fail<T>(&self, message: impl std::fmt::Display) -> Result<T, Failure> {
        let at = self.tokens[self.at.saturating_sub(1).min(self.tokens.len() - 1)].at;
        Err(Failure::parse(self.name, self.text, at, message))
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Result<T, Failure> {
        let shown = match &token.kind {
            Kind::End => "EOF".to_owned(),
            Kind::Word(word) => format!("<{word}>"),
            _ => format!("{:?}", self.text.get(token.at..token.end).unwrap_or_default()),
        };
        Err(Failure::parse(self.name, self.text, token.at, format_args!("unexpected {shown} in {context}")))
    }

    fn deeper(&mut self) -> Result<(), Failure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { self.fail("max expression depth exceeded") } else { Ok(()) }
    }

    /// Parses nodes up to `{{end}}`, `{{else` (whose rest is not yet read) or the end of the text.
    fn block(&mut self) -> Result<(Block, Stop), Failure> {
        self.deeper()?;
        let scope = self.variables.len();
        let mut nodes = Vec::new();
        let stop = loop {
            let token = self.next();
            match token.kind {
                Kind::Text(text) => nodes.push(Node::Text(text)),
                Kind::End => break Stop::Eof,
                _ => {
                    self.skip_spaces();
                    let word = match &self.peek().kind {
                        Kind::Word(word) => word.clone(),
                        _ => String::new(),
                    };
                    match word.as_str() {
                        "end" => {
                            self.next();
                            self.right("end")?;
                            break Stop::End;
                        }
                        "else" => {
                            self.next();
                            break Stop::Else;
                        }
                        _ => nodes.extend(self.action(&word)?),
                    }
                }
            }
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok((nodes, stop))
    }

    fn right(&mut self, context: &str) -> Result<(), Failure> {
        let token = self.next_solid();
        if token.kind == Kind::Right { Ok(()) } else { self.unexpected(&token, context) }
    }

    fn action(&mut self, word: &str) -> Result<Option<Node>, Failure> {
        let scope = self.variables.len();
        let node = match word {
            "if" | "with" | "range" => {
                self.next();
                let node = self.control(word)?;
                self.variables.truncate(scope);
                node
            }
            "break" | "continue" => {
                self.next();
                if self.loops == 0 {
                    return self.fail(format_args!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                self.right(word)?;
                if word == "break" { Node::Break } else { Node::Continue }
            }
            "define" => {
                self.next();
                let (name, _) = self.literal("define clause")?;
                self.right("define clause")?;
                self.definition(name, "define clause")?;
                return Ok(None);
            }
            "template" => {
                self.next();
                let (name, at) = self.literal("template clause")?;
                Node::Template { at, name, pipe: self.optional_pipe("template clause")? }
            }
            "block" => {
                self.next();
                let (name, at) = self.literal("block clause")?;
                let pipe = self.pipeline("block clause", &Kind::Right)?;
                self.definition(name.clone(), "block clause")?;
                Node::Template { at, name, pipe: Some(pipe) }
            }
            _ => Node::Action(self.pipeline("command", &Kind::Right)?),
        };
        Ok(Some(node))
    }

    fn literal(&mut self, context: &str) -> Result<(String, usize), Failure> {
        let token = self.next_solid();
        match token.kind {
            Kind::Literal(text) => Ok((text, token.at)),
            _ => self.unexpected(&token, context),
        }
    }

    fn optional_pipe(&mut self, context: &str) -> Result<Option<Pipe>, Failure> {
        self.skip_spaces();
        if self.peek().kind == Kind::Right {
            self.next();
            return Ok(None);
        }
        self.pipeline(context, &Kind::Right).map(Some)
    }

    /// Parses the body of a template of its own, which sees none of our variables and loops.
    fn definition(&mut self, name: String, context: &str) -> Result<(), Failure> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let loops = std::mem::take(&mut self.loops);
        let (body, stop) = self.block()?;
        (self.variables, self.loops) = (variables, loops);
        match stop {
            Stop::End => {
                self.defined.insert(name, body);
                Ok(())
            }
            Stop::Else => self.fail(format_args!("unexpected {{{{else}}}} in {context}")),
            Stop::Eof => self.fail("unexpected EOF"),
        }
    }

    fn control(&mut self, word: &str) -> Result<Node, Failure> {
        self.deeper()?;
        let scope = self.variables.len();
        let pipe = self.pipeline(word, &Kind::Right)?;
        self.loops += usize::from(word == "range");
        let (body, mut stop) = self.block()?;
        self.loops -= usize::from(word == "range");
        let mut otherwise = Vec::new();
        if stop == Stop::Else {
            self.skip_spaces();
            let chained = match &self.peek().kind {
                Kind::Word(next) => next == word && matches!(word, "if" | "with"),
                _ => false,
            };
            if chained {
                // `{{else if}}` is an if inside of the else that shares its end.
                self.next();
                otherwise.push(self.control(word)?);
                stop = Stop::End;
            } else {
                self.right("else")?;
                (otherwise, stop) = self.block()?;
            }
        }
        self.variables.truncate(scope);
        self.depth -= 1;
        match stop {
            Stop::End => Ok(match word {
                "if" => Node::If { pipe, then: body, otherwise },
                "with" => Node::With { pipe, then: body, otherwise },
                _ => Node::Range { pipe, body, otherwise },
            }),
            Stop::Else => self.fail("expected end; found {{else}}"),
            Stop::Eof => self.fail("unexpected EOF"),
        }
    }

    fn pipeline(&mut self, context: &str, end: &Kind) -> Result<Pipe, Failure> {
        self.deeper()?;
        self.skip_spaces();
        let start = self.peek().at;
        let (variables, assigns) = self.declaration(context)?;
        if !assigns {
            self.variables.extend(variables.iter().cloned());
        }
        let mut commands = Vec::new();
        let stop = loop {
            self.skip_spaces();
            let token = self.peek().clone();
            if token.kind == *end {
                self.next();
                break token.at;
            }
            match token.kind {
                Kind::Literal(_)
                | Kind::Int(_)
                | Kind::Float(_)
                | Kind::Dot
                | Kind::Field(_)
                | Kind::Variable(_)
                | Kind::Word(_)
                | Kind::Open => commands.push(self.command()?),
                _ => {
                    self.next();
                    return self.unexpected(&token, context);
                }
            }
        };
        if commands.is_empty() {
            return self.fail(format_args!("missing value for {context}"));
        }
        // Only a function, a method or a field can take what comes through a pipe.
        for (index, command) in commands.iter().enumerate().skip(1) {
            let constant = matches!(
                command.words[0].kind,
                ExprKind::Dot
                    | ExprKind::Nil
                    | ExprKind::Bool(_)
                    | ExprKind::Int(_)
                    | ExprKind::Float(_)
                    | ExprKind::Literal(_)
            );
            if constant {
                return self.fail(format_args!("non executable command in pipeline stage {}", index + 1));
            }
        }
        self.depth -= 1;
        Ok(Pipe { span: (start, stop), variables, assigns, commands })
    }

    /// Parses `$x :=`, `$x =` and, in a range, `$i, $x :=`.
    fn declaration(&mut self, context: &str) -> Result<(Vec<String>, bool), Failure> {
        let start = self.at;
        let mut names = Vec::new();
        loop {
            self.skip_spaces();
            let Kind::Variable(name) = self.peek().kind.clone() else { break };
            self.next();
            names.push(name);
            self.skip_spaces();
            match self.peek().kind {
                Kind::Declare | Kind::Assign => {
                    let assigns = self.next().kind == Kind::Assign;
                    if assigns && let Some(unknown) = names.iter().find(|n| !self.variables.contains(n)) {
                        return self.fail(format_args!("undefined variable {unknown:?}"));
                    }
                    return Ok((names, assigns));
                }
                Kind::Comma if context == "range" && names.len() < 2 => {
                    self.next();
                }
                Kind::Comma if context == "range" => return self.fail("too many declarations in range"),
                _ => break,
            }
        }
        self.at = start;
        Ok((Vec::new(), false))
    }

    fn command(&mut self) -> Result<Command, Failure> {
        let start = self.peek().at;
        let mut words = Vec::new();
        let mut end;
        loop {
            self.skip_spaces();
            let word = self.operand()?;
            end = word.span.1;
            words.push(word);
            match self.peek().kind {
                Kind::Space => {
                    self.skip_spaces();
                    match self.peek().kind {
                        Kind::Right | Kind::Close => break,
                        Kind::Pipe => {
                            self.pipe_sign()?;
                            break;
                        }
                        _ => {}
                    }
                }
                Kind::Right | Kind::Close => break,
                Kind::Pipe => {
                    self.pipe_sign()?;
                    break;
                }
                _ => {
                    let token = self.next();
                    return self.unexpected(&token, "operand");
                }
            }
        }
        Ok(Command { span: (start, end), words })
    }

    /// Reads a pipe sign, after which a command must come.
    fn pipe_sign(&mut self) -> Result<(), Failure> {
        self.next();
        self.skip_spaces();
        match self.peek().kind {
            Kind::Right | Kind::Close => self.fail("missing value for command"),
            _ => Ok(()),
        }
    }

    /// Parses a term and the fields that are chained to it.
    fn operand(&mut self) -> Result<Expr, Failure> {
        let token = self.next();
        let (at, mut end) = (token.at, token.end);
        let mut kind = match token.kind {
            Kind::Dot => ExprKind::Dot,
            Kind::Int(n) => ExprKind::Int(n),
            Kind::Float(f) => ExprKind::Float(f),
            Kind::Literal(text) => ExprKind::Literal(text),
            Kind::Field(name) => ExprKind::Field(vec![name]),
            Kind::Variable(name) if self.variables.contains(&name) => ExprKind::Variable(name, Vec::new()),
            Kind::Variable(name) => return self.fail(format_args!("undefined variable {name:?}")),
            Kind::Open => {
                let pipe = self.pipeline("parenthesized pipeline", &Kind::Close)?;
                end = pipe.span.1 + 1;
                ExprKind::Pipe(Box::new(pipe))
            }
            Kind::Word(word) => match word.as_str() {
                "true" => ExprKind::Bool(true),
                "false" => ExprKind::Bool(false),
                "nil" => ExprKind::Nil,
                "if" | "else" | "end" | "range" | "with" | "define" | "template" | "block" => {
                    let token = Token { kind: Kind::Word(word), at, end };
                    return self.unexpected(&token, "operand");
                }
                _ if function::exists(&word) => ExprKind::Function(word),
                _ => return self.fail(format_args!("function {word:?} not defined")),
            },
            _ => return self.unexpected(&token, "operand"),
        };
        let mut place = at;
        let mut links = Vec::new();
        while let Kind::Field(name) = &self.peek().kind {
            links.push(name.clone());
            let token = self.next();
            if links.len() == 1 {
                place = token.at;
            }
            end = token.end;
        }
        if !links.is_empty() {
            match &mut kind {
                ExprKind::Field(names) | ExprKind::Variable(_, names) => names.append(&mut links),
                ExprKind::Bool(_)
                | ExprKind::Int(_)
                | ExprKind::Float(_)
                | ExprKind::Literal(_)
                | ExprKind::Nil
                | ExprKind::Dot => {
                    let shown = self.text.get(at..token.end).unwrap_or_default();
                    return self.fail(format_args!("unexpected . after term {shown:?}"));
                }
                ExprKind::Function(_) | ExprKind::Pipe(_) | ExprKind::Chain(..) => {
                    let inner = Expr { span: (at, end), place: at, kind };
                    kind = ExprKind::Chain(Box::new(inner), links);
                }
            }
        }
        Ok(Expr { span: (at, end), place, kind })
    }
}
