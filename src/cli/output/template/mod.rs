//! Go's text/template as `--format` uses it: pure, bounded, with podman's functions and Go's errors.
//!
//! [`lexer`] and [`parser`] make a tree, [`eval`] walks it over [`value::Data`], [`function`] and [`printf`] compute.
//! [`report`] is what lists use: `json`, `table …` and plain formats over rows.

mod document;
mod eval;
mod failure;
mod function;
mod lexer;
mod moment;
mod parser;
mod printf;
pub(crate) mod report;
mod shape;
#[cfg(test)]
mod tests;
mod value;

use serde_json::Value;

pub(crate) use eval::Method;
pub(crate) use failure::Failure;
pub(crate) use value::{Data, Escape};

/// A parsed template.
pub(crate) struct Template {
    name: String,
    text: String,
    tree: parser::Tree,
    type_name: String,
    methods: &'static [(&'static str, Method)],
    escape: Escape,
}

impl Template {
    /// Parses a template; `name` is for its errors, as podman uses the name of the command.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Failure> {
        let tree = parser::parse(name, text)?;
        let type_name = shape::UNTYPED.to_owned();
        Ok(Self { name: name.to_owned(), text: text.to_owned(), tree, type_name, methods: &[], escape: Escape::No })
    }

    /// Sets the Go type of what is rendered, which says what its fields are (`shape`), and its methods.
    pub(crate) fn typed(mut self, type_name: &str, methods: &'static [(&'static str, Method)]) -> Self {
        self.type_name = type_name.to_owned();
        self.methods = methods;
        self
    }

    /// Sets how foreign text is shown.
    pub(crate) fn escaped(mut self, escape: Escape) -> Self {
        self.escape = escape;
        self
    }

    /// Renders one value.
    pub(crate) fn render(&self, value: &Value) -> Result<String, Failure> {
        self.render_data(&Data::of(value, &self.type_name, self.escape))
    }

    fn render_rows(&self, rows: &[Value]) -> Result<String, Failure> {
        self.render_data(&Data::List(rows.iter().map(|row| Data::of(row, &self.type_name, self.escape)).collect()))
    }

    fn render_data(&self, data: &Data) -> Result<String, Failure> {
        eval::Executor::new(&self.name, &self.text, &self.tree, self.methods).run(data)
    }
}
