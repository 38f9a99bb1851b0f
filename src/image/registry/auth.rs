//! How a registry is entered: its challenge (RFC 9110, section 11), tokens (distribution/token), basic authentication.
//!
//! A credential belongs to one origin. It goes to the registry itself and to a token realm that is https and on the same
//! site; to another realm a token is asked for without it, which gives public images only. Answers are bounded.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::Url;
use serde::Deserialize;

use super::http;
use crate::image::credential::Credential;
use crate::model::error::{Error, ErrorKind};
use crate::model::secret::Secret;

/// The name under which this client asks for tokens.
const CLIENT_ID: &str = "dhow";
/// What the token specification says where an answer has no `expires_in`.
const LIFE: Duration = Duration::from_secs(60);
/// The largest answer of a token endpoint.
const TOKEN_MAX: usize = 1 << 20;

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    /// Its `scope` is not believed: who asks knows what for.
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads the `WWW-Authenticate` headers; Bearer is preferred.
    pub(crate) fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let all: Vec<Self> = headers.into_iter().flat_map(challenges).collect();
        all.iter().find(|c| matches!(c, Self::Bearer { .. })).or(all.first()).cloned()
    }
}

/// Splits a header into its challenges; what is malformed ends the reading.
fn challenges(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (scheme, after) = token(rest);
        if scheme.is_empty() {
            return found;
        }
        rest = after;
        let mut parameters: Vec<(String, String)> = Vec::new();
        loop {
            let next = rest.trim_start_matches([' ', '\t', ',']);
            let (name, after) = token(next);
            let Some(after) = after.trim_start().strip_prefix('=') else { break };
            if name.is_empty() {
                break;
            }
            let Some((value, after)) = value(after.trim_start()) else { return found };
            parameters.push((name.to_ascii_lowercase(), value));
            rest = after;
        }
        let mut take = |name: &str| {
            let index = parameters.iter().position(|(key, _)| key == name)?;
            Some(parameters.swap_remove(index).1).filter(|value| !value.is_empty())
        };
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => found.push(Challenge::Basic),
            "bearer" => {
                if let Some(realm) = take("realm") {
                    found.push(Challenge::Bearer { realm, service: take("service") });
                }
            }
            _ => {}
        }
    }
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))).unwrap_or(text.len());
    text.split_at(end)
}

fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        // Unquoted realms have slashes and colons in practice.
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut out = String::new();
    let mut chars = quoted.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return Some((out, &quoted[index + 1..])),
            '\\' => out.push(chars.next()?.1),
            other => out.push(other),
        }
    }
    None
}

/// A token and its end.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: Secret,
    until: Instant,
}

impl Token {
    /// Whether it will last for the next request.
    pub(crate) fn is_fresh(&self) -> bool {
        Instant::now() + Duration::from_secs(5) < self.until
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// Reads the answer of a token endpoint.
fn parse_answer(bytes: &[u8], asked: Instant) -> Result<Token> {
    let answer: Answer =
        serde_json::from_slice(bytes).map_err(|_| Error::unavailable("token endpoint does not answer with a token"))?;
    let text = answer.token.filter(|t| !t.is_empty()).or(answer.access_token).unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        bail!(Error::unavailable("token endpoint does not answer with a token"));
    }
    let life = answer.expires_in.map_or(LIFE, |seconds| Duration::from_secs(seconds.clamp(60, 86_400)));
    Ok(Token { text: Secret::new(text), until: asked + life })
}

/// Whether a credential for the registry at `origin` may be sent to `realm`.
fn may_send(origin: &Url, realm: &Url) -> bool {
    if same_origin(origin, realm) {
        return true;
    }
    let (Some(registry), Some(other)) = (origin.host_str(), realm.host_str()) else { return false };
    realm.scheme() == "https" && same_site(registry, other)
}

/// Scheme, host and port are equal.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host_str() == b.host_str() && a.port_or_known_default() == b.port_or_known_default()
}

/// Equal, or names below the same domain of two labels (three where the last but one is as short as in `co.uk`).
fn same_site(a: &str, b: &str) -> bool {
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    match (site(a), site(b)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

fn site(host: &str) -> Option<&str> {
    if host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let labels: Vec<&str> = host.split('.').collect();
    let count = match labels[..] {
        [.., second, last] if last.len() == 2 && second.len() <= 3 => 3,
        _ => 2,
    };
    if labels.len() < count {
        return None;
    }
    let length: usize = labels[labels.len() - count..].iter().map(|label| label.len() + 1).sum::<usize>() - 1;
    Some(&host[host.len() - length..])
}

/// Fetches a token for `scope` (several with a space between), with the credential if the realm may have it.
pub(crate) async fn fetch_token(
    client: &reqwest::Client,
    origin: &Url,
    insecure: bool,
    challenge: (&str, Option<&str>),
    scope: &str,
    credential: Option<&Credential>,
) -> Result<Token> {
    let (realm, service) = challenge;
    let mut url: Url =
        realm.parse().map_err(|_| Error::unavailable(format!("invalid token realm \"{}\"", realm.escape_debug())))?;
    let allowed = match url.scheme() {
        "https" => true,
        // A registry that is plain by configuration may have its realm on plain HTTP too, on the same host.
        "http" => insecure && url.host_str() == origin.host_str(),
        _ => false,
    };
    if !allowed || !url.username().is_empty() || url.password().is_some() {
        bail!(Error::new(ErrorKind::Denied, format!("token realm {url} is not trusted: it must be https")));
    }
    let same_host = insecure && url.host_str() == origin.host_str();
    let credential = credential.filter(|_| same_host || may_send(origin, &url));
    let asked = Instant::now();
    let request = match credential {
        Some(Credential::Identity(refresh)) => {
            let mut form = Form::default();
            form.add("grant_type", "refresh_token");
            form.add("service", service.unwrap_or_default());
            form.add("client_id", CLIENT_ID);
            form.add("scope", scope);
            form.add("refresh_token", refresh.expose());
            client
                .post(url.clone())
                .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.0)
        }
        other => {
            {
                let mut query = url.query_pairs_mut();
                if let Some(service) = service {
                    query.append_pair("service", service);
                }
                for scope in scope.split(' ').filter(|scope| !scope.is_empty()) {
                    query.append_pair("scope", scope);
                }
                if let Some(Credential::Basic { user, .. }) = other {
                    query.append_pair("account", user);
                }
            }
            let request = client.get(url.clone());
            match other {
                Some(Credential::Basic { user, password }) => request.basic_auth(user, Some(password.expose())),
                _ => request,
            }
        }
    };
    let name = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    let response = http::send(request).await.with_context(|| format!("ask {host} for a token"))?;
    let status = response.status();
    let body = http::body(response, TOKEN_MAX).await.with_context(|| format!("ask {host} for a token"))?;
    match status.as_u16() {
        200 => parse_answer(&body, asked).with_context(|| format!("ask {host} for a token")),
        401 | 403 => {
            let how = if credential.is_some() { "invalid username/password" } else { "authentication required" };
            bail!(Error::new(ErrorKind::Denied, format!("registry {host}: unauthorized: {how}")))
        }
        code => bail!(http::status_error(code, &body, &format!("ask {host} for a token"))),
    }
}

/// `application/x-www-form-urlencoded`, for one POST.
#[derive(Default)]
struct Form(String);

impl Form {
    fn add(&mut self, key: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(key);
        self.0.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => self.0.push(char::from(byte)),
                other => self.0.push_str(&format!("%{other:02X}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) }
    }

    #[test]
    fn reads_challenges() {
        for (header, want) in [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull\"",
                Some(bearer("https://a/t", Some("s"))),
            ),
            ("bearer Realm = \"https://a/\\\"t\" , Service=s", Some(bearer("https://a/\"t", Some("s")))),
            ("Basic realm=x, Bearer realm=https://a/t", Some(bearer("https://a/t", None))),
            ("Negotiate, Basic realm=\"a,b\"", Some(Challenge::Basic)),
            ("Bearer service=\"s\"", None),
            ("Bearer realm=\"open", None),
            ("", None),
            ("=,=", None),
        ] {
            assert_eq!(Challenge::parse([header]), want, "{header}");
        }
        assert!(matches!(Challenge::parse(["Basic realm=a", "Bearer realm=b"]), Some(Challenge::Bearer { .. })));
    }

    /// R19.
    #[test]
    fn credentials_stay_on_their_site() {
        for (origin, realm, want) in [
            ("https://registry-1.docker.io", "https://auth.docker.io/token", true),
            ("https://ghcr.io", "https://ghcr.io/token", true),
            ("https://r.example.co.uk", "https://auth.other.co.uk/t", false),
            ("https://a.b", "https://evil.c/t", false),
            ("https://a.b", "http://a.b/t", false),
            ("https://10.0.0.1", "https://10.0.0.2/t", false),
            ("https://localhost", "https://other/t", false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/t", true),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/t", false),
        ] {
            assert_eq!(may_send(&origin.parse().unwrap(), &realm.parse().unwrap()), want, "{origin} {realm}");
        }
    }

    #[test]
    fn reads_tokens() {
        let now = Instant::now();
        assert_eq!(parse_answer(br#"{"token":"a"}"#, now).unwrap().text.expose(), "a");
        let token = parse_answer(br#"{"access_token":"b","expires_in":300}"#, now).unwrap();
        assert!(token.text.expose() == "b" && token.is_fresh());
        assert!(!parse_answer(br#"{"token":"a"}"#, now - Duration::from_secs(100)).unwrap().is_fresh());
        for bad in ["", "{}", "[]", r#"{"token":""}"#, r#"{"token":"a\nb"}"#, r#"{"token":1}"#] {
            assert!(parse_answer(bad.as_bytes(), now).is_err(), "{bad}");
        }
        let mut form = Form::default();
        form.add("a", "b c&d");
        form.add("e", "ü");
        assert_eq!(form.0, "a=b%20c%26d&e=%C3%BC");
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(header in "[ -~]{0,80}", other in "\\PC{0,40}") {
            drop(Challenge::parse([header.as_str(), other.as_str()]));
            drop(parse_answer(header.as_bytes(), Instant::now()));
            let _ = same_site(&header, &other);
        }

        #[test]
        fn quoted_parameters_come_back(realm in "https://[a-z]{1,9}/[ -~&&[^\"\\\\]]{0,20}", scope in "[ -~&&[^\"\\\\]]{1,20}") {
            let header = format!("Bearer scope=\"{scope}\", realm=\"{realm}\"");
            prop_assert_eq!(Challenge::parse([header.as_str()]), Some(bearer(&realm, None)));
        }
    }
}
