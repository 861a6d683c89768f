//! The closed vocabularies of PTX: types, state spaces, modifiers, special
//! registers. Each is an enum made from one list of spellings, so that reading
//! and printing cannot disagree.

use crate::words::words;

words! {
    /// A type of PTX, section "Types".
    pub enum Type {
        Pred = "pred",
        B1 = "b1", B8 = "b8", B16 = "b16", B32 = "b32", B64 = "b64", B128 = "b128",
        U4 = "u4", U8 = "u8", U16 = "u16", U32 = "u32", U64 = "u64",
        S4 = "s4", S8 = "s8", S16 = "s16", S32 = "s32", S64 = "s64",
        U16x2 = "u16x2", S16x2 = "s16x2",
        F16 = "f16", F16x2 = "f16x2", Bf16 = "bf16", Bf16x2 = "bf16x2", Tf32 = "tf32",
        F32 = "f32", F32x2 = "f32x2", F64 = "f64",
        E4m3 = "e4m3", E5m2 = "e5m2", E4m3x2 = "e4m3x2", E5m2x2 = "e5m2x2",
        TextureReference = "texref", SamplerReference = "samplerref", SurfaceReference = "surfref",
    }
}

/// The arithmetic that a type stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `.pred`
    Predicate,
    /// `.bN`, no arithmetic
    Bits,
    /// `.uN`
    Unsigned,
    /// `.sN`
    Signed,
    /// `.fN` and the short float formats
    Float,
    /// `.texref` and its kin
    Opaque,
}

impl Type {
    /// Bits of a value; a predicate has one, an opaque reference 64.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Pred | Self::B1 => 1,
            Self::U4 | Self::S4 => 4,
            Self::B8 | Self::U8 | Self::S8 | Self::E4m3 | Self::E5m2 => 8,
            Self::B16 | Self::U16 | Self::S16 | Self::F16 | Self::Bf16 => 16,
            Self::E4m3x2 | Self::E5m2x2 => 16,
            Self::B32 | Self::U32 | Self::S32 | Self::F32 | Self::Tf32 => 32,
            Self::U16x2 | Self::S16x2 | Self::F16x2 | Self::Bf16x2 => 32,
            Self::B64 | Self::U64 | Self::S64 | Self::F64 | Self::F32x2 => 64,
            Self::TextureReference | Self::SamplerReference | Self::SurfaceReference => 64,
            Self::B128 => 128,
        }
    }

    /// Bytes in memory; types narrower than a byte take one.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }

    /// The arithmetic that the type stands for.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Pred => Class::Predicate,
            Self::B1 | Self::B8 | Self::B16 | Self::B32 | Self::B64 | Self::B128 => Class::Bits,
            Self::U4 | Self::U8 | Self::U16 | Self::U32 | Self::U64 | Self::U16x2 => {
                Class::Unsigned
            }
            Self::S4 | Self::S8 | Self::S16 | Self::S32 | Self::S64 | Self::S16x2 => Class::Signed,
            Self::F16 | Self::F16x2 | Self::Bf16 | Self::Bf16x2 | Self::Tf32 => Class::Float,
            Self::F32 | Self::F32x2 | Self::F64 => Class::Float,
            Self::E4m3 | Self::E5m2 | Self::E4m3x2 | Self::E5m2x2 => Class::Float,
            Self::TextureReference | Self::SamplerReference | Self::SurfaceReference => {
                Class::Opaque
            }
        }
    }
}

words! {
    /// A state space, section "State Spaces".
    pub enum StateSpace {
        Reg = "reg",
        Param = "param",
        Global = "global",
        Shared = "shared",
        Local = "local",
        Const = "const",
        Texture = "tex",
    }
}

words! {
    /// How far a symbol is visible, section "Linking Directives".
    pub enum Linkage {
        Internal = "internal",
        Visible = "visible",
        Extern = "extern",
        Weak = "weak",
        Common = "common",
    }
}

words! {
    /// A word after an opcode that is not a type. One spelling means different
    /// things after different opcodes (`.lo` of `mul`, `.lo` of `setp`), so the
    /// words carry no class of their own.
    pub enum Modifier {
        Rn = "rn", Rz = "rz", Rm = "rm", Rp = "rp", Rna = "rna",
        Rni = "rni", Rzi = "rzi", Rmi = "rmi", Rpi = "rpi",
        Ftz = "ftz", Sat = "sat", Satfinite = "satfinite", Relu = "relu",
        Approx = "approx", Full = "full", Cc = "cc", Nan = "NaN", XorSign = "xorsign", AbsModifier = "abs",
        Lo = "lo", Hi = "hi", Wide = "wide",
        Eq = "eq", Ne = "ne", Lt = "lt", Le = "le", Gt = "gt", Ge = "ge", Ls = "ls", Hs = "hs",
        Equ = "equ", Neu = "neu", Ltu = "ltu", Leu = "leu", Gtu = "gtu", Geu = "geu",
        Num = "num", NanCompare = "nan",
        And = "and", Or = "or", Xor = "xor", Popc = "popc",
        Add = "add", Inc = "inc", Dec = "dec", Min = "min", Max = "max", Exch = "exch", Cas = "cas",
        Global = "global", Shared = "shared", Local = "local", Const = "const", Param = "param",
        SharedCta = "shared::cta", SharedCluster = "shared::cluster",
        ParamEntry = "param::entry", ParamFunc = "param::func",
        To = "to",
        Weak = "weak", Relaxed = "relaxed", Acquire = "acquire", Release = "release",
        AcqRel = "acq_rel", Sc = "sc", Volatile = "volatile", Mmio = "mmio",
        Cta = "cta", Cluster = "cluster", Gpu = "gpu", Sys = "sys", Gl = "gl",
        Ca = "ca", Cg = "cg", Cs = "cs", Lu = "lu", Cv = "cv", Wb = "wb", Wt = "wt", Nc = "nc",
        CacheHint = "L2::cache_hint",
        Prefetch64 = "L2::64B", Prefetch128 = "L2::128B", Prefetch256 = "L2::256B",
        L1EvictNormal = "L1::evict_normal", L1EvictUnchanged = "L1::evict_unchanged",
        L1EvictFirst = "L1::evict_first", L1EvictLast = "L1::evict_last", L1NoAllocate = "L1::no_allocate",
        L2EvictNormal = "L2::evict_normal", L2EvictFirst = "L2::evict_first", L2EvictLast = "L2::evict_last",
        V2 = "v2", V4 = "v4", V8 = "v8",
        Up = "up", Down = "down", Bfly = "bfly", Idx = "idx",
        Sync = "sync", Aligned = "aligned", Warp = "warp", Arrive = "arrive", Red = "red",
        All = "all", Any = "any", Uni = "uni", Ballot = "ballot",
        F4e = "f4e", B4e = "b4e", Rc8 = "rc8", Ecl = "ecl", Ecr = "ecr", Rc16 = "rc16",
        ShiftAmount = "shiftamt", Left = "l", Right = "r", Clamp = "clamp", Wrap = "wrap",
        Finite = "finite", Infinite = "infinite", Number = "number", NotANumber = "notanumber",
        Normal = "normal", Subnormal = "subnormal",
        Row = "row", Col = "col", Trans = "trans", X1 = "x1", X2 = "x2", X4 = "x4",
        M8n8 = "m8n8", M8n8k4 = "m8n8k4", M8n8k16 = "m8n8k16", M8n8k32 = "m8n8k32",
        M16n8k4 = "m16n8k4", M16n8k8 = "m16n8k8", M16n8k16 = "m16n8k16", M16n8k32 = "m16n8k32",
        M16n8k64 = "m16n8k64", M16n16k16 = "m16n16k16", M8n32k16 = "m8n32k16", M32n8k16 = "m32n8k16",
        Mma = "mma", Load = "load", Store = "store", A = "a", B = "b", C = "c", D = "d",
        Async = "async", Bulk = "bulk", CommitGroup = "commit_group", WaitGroup = "wait_group",
        WaitAll = "wait_all", LaunchDependents = "launch_dependents", Wait = "wait",
        L1 = "L1", L2 = "L2", Proxy = "proxy", Alias = "alias", Unaligned = "unaligned",
        Noftz = "noftz", Fractional = "fractional", Shr7 = "shr7", Shr15 = "shr15",
    }
}

/// A set of modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModifierSet([u64; 4]);

impl ModifierSet {
    /// The set of these words.
    #[must_use]
    pub const fn of(words: &[Modifier]) -> Self {
        let mut set = Self([0; 4]);
        let mut index = 0;
        while index < words.len() {
            set = set.with(words[index]);
            index += 1;
        }
        set
    }

    /// The set and one more word.
    #[must_use]
    pub const fn with(mut self, word: Modifier) -> Self {
        self.0[word as usize / 64] |= 1 << (word as usize % 64);
        self
    }

    /// The words of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        Self([a[0] | b[0], a[1] | b[1], a[2] | b[2], a[3] | b[3]])
    }

    /// Whether the word is in the set.
    #[must_use]
    pub const fn has(self, word: Modifier) -> bool {
        self.0[word as usize / 64] >> (word as usize % 64) & 1 != 0
    }

    /// The first of `words` that is in the set.
    #[must_use]
    pub fn first_of(self, words: &[Modifier]) -> Option<Modifier> {
        words.iter().copied().find(|&word| self.has(word))
    }

    /// The words in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = Modifier> {
        Modifier::ALL.iter().copied().filter(move |&m| self.has(m))
    }
}

const _: () = assert!(Modifier::ALL.len() <= 256, "ModifierSet is too small");

words! {
    /// A special register without its component, section "Special Registers".
    pub enum SpecialRegister {
        Tid = "%tid", Ntid = "%ntid", Ctaid = "%ctaid", Nctaid = "%nctaid",
        Laneid = "%laneid", Warpid = "%warpid", Nwarpid = "%nwarpid",
        Smid = "%smid", Nsmid = "%nsmid", Gridid = "%gridid",
        LanemaskEq = "%lanemask_eq", LanemaskLe = "%lanemask_le", LanemaskLt = "%lanemask_lt",
        LanemaskGe = "%lanemask_ge", LanemaskGt = "%lanemask_gt",
        Clock = "%clock", ClockHi = "%clock_hi", Clock64 = "%clock64",
        Globaltimer = "%globaltimer", GlobaltimerLo = "%globaltimer_lo", GlobaltimerHi = "%globaltimer_hi",
        DynamicSharedSize = "%dynamic_smem_size", TotalSharedSize = "%total_smem_size",
        AggregateSharedSize = "%aggr_smem_size",
        WarpSize = "WARP_SZ",
        Envreg0 = "%envreg0", Envreg1 = "%envreg1", Envreg2 = "%envreg2", Envreg3 = "%envreg3",
        Clusterid = "%clusterid", Nclusterid = "%nclusterid", ClusterCtaid = "%cluster_ctaid",
        ClusterNctaid = "%cluster_nctaid", ClusterCtarank = "%cluster_ctarank",
        ClusterNctarank = "%cluster_nctarank", IsExplicitCluster = "%is_explicit_cluster",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for &word in Modifier::ALL {
            assert_eq!(Modifier::from_word(word.word()), Some(word));
        }
        for &word in Type::ALL {
            assert_eq!(Type::from_word(word.word()), Some(word));
        }
    }

    #[test]
    fn no_word_is_both_a_type_and_a_modifier() {
        for word in Type::ALL {
            assert_eq!(Modifier::from_word(word.word()), None, "{word}");
        }
    }

    #[test]
    fn sets_hold_the_last_word_too() {
        let last = *Modifier::ALL.last().unwrap();
        let set = ModifierSet::of(&[Modifier::Ftz, last]);
        assert!(set.has(last) && set.has(Modifier::Ftz) && !set.has(Modifier::Sat));
        assert_eq!(set.iter().count(), 2);
    }
}
