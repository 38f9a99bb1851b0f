//! The variables of a container: the image's, less what the user does not want, with what is made of them
//! (`--env-merge`), and the user's own over it.

use super::request::CreateRequest;
use crate::model::error::Error;

/// Where programs are looked for unless the image or the user says.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Merges the image's variables with those of the request; one of each name.
pub(super) fn merge(image: &[String], request: &CreateRequest) -> Result<Vec<String>, Error> {
    let mut merged: Vec<(String, String)> = request.default_env.clone();
    for (name, value) in image.iter().filter_map(|pair| pair.split_once('=')) {
        set(&mut merged, name, value);
    }
    for text in &request.env_merge {
        let unable =
            |why: Error| Error::invalid(format!("unable to process variables for --env-merge {text}: {}", why.message));
        let known = |name: &str| {
            let found = merged.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            found.or(match name {
                "PATH" => Some(PATH),
                "container" => Some("podman"),
                _ => None,
            })
        };
        let word = expand(text, known).map_err(unable)?;
        let pair = word.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) =
            pair.ok_or_else(|| Error::invalid(format!("missing `=` for --env-merge substitution {text}")))?;
        set(&mut merged, name, value);
    }
    if request.unset_env_all {
        merged.clear();
    }
    merged.retain(|(name, _)| !request.unset_env.contains(name));
    for (name, value) in &request.env {
        set(&mut merged, name, value);
    }
    Ok(merged.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

fn set(merged: &mut Vec<(String, String)>, name: &str, value: &str) {
    match merged.iter_mut().find(|(known, _)| known == name) {
        Some(pair) => value.clone_into(&mut pair.1),
        None => merged.push((name.to_owned(), value.to_owned())),
    }
}

/// Expands a word as a Containerfile's are: `$NAME`, `${NAME}`, `${NAME:-WORD}`, `${NAME:+WORD}`, quotes and backslashes.
fn expand<'a>(text: &str, known: impl Fn(&str) -> Option<&'a str>) -> Result<String, Error> {
    let mut out = String::new();
    let mut rest = text;
    let mut quote = None;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match (first, quote) {
            ('\'' | '"', None) => quote = Some(first),
            (mark, Some(open)) if mark == open => quote = None,
            ('\\', None | Some('"')) => {
                if let Some(next) = rest.chars().next() {
                    // In double quotes only what would mean something is freed of its meaning.
                    if quote.is_some() && !matches!(next, '"' | '$' | '\\') {
                        out.push('\\');
                    }
                    out.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
            ('$', None | Some('"')) => rest = variable(rest, &known, &mut out)?,
            (other, _) => out.push(other),
        }
    }
    match quote {
        Some(_) => Err(Error::invalid("unexpected end of statement while looking for matching quote")),
        None => Ok(out),
    }
}

/// Puts the value of the variable that `rest` begins with behind `out`; what follows it.
fn variable<'t, 'a>(
    rest: &'t str,
    known: &impl Fn(&str) -> Option<&'a str>,
    out: &mut String,
) -> Result<&'t str, Error> {
    let name_of = |text: &'t str| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        text.split_at(end)
    };
    let Some(inner) = rest.strip_prefix('{') else {
        let (name, rest) = name_of(rest);
        match name.is_empty() {
            true => out.push('$'),
            false => out.push_str(known(name).unwrap_or_default()),
        }
        return Ok(rest);
    };
    let (inner, rest) = inner.split_once('}').ok_or_else(|| Error::invalid("syntax error: missing '}'"))?;
    let (name, modifier) = name_of(inner);
    let value = known(name).filter(|value| !value.is_empty());
    match (name.is_empty(), modifier.get(..2), modifier) {
        (true, ..) => return Err(Error::invalid(format!("syntax error: bad substitution ${{{inner}}}"))),
        (_, _, "") => out.push_str(value.unwrap_or_default()),
        (_, Some(":-"), _) => out.push_str(value.unwrap_or(&modifier[2..])),
        (_, Some(":+"), _) => out.push_str(if value.is_some() { &modifier[2..] } else { "" }),
        _ => return Err(Error::invalid(format!("unsupported modifier in substitution ${{{inner}}}"))),
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<&'static str> {
        [("A", "1"), ("PATH", "/bin"), ("E", "")].into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    #[test]
    fn words_are_expanded() {
        for (text, want) in [
            ("PATH=${PATH}:/x", "PATH=/bin:/x"),
            ("X=$A$A-$", "X=11-$"),
            ("X=${NONE:-d}${A:+yes}${E:+no}", "X=dyes"),
            ("X='$A' \"$A\" \\$A", "X=$A 1 $A"),
            ("X=\"a\\n\\\"\"", "X=a\\n\""),
        ] {
            assert_eq!(expand(text, value).unwrap(), want, "{text}");
        }
        for bad in ["X=${A", "X='", "X=${}", "X=${A:?x}", "X=${A-x}"] {
            assert!(expand(bad, value).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_word_is_expanded_or_refused(text in "[A${}:'\"\\\\+-]{0,12}|\\PC{0,20}") {
            if let (Ok(word), false) = (expand(&text, value), text.contains(['$', '\\', '\'', '"'])) {
                proptest::prop_assert_eq!(word, text);
            }
        }
    }
}
