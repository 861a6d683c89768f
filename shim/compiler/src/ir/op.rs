//! The operations and their attributes. One list gives the enum, the text and
//! the reader; attributes are suffixes after dots, in a fixed order.

use std::fmt;

use super::matrix::{FactorType, MatrixProduct, MatrixShape, SumType};
use crate::front::words::SpecialRegister;
use crate::words::words;

words! {
    /// How an operation reads integer bits.
    pub enum Signedness { Signed = "s", Unsigned = "u", }
}

words! {
    /// Integer comparison.
    pub enum Condition { Eq = "eq", Ne = "ne", Lt = "lt", Le = "le", Gt = "gt", Ge = "ge", }
}

words! {
    /// Floating-point comparison; those with `u` hold for unordered operands.
    pub enum FloatCondition {
        Eq = "eq", Ne = "ne", Lt = "lt", Le = "le", Gt = "gt", Ge = "ge",
        Equ = "equ", Neu = "neu", Ltu = "ltu", Leu = "leu", Gtu = "gtu", Geu = "geu",
        Num = "num", Nan = "nan",
    }
}

words! {
    /// Rounding: to nearest even, nearest away, zero, minus and plus infinity; to
    /// odd, which is to zero with the last bit set if anything was lost, for what
    /// is rounded once more.
    pub enum Rounding {
        Nearest = "rn", Away = "rna", Zero = "rz", Down = "rm", Up = "rp", Odd = "ro",
    }
}

words! {
    /// How exact a division, root or transcendental must be.
    pub enum Division { Exact = "exact", Full = "full", Approximate = "approx", }
}

words! {
    /// State spaces of accesses.
    pub enum Space {
        Generic = "generic", Global = "global", Shared = "shared", Local = "local",
        Constant = "const", Parameter = "param",
    }
}

words! {
    /// Memory ordering of an access.
    pub enum Order {
        Weak = "weak", ReadOnly = "nc", Volatile = "volatile", Relaxed = "relaxed",
        Acquire = "acquire", Release = "release", AcquireRelease = "acqrel", SequentiallyConsistent = "sc",
    }
}

words! {
    /// The threads among which an ordering holds.
    pub enum Scope { Block = "cta", Device = "gpu", System = "sys", }
}

words! {
    /// Atomic read-modify-write.
    pub enum AtomicOp {
        Add = "add", FloatAdd = "fadd", And = "and", Or = "or", Xor = "xor",
        SignedMin = "smin", SignedMax = "smax", UnsignedMin = "umin", UnsignedMax = "umax",
        Increment = "inc", Decrement = "dec", Exchange = "exch", CompareExchange = "cas",
        FloatMin = "fmin", FloatMax = "fmax",
    }
}

words! {
    /// Which lane a shuffle reads.
    pub enum ShuffleMode { Up = "up", Down = "down", Butterfly = "bfly", Index = "idx", }
}

words! {
    /// What a vote answers.
    pub enum VoteMode { All = "all", Any = "any", Uniform = "uni", Ballot = "ballot", }
}

words! {
    /// What a match compares with.
    pub enum MatchKind { Any = "any", All = "all", }
}

words! {
    /// Warp-wide reduction.
    pub enum ReduceOp {
        Add = "add", SignedMin = "smin", SignedMax = "smax", UnsignedMin = "umin", UnsignedMax = "umax",
        And = "and", Or = "or", Xor = "xor",
    }
}

words! {
    /// What a block barrier does besides waiting.
    pub enum BarrierOp {
        Sync = "sync", Arrive = "arrive", All = "all", Any = "any", Count = "count",
    }
}

words! {
    /// `prmt`'s modes.
    pub enum PermuteMode {
        Index = "idx", Forward4 = "f4e", Backward4 = "b4e", Replicate8 = "rc8",
        EdgeClampLeft = "ecl", EdgeClampRight = "ecr", Replicate16 = "rc16",
    }
}

words! {
    /// Which half of a register.
    pub enum Half { Low = "lo", High = "hi", }
}

/// An attribute that prints as suffixes of an operation.
trait Suffix: Sized {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    fn read<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Self>;
}

macro_rules! word_suffix {
    ($($ty:ty),*) => { $(
        impl Suffix for $ty {
            fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, ".{self}")
            }
            fn read<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
                Self::from_word(words.next()?)
            }
        }
    )* };
}
word_suffix!(
    Signedness,
    Condition,
    FloatCondition,
    Rounding,
    Division,
    Space,
    Order,
    Scope,
    AtomicOp,
    ShuffleMode,
    VoteMode,
    MatchKind,
    ReduceOp,
    BarrierOp,
    PermuteMode,
    Half,
    MatrixShape,
    FactorType,
    SumType
);

macro_rules! number_suffix {
    ($($ty:ty),*) => { $(
        impl Suffix for $ty {
            fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, ".{self}")
            }
            fn read<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
                words.next()?.parse().ok()
            }
        }
    )* };
}
number_suffix!(u32, u64, i64);

/// How a floating-point operation rounds and treats subnormals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FloatMode {
    /// The rounding.
    pub rounding: Rounding,
    /// Whether subnormal operands and results are zeros of the same sign.
    pub flush: bool,
}

impl FloatMode {
    /// To nearest even, subnormals kept.
    pub const NEAREST: Self = Self {
        rounding: Rounding::Nearest,
        flush: false,
    };
}

impl Suffix for FloatMode {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rounding.write(f)?;
        f.write_str(if self.flush { ".ftz" } else { ".sub" })
    }

    fn read<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
        let rounding = Rounding::read(words)?;
        let flush = match words.next()? {
            "ftz" => true,
            "sub" => false,
            _ => return None,
        };
        Some(Self { rounding, flush })
    }
}

/// How memory is accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// Where the address points.
    pub space: Space,
    /// Bytes added to the address.
    pub offset: i64,
    /// The ordering.
    pub order: Order,
    /// For whom the ordering holds.
    pub scope: Scope,
}

impl Access {
    /// An unordered access without an offset.
    #[must_use]
    pub const fn weak(space: Space) -> Self {
        Self {
            space,
            offset: 0,
            order: Order::Weak,
            scope: Scope::System,
        }
    }
}

impl Suffix for Access {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.space.write(f)?;
        self.order.write(f)?;
        self.scope.write(f)?;
        self.offset.write(f)
    }

    fn read<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
        Some(Self {
            space: Space::read(words)?,
            order: Order::read(words)?,
            scope: Scope::read(words)?,
            offset: i64::read(words)?,
        })
    }
}

impl Suffix for MatrixProduct {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shape.write(f)?;
        self.a.write(f)?;
        self.b.write(f)?;
        self.sum.write(f)
    }

    fn read<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
        Some(Self {
            shape: MatrixShape::read(words)?,
            a: FactorType::read(words)?,
            b: FactorType::read(words)?,
            sum: SumType::read(words)?,
        })
    }
}

/// A special register and its component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Special {
    /// The register.
    pub register: SpecialRegister,
    /// 0 for x, 1 for y, 2 for z.
    pub component: u32,
}

impl Suffix for Special {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.register.word().trim_start_matches('%');
        write!(f, ".{name}.{}", self.component)
    }

    fn read<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
        let name = words.next()?;
        let register = SpecialRegister::ALL
            .iter()
            .find(|r| r.word().trim_start_matches('%') == name);
        Some(Self {
            register: *register?,
            component: u32::read(words)?,
        })
    }
}

macro_rules! ops {
    ($($(#[$meta:meta])* $variant:ident $(($attribute:ty))? = $name:literal;)*) => {
        /// An operation. Its operands and results are described with their
        /// types; `T` is one type throughout an instruction.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Op { $($(#[$meta])* $variant $(($attribute))?,)* }

        impl fmt::Display for Op {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(ops!(@pattern attributes $variant $(($attribute))?) => {
                        f.write_str($name)?;
                        ops!(@write attributes f $(($attribute))?)
                    })*
                }
            }
        }

        impl Op {
            /// Reads an operation as it prints.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                let mut words = text.split('.');
                let op = match words.next()? {
                    $($name => Self::$variant $((<$attribute>::read(&mut words)?))?,)*
                    _ => return None,
                };
                words.next().is_none().then_some(op)
            }
        }
    };
    (@pattern $a:ident $variant:ident) => { Self::$variant };
    (@pattern $a:ident $variant:ident ($t1:ty)) => { Self::$variant($a) };
    (@write $a:ident $f:ident) => { Ok(()) };
    (@write $a:ident $f:ident ($t1:ty)) => { $a.write($f) };
}

ops! {
    /// `() -> T`: these bits.
    Const(u64) = "const";
    /// `(A) -> B` of the same width: the bits unchanged.
    Bitcast = "bitcast";
    /// `(wide) -> narrow`: the low bits.
    Truncate = "trunc";
    /// `(narrow) -> wide`: zeros above. From `b1`: 0 or 1.
    ZeroExtend = "zext";
    /// `(narrow) -> wide`: the sign above.
    SignExtend = "sext";
    /// `(piece…) -> bits`: pieces of one width, the lowest first.
    Concat = "concat";
    /// `(bits) -> piece`: the piece with this number, counted from the lowest.
    Extract(u32) = "extract";
    /// `(b1, T, T) -> T`: the first where the predicate holds.
    Select = "select";

    /// `(T, T) -> T`
    Add = "iadd";
    /// `(T, T) -> T`
    Sub = "isub";
    /// `(T, T) -> T`: the low half of the product.
    Mul = "imul";
    /// `(T, T) -> T`: the high half of the product.
    MulHigh(Signedness) = "imulhi";
    /// `(T, T) -> U` of twice the width: the product.
    MulWide(Signedness) = "imulwide";
    /// `(T, T) -> T`; all ones where the divisor is 0.
    Div(Signedness) = "idiv";
    /// `(T, T) -> T`; all ones where the divisor is 0.
    Rem(Signedness) = "irem";
    /// `(T, T) -> T`
    And = "and";
    /// `(T, T) -> T`
    Or = "or";
    /// `(T, T) -> T`
    Xor = "xor";
    /// `(T) -> T`
    Not = "not";
    /// `(T) -> T`
    Neg = "ineg";
    /// `(T) -> T`
    Abs = "iabs";
    /// `(T, T) -> T`
    Min(Signedness) = "imin";
    /// `(T, T) -> T`
    Max(Signedness) = "imax";
    /// `(T, b32) -> T`; an amount of the width or more gives 0.
    Shl = "shl";
    /// `(T, b32) -> T`; an amount of the width or more gives 0 or the sign.
    Shr(Signedness) = "shr";
    /// `(b32, b32, b32) -> b32`: low, high, amount; the high word of the pair
    /// shifted left by the amount modulo 32.
    FunnelLeft = "funnell";
    /// `(b32, b32, b32) -> b32`: low, high, amount; the low word of the pair
    /// shifted right by the amount modulo 32.
    FunnelRight = "funnelr";
    /// `(T) -> b32`
    PopCount = "popc";
    /// `(T) -> b32`: the width for 0.
    LeadingZeros = "clz";
    /// `(T) -> T`
    ReverseBits = "brev";
    /// `(T) -> b32`: the place of the highest set bit, or of the highest bit
    /// that differs from the sign; all ones if there is none.
    FindHighBit(Signedness) = "bfind";
    /// `(T, b32, b32) -> T`: value, position, length (in `b32` both modulo 256).
    ExtractBits(Signedness) = "bfe";
    /// `(T, T, b32, b32) -> T`: field, base, position, length.
    InsertBits = "bfi";
    /// `(b32, b32, b32) -> b32`: low word, high word, selector.
    Permute(PermuteMode) = "prmt";
    /// `(b32, b32, b32) -> b32`: four products of bytes, added to the third;
    /// signs of the first two.
    Dot4(Signs) = "dp4a";
    /// `(b32, b32, b32) -> b32`: two products of halves of the first with bytes
    /// of the second's half, added to the third.
    Dot2(Dot2) = "dp2a";
    /// `(b32, b32, b1) -> b32, b1`: sum and carry.
    AddCarry = "addc";
    /// `(b32, b32, b1) -> b32, b1`: difference and borrow.
    SubBorrow = "subb";
    /// `(T, T) -> b1`
    Compare(IntegerComparison) = "icmp";

    /// `(T, T) -> T`
    FAdd(FloatMode) = "fadd";
    /// `(T, T) -> T`
    FSub(FloatMode) = "fsub";
    /// `(T, T) -> T`
    FMul(FloatMode) = "fmul";
    /// `(T, T, T) -> T`: the product and sum rounded once.
    Fma(FloatMode) = "fma";
    /// `(T, T) -> T`
    FDiv(Accuracy) = "fdiv";
    /// `(T) -> T`
    Reciprocal(Accuracy) = "frcp";
    /// `(T) -> T`
    SquareRoot(Accuracy) = "fsqrt";
    /// `(T) -> T`
    ReciprocalRoot(Accuracy) = "frsqrt";
    /// `(T) -> T`
    Sine(Accuracy) = "fsin";
    /// `(T) -> T`
    Cosine(Accuracy) = "fcos";
    /// `(T) -> T`: two to the power.
    Exp2(Accuracy) = "fex2";
    /// `(T) -> T`: the logarithm to base two.
    Log2(Accuracy) = "flg2";
    /// `(T) -> T`
    Tanh(Accuracy) = "ftanh";
    /// `(T, T) -> T`: the operand that is a number, if one is.
    FMin(FloatMode) = "fmin";
    /// `(T, T) -> T`: the operand that is a number, if one is.
    FMax(FloatMode) = "fmax";
    /// `(T) -> T`
    FNeg = "fneg";
    /// `(T) -> T`
    FAbs = "fabs";
    /// `(T, T) -> T`: the second's magnitude with the first's sign.
    CopySign = "fcopysign";
    /// `(T) -> T`: clamped to [0, 1], NaN to 0.
    Saturate = "fsat";
    /// `(T) -> T`: subnormals become zeros of the same sign.
    Flush = "fflush";
    /// `(T, T) -> b1`
    FCompare(FloatComparison) = "fcmp";
    /// `(float) -> bits`, saturating, NaN to
    /// [`crate::evaluate::integer_of_nan`].
    FloatToInteger(IntegerConversion) = "ftoi";
    /// `(bits) -> float`
    IntegerToFloat(IntegerConversion) = "itof";
    /// `(float) -> float` of another width.
    FloatConvert(FloatMode) = "ftof";
    /// `(T) -> T`: to an integral value.
    RoundToIntegral(Rounding) = "fround";

    /// `() -> T`: a special register.
    Special(Special) = "special";
    /// `() -> T`: the parameter at this byte.
    Parameter(u32) = "param";
    /// `() -> b64`: the address of the module's variable with this number.
    Global(u32) = "global";
    /// `() -> b64`: the global address of this thread's local memory.
    Scratch = "scratch";
    /// `() -> b64`: the global address of the block's shared memory. Only
    /// [`crate::pass::place_shared`] makes it.
    SharedBase = "sharedbase";
    /// `(b64) -> b64`: an address of this space as a generic one.
    ToGeneric(Space) = "togeneric";
    /// `(b64) -> b64`: a generic address as one of this space.
    FromGeneric(Space) = "fromgeneric";
    /// `(b64) -> b1`: whether a generic address lies in this space.
    IsSpace(Space) = "isspace";
    /// `(address) -> T…`
    Load(Access) = "load";
    /// `(address, T…) -> ()`
    Store(Access) = "store";
    /// `(address, T) -> T` or `(address, T, T) -> T`: the old value.
    Atomic(Atomic) = "atomic";
    /// `() -> ()`
    Fence(Scope) = "fence";

    /// `(T, b32, b32, b32) -> T, b1`: value, lane operand, clamp and segment
    /// mask, member mask; the second result says whether the lane was in range.
    Shuffle(ShuffleMode) = "shfl";
    /// `(b1, b32) -> b1`, for a ballot `-> b32`: predicate, member mask.
    Vote(VoteMode) = "vote";
    /// `(T, b32) -> b32` and for `all` also `b1`.
    Match(MatchKind) = "match";
    /// `(b32, b32) -> b32`
    Reduce(ReduceOp) = "redux";
    /// `(b32…, b32…, T…, b32) -> T…`: the registers of the factors and of what is
    /// added, and the member mask, which is the whole warp. `T` is `f32`, or `b32` for
    /// integers and packed halves. [`crate::pass::lower_matrix_product`] replaces it.
    MatrixProduct(MatrixProduct) = "mma";
    /// `() -> b32`
    ActiveMask = "activemask";
    /// `(b32) -> ()`: member mask.
    WarpBarrier = "warpbar";
    /// `(b32)` or `(b32, b32)`, for reductions `(b1, b32, …) -> b1 | b32`:
    /// barrier number, thread count (0 for all).
    Barrier(BarrierOp) = "bar";
    /// `(T, b32) -> T`: the value that another invocation of the subgroup has.
    /// Only [`crate::pass::replicate`] makes it.
    SubgroupShuffle = "subshfl";
    /// `(b1) -> b32`: the invocations of the subgroup where it holds. Only
    /// [`crate::pass::replicate`] makes it.
    SubgroupBallot = "subballot";
    /// `() -> b64`: an address that may be read, for lanes without one. Only
    /// [`crate::pass::replicate`] makes it.
    SafeAddress = "safe";
    /// `() -> T`: a clock that counts up.
    Clock = "clock";
    /// `(b32) -> ()`: a hint to wait some nanoseconds.
    Sleep = "sleep";
    /// `(b64, b64) -> b32`: addresses of format and arguments.
    /// [`crate::pass::lower_print`] replaces it.
    Print = "print";
    /// `(b64, b64, b32, b64) -> ()`: an assertion failed: addresses of its text
    /// and the file's name, the line, the address of the function's name.
    /// [`crate::pass::lower_print`] replaces it.
    Assert = "assert";
    /// `() -> b64`: the address of the context's print buffer. Only
    /// [`crate::pass::lower_print`] makes it.
    PrintBuffer = "printbuffer";
    /// `() -> ()`: the launch fails, for the reason with this number
    /// ([`crate::back::spirv::layout::fault`]). Control goes on, to the thread's
    /// end.
    Trap(u32) = "trap";
}

macro_rules! attributes {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $ty:ty,)* })*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }

        impl Suffix for $name {
            fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(self.$field.write(f)?;)*
                Ok(())
            }
            fn read<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
                Some(Self { $($field: <$ty>::read(words)?,)* })
            }
        }
    )* };
}

attributes! {
    /// The signs of a dot product's factors.
    Signs {
        /// Of the first operand.
        a: Signedness,
        /// Of the second.
        b: Signedness,
    }
    /// `dp2a`'s attributes.
    Dot2 {
        /// The signs of the factors.
        signs: Signs,
        /// Which bytes of the second operand.
        half: Half,
    }
    /// An integer comparison.
    IntegerComparison {
        /// What is asked.
        condition: Condition,
        /// How the bits are read.
        signedness: Signedness,
    }
    /// A floating-point comparison.
    FloatComparison {
        /// What is asked.
        condition: FloatCondition,
        /// How subnormals are read.
        mode: FloatMode,
    }
    /// How exact an operation is.
    Accuracy {
        /// The class of error.
        division: Division,
        /// Rounding and subnormals.
        mode: FloatMode,
    }
    /// A conversion between integers and floats.
    IntegerConversion {
        /// How the integer's bits are read.
        signedness: Signedness,
        /// Rounding and subnormals.
        mode: FloatMode,
    }
    /// An atomic access.
    Atomic {
        /// What it does.
        op: AtomicOp,
        /// Where and how.
        access: Access,
    }
}

impl Accuracy {
    /// The same, rounded to nearest, subnormals kept.
    #[must_use]
    pub const fn nearest(self) -> Self {
        Self {
            mode: FloatMode::NEAREST,
            ..self
        }
    }
}

impl Op {
    /// Whether the operation looks at other threads of the warp or block, so
    /// that the set of threads that reach it together matters.
    #[must_use]
    pub const fn is_convergent(&self) -> bool {
        matches!(
            self,
            Self::Shuffle(_)
                | Self::Vote(_)
                | Self::Match(_)
                | Self::Reduce(_)
                | Self::MatrixProduct(_)
                | Self::ActiveMask
                | Self::WarpBarrier
                | Self::SubgroupShuffle
                | Self::SubgroupBallot
                | Self::Barrier(_)
        )
    }

    /// Whether the operation does something beyond computing its results, or
    /// may give another result when it is done again.
    #[must_use]
    pub const fn has_effect(&self) -> bool {
        match self {
            Self::Load(access) => !matches!(access.order, Order::Weak | Order::ReadOnly),
            Self::Store(_) | Self::Atomic(_) | Self::Fence(_) | Self::Clock | Self::Sleep => true,
            Self::Print | Self::Assert | Self::Trap(_) => true,
            _ => self.is_convergent(),
        }
    }

    /// How a floating-point operation that may round or flush does so.
    #[must_use]
    pub const fn float_mode(&self) -> Option<FloatMode> {
        match self {
            Self::FAdd(mode) | Self::FSub(mode) | Self::FMul(mode) | Self::Fma(mode) => Some(*mode),
            Self::FMin(mode) | Self::FMax(mode) | Self::FloatConvert(mode) => Some(*mode),
            Self::FDiv(a) | Self::Reciprocal(a) | Self::SquareRoot(a) => Some(a.mode),
            Self::ReciprocalRoot(a) | Self::Sine(a) | Self::Cosine(a) => Some(a.mode),
            Self::Exp2(a) | Self::Log2(a) | Self::Tanh(a) => Some(a.mode),
            Self::FCompare(comparison) => Some(comparison.mode),
            Self::FloatToInteger(conversion) | Self::IntegerToFloat(conversion) => {
                Some(conversion.mode)
            }
            _ => None,
        }
    }

    /// The same operation in another mode, if it has one.
    #[must_use]
    pub const fn in_float_mode(mut self, new: FloatMode) -> Self {
        match &mut self {
            Self::FAdd(mode) | Self::FSub(mode) | Self::FMul(mode) | Self::Fma(mode) => *mode = new,
            Self::FMin(mode) | Self::FMax(mode) | Self::FloatConvert(mode) => *mode = new,
            Self::FDiv(a) | Self::Reciprocal(a) | Self::SquareRoot(a) => a.mode = new,
            Self::ReciprocalRoot(a) | Self::Sine(a) | Self::Cosine(a) => a.mode = new,
            Self::Exp2(a) | Self::Log2(a) | Self::Tanh(a) => a.mode = new,
            Self::FCompare(comparison) => comparison.mode = new,
            Self::FloatToInteger(conversion) | Self::IntegerToFloat(conversion) => {
                conversion.mode = new;
            }
            _ => {}
        }
        self
    }

    /// Whether the operation touches memory through an address.
    #[must_use]
    pub const fn access(&self) -> Option<&Access> {
        match self {
            Self::Load(access) | Self::Store(access) => Some(access),
            Self::Atomic(atomic) => Some(&atomic.access),
            _ => None,
        }
    }

    /// The same, to change.
    pub const fn access_mut(&mut self) -> Option<&mut Access> {
        match self {
            Self::Load(access) | Self::Store(access) => Some(access),
            Self::Atomic(atomic) => Some(&mut atomic.access),
            _ => None,
        }
    }
}
