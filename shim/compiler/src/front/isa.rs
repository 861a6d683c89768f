//! The instruction set as a table: for each opcode its spelling, the modifiers
//! it takes (in any order, as `ptxas` reads them), how many types follow, and
//! the roles of its operands.

use super::ast::Operand;
use super::words::{Modifier, ModifierSet};

/// What may stand at one place of an operand list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A register that is written, or `_`.
    Destination,
    /// A register or a vector of registers that is written.
    VectorDestination,
    /// A register that is written, with a second one after `|`.
    PairDestination,
    /// A register, immediate, special register or the address of a symbol.
    Source,
    /// A source or a vector of sources.
    VectorSource,
    /// A predicate register, perhaps negated.
    PredicateSource,
    /// An address in brackets.
    Memory,
    /// A label, or the name of a branch table.
    Label,
}

impl Role {
    /// Whether an operand may stand here; the error says what may.
    ///
    /// # Errors
    /// The kinds that may, in words.
    pub fn check(self, operand: &Operand) -> Result<(), &'static str> {
        use Operand as O;
        let (fits, expected) = match self {
            Role::Destination => (matches!(operand, O::Register(_) | O::Sink), "a register"),
            Role::VectorDestination => (
                matches!(operand, O::Register(_) | O::Sink | O::Vector(_)),
                "a register or a vector of registers",
            ),
            Role::PairDestination => (
                matches!(operand, O::Register(_) | O::Sink | O::Pair(..)),
                "a register or a pair of registers",
            ),
            Role::Source => (is_source(operand), "a register or a constant"),
            Role::VectorSource => (
                is_source(operand)
                    || matches!(operand, O::Vector(_) | O::Memory(..) | O::NotRegister(_)),
                "a register, a constant, a vector or an address",
            ),
            Role::PredicateSource => (
                matches!(
                    operand,
                    O::Register(_) | O::NotRegister(_) | O::Immediate(_)
                ),
                "a predicate",
            ),
            Role::Memory => (matches!(operand, O::Memory(..)), "an address in brackets"),
            Role::Label => (
                matches!(operand, O::Label(_) | O::BranchTable(_)),
                "a label",
            ),
        };
        if fits { Ok(()) } else { Err(expected) }
    }
}

fn is_source(operand: &Operand) -> bool {
    use Operand as O;
    matches!(
        operand,
        O::Register(_) | O::Immediate(_) | O::Special(..) | O::Symbol(..)
    )
}

/// One row of the table.
#[derive(Debug)]
pub struct Form {
    /// The spelling of the opcode.
    pub name: &'static str,
    /// The modifiers that it takes.
    pub modifiers: ModifierSet,
    /// The least and the greatest number of types.
    pub types: (usize, usize),
    /// The roles of all operands.
    pub roles: &'static [Role],
    /// How many of them must be there.
    pub required: usize,
}

/// The letters of the table, in the order of [`Role`]'s variants.
const fn role(letter: u8) -> Role {
    match letter {
        b'd' => Role::Destination,
        b'D' => Role::VectorDestination,
        b'q' => Role::PairDestination,
        b's' => Role::Source,
        b'S' => Role::VectorSource,
        b'p' => Role::PredicateSource,
        b'm' => Role::Memory,
        _ => Role::Label,
    }
}

const fn roles<const N: usize>(letters: &str) -> [Role; N] {
    let mut roles = [Role::Source; N];
    let mut index = 0;
    while index < N {
        roles[index] = role(letters.as_bytes()[index]);
        index += 1;
    }
    roles
}

macro_rules! isa {
    ($($variant:ident $name:literal [$($modifiers:expr),*] $types:tt $required:literal $optional:literal;)*) => {
        /// An opcode.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Opcode { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        impl Opcode {
            /// Every opcode.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The opcode with this spelling.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The opcode's row of the table.
            #[must_use]
            pub fn form(self) -> &'static Form {
                match self {
                    $(Self::$variant => {
                        const LETTERS: &str = concat!($required, $optional);
                        static ROLES: [Role; LETTERS.len()] = roles(LETTERS);
                        static FORM: Form = Form {
                            name: $name,
                            modifiers: ModifierSet::of(&[])$(.union($modifiers))*,
                            types: $types,
                            roles: &ROLES,
                            required: $required.len(),
                        };
                        &FORM
                    })*
                }
            }
        }
    };
}

macro_rules! sets {
    ($($name:ident = $($word:ident)*;)*) => {
        $(const $name: ModifierSet = ModifierSet::of(&[$(Modifier::$word),*]);)*
    };
}

sets! {
    ROUNDING = Rn Rz Rm Rp Rna;
    INTEGER_ROUNDING = Rni Rzi Rmi Rpi;
    FTZ = Ftz;
    SAT = Sat;
    CC = Cc;
    FLOAT_FORM = Approx Full;
    HALF = Lo Hi Wide;
    MIN_MAX = Nan XorSign AbsModifier Relu;
    COMPARE = Eq Ne Lt Le Gt Ge Lo Ls Hi Hs Equ Neu Ltu Leu Gtu Geu Num NanCompare;
    BOOLEAN = And Or Xor;
    SPACES = Global Shared Local Const Param SharedCta SharedCluster ParamEntry ParamFunc;
    ORDER = Weak Relaxed Acquire Release AcqRel Sc Volatile Mmio;
    SCOPE = Cta Cluster Gpu Sys;
    CACHE = Ca Cg Cs Lu Cv Wb Wt Nc CacheHint Prefetch64 Prefetch128 Prefetch256 L1EvictNormal L1EvictUnchanged
        L1EvictFirst L1EvictLast L1NoAllocate L2EvictNormal L2EvictFirst L2EvictLast;
    VECTOR = V2 V4 V8;
    ATOMIC = Add Inc Dec Min Max Exch Cas And Or Xor;
    SYNC = Sync;
    ALIGNED = Sync Aligned;
    BARRIER = Sync Aligned Arrive Red Warp Popc And Or Cta;
    SHAPE = M8n8 M8n8k4 M8n8k16 M8n8k32 M16n8k4 M16n8k8 M16n8k16 M16n8k32 M16n8k64 M16n16k16 M8n32k16 M32n8k16;
    MATRIX = Sync Aligned Row Col Trans X1 X2 X4;
    WMMA = Mma Load Store A B C D Satfinite;
    SHIFT = Left Right Clamp Wrap;
    VIDEO = Clamp Wrap Sat Add Min Max Shr7 Shr15;
}

isa! {
    Abs "abs" [FTZ] (1, 1) "ds" "";
    Activemask "activemask" [] (1, 1) "d" "";
    Add "add" [ROUNDING, FTZ, SAT, CC] (1, 1) "dss" "";
    Addc "addc" [CC] (1, 1) "dss" "";
    And "and" [] (1, 1) "dss" "";
    Atom "atom" [ORDER, SCOPE, SPACES, ATOMIC, CACHE, VECTOR, NOFTZ] (1, 1) "dms" "ss";
    Bar "bar" [BARRIER] (0, 1) "" "SSSS";
    Barrier "barrier" [BARRIER] (0, 1) "" "SSSS";
    Bfe "bfe" [] (1, 1) "dsss" "";
    Bfi "bfi" [] (1, 1) "dssss" "";
    Bfind "bfind" [SHIFT_AMOUNT] (1, 1) "ds" "";
    Bmsk "bmsk" [SHIFT] (1, 1) "dss" "";
    Bra "bra" [UNIFORM] (0, 0) "l" "";
    Brev "brev" [] (1, 1) "ds" "";
    Brx "brx" [UNIFORM, INDEXED] (0, 0) "sl" "";
    Call "call" [UNIFORM] (0, 0) "" "";
    Clz "clz" [] (1, 1) "ds" "";
    Cnot "cnot" [] (1, 1) "ds" "";
    Copysign "copysign" [] (1, 1) "dss" "";
    Cos "cos" [FLOAT_FORM, FTZ] (1, 1) "ds" "";
    Cp "cp" [SPACES, CACHE, CP_ASYNC, ALIGNED] (0, 1) "" "SSSSS";
    Createpolicy "createpolicy" [CACHE, POLICY] (1, 1) "d" "sss";
    Cvt "cvt" [ROUNDING, INTEGER_ROUNDING, FTZ, SAT, SATFINITE] (2, 2) "ds" "s";
    Cvta "cvta" [SPACES, TO] (1, 1) "ds" "";
    Discard "discard" [SPACES, CACHE, LEVEL] (0, 0) "ms" "";
    Div "div" [ROUNDING, FLOAT_FORM, FTZ] (1, 1) "dss" "";
    Dp2a "dp2a" [HALF] (2, 2) "dsss" "";
    Dp4a "dp4a" [] (2, 2) "dsss" "";
    Elect "elect" [SYNC] (0, 0) "qs" "";
    Ex2 "ex2" [FLOAT_FORM, FTZ] (1, 1) "ds" "";
    Exit "exit" [] (0, 0) "" "";
    Fence "fence" [ORDER, SCOPE, PROXY, SPACES] (0, 0) "" "ms";
    Fma "fma" [ROUNDING, FTZ, SAT, SATFINITE] (1, 1) "dsss" "";
    Fns "fns" [] (1, 1) "dsss" "";
    Griddepcontrol "griddepcontrol" [GRID] (0, 0) "" "";
    Isspacep "isspacep" [SPACES] (0, 0) "ds" "";
    Ld "ld" [ORDER, SCOPE, SPACES, CACHE, VECTOR] (1, 1) "Dm" "s";
    Ldmatrix "ldmatrix" [MATRIX, SHAPE, SPACES] (1, 1) "Dm" "";
    Ldu "ldu" [SPACES, VECTOR] (1, 1) "Dm" "";
    Lg2 "lg2" [FLOAT_FORM, FTZ] (1, 1) "ds" "";
    Lop3 "lop3" [BOOLEAN] (1, 1) "qssss" "p";
    Mad "mad" [HALF, SAT, CC, ROUNDING, FTZ] (1, 1) "dsss" "";
    Madc "madc" [HALF, CC] (1, 1) "dsss" "";
    Mad24 "mad24" [HALF, SAT] (1, 1) "dsss" "";
    Mapa "mapa" [SPACES] (1, 1) "dsl" "";
    Match "match" [ALIGNED, VOTE] (1, 1) "qss" "";
    Max "max" [FTZ, MIN_MAX] (1, 1) "dss" "s";
    Membar "membar" [SCOPE, GL, PROXY] (0, 0) "" "";
    Min "min" [FTZ, MIN_MAX] (1, 1) "dss" "s";
    Mma "mma" [MATRIX, SHAPE, SATFINITE, BIT_MMA] (4, 4) "DSSS" "";
    Mov "mov" [] (1, 1) "DS" "";
    Movmatrix "movmatrix" [MATRIX, SHAPE] (1, 1) "ds" "";
    Mul "mul" [HALF, ROUNDING, FTZ, SAT] (1, 1) "dss" "";
    Mul24 "mul24" [HALF] (1, 1) "dss" "";
    Nanosleep "nanosleep" [] (1, 1) "s" "";
    Neg "neg" [FTZ] (1, 1) "ds" "";
    Not "not" [] (1, 1) "ds" "";
    Or "or" [] (1, 1) "dss" "";
    Pmevent "pmevent" [] (0, 0) "s" "";
    Popc "popc" [] (1, 1) "ds" "";
    Prefetch "prefetch" [SPACES, CACHE, LEVEL] (0, 0) "m" "";
    Prefetchu "prefetchu" [LEVEL] (0, 0) "m" "";
    Prmt "prmt" [PERMUTE] (1, 1) "dsss" "";
    Rcp "rcp" [ROUNDING, FLOAT_FORM, FTZ] (1, 1) "ds" "";
    Red "red" [ORDER, SCOPE, SPACES, ATOMIC, CACHE, VECTOR, NOFTZ] (1, 1) "mS" "s";
    Redux "redux" [SYNC, ATOMIC, MIN_MAX] (1, 1) "dss" "";
    Rem "rem" [] (1, 1) "dss" "";
    Ret "ret" [UNIFORM] (0, 0) "" "";
    Rsqrt "rsqrt" [FLOAT_FORM, FTZ] (1, 1) "ds" "";
    Sad "sad" [] (1, 1) "dsss" "";
    Selp "selp" [] (1, 1) "dssp" "";
    Set "set" [COMPARE, BOOLEAN, FTZ] (2, 2) "dss" "p";
    Setp "setp" [COMPARE, BOOLEAN, FTZ] (1, 1) "qss" "p";
    Shf "shf" [SHIFT] (1, 1) "dsss" "";
    Shfl "shfl" [SYNC, SHUFFLE] (1, 1) "qsss" "s";
    Shl "shl" [] (1, 1) "dss" "";
    Shr "shr" [] (1, 1) "dss" "";
    Sin "sin" [FLOAT_FORM, FTZ] (1, 1) "ds" "";
    Slct "slct" [FTZ] (2, 2) "dsss" "";
    Sqrt "sqrt" [ROUNDING, FLOAT_FORM, FTZ] (1, 1) "ds" "";
    St "st" [ORDER, SCOPE, SPACES, CACHE, VECTOR] (1, 1) "mS" "s";
    Stmatrix "stmatrix" [MATRIX, SHAPE, SPACES] (1, 1) "mS" "";
    Sub "sub" [ROUNDING, FTZ, SAT, CC] (1, 1) "dss" "";
    Subc "subc" [CC] (1, 1) "dss" "";
    Szext "szext" [SHIFT] (1, 1) "dss" "";
    Tanh "tanh" [FLOAT_FORM, FTZ] (1, 1) "ds" "";
    Testp "testp" [TEST] (1, 1) "ds" "";
    Trap "trap" [] (0, 0) "" "";
    Vabsdiff "vabsdiff" [VIDEO] (3, 3) "dss" "s";
    Vadd "vadd" [VIDEO] (3, 3) "dss" "s";
    Vmax "vmax" [VIDEO] (3, 3) "dss" "s";
    Vmin "vmin" [VIDEO] (3, 3) "dss" "s";
    Vote "vote" [SYNC, VOTE] (1, 1) "dp" "s";
    Vshl "vshl" [VIDEO] (3, 3) "dss" "s";
    Vshr "vshr" [VIDEO] (3, 3) "dss" "s";
    Vsub "vsub" [VIDEO] (3, 3) "dss" "s";
    Wmma "wmma" [WMMA, MATRIX, SHAPE, SPACES] (1, 4) "SS" "SS";
    Xor "xor" [] (1, 1) "dss" "";
}

sets! {
    SHIFT_AMOUNT = ShiftAmount;
    UNIFORM = Uni;
    INDEXED = Idx;
    CP_ASYNC = Async Bulk CommitGroup WaitGroup WaitAll;
    POLICY = Fractional;
    SATFINITE = Satfinite Relu;
    TO = To;
    LEVEL = L1 L2;
    PROXY = Proxy Alias Async;
    GRID = LaunchDependents Wait;
    GL = Gl;
    VOTE = All Any Uni Ballot;
    PERMUTE = F4e B4e Rc8 Ecl Ecr Rc16;
    SHUFFLE = Up Down Bfly Idx;
    TEST = Finite Infinite Number NotANumber Normal Subnormal;
    BIT_MMA = Popc And Xor;
    NOFTZ = Noftz;
}

/// The opcodes of PTX ISA 9.0 that are not in the table: textures and surfaces,
/// SIMD video instructions, the stack, asynchronous barriers, what came with clusters.
const NOT_READ: &[&str] = &[
    "alloca",
    "applypriority",
    "brkpt",
    "clusterlaunchcontrol",
    "getctarank",
    "istypep",
    "mbarrier",
    "multimem",
    "setmaxnreg",
    "stackrestore",
    "stacksave",
    "suld",
    "suq",
    "sured",
    "sust",
    "tcgen05",
    "tensormap",
    "tex",
    "tld4",
    "txq",
    "vabsdiff2",
    "vabsdiff4",
    "vadd2",
    "vadd4",
    "vavrg2",
    "vavrg4",
    "vmad",
    "vmax2",
    "vmax4",
    "vmin2",
    "vmin4",
    "vset",
    "vset2",
    "vset4",
    "vsub2",
    "vsub4",
    "wgmma",
];

/// Whether the PTX ISA has an opcode of this name that the table lacks.
#[must_use]
pub fn is_not_read(name: &str) -> bool {
    NOT_READ.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opcode_is_read_or_not() {
        assert!(NOT_READ.is_sorted());
        for name in NOT_READ {
            assert!(
                is_not_read(name) && Opcode::from_name(name).is_none(),
                "{name}"
            );
        }
        assert!(!is_not_read("add") && !is_not_read("frobnicate"));
    }

    #[test]
    fn every_opcode_reads_back_and_has_a_consistent_row() {
        for &opcode in Opcode::ALL {
            let form = opcode.form();
            assert_eq!(Opcode::from_name(form.name), Some(opcode));
            assert!(form.required <= form.roles.len(), "{}", form.name);
            assert!(form.types.0 <= form.types.1, "{}", form.name);
        }
    }
}
