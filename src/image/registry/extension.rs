//! Signatures of GnuPG that a registry keeps itself, as OpenShift's does: it says so by `X-Registry-Supports-Signatures`
//! (containers-signature(5) names the format; the address is `/extensions/v2/NAME/signatures/DIGEST`).

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::client::{Ask, Client, Session};
use super::http;
use crate::image::manifest::check_depth;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::reference::Reference;

const HEADER: &str = "X-Registry-Supports-Signatures";
/// The largest list.
const LIST_MAX: usize = 16 << 20;
/// The one kind of signature there is, and its version.
const KIND: &str = "atomic";
const VERSION: u32 = 2;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    signatures: Vec<Kept>,
}

#[derive(Deserialize, Serialize)]
struct Kept {
    #[serde(rename = "schemaVersion")]
    version: u32,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    content: String,
}

impl Client {
    /// The signatures that the registry of `name` keeps of the manifest `digest`; `None` where it keeps none of anything.
    pub(crate) fn kept_signatures(&self, name: &Reference, digest: &Digest) -> Result<Option<Vec<Vec<u8>>>> {
        let endpoint = self.read_origin(name)?;
        let reading = || format!("read the signatures of {}@{digest} that its registry keeps", name.name());
        let scope = super::client::pull_of(&endpoint.reference);
        let list = self.block_on(async {
            let credential = self.credential(name, &endpoint)?;
            let (_, list) = self
                .at(&endpoint, credential, &scope, |session| async move {
                    if !keeps(&session).await? {
                        return Ok(None);
                    }
                    let url = session.url(&address(&session.endpoint, digest))?;
                    let response = session.get(url, HeaderMap::new()).await?;
                    match response.status() {
                        StatusCode::OK => http::body(response, LIST_MAX).await.map(Some),
                        _ => Err(http::refused(response).await),
                    }
                })
                .await?;
            Ok(list)
        });
        let Some(bytes) = list.with_context(reading)? else { return Ok(None) };
        check_depth(&bytes, "signatures").with_context(reading)?;
        let list: List =
            serde_json::from_slice(&bytes).map_err(|e| Error::invalid(e.to_string())).with_context(reading)?;
        let ours = list.signatures.iter().filter(|kept| kept.version == VERSION && kept.kind == KIND);
        let decode = |kept: &Kept| BASE64.decode(&kept.content).map_err(|_| Error::invalid("one is not base64").into());
        ours.map(decode).collect::<Result<_>>().with_context(reading).map(Some)
    }

    /// Gives the registry of `name` a signature of the manifest `digest` to keep; false where it keeps none.
    pub(crate) fn keep_signature(&self, name: &Reference, digest: &Digest, signature: &[u8]) -> Result<bool> {
        let destination = self.open_destination(name, &[])?;
        let session = destination.session();
        let random = crate::sys::random::bytes().context("get random bytes")?;
        let own: String = random[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = Kept {
            version: VERSION,
            name: format!("{digest}@{own}"),
            kind: KIND.to_owned(),
            content: BASE64.encode(signature),
        };
        let bytes = serde_json::to_vec(&kept).context("write a signature")?;
        let done = self.block_on(self.again(|| async {
            if !keeps(session).await? {
                return Ok(false);
            }
            let url = session.url(&address(name, digest))?;
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let body = || Ok(Some(Body::from(bytes.clone())));
            let response = session.send(&Ask { method: Method::PUT, url, headers, body: &body }).await?;
            match response.status() {
                StatusCode::CREATED | StatusCode::OK => Ok(true),
                _ => Err(http::refused(response).await),
            }
        }));
        done.with_context(|| format!("give the registry a signature of {}@{digest}", name.name()))
    }
}

/// Whether a registry says that it keeps signatures.
async fn keeps(session: &Session) -> Result<bool> {
    let response = session.get(session.url("")?, HeaderMap::new()).await?;
    Ok(response.headers().get(HEADER).is_some_and(|value| value == "1"))
}

fn address(name: &Reference, digest: &Digest) -> String {
    format!("/extensions/v2/{}/signatures/{digest}", name.path())
}
