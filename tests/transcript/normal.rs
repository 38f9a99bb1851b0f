//! Replaces what no two runs share by names.

use regex_lite::Regex;

/// Remembers the ids that were seen, so that the same id has the same name all through an answer.
pub(crate) struct Normal {
    ids: Vec<String>,
    id: Regex,
    rules: Vec<(Regex, &'static str)>,
}

impl Normal {
    pub(crate) fn new() -> Self {
        let rule = |pattern: &str, name| (Regex::new(pattern).unwrap(), name);
        Self {
            ids: Vec::new(),
            id: Regex::new(r"\b([0-9a-f]{64}|[0-9a-f]{25}|[0-9a-f]{12})\b").unwrap(),
            rules: vec![
                rule(
                    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d))?( (UTC|[A-Z]{3,4}))?",
                    "<time>",
                ),
                rule(
                    r"(Less than a second|About an? (second|minute|hour)|\d+ (seconds?|minutes?|hours?|days?|weeks?|months?|years?)) ago",
                    "<ago>",
                ),
                rule(r"Up (Less than a second|About a (second|minute)|\d+ seconds?)", "Up <while>"),
                rule(r"\b\d+\.\d+m?s\b", "<while>"),
                // The busybox of one release is not that of the next.
                rule(r"\b\d+(\.\d+)? ?[kMG]B\b", "<size>"),
                // A checkout in /tmp has its tests elsewhere.
                rule(r"/(mnt|var/tmp|run|dev/shm)/t/root/", "/tmp/t/root/"),
                // Columns are as wide as what was in them.
                rule(r"   +", "  "),
                rule(r" +$", ""),
            ],
        }
    }

    /// Begins the answer of the next command: ids are counted within one.
    pub(crate) fn next(&mut self) {
        self.ids.clear();
    }

    /// The lines of `text`, with `place` (a directory of the run) named.
    pub(crate) fn lines(&mut self, text: &str, place: &str) -> Vec<String> {
        text.lines().map(|line| self.line(&line.replace(place, "<place>"))).collect()
    }

    fn line(&mut self, line: &str) -> String {
        let mut out = String::new();
        let mut last = 0;
        let found: Vec<(usize, usize)> = self.id.find_iter(line).map(|m| (m.start(), m.end())).collect();
        for (start, end) in found {
            out.push_str(&line[last..start]);
            let short = if end - start == 12 { ":12" } else { "" };
            out.push_str(&format!("<id{}{short}>", self.number(&line[start..end])));
            last = end;
        }
        out.push_str(&line[last..]);
        for (pattern, name) in &self.rules {
            out = pattern.replace_all(&out, *name).into_owned();
        }
        out
    }

    fn number(&mut self, id: &str) -> usize {
        let known = self.ids.iter().position(|seen| seen.starts_with(id) || id.starts_with(seen.as_str()));
        let at = known.unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.ids.len() - 1
        });
        if id.len() > self.ids[at].len() {
            self.ids[at] = id.to_owned();
        }
        at + 1
    }
}
