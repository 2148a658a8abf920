// SPDX-License-Identifier: GPL-2.0

//! scripts/overlay.sh on small trees.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const KCONFIG: &str = "menu \"Misc devices\"\nsource \"drivers/misc/issei/Kconfig\"\nendmenu\n";
const MAKEFILE: &str = "obj-$(CONFIG_INTEL_SSEI)\t+= issei/\nobj-y += last/\n";

/// A checkout and a kernel tree.
struct Trees {
    dir: tempfile::TempDir,
}

/// What the script said and whether it succeeded.
struct Said {
    ok: bool,
    out: String,
    err: String,
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

impl Trees {
    fn new() -> Self {
        let trees = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../scripts/overlay.sh");
        fs::create_dir_all(trees.ours("scripts")).unwrap();
        fs::copy(script, trees.ours("scripts/overlay.sh")).unwrap();
        for (file, text) in [
            (
                "drivers/misc/issei_rust/Kconfig",
                "config INTEL_SSEI_RUST\n",
            ),
            ("drivers/misc/issei_rust/issei_main.rs", "//! main\n"),
            ("drivers/misc/issei_rust/issei_main.o", "object"),
            ("include/uapi/linux/issei_evidence.h", "enum {};\n"),
            ("rust/ham/lib.rs", "//! ham\n"),
            ("rust/ham/Cargo.toml", "[package]\n"),
            ("Documentation/driver-api/issei_rust.rst", "Title\n"),
        ] {
            write(&trees.ours(file), text);
        }
        for (file, text) in [
            ("Makefile", "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n"),
            ("drivers/misc/Kconfig", KCONFIG),
            ("drivers/misc/Makefile", MAKEFILE),
            ("rust/kernel/lib.rs", "//! kernel\n"),
            ("Documentation/driver-api/index.rst", "Index\n"),
        ] {
            write(&trees.kernel(file), text);
        }
        trees
    }

    fn ours(&self, path: &str) -> PathBuf {
        self.dir.path().join("checkout").join(path)
    }

    fn kernel(&self, path: &str) -> PathBuf {
        self.dir.path().join("linux").join(path)
    }

    fn overlay(&self, options: &[&str]) -> Said {
        // To run the copy itself could fail: until its `exec`, a child of another thread has it open for writing.
        let output = Command::new("bash")
            .arg(self.ours("scripts/overlay.sh"))
            .args(options)
            .arg(self.kernel(""))
            .output()
            .unwrap();
        Said {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Every file and directory of the kernel tree.
    fn snapshot(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        walkdir::WalkDir::new(self.kernel(""))
            .into_iter()
            .map(|entry| entry.unwrap().into_path())
            .map(|path| (path.clone(), fs::read(path).ok()))
            .collect()
    }
}

#[test]
fn laid_over_once_and_taken_back() {
    let trees = Trees::new();
    let before = trees.snapshot();

    assert!(trees.overlay(&[]).ok);
    let with_line = "source \"drivers/misc/issei/Kconfig\"\nsource \"drivers/misc/issei_rust/Kconfig\"\nendmenu\n";
    assert!(fs::read_to_string(trees.kernel("drivers/misc/Kconfig"))
        .unwrap()
        .ends_with(with_line));
    let makefile = fs::read_to_string(trees.kernel("drivers/misc/Makefile")).unwrap();
    assert!(
        makefile.contains("issei/\nobj-$(CONFIG_INTEL_SSEI_RUST)\t+= issei_rust/\nobj-y"),
        "{makefile}"
    );
    for laid in [
        "drivers/misc/issei_rust/issei_main.rs",
        "rust/ham/lib.rs",
        "Documentation/driver-api/issei_rust.rst",
    ] {
        assert_eq!(
            fs::read(trees.kernel(laid)).unwrap(),
            fs::read(trees.ours(laid)).unwrap()
        );
    }
    for left in [
        "drivers/misc/issei_rust/issei_main.o",
        "rust/ham/Cargo.toml",
        "scripts",
    ] {
        assert!(!trees.kernel(left).exists(), "{left}");
    }

    let once = trees.snapshot();
    assert!(trees.overlay(&[]).ok);
    assert_eq!(trees.snapshot(), once);

    assert!(trees.overlay(&["--undo"]).ok);
    assert_eq!(trees.snapshot(), before);
}

#[test]
fn a_dry_run_shows_a_patch_and_changes_nothing() {
    let trees = Trees::new();
    let before = trees.snapshot();
    let said = trees.overlay(&["--dry-run"]);
    assert!(said.ok, "{}", said.err);
    assert_eq!(trees.snapshot(), before);

    // The patch does what the overlay does.
    let patch = trees.dir.path().join("patch");
    fs::write(&patch, &said.out).unwrap();
    let status = Command::new("git")
        .args(["apply", "--unsafe-paths", "--directory"])
        .args([&trees.kernel(""), &patch])
        .current_dir(trees.dir.path())
        .status()
        .unwrap();
    assert!(status.success(), "{}", said.out);
    let patched = trees.snapshot();
    for (path, text) in &before {
        fs::write(path, text.as_deref().unwrap_or_default()).unwrap_or_default();
    }
    assert!(trees.overlay(&[]).ok);
    fs::remove_file(trees.kernel(".issei-overlay")).unwrap();
    assert_eq!(trees.snapshot(), patched);
}

#[test]
fn files_of_others_are_not_replaced() {
    let trees = Trees::new();
    write(&trees.kernel("rust/ham/lib.rs"), "//! another ham\n");
    let before = trees.snapshot();
    let said = trees.overlay(&[]);
    assert!(
        !said.ok && said.err.contains("rust/ham/lib.rs (not put there by us)"),
        "{}",
        said.err
    );
    assert_eq!(trees.snapshot(), before);
}

#[test]
fn the_same_file_of_others_stays_theirs() {
    let trees = Trees::new();
    write(&trees.kernel("rust/ham/lib.rs"), "//! ham\n");
    let before = trees.snapshot();
    assert!(trees.overlay(&[]).ok);
    assert!(trees.overlay(&[]).ok);
    assert!(trees.overlay(&["--undo"]).ok);
    assert_eq!(trees.snapshot(), before);
}

#[test]
fn changed_files_are_neither_replaced_nor_removed() {
    let trees = Trees::new();
    assert!(trees.overlay(&[]).ok);
    let changed = trees.kernel("drivers/misc/issei_rust/issei_main.rs");
    write(&changed, "//! improved\n");
    let said = trees.overlay(&[]);
    assert!(
        !said.ok && said.err.contains("changed since it was put"),
        "{}",
        said.err
    );

    let said = trees.overlay(&["--undo"]);
    assert!(
        !said.ok && said.err.contains("issei_main.rs"),
        "{}",
        said.err
    );
    assert_eq!(fs::read_to_string(&changed).unwrap(), "//! improved\n");
    assert!(!trees.kernel("rust/ham").exists());
    assert_eq!(
        fs::read_to_string(trees.kernel("drivers/misc/Kconfig")).unwrap(),
        KCONFIG
    );
}

#[test]
fn a_tree_that_was_laid_over_follows() {
    let trees = Trees::new();
    assert!(trees.overlay(&[]).ok);
    write(&trees.ours("drivers/misc/issei_rust/pci.rs"), "//! pci\n");
    write(
        &trees.ours("drivers/misc/issei_rust/issei_main.rs"),
        "//! main, mod pci\n",
    );
    fs::remove_file(trees.ours("rust/ham/lib.rs")).unwrap();
    assert!(trees.overlay(&[]).ok);
    assert!(trees.kernel("drivers/misc/issei_rust/pci.rs").exists());
    assert_eq!(
        fs::read_to_string(trees.kernel("drivers/misc/issei_rust/issei_main.rs")).unwrap(),
        "//! main, mod pci\n"
    );
    assert!(!trees.kernel("rust/ham").exists());
}

#[test]
fn only_a_kernel_of_the_series() {
    let trees = Trees::new();
    write(&trees.kernel("Makefile"), "VERSION = 6\nPATCHLEVEL = 12\n");
    let said = trees.overlay(&[]);
    assert!(
        !said.ok && said.err.contains("6.12") && said.err.contains("7.3"),
        "{}",
        said.err
    );

    fs::remove_file(trees.kernel("drivers/misc/Kconfig")).unwrap();
    let said = trees.overlay(&[]);
    assert!(
        !said.ok && said.err.contains("not a Linux source tree"),
        "{}",
        said.err
    );

    let trees = Trees::new();
    let said = trees.overlay(&["--undo"]);
    assert!(
        !said.ok && said.err.contains("nothing of ours"),
        "{}",
        said.err
    );
}
