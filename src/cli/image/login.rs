//! `dhow login`.

use std::io::Read;

use anyhow::Context as _;

use super::registry::RegistryArgs;
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::prompt;
use crate::engine::image::login::Existing;
use crate::model::secret::Secret;

/// The longest password on standard input.
const LONGEST: u64 = 1 << 20;

/// Log in to a registry
///
/// The credential is tried first, then kept in the user's auth.json or by the helper that is configured there.
#[derive(clap::Args)]
pub(crate) struct LoginArgs {
    /// Print the user who is logged in
    #[arg(long)]
    get_login: bool,
    /// The password; others can see it while the command runs
    #[arg(short, long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// The user
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// Say which file is used
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The registry; the first of the search list where none is given
    #[arg(value_name = "REGISTRY")]
    name: Option<String>,
}

impl Run<Context> for LoginArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let options = self.registry.writable();
        let registries = context.engine()?.registries(&options)?;
        let registry = registries.login_key(self.name.as_deref())?;
        if self.get_login {
            let user = registries.logged_in(&registry)?.map(|existing| existing.user);
            let user = user.with_context(|| format!("not logged into {registry}"))?;
            stdout::print(&format!("{user}\n"))?;
            return Ok(0);
        }
        if self.password_stdin && self.password.is_some() {
            return Err(UsageError::new("can't specify both --password-stdin and --password").into());
        }
        if self.password_stdin && self.username.is_none() {
            return Err(UsageError::new("must provide --username with --password-stdin").into());
        }
        let existing = registries.logged_in(&registry)?;
        if let (Some(Existing { credential, .. }), None, None) = (&existing, &self.username, &self.password) {
            stdout::print(&format!("Authenticating with existing credentials for {registry}\n"))?;
            if registries.check(&registry, credential).is_ok() {
                stdout::print(&format!("Existing credentials are valid. Already logged in to {registry}\n"))?;
                return Ok(0);
            }
            stdout::print("Existing credentials are invalid, please enter valid username and password\n")?;
        }
        let user = match self.username {
            Some(user) => user,
            None => {
                let known = existing.map(|existing| existing.user);
                let hint = known.as_ref().map(|user| format!(" ({user})")).unwrap_or_default();
                let typed = prompt::ask(&format!("Username{hint}: "))?;
                if typed.is_empty() { known.unwrap_or_default() } else { typed }
            }
        };
        let password = match (self.password_stdin, self.password) {
            (true, _) => stdin_password()?,
            (false, Some(password)) => Secret::new(password),
            (false, None) => Secret::new(prompt::password("Password: ")?),
        };
        if user.is_empty() || password.is_empty() {
            return Err(UsageError::new("username and password must be given").into());
        }
        let file = registries.login(&registry, &user, password)?;
        if self.verbose {
            stdout::print(&format!("Used:  {}\n", file.display()))?;
        }
        stdout::print("Login Succeeded!\n")?;
        Ok(0)
    }
}

/// The password as it comes, without the end of its line.
fn stdin_password() -> anyhow::Result<Secret> {
    let mut text = String::new();
    std::io::stdin().lock().take(LONGEST).read_to_string(&mut text).context("read the password")?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(Secret::new(text))
}
