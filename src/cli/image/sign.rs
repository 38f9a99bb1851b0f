//! `dhow image sign`, and the flags of the commands that sign what they send.

use std::path::PathBuf;

use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::prompt;
use crate::engine::image::push::{self, SignRequest};
use crate::engine::request::RegistryOptions;
use crate::model::error::Error;
use crate::model::secret::Secret;

/// The keys that sign what is sent.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SignArgs {
    /// Sign with the key of GnuPG that has this fingerprint, id or user; it is looked for in secring.gpg of its directory
    #[arg(long, value_name = "KEY")]
    sign_by: Option<String>,
    /// Sign as a file of parameters says (containers-sigstore-signing-params.yaml)
    #[arg(long, value_name = "FILE")]
    sign_by_sigstore: Option<PathBuf>,
    /// Sign with the private key of sigstore in a file
    #[arg(long, value_name = "FILE")]
    sign_by_sigstore_private_key: Option<PathBuf>,
    /// The file with the passphrase of the key; without it that of sigstore's is asked for
    #[arg(long, value_name = "FILE")]
    sign_passphrase_file: Option<PathBuf>,
}

impl SignArgs {
    /// What is to be signed with; a passphrase that is missing is asked for.
    pub(crate) fn request(self) -> anyhow::Result<SignRequest> {
        let by = self.sign_by.filter(|key| !key.is_empty());
        let (mut key, mut file) = (self.sign_by_sigstore_private_key, self.sign_passphrase_file);
        if let Some(parameters) = self.sign_by_sigstore {
            if key.is_some() {
                let message = "only one of --sign-by-sigstore and --sign-by-sigstore-private-key can be used";
                return Err(UsageError::new(message).into());
            }
            let (found, opened) = push::parameters(&parameters)?;
            (key, file) = (Some(found), file.or(opened));
        }
        if by.is_some() && key.is_some() && file.is_some() {
            let message =
                "Only one of --sign-by and sign-by-sigstore-private-key can be used with sign-passphrase-file";
            return Err(UsageError::new(message).into());
        }
        let passphrase = match (&file, &key) {
            (Some(file), _) => Some(push::passphrase(file)?),
            (None, Some(_)) => Some(Secret::new(prompt::password("Passphrase of the private key: ")?)),
            (None, None) => None,
        };
        Ok(SignRequest { by, key, passphrase })
    }
}

/// Sign images of registries with a key of GnuPG
///
/// The signatures are files, below the directory that registries.d names for them, or below --directory. The key is looked
/// for in secring.gpg of GnuPG's directory ($GNUPGHOME, ~/.gnupg), where `gpg --export-secret-keys` brings it.
#[derive(clap::Args)]
pub(crate) struct ImageSignArgs {
    /// Sign every image of an index, too
    #[arg(short, long)]
    all: bool,
    /// The file of credentials, instead of the user's
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// The directory of certificates and keys
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Where the signatures go
    #[arg(short, long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The fingerprint, id or user of the key
    #[arg(long, value_name = "KEY")]
    sign_by: Option<String>,
    /// The file with the passphrase of the key
    #[arg(long, value_name = "FILE")]
    sign_passphrase_file: Option<PathBuf>,
    /// The images, each with docker://
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

impl Run<Context> for ImageSignArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let Some(by) = self.sign_by.filter(|key| !key.is_empty()) else {
            return Err(Error::invalid("please provide an identity").hint("--sign-by KEY names it").into());
        };
        let passphrase = self.sign_passphrase_file.as_deref().map(push::passphrase).transpose()?;
        let sign = SignRequest { by: Some(by), key: None, passphrase };
        let options =
            RegistryOptions { authfile: self.authfile, cert_dir: self.cert_dir, ..RegistryOptions::default() };
        for name in &self.names {
            context.engine()?.sign_image(name, self.directory.as_deref(), self.all, &sign, &options)?;
        }
        Ok(0)
    }
}
