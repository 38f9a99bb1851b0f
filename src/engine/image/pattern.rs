//! Image names against what `--filter reference=` takes: Go's `path.Match`, tried on the name and its parts.

/// Whether `pattern` matches a full name (`quay.io/a/b:1`), or one of its ends with or without the tag.
pub(crate) fn names(pattern: &str, name: &str) -> bool {
    let repository = repository(name);
    let suffix = &name[repository.len()..];
    let path = repository.split_once('/').map_or(repository, |(_, path)| path);
    let last = path.rsplit('/').next().unwrap_or(path);
    [repository, path, last].iter().any(|part| matches(pattern, part) || matches(pattern, &format!("{part}{suffix}")))
}

/// A full name without its tag or digest.
pub(crate) fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let last = name.rfind('/').map_or(0, |at| at + 1);
    name[last..].find(':').map_or(name, |at| &name[..last + at])
}

/// A full name without its repository: the tag.
pub(crate) fn tag(name: &str) -> &str {
    let rest = &name[repository(name).len()..];
    if rest.starts_with('@') { "" } else { rest.trim_start_matches(':').split('@').next().unwrap_or_default() }
}

/// Go's `path.Match`: `*` and `?` do not match `/`, `[a-z]` and `[^a]` are classes, `\` takes the next as it is.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on when the last star has to take one more.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
            continue;
        }
        if p == pattern.len() && t == text.len() {
            return true;
        }
        if let Some(next) = text.get(t).and_then(|c| one(&pattern, p, *c)) {
            (p, t) = (next, t + 1);
            continue;
        }
        match star {
            Some((at, taken)) if text.get(taken).is_some_and(|c| *c != '/') => {
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
            _ => return false,
        }
    }
}

/// Matches one character at `p`; returns where the pattern goes on.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern.get(p)? {
        '?' => (c != '/').then_some(p + 1),
        '\\' => (pattern.get(p + 1) == Some(&c)).then_some(p + 2),
        '[' => class(pattern, p + 1, c),
        literal => (*literal == c).then_some(p + 1),
    }
}

fn class(pattern: &[char], mut p: usize, c: char) -> Option<usize> {
    let negated = pattern.get(p) == Some(&'^');
    p += usize::from(negated);
    let (mut found, mut first) = (false, true);
    loop {
        let mut next = || {
            let escaped = usize::from(pattern.get(p) == Some(&'\\'));
            let found = pattern.get(p + escaped).copied();
            p += escaped + 1;
            found
        };
        let low = next()?;
        if low == ']' && !first {
            return (found != negated && c != '/').then_some(p);
        }
        first = false;
        let high = if pattern.get(p) == Some(&'-') && pattern.get(p + 1).is_some_and(|c| *c != ']') {
            p += 1;
            let escaped = usize::from(pattern.get(p) == Some(&'\\'));
            let high = pattern.get(p + escaped).copied()?;
            p += escaped + 1;
            high
        } else {
            low
        };
        found |= (low..=high).contains(&c);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_have_parts() {
        for (name, want, tagged) in [
            ("localhost:5000/a/b:1", "localhost:5000/a/b", "1"),
            ("localhost:5000/a", "localhost:5000/a", ""),
            ("docker.io/library/busybox:latest", "docker.io/library/busybox", "latest"),
            ("quay.io/a@sha256:00", "quay.io/a", ""),
        ] {
            assert_eq!((repository(name), tag(name)), (want, tagged), "{name}");
        }
    }

    #[test]
    fn patterns_are_gos() {
        let name = "quay.io/team/tool:1.2";
        for (pattern, want) in [
            ("quay.io/team/tool:1.2", true),
            ("quay.io/team/tool", true),
            ("team/tool", true),
            ("team/tool:1.2", true),
            ("tool", true),
            ("tool:1.*", true),
            ("t*l", true),
            ("*", true),
            ("*/tool", true),
            ("quay.io/*", false),
            ("quay.io/*/*", true),
            ("too", false),
            ("to?l", true),
            ("[s-u]ool", true),
            ("[^t]ool", false),
            ("\\tool", true),
            ("[", false),
            ("tool:2", false),
        ] {
            assert_eq!(names(pattern, name), want, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_a_panic(pattern in ".{0,24}", text in ".{0,24}") {
            names(&pattern, &text);
        }

        #[test]
        fn a_name_matches_itself(text in "[a-z/:.]{0,24}") {
            prop_assert!(matches(&text, &text));
        }
    }
}
