//! From what stands on the command line (a file, stdin, a URL, nothing) to the bundle of a run.
//!
//! The only file that reads scenarios and data; what they mean is the plan room's business.

use crate::error::Error;
use plan::{Bundle, Overrides};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// The built-in scenario of `throng run --demo`.
const RESERVATION: &str = include_str!("../../scenarios/reservation.yaml");
/// How long fetching a scenario may take.
const FETCH: Duration = Duration::from_secs(30);
/// Largest scenario or data file, in bytes: it travels to every agent.
const LARGEST: u64 = proto::MAX_BUNDLE as u64;

/// Data files that a refusal names.
const NAMED: usize = 5;

/// What the first argument of `throng run` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// A scenario file.
    File(PathBuf),
    /// A bundle that was made before: nothing is to be resolved any more.
    Packed(PathBuf),
    /// A scenario on stdin.
    Stdin,
    /// A scenario to be fetched.
    Fetch(Url),
    /// A target to be requested over and over.
    Target(String),
    /// The built-in scenario.
    BuiltIn,
}

/// What `text` is, by its looks alone.
///
/// # Errors
/// `Script` for k6's files, `Flags` when there is nothing to run or two targets.
pub(crate) fn given(text: Option<&str>, demo: bool, base_url: bool) -> Result<Given, Error> {
    let Some(text) = text else {
        return if demo || base_url {
            Ok(Given::BuiltIn)
        } else {
            Err(Error::flags(
                "nothing to run",
                "name a scenario file or a URL, or practise with `throng run --demo`",
            ))
        };
    };
    if text == "-" {
        return Ok(Given::Stdin);
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        let url = Url::parse(text).map_err(|error| {
            Error::flags(
                format!("{text}: not a URL: {error}"),
                "write e.g. http://localhost:8080/",
            )
        })?;
        if has_extension(Path::new(url.path()), &["yaml", "yml"]) {
            return Ok(Given::Fetch(url));
        }
        if demo || base_url {
            let flag = if demo { "--demo" } else { "--base-url" };
            return Err(Error::flags(
                format!("{flag} and {text} name two targets"),
                "leave one of them out",
            ));
        }
        return Ok(Given::Target(text.to_owned()));
    }
    if has_extension(Path::new(text), &["js", "ts", "mjs", "cjs"]) {
        return Err(Error::Script {
            path: text.to_owned(),
        });
    }
    if has_extension(Path::new(text), &["bundle"]) {
        return Ok(Given::Packed(PathBuf::from(text)));
    }
    Ok(Given::File(PathBuf::from(text)))
}

/// A bundle as a file, for a run elsewhere: JSON, gzipped.
pub(crate) fn pack(bundle: &Bundle) -> std::io::Result<Vec<u8>> {
    let packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    // JSON is written in very small pieces.
    let mut buffer = std::io::BufWriter::new(packer);
    serde_json::to_writer(&mut buffer, bundle)?;
    buffer.into_inner()?.finish()
}

pub(crate) fn unpack(bytes: &[u8]) -> std::io::Result<Bundle> {
    // Bytes of data files are written as numbers, up to four letters each.
    let most = 4 * LARGEST;
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .take(most + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > most {
        return Err(std::io::Error::other("unpacked, it is too large"));
    }
    serde_json::from_slice(&text).map_err(std::io::Error::other)
}

/// Reads everything the run is made from.
///
/// # Errors
/// What could not be read or fetched, with where it was looked for.
pub(crate) async fn bundle(
    given: Given,
    overrides: Overrides,
    variables: BTreeMap<String, String>,
    seed: u64,
    color: bool,
) -> Result<Bundle, Error> {
    let (name, source, folder) = match given {
        Given::File(path) => {
            let text = read_scenario(&path)?;
            let folder = path.parent().map(Path::to_owned).unwrap_or_default();
            (path.display().to_string(), text, Some(folder))
        }
        Given::Packed(path) => {
            if overrides != Overrides::default() || !variables.is_empty() {
                return Err(Error::flags(
                    format!(
                        "{}: a bundle holds its load and its variables, and flags do not change them",
                        path.display()
                    ),
                    "make another bundle, or run the scenario file",
                ));
            }
            return read(&path)
                .and_then(|bytes| unpack(&bytes))
                .map_err(|error| Error::Read {
                    path: path.display().to_string(),
                    why: crate::control::root_cause(&error),
                });
        }
        Given::Stdin => ("stdin".to_owned(), read_stdin()?, Some(PathBuf::new())),
        Given::Fetch(url) => (url.to_string(), fetch(&url).await?, None),
        Given::Target(url) => (url.clone(), plan::one_request(&url), None),
        Given::BuiltIn => (
            "scenarios/reservation.yaml".to_owned(),
            RESERVATION.to_owned(),
            None,
        ),
    };
    let mut bundle = Bundle {
        name,
        source,
        files: BTreeMap::new(),
        env: variables,
        overrides,
        seed,
    };
    for variable in plan::wanted_env(&bundle.source) {
        if !bundle.env.contains_key(&variable)
            && let Ok(value) = std::env::var(&variable)
        {
            bundle.env.insert(variable, value);
        }
    }
    let files = bundle
        .wanted_files()
        .map_err(|diagnostics| Error::Compile(diagnostics.render(color)))?;
    for file in files {
        let bytes = read_data(&file, folder.as_deref(), &bundle.name)?;
        bundle.files.insert(file, bytes);
    }
    fits(&bundle, LARGEST)?;
    Ok(bundle)
}

/// Refuses what is too large only together, or as it travels: before anything is sent.
fn fits(bundle: &Bundle, most: u64) -> Result<(), Error> {
    // A byte of a data file takes up to four letters.
    let files: usize = bundle.files.values().map(Vec::len).sum();
    if 4 * files as u64 <= most / 2 {
        return Ok(());
    }
    let mut length = Length(0);
    serde_json::to_writer(&mut length, bundle)
        .map_err(|error| Error::Internal(format!("the bundle cannot be written: {error}")))?;
    if length.0 <= most {
        return Ok(());
    }
    let mut names: Vec<(usize, &String)> = bundle
        .files
        .iter()
        .map(|(name, bytes)| (bytes.len(), name))
        .collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    let named: Vec<String> = names
        .iter()
        .take(NAMED)
        .map(|(bytes, name)| format!("{name} ({})", size(*bytes as u64)))
        .collect();
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Err(Error::TooLarge {
        scenario: bundle.name.clone(),
        what: format!("{}{more}", named.join(", ")),
        length: size(length.0),
        most: size(most),
    })
}

/// For people, in binary units.
#[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Counts what is written.
struct Length(u64);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Refuses a bundle that does not compile, with every problem at once, in colours if wanted.
///
/// # Errors
/// `Compile` with rendered diagnostics.
pub(crate) fn compile(bundle: &Bundle, color: bool) -> Result<(), Error> {
    match plan::compile(bundle) {
        Ok(_) => Ok(()),
        Err(diagnostics) => Err(Error::Compile(diagnostics.render(color))),
    }
}

/// A seed for those who name none: it differs from run to run and stands in the report, so that the run can be repeated.
pub(crate) fn seed() -> u64 {
    // Multiplied by an odd constant (Knuth's), so that runs a millisecond apart do not look alike; cut to what JSON holds exactly.
    crate::clock::unix_millis().wrapping_mul(6_364_136_223_846_793_005) >> 11
}

fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    path.extension()
        .is_some_and(|extension| wanted.iter().any(|one| extension.eq_ignore_ascii_case(one)))
}

fn read_scenario(path: &Path) -> Result<String, Error> {
    let shown = path.display().to_string();
    let bytes = read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NoSuchFile {
            path: shown.clone(),
            near: near(path),
        },
        _ => Error::Read {
            path: shown.clone(),
            why: crate::control::root_cause(&error),
        },
    })?;
    String::from_utf8(bytes).map_err(|error| Error::Read {
        path: shown,
        why: format!(
            "not a text file: byte {} is not UTF-8",
            error.utf8_error().valid_up_to()
        ),
    })
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    // Before it is read, where the system knows; a pipe has no size.
    let stated = file.metadata()?.len();
    if stated <= LARGEST {
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    }
    if stated.max(bytes.len() as u64) > LARGEST {
        return Err(std::io::Error::other(format!(
            "larger than {} MiB, which is too much to send to every agent",
            LARGEST >> 20
        )));
    }
    Ok(bytes)
}

fn read_stdin() -> Result<String, Error> {
    let mut text = String::new();
    std::io::stdin()
        .take(LARGEST)
        .read_to_string(&mut text)
        .map_err(|error| Error::Read {
            path: "stdin".to_owned(),
            why: error.to_string(),
        })?;
    Ok(text)
}

fn read_data(file: &str, folder: Option<&Path>, scenario: &str) -> Result<Vec<u8>, Error> {
    let Some(folder) = folder else {
        return Err(Error::Data {
            path: file.to_owned(),
            scenario: scenario.to_owned(),
            why: "a scenario from a URL cannot name files".to_owned(),
        });
    };
    let path = folder.join(file);
    read(&path).map_err(|error| Error::Data {
        path: path.display().to_string(),
        scenario: scenario.to_owned(),
        why: match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            _ => crate::control::root_cause(&error),
        },
    })
}

async fn fetch(url: &Url) -> Result<String, Error> {
    let wrong = |why: String| Error::Fetch {
        url: url.to_string(),
        why,
    };
    let trust = trust::web::client().map_err(|error| wrong(error.to_string()))?;
    let client = reqwest::Client::builder()
        .timeout(FETCH)
        .tls_backend_preconfigured(trust)
        .build()
        .map_err(|error| wrong(crate::control::root_cause(&error)))?;
    let answer = client
        .get(url.clone())
        .send()
        .await
        .map_err(|error| wrong(crate::control::root_cause(&error)))?;
    if !answer.status().is_success() {
        return Err(wrong(format!("answered {}", answer.status())));
    }
    answer
        .text()
        .await
        .map_err(|error| wrong(crate::control::root_cause(&error)))
}

/// A file in the same folder whose name differs by little, or only in its extension.
fn near(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let best = names
        .map(|name| (distance(wanted, &name), name))
        .filter(|(distance, name)| {
            *distance <= 3.min(wanted.len() / 3) || Path::new(name).file_stem() == path.file_stem()
        })
        .min()?
        .1;
    Some(folder.map_or_else(
        || best.clone(),
        |folder| folder.join(&best).display().to_string(),
    ))
}

fn distance(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_looks_of_the_argument_decide() {
        let file = |name: &str| Given::File(PathBuf::from(name));
        let table = [
            ("a.yaml", Some(file("a.yaml"))),
            ("a.bundle", Some(Given::Packed(PathBuf::from("a.bundle")))),
            ("-", Some(Given::Stdin)),
            ("http://h/", Some(Given::Target("http://h/".into()))),
            (
                "http://h/app.js",
                Some(Given::Target("http://h/app.js".into())),
            ),
            ("script.js", None),
            ("script.TS", None),
            ("http://", None),
        ];
        for (text, wanted) in table {
            assert_eq!(given(Some(text), false, false).ok(), wanted, "{text}");
        }
        assert!(matches!(
            given(Some("https://h/x/a.yml?y"), false, false),
            Ok(Given::Fetch(_))
        ));
        assert_eq!(given(None, true, false).ok(), Some(Given::BuiltIn));
        assert_eq!(given(None, false, false).ok(), None);
        assert_eq!(
            given(Some("http://h/"), true, false).ok(),
            None,
            "two targets"
        );
    }

    #[test]
    fn files_that_are_too_large_only_together_are_named_with_their_sizes() {
        let mut bundle = Bundle {
            name: "a.yaml".to_owned(),
            ..Bundle::default()
        };
        for (name, bytes) in [("few.csv", 200), ("many.csv", 700)] {
            bundle.files.insert(name.to_owned(), vec![b'1'; bytes]);
        }
        let length = serde_json::to_vec(&bundle).unwrap().len() as u64;
        assert!(fits(&bundle, length).is_ok());
        let error = fits(&bundle, length - 1).unwrap_err().to_string();
        assert!(
            error.contains("many.csv (700 B), few.csv (200 B)") && error.contains("3.0 KiB"),
            "{error}"
        );
    }
}
