//! Every Rust file opens with its door sign and fits in a head.

use super::File;

/// Lines of the largest file.
const LARGEST: usize = 600;

pub(crate) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        if lines > LARGEST {
            faults.push(format!(
                "{}: {lines} lines; above {LARGEST} a file is two files",
                file.path
            ));
        }
        if !file.text.starts_with("//! ") {
            faults.push(format!("{}:1: no door sign; begin with `//!`: what the file is for, and what it does not know", file.path));
        }
        for (index, line) in file.text.lines().enumerate() {
            // In two pieces, so that this line is not one of those it looks for.
            if line.trim_start().starts_with(concat!("#[", "allow("))
                || line.trim_start().starts_with(concat!("#![", "allow("))
            {
                faults.push(format!(
                    "{}:{}: use `expect` with a reason, so that it goes when it is no longer true",
                    file.path,
                    index + 1
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_sign() {
        let file = |text: String| {
            [File {
                path: "a/src/b.rs".into(),
                text,
            }]
        };
        assert_eq!(faults(&file("//! A room.\n".into())), Vec::<String>::new());
        assert_eq!(faults(&file("fn main() {}\n".into())).len(), 1);
        assert_eq!(
            faults(&file(format!("//! A room.\n{}", "\n".repeat(600)))).len(),
            1
        );
        assert_eq!(
            faults(&file(format!(
                "//! A room.\n{}dead_code)]\n",
                concat!("#[", "allow(")
            )))
            .len(),
            1
        );
    }
}
