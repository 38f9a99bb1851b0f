//! The text of a container's `/etc/hosts` and `/etc/resolv.conf`, as podman writes them. Pure: who reads and writes the
//! files is the caller. Names and addresses are checked before they become lines (R25).

use std::net::IpAddr;

use crate::model::error::Error;

/// The resolvers where the host has none that a container could use.
const FALLBACK: [&str; 2] = ["8.8.8.8", "8.8.4.4"];
const FALLBACK6: [&str; 2] = ["2001:4860:4860::8888", "2001:4860:4860::8844"];

/// What `/etc/hosts` is made of.
#[derive(Debug, Default)]
pub(crate) struct Hosts<'a> {
    /// The base file: the host's `/etc/hosts`, unless configured otherwise.
    pub(crate) base: &'a str,
    /// `--add-host NAME[;NAME...]:ADDRESS`, where the address may be `host-gateway`.
    pub(crate) add: &'a [String],
    /// The host as the container sees it: the gateway of its first network.
    pub(crate) host: Option<IpAddr>,
    /// The container's own addresses; 127.0.0.1 without a network.
    pub(crate) own: &'a [IpAddr],
    /// The container's host name and name.
    pub(crate) names: &'a [&'a str],
}

/// Checks a value of `--add-host` before anything is made.
pub(crate) fn check_add_host(value: &str) -> Result<(), Error> {
    add_host(value, Some(IpAddr::from([127, 0, 0, 1]))).map(drop)
}

fn add_host(value: &str, host: Option<IpAddr>) -> Result<(IpAddr, Vec<&str>), Error> {
    let shown = value.escape_debug();
    let (names, address) = value
        .split_once(':')
        .filter(|(names, _)| !names.is_empty())
        .ok_or_else(|| Error::invalid(format!("unable to parse host entry \"{shown}\": incorrect format")))?;
    if address.is_empty() {
        return Err(Error::invalid(format!("IP address in host entry \"{shown}\" is empty")));
    }
    let names: Vec<&str> = names.split(';').collect();
    if names.iter().any(|name| !is_word(name)) {
        return Err(Error::invalid(format!("hostname in host entry \"{shown}\" is empty or invalid")));
    }
    let address = if address == "host-gateway" {
        host.ok_or_else(|| {
            Error::invalid(format!(
                "unable to replace \"host-gateway\" of host entry \"{shown}\": host containers internal IP address is empty"
            ))
        })?
    } else {
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        bare.parse()
            .map_err(|_| Error::invalid(format!("invalid IP address \"{}\" in add-host", address.escape_debug())))?
    };
    Ok((address, names))
}

/// Whether `word` can stand in a line of hosts or resolv.conf.
fn is_word(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('#') && !word.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// Writes `/etc/hosts`: what was added, the base, then localhost, the host and the container itself under the names that
/// are not there yet.
pub(crate) fn hosts(from: &Hosts<'_>) -> Result<String, Error> {
    let mut entries: Vec<(String, Vec<String>)> = Vec::new();
    for value in from.add {
        let (address, names) = add_host(value, from.host)?;
        entries.push((address.to_string(), names.into_iter().map(str::to_owned).collect()));
    }
    for line in from.base.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        if let Some(address) = words.next().filter(|a| a.split('%').next().is_some_and(|a| a.parse::<IpAddr>().is_ok()))
        {
            let names: Vec<String> = words.filter(|w| is_word(w)).map(str::to_owned).collect();
            if !names.is_empty() {
                entries.push((address.to_owned(), names));
            }
        }
    }
    let known: Vec<String> = entries.iter().flat_map(|(_, names)| names.iter().cloned()).collect();
    let mut more = |address: String, names: &[&str]| -> Result<(), Error> {
        let mut free: Vec<String> = Vec::new();
        for name in names.iter().filter(|name| !name.is_empty()) {
            if !is_word(name) {
                return Err(Error::invalid(format!("invalid host name \"{}\"", name.escape_debug())));
            }
            if !known.iter().chain(&free).any(|other| other == name) {
                free.push((*name).to_owned());
            }
        }
        if !free.is_empty() {
            entries.push((address, free));
        }
        Ok(())
    };
    more("127.0.0.1".to_owned(), &["localhost"])?;
    more("::1".to_owned(), &["localhost"])?;
    if let Some(host) = from.host {
        more(host.to_string(), &["host.containers.internal", "host.docker.internal"])?;
    }
    for own in from.own {
        more(own.to_string(), from.names)?;
    }
    Ok(entries.iter().map(|(address, names)| format!("{address}\t{}\n", names.join(" "))).collect())
}

/// What `/etc/resolv.conf` is made of.
#[derive(Debug, Default)]
pub(crate) struct Resolv<'a> {
    /// The host's `/etc/resolv.conf`.
    pub(crate) host: &'a str,
    /// `/run/systemd/resolve/resolv.conf`, where there is one: what stands behind systemd's stub.
    pub(crate) systemd: Option<&'a str>,
    /// `--dns`, `--dns-search`, `--dns-option`.
    pub(crate) servers: &'a [String],
    pub(crate) search: &'a [String],
    pub(crate) options: &'a [String],
    /// The container has a network namespace of its own: the host's loopback is not there.
    pub(crate) private: bool,
    /// It has IPv6.
    pub(crate) ipv6: bool,
    /// A resolver that its network provides; it comes first.
    pub(crate) forwarder: Option<IpAddr>,
}

/// Whether resolv.conf has no resolver but systemd's stub.
pub(crate) fn is_stub(text: &str) -> bool {
    let servers = values(text, "nameserver");
    !servers.is_empty() && servers.iter().all(|s| s == "127.0.0.53")
}

/// The words after the last (for `search`) or every `key` of resolv.conf.
fn values(text: &str, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
        if words.next() == Some(key) {
            if key == "search" {
                found.clear();
            }
            found.extend(words.filter(|w| is_word(w)).map(str::to_owned));
        }
    }
    found
}

/// Writes `/etc/resolv.conf`.
pub(crate) fn resolv(from: &Resolv<'_>) -> Result<String, Error> {
    for server in from.servers {
        if server.parse::<IpAddr>().is_err() {
            return Err(Error::invalid(format!("{} is not an ip address", server.escape_debug())));
        }
    }
    for word in from.search.iter().chain(from.options) {
        if !is_word(word) {
            return Err(Error::invalid(format!("invalid DNS search domain or option \"{}\"", word.escape_debug())));
        }
    }
    let host = match from.systemd {
        Some(behind) if from.private && is_stub(from.host) => behind,
        _ => from.host,
    };
    let mut servers: Vec<String> = from.servers.to_vec();
    if servers.is_empty() {
        servers.extend(from.forwarder.map(|ip| ip.to_string()));
        servers.extend(values(host, "nameserver").into_iter().filter(|server| {
            // A zone (fe80::1%eth0) names a link that the container does not have.
            match server.parse::<IpAddr>() {
                Ok(ip) => !from.private || (!ip.is_loopback() && (from.ipv6 || ip.is_ipv4())),
                Err(_) => !from.private,
            }
        }));
        if servers.is_empty() {
            servers.extend(FALLBACK.map(str::to_owned));
            if from.ipv6 {
                servers.extend(FALLBACK6.map(str::to_owned));
            }
        }
    }
    let search = if from.search.is_empty() { values(host, "search") } else { from.search.to_vec() };
    let options = if from.options.is_empty() { values(host, "options") } else { from.options.to_vec() };
    let mut text = String::new();
    if !search.is_empty() && search != ["."] {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    for server in servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if !options.is_empty() {
        text.push_str(&format!("options {}\n", options.join(" ")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn hosts_has_all_in_podmans_order() {
        let text = hosts(&Hosts {
            base: "# comment\n127.0.0.1 localhost\n192.0.2.9  db db.example # the database\nrubbish\n",
            add: &strings(&["web;www:192.0.2.7", "gate:host-gateway", "six:[2001:db8::1]"]),
            host: Some("10.88.0.1".parse().unwrap()),
            own: &["10.88.0.2".parse().unwrap()],
            names: &["0123456789ab", "wonderful"],
        });
        assert_eq!(
            text.unwrap(),
            "192.0.2.7\tweb www\n10.88.0.1\tgate\n2001:db8::1\tsix\n127.0.0.1\tlocalhost\n192.0.2.9\tdb db.example\n\
             10.88.0.1\thost.containers.internal host.docker.internal\n10.88.0.2\t0123456789ab wonderful\n"
        );
        let alone = Hosts { own: &["127.0.0.1".parse().unwrap()], names: &["a", "a"], ..Hosts::default() };
        assert_eq!(hosts(&alone).unwrap(), "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.0.1\ta\n");
    }

    /// R25.
    #[test]
    fn hosts_refuses_what_would_be_another_line() {
        for bad in [
            "x",
            "x:",
            ":1.2.3.4",
            "x:1.2.3",
            "a\nb:1.2.3.4",
            "a b:1.2.3.4",
            "a;:1.2.3.4",
            "#a:1.2.3.4",
            "g:host-gateway",
        ] {
            assert!(hosts(&Hosts { add: &strings(&[bad]), ..Hosts::default() }).is_err(), "{bad:?}");
        }
        let own = Hosts { own: &["127.0.0.1".parse().unwrap()], names: &["a\n6.6.6.6 b"], ..Hosts::default() };
        assert!(hosts(&own).is_err());
    }

    #[test]
    fn resolv_leaves_out_what_a_container_cannot_reach() {
        let host = "nameserver 127.0.0.53\noptions edns0\nsearch old\nsearch example.org corp\n";
        let behind = "nameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver fe80::1%eth0\nsearch behind\n";
        let base = Resolv { host, systemd: Some(behind), private: true, ..Resolv::default() };
        assert_eq!(resolv(&base).unwrap(), "search behind\nnameserver 192.0.2.53\n");
        let shared = Resolv { private: false, ..base };
        assert_eq!(resolv(&shared).unwrap(), "search example.org corp\nnameserver 127.0.0.53\noptions edns0\n");
        let none = Resolv { host, systemd: None, private: true, ..Resolv::default() };
        let text = resolv(&none).unwrap();
        assert_eq!(text, "search example.org corp\nnameserver 8.8.8.8\nnameserver 8.8.4.4\noptions edns0\n");
        let asked = Resolv {
            host,
            servers: &strings(&["192.0.2.1"]),
            search: &strings(&["."]),
            options: &strings(&["ndots:2"]),
            private: true,
            ..Resolv::default()
        };
        assert_eq!(resolv(&asked).unwrap(), "nameserver 192.0.2.1\noptions ndots:2\n");
        let forwarder = Some("169.254.1.1".parse().unwrap());
        let pasta = Resolv { host: behind, private: true, ipv6: true, forwarder, ..Resolv::default() };
        assert_eq!(
            resolv(&pasta).unwrap(),
            "search behind\nnameserver 169.254.1.1\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n"
        );
    }

    /// R25.
    #[test]
    fn resolv_refuses_what_would_be_another_line() {
        for (servers, search, options) in
            [(&["x"][..], &[][..], &[][..]), (&[], &["a\nnameserver 6.6.6.6"], &[]), (&[], &[], &["a b"])]
        {
            let (servers, search, options) = (strings(servers), strings(search), strings(options));
            let from = Resolv { servers: &servers, search: &search, options: &options, ..Resolv::default() };
            assert!(resolv(&from).is_err());
        }
    }

    proptest::proptest! {
        /// Whatever the host's files say, ours have only lines of the known forms.
        #[test]
        fn lines_have_known_forms(base in "\\PC{0,80}(\n\\PC{0,40}){0,4}", name in "\\PC{0,20}") {
            let own = ["10.88.0.2".parse().unwrap()];
            if let Ok(text) = hosts(&Hosts { base: &base, own: &own, names: &[&name], ..Hosts::default() }) {
                for line in text.lines() {
                    let (address, names) = line.split_once('\t').unwrap();
                    proptest::prop_assert!(address.split('%').next().unwrap().parse::<IpAddr>().is_ok());
                    proptest::prop_assert!(names.split(' ').all(is_word));
                }
            }
            let text = resolv(&Resolv { host: &base, private: true, ..Resolv::default() }).unwrap();
            for line in text.lines() {
                proptest::prop_assert!(["search ", "nameserver ", "options "].iter().any(|k| line.starts_with(k)));
            }
        }
    }
}
