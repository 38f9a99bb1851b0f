//! Values of configuration files that know how a later file changes an earlier one's.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// What a later file does to what an earlier one said.
pub(super) trait Merge {
    fn merge(&mut self, later: Self);
}

impl<T> Merge for Option<T> {
    fn merge(&mut self, later: Self) {
        if later.is_some() {
            *self = later;
        }
    }
}

impl Merge for BTreeMap<String, Vec<String>> {
    fn merge(&mut self, later: Self) {
        self.extend(later);
    }
}

/// A list of strings. An element `{append=true}` says that it, and those of later files, add to what was there before;
/// else a list replaces the earlier one. containers.conf(5), "Appending to string arrays".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// `None` where no file has the key.
    items: Option<Vec<String>>,
    append: Option<bool>,
}

impl List {
    /// The elements; none where no file has the key.
    pub(crate) fn items(&self) -> &[String] {
        self.items.as_deref().unwrap_or_default()
    }

    /// The elements, where any file has the key, and whether they add to what holds without one.
    pub(crate) fn replaced(&self) -> Option<(&[String], bool)> {
        self.items.as_deref().map(|items| (items, self.append == Some(true)))
    }
}

impl Merge for List {
    fn merge(&mut self, later: Self) {
        let Some(items) = later.items else { return };
        self.append = later.append.or(self.append);
        match &mut self.items {
            Some(own) if self.append == Some(true) => own.extend(items),
            own => *own = Some(items),
        }
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<List, A::Error> {
        let mut list = List { items: Some(Vec::new()), append: None };
        while let Some(element) = from.next_element()? {
            match element {
                Element::Text(text) => list.items.get_or_insert_default().push(text),
                Element::Append(append) => list.append = Some(append),
            }
        }
        Ok(list)
    }
}

/// An element of a list.
enum Element {
    Text(String),
    /// `{append=…}`
    Append(bool),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Element, E> {
        Ok(Element::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Element, A::Error> {
        let Some(key) = from.next_key::<String>()? else { return Err(Error::custom("an empty table in a list")) };
        if key != "append" {
            return Err(Error::custom(format!("unknown attribute {key:?} of a list: append is known")));
        }
        let append = from.next_value()?;
        match from.next_key::<String>()? {
            None => Ok(Element::Append(append)),
            Some(other) => Err(Error::custom(format!("unknown attribute {other:?} of a list: append is known"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Document {
        list: List,
    }

    fn list(text: &str) -> List {
        toml::from_str::<Document>(&format!("list = {text}")).unwrap().list
    }

    #[test]
    fn lists_replace_or_append() {
        for (files, want) in [
            (&["['a']", "['b']"][..], &["b"][..]),
            (&["['a']", "['b', {append=true}]"], &["a", "b"]),
            // Once said it holds for the later files, until one says otherwise.
            (&["['a', {append=true}]", "['b']"], &["a", "b"]),
            (&["['a', {append=true}]", "['b']", "['c', {append=false}]", "['d']"], &["d"]),
            (&["['a']", "[]"], &[]),
        ] {
            let mut all = List::default();
            files.iter().for_each(|text| all.merge(list(text)));
            assert_eq!(all.items(), want, "{files:?}");
        }
    }

    #[test]
    fn other_elements_are_refused() {
        for (text, want) in [
            ("[1]", "invalid type: integer `1`, expected a string"),
            ("'a'", "invalid type: string \"a\", expected a list of strings"),
            ("[{prepend=true}]", "unknown attribute \"prepend\" of a list: append is known"),
            ("[{append='x'}]", "invalid type: string \"x\", expected a boolean"),
        ] {
            let error = toml::from_str::<Document>(&format!("list = {text}")).map(|read| read.list).unwrap_err();
            assert_eq!(error.message().trim(), want, "{text}");
        }
    }
}
