//! Where throng keeps its own files on this host: state (a controller's CA and book of tokens, an agent's certificate), and the
//! operator's credentials. The XDG base directories, or what stands for them.

use std::path::PathBuf;
use trust::Address;

fn base(variable: &str, below_home: &str) -> Option<PathBuf> {
    // What is empty or relative is to be taken for not set, says the specification.
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    std::env::var_os(variable)
        .and_then(|path| absolute(path.into()))
        .or_else(|| absolute(PathBuf::from(std::env::var_os("HOME")?).join(below_home)))
        .map(|path| path.join("throng"))
}

/// The state directory: `$XDG_STATE_HOME/throng`, or `~/.local/state/throng`.
pub(crate) fn state() -> Option<PathBuf> {
    base("XDG_STATE_HOME", ".local/state")
}

/// An operator's credentials for a controller: below `$XDG_CONFIG_HOME/throng`, or `~/.config/throng`.
pub(crate) fn credentials(address: &Address) -> Option<PathBuf> {
    Some(
        base("XDG_CONFIG_HOME", ".config")?
            .join("credentials")
            .join(file_name(address)),
    )
}

/// A controller's address as a file name.
pub(crate) fn file_name(address: &Address) -> String {
    format!("{}.pem", trust::identity::clean(&address.authority()))
}
