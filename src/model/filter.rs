//! `--filter key=value`: what lists and prunes choose by.

use std::collections::BTreeMap;

use super::error::Error;

/// The filters of one command. Values of one key are alternatives, except labels, which must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters(BTreeMap<String, Vec<Condition>>);

/// One value of a key, perhaps negated (`key!=value`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) value: String,
    pub(crate) negated: bool,
}

impl Filters {
    /// Reads each `key=value` or `key!=value`.
    pub(crate) fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, Error> {
        let mut filters = Self::default();
        for text in texts {
            let text = text.as_ref();
            let (key, value) = text.split_once('=').filter(|(key, _)| !matches!(*key, "" | "!")).ok_or_else(|| {
                Error::invalid(format!("filter input must be in the form of filter=value: {text} is invalid"))
            })?;
            let (key, negated) = key.strip_suffix('!').map_or((key, false), |key| (key, true));
            filters.0.entry(key.to_owned()).or_default().push(Condition { value: value.to_owned(), negated });
        }
        Ok(filters)
    }

    /// Refuses keys that the command does not know.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Error> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Error::invalid(format!("{key} is an invalid filter"))),
            None => Ok(()),
        }
    }

    /// Returns the keys with their conditions.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[Condition])> {
        self.0.iter().map(|(key, conditions)| (key.as_str(), conditions.as_slice()))
    }

    /// Returns the conditions of a key.
    pub(crate) fn of(&self, key: &str) -> &[Condition] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Tells whether a key lets pass what `test` says of its values: one of the plain ones, none of the negated.
    pub(crate) fn pass(&self, key: &str, mut test: impl FnMut(&str) -> bool) -> bool {
        let conditions = self.of(key);
        let mut plain = conditions.iter().filter(|c| !c.negated).peekable();
        let wanted = plain.peek().is_none() || plain.any(|c| test(&c.value));
        wanted && !conditions.iter().any(|c| c.negated && test(&c.value))
    }

    /// Tells whether the conditions of `label` all hold for these labels.
    pub(crate) fn pass_labels<'a>(&self, labels: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> bool {
        self.of("label").iter().all(|condition| {
            let (key, value) = match condition.value.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (condition.value.as_str(), None),
            };
            // `label=key=` asks for the key alone, as in podman.
            let held =
                labels.clone().any(|(k, v)| k == key && value.is_none_or(|value| value.is_empty() || v == value));
            held != condition.negated
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_refused() {
        let filters = Filters::parse(&["name=a", "name=b=c", "label!=x=y", "until="]).unwrap();
        assert_eq!(filters.of("name").iter().map(|c| c.value.as_str()).collect::<Vec<_>>(), ["a", "b=c"]);
        assert_eq!(filters.of("label"), [Condition { value: "x=y".into(), negated: true }]);
        assert_eq!(filters.of("until")[0].value, "");
        assert!(filters.only(&["name", "label", "until"]).is_ok());
        assert_eq!(filters.only(&["name", "label"]).unwrap_err().message, "until is an invalid filter");
        for text in ["name", "", "=x", "!=x"] {
            let error = Filters::parse(&[text]).unwrap_err().message;
            assert_eq!(error, format!("filter input must be in the form of filter=value: {text} is invalid"));
        }
    }

    #[test]
    fn values_are_alternatives_and_labels_are_not() {
        let filters = Filters::parse(&["name=a", "name=b", "id!=1"]).unwrap();
        assert!(filters.pass("name", |v| v == "b"));
        assert!(!filters.pass("name", |v| v == "c"));
        assert!(filters.pass("id", |v| v == "2"));
        assert!(!filters.pass("id", |v| v == "1"));
        assert!(filters.pass("status", |_| false));
        let labels = [("a", "1"), ("b", "2")];
        for (texts, want) in [
            (&["label=a"][..], true),
            (&["label=a=1", "label=b"], true),
            (&["label=a=1", "label=c"], false),
            (&["label=a=2"], false),
            (&["label=a="], true),
            (&["label!=c"], true),
            (&["label!=a=1"], false),
        ] {
            assert_eq!(Filters::parse(texts).unwrap().pass_labels(labels.into_iter()), want, "{texts:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_filter_or_refused(text in "[a-z!=]{0,10}|\\PC{0,20}") {
            if let Ok(filters) = Filters::parse(&[&text]) {
                proptest::prop_assert!(filters.iter().all(|(key, _)| !key.is_empty() && !key.contains('=')), "{text:?}");
            }
        }
    }
}
