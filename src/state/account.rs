//! Who an ordinary user is: the name and the home of /etc/passwd. Other sources of accounts (LDAP, systemd-homed) would
//! need the C library's plugins, which a static binary does not load: there the login's environment tells.

use std::path::PathBuf;

use super::subid;

const PASSWD: &str = "/etc/passwd";
/// The places of a line's fields.
const NAME: usize = 0;
const UID: usize = 2;
const HOME: usize = 5;

/// The user's name: of /etc/passwd, or what the login says where other sources know the user. `newuidmap` asks for
/// itself, so a wrong name gives nothing.
pub(crate) fn name(uid: u32) -> Option<String> {
    let login = || ["USER", "LOGNAME"].iter().find_map(|key| std::env::var(key).ok()).filter(|name| !name.is_empty());
    let text = subid::read(PASSWD).unwrap_or_default();
    find(&text, uid).map(|fields| fields[NAME].to_owned()).or_else(login)
}

/// The user's home directory: what the login says, or /etc/passwd.
pub(crate) fn home(uid: u32) -> Option<PathBuf> {
    let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
    let listed = || {
        let text = subid::read(PASSWD).ok()?;
        absolute(PathBuf::from(find(&text, uid)?.get(HOME)?))
    };
    std::env::var_os("HOME").map(PathBuf::from).and_then(absolute).or_else(listed)
}

/// The fields of the first line of user `uid`.
fn find(text: &str, uid: u32) -> Option<Vec<&str>> {
    let uid = uid.to_string();
    text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.get(UID) == Some(&uid.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_user_counts() {
        let text =
            "root:x:0:0:root:/root:/bin/sh\n\nshort:x:7\namal:x:1000:1000:a b,,:/home/amal:/bin/sh\nalias:x:1000:1:::";
        let field = |uid, at: usize| find(text, uid).and_then(|fields| fields.get(at).copied());
        assert_eq!((field(1000, NAME), field(1000, HOME)), (Some("amal"), Some("/home/amal")));
        assert_eq!((field(7, NAME), field(7, HOME)), (Some("short"), None));
        assert_eq!(field(100, NAME), None);
        assert_eq!(find("", 0), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text: String, uid: u32) {
            let _ignored = find(&text, uid);
        }
    }
}
