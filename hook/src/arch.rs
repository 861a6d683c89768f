//! What differs between CPU architectures: the names of the loader and of the
//! library directories, and the codes that ELF files and ld.so.cache use.

/// The names and codes of one CPU architecture.
#[derive(Debug)]
pub struct Arch {
    /// Debian's multiarch triplet: the last component of its library directory.
    pub multiarch: &'static str,
    /// glibc's loader, as the program interpreter names it.
    pub glibc_loader: &'static str,
    /// musl's loader.
    pub musl_loader: &'static str,
    /// `e_machine` of the ELF header.
    pub machine: u16,
    /// The flags that ld.so.cache gives a library of this architecture.
    pub cache_flags: u32,
}

#[cfg(target_arch = "x86_64")]
pub const HOST: Arch = Arch {
    multiarch: "x86_64-linux-gnu",
    glibc_loader: "/lib64/ld-linux-x86-64.so.2",
    musl_loader: "/lib/ld-musl-x86_64.so.1",
    machine: object::elf::EM_X86_64,
    cache_flags: 0x0303,
};

#[cfg(target_arch = "aarch64")]
pub const HOST: Arch = Arch {
    multiarch: "aarch64-linux-gnu",
    glibc_loader: "/lib/ld-linux-aarch64.so.1",
    musl_loader: "/lib/ld-musl-aarch64.so.1",
    machine: object::elf::EM_AARCH64,
    cache_flags: 0x0a03,
};

impl Arch {
    /// The directories that a distribution may keep its libraries in, the
    /// most specific first.
    pub fn library_dirs(&self) -> [String; 6] {
        let multiarch = self.multiarch;
        [
            format!("/usr/lib/{multiarch}"),
            format!("/lib/{multiarch}"),
            "/usr/lib64".into(),
            "/lib64".into(),
            "/usr/lib".into(),
            "/lib".into(),
        ]
    }
}
