//! Questions to the person at the terminal.

use std::io::{BufRead, Read, Write};

use anyhow::{Context, Result, anyhow};

use super::output::{escape, stdout};
use super::{exit, terminal};

/// What the keyboard sends for ctrl-c, ctrl-d and the two keys that erase.
const INTERRUPT: u8 = 3;
const END: u8 = 4;
const ERASE: [u8; 2] = [8, 127];
/// The exit code of who is ended by ctrl-c.
const INTERRUPTED: u8 = 130;

/// Asks whether to go on, after a warning; no answer at all is an error, as podman has it.
pub(crate) fn confirm(warning: &str) -> Result<bool> {
    stdout::print(&format!("{warning}\nAre you sure you want to continue? [y/N] "))?;
    Ok(line()?.trim_start().to_ascii_lowercase().starts_with('y'))
}

/// Reads one line of standard input, without its end.
pub(crate) fn line() -> Result<String> {
    let mut text = String::new();
    let count = std::io::stdin().lock().read_line(&mut text).context("read standard input")?;
    if count == 0 {
        return Err(anyhow!("EOF"));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks on standard error and reads a line.
pub(crate) fn ask(question: &str) -> Result<String> {
    say(question)?;
    line()
}

/// Asks on standard error for one of several, by its number; gives its place. The first is meant by an empty line.
pub(crate) fn choose(question: &str, choices: &[String]) -> Result<usize> {
    let mut text = format!("{question}\n");
    for (at, choice) in choices.iter().enumerate() {
        text.push_str(&format!("  {}) {}\n", at + 1, escape::line(choice)));
    }
    say(&text)?;
    loop {
        let answer = ask(&format!("1-{} [1]: ", choices.len()))?;
        match answer.trim() {
            "" => return Ok(0),
            number => match number.parse::<usize>() {
                Ok(number) if (1..=choices.len()).contains(&number) => return Ok(number - 1),
                _ => say(&format!("{:?} is none of them\n", escape::line(number)))?,
            },
        }
    }
}

/// Asks for what must not be seen; without a terminal it is a line like any other.
pub(crate) fn password(question: &str) -> Result<String> {
    // First: who types ahead of the question is not shown either.
    let raw = terminal::raw_stdin().context("hide what is typed")?;
    say(question)?;
    let Some(raw) = raw else { return line() };
    let read = keys(&mut std::io::stdin().lock());
    drop(raw);
    say("\n")?;
    read
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stderr().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("write to standard error")
}

/// Reads keys of a raw terminal up to return.
fn keys(input: &mut dyn Read) -> Result<String> {
    let mut text = Vec::new();
    let mut key = [0];
    loop {
        if input.read(&mut key).context("read the terminal")? == 0 {
            return Err(anyhow!("EOF"));
        }
        match key[0] {
            b'\r' | b'\n' => return String::from_utf8(text).context("read the terminal"),
            // As the signal would have ended us.
            INTERRUPT => return Err(exit::with_code(INTERRUPTED, anyhow!("interrupted"))),
            END if text.is_empty() => return Err(anyhow!("EOF")),
            END => {}
            byte if ERASE.contains(&byte) => {
                // A character may have several bytes; what follows the first of them begins with the bits 10.
                while text.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {}
            }
            byte => text.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_a_password() {
        let read = |text: &str| keys(&mut text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(read("secret\r"), Ok("secret".to_owned()));
        assert_eq!(read("\u{7f}aä\u{7f}\u{8}b\u{4}c\n"), Ok("bc".to_owned()));
        assert_eq!(read("ab\u{3}"), Err("interrupted".to_owned()));
        assert_eq!(read("\u{4}"), Err("EOF".to_owned()));
        assert_eq!(read("ab"), Err("EOF".to_owned()));
    }
}
