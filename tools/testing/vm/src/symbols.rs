// SPDX-License-Identifier: GPL-2.0

//! What a module needs of the kernel, read from its ELF file, against what `Module.symvers` offers.
//!
//! Without MODVERSIONS this is the only check, before loading, that a module fits its kernel: a Rust symbol's name holds a
//! hash of the crate that defines it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use elf::abi::{SHN_UNDEF, STB_WEAK};
use elf::endian::AnyEndian;
use elf::ElfBytes;

/// The names of all symbols in a `Module.symvers`: `crc<TAB>symbol<TAB>module<TAB>type<TAB>namespace`.
pub(crate) fn exported(symvers: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(symvers)
        .with_context(|| format!("could not read {}", symvers.display()))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split('\t').nth(1))
        .map(str::to_owned)
        .collect())
}

/// The names that a relocatable object leaves undefined (weak ones aside).
pub(crate) fn undefined(object: &[u8]) -> Result<BTreeSet<String>> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(object).context("not an ELF file")?;
    let (symbols, names) = file.symbol_table()?.context("no symbol table")?;
    let mut undefined = BTreeSet::new();
    for symbol in symbols
        .iter()
        .filter(|symbol| symbol.st_shndx == SHN_UNDEF && symbol.st_bind() != STB_WEAK)
    {
        let name = names.get(symbol.st_name as usize)?;
        if !name.is_empty() {
            undefined.insert(name.to_owned());
        }
    }
    Ok(undefined)
}

/// The values of one key in the `.modinfo` section (`key=value`, NUL-separated).
pub(crate) fn modinfo(object: &[u8], key: &str) -> Result<Vec<String>> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(object).context("not an ELF file")?;
    let header = file
        .section_header_by_name(".modinfo")?
        .context("no .modinfo: not a kernel module")?;
    let (data, _) = file.section_data(&header)?;
    let entries = data.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    Ok(entries
        .filter_map(|entry| {
            entry
                .strip_prefix(key)?
                .strip_prefix('=')
                .map(str::to_owned)
        })
        .collect())
}

/// The shared libraries that a program or library names (`DT_NEEDED`).
pub(crate) fn needed(object: &[u8]) -> Result<Vec<String>> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(object).context("not an ELF file")?;
    let Some(dynamic) = file.dynamic()? else {
        return Ok(Vec::new());
    };
    let common = file.find_common_data()?;
    let names = common
        .dynsyms_strs
        .context("a dynamic object without a string table")?;
    dynamic
        .iter()
        .filter(|entry| entry.d_tag == elf::abi::DT_NEEDED)
        .map(|entry| Ok(names.get(usize::try_from(entry.d_val())?)?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn compile(dir: &Path, source: &str) -> Option<Vec<u8>> {
        let (c, o) = (dir.join("t.c"), dir.join("t.o"));
        fs::write(&c, source).unwrap();
        let status = Command::new("cc")
            .args(["-c", "-fno-pie", "-o"])
            .args([&o, &c])
            .status()
            .ok()?;
        assert!(status.success());
        Some(fs::read(o).unwrap())
    }

    #[test]
    fn symvers_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("Module.symvers");
        fs::write(&path, "0x00000000\tpci_enable_device\tvmlinux\tEXPORT_SYMBOL\t\n0x00000000\tham_x\tissei\tEXPORT_SYMBOL_GPL\tINTEL_SSEI\n")
            .unwrap();
        let names: Vec<String> = exported(&path).unwrap().into_iter().collect();
        assert_eq!(names, ["ham_x", "pci_enable_device"]);
        let error = format!("{:#}", exported(&dir.path().join("none")).unwrap_err());
        assert!(error.contains("could not read"), "{error}");
    }

    #[test]
    fn undefined_symbols_and_modinfo_of_an_object() {
        let dir = tempfile::tempdir().unwrap();
        let source = "extern int far(void); extern int maybe(void) __attribute__((weak)); int near(void) { return 1; }\n\
                      int f(void) { return far() + near() + (maybe ? maybe() : 0); }\n\
                      __attribute__((section(\".modinfo\"), used)) static const char i[] = \"depends=a,b\\0license=GPL\";\n";
        let object = compile(dir.path(), source).expect("a C compiler, as cargo needs it");
        assert_eq!(
            undefined(&object).unwrap().into_iter().collect::<Vec<_>>(),
            ["far"]
        );
        assert_eq!(modinfo(&object, "depends").unwrap(), ["a,b"]);
        assert_eq!(modinfo(&object, "license").unwrap(), ["GPL"]);
        assert!(modinfo(&object, "alias").unwrap().is_empty());
    }

    #[test]
    fn garbage_is_an_error() {
        for bytes in [&b""[..], b"MZ", &[0x7f, b'E', b'L', b'F', 2, 1, 1, 0][..]] {
            assert!(undefined(bytes).is_err());
            assert!(modinfo(bytes, "depends").is_err());
            assert!(needed(bytes).is_err());
        }
    }
}
