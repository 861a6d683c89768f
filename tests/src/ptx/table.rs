//! The instruction forms that are swept over edge values. `form` explains the
//! rows, `memory_form` the second table.

/// Instructions that compute.
pub const FORMS: &str = "
// Integer arithmetic
{add,sub,mul.lo,mul.hi,div,rem,min,max}.{s16,u16,s32,u32,s64,u64} : T = T T
mul.wide.{s16,u16,s32,u32} : W = T T
mad.{lo,hi}.{s16,u16,s32,u32,s64,u64} : T = T T T
mad.wide.{s16,u16,s32,u32} : W = T T W
{add,sub}.sat.s32 : T = T T
mul24.{lo,hi}.{s32,u32} : T = T T
mad24.lo.{s32,u32} : T = T T T
sad.{s16,u16,s32,u32,s64,u64} : T = T T T
{abs,neg}.{s16,s32,s64} : T = T
dp4a.{s32,u32}.{s32,u32} : b32 = b32 b32 b32
dp2a.{lo,hi}.{s32,u32}.{s32,u32} : b32 = b32 b32 b32

// Bits
{and,or,xor}.{pred,b16,b32,b64} : T = T T
not.{pred,b16,b32,b64} : T = T
cnot.{b16,b32,b64} : T = T
shl.{b16,b32,b64} : T = T u32
shr.{b16,b32,b64,u16,u32,u64,s16,s32,s64} : T = T u32
shf.{l,r}.{clamp,wrap}.b32 : T = T T u32
{popc,clz}.{b32,b64} : u32 = T
brev.{b32,b64} : T = T
bfind{,.shiftamt}.{u32,u64,s32,s64} : u32 = T
bfe.{u32,u64,s32,s64} : T = T u32 u32
bfi.{b32,b64} : T = T T u32 u32
prmt.b32 : b32 = b32 b32 b32
prmt.b32 : b32 = b32 b32 #0x5410
prmt.b32 : b32 = b32 b32 #0x7B3F
prmt.b32.{f4e,b4e,rc8,ecl,ecr,rc16} : b32 = b32 b32 b32
lop3.b32 : b32 = b32 b32 b32 #0xE8
lop3.b32 : b32 = b32 b32 b32 #0x96
lop3.b32 : b32 = b32 b32 b32 #0xCA
lop3.b32 : b32 = b32 b32 b32 #0x01
lop3.b32 : b32 = b32 b32 b32 #0x6F
lop3.b32 : b32 = b32 b32 b32 #0x00
lop3.b32 : b32 = b32 b32 b32 #0xFF
lop3.b32 : b32 = b32 b32 b32 #0x2B
vshr.u32.u32.u32.clamp.add : u32 = u32 u32 u32
bmsk.clamp.b32 : T = u32 u32 ; sm=70

// Comparison and selection
setp.{eq,ne,lt,le,gt,ge}.{s16,u16,s32,u32,s64,u64} : pred = T T
setp.{eq,ne}.{b16,b32,b64} : pred = T T
setp.{lo,ls,hi,hs}.{u16,u32,u64} : pred = T T
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{,.ftz}.f32 : pred = T T
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.f64 : pred = T T
setp.{eq,ne,lt,ge,ltu,nan}.f16 : pred = T T
setp.{lt,geu}.{and,or,xor}.f32 : pred|pred = T T pred
setp.{eq,lt}.{and,or,xor}.s32 : pred|pred = T T pred
set.{eq,lt,ge}.{u32,s32,f32}.{s32,u32} : D = T T
set.{eq,lt,geu,nan}{,.ftz}.{u32,s32,f32}.f32 : D = T T
selp.{b16,u16,s16,b32,u32,s32,f32,b64,u64,s64,f64} : T = T T pred ; bits
slct.{b32,u32,s32,b64,u64,s64}.s32 : D = D D T
slct{,.ftz}.f32.f32 : D = D D T ; bits
mov.{pred,b16,u16,s16,b32,u32,s32,f32,b64,u64,s64,f64} : T = T ; bits
testp.{finite,infinite,number,notanumber,normal,subnormal}.{f32,f64} : pred = T

// Single precision
{add,sub,mul}.{,rn,rz,rm,rp}{,.ftz}{,.sat}.f32 : T = T T
fma.{rn,rz,rm,rp}{,.ftz}{,.sat}.f32 : T = T T T
div.{rn,rz,rm,rp}{,.ftz}.f32 : T = T T
{rcp,sqrt}.{rn,rz,rm,rp}{,.ftz}.f32 : T = T
{min,max}{,.ftz}.f32 : T = T T
{abs,neg}{,.ftz}.f32 : T = T
copysign.f32 : T = T T
div.{approx,full}{,.ftz}.f32 : T = T T ; moderate ulp=4
rcp.approx{,.ftz}.f32 : T = T ; moderate ulp=2
{sqrt,rsqrt}.approx{,.ftz}.f32 : T = T ; moderate ulp=4
{sin,cos}.approx{,.ftz}.f32 : T = T ; angle absolute=2e-6
ex2.approx{,.ftz}.f32 : T = T ; exponent ulp=6
lg2.approx{,.ftz}.f32 : T = T ; moderate ulp=6 absolute=5e-7
tanh.approx.f32 : T = T ; sm=75 moderate ulp=16384

// Double precision
{add,sub,mul,div}.{rn,rz,rm,rp}.f64 : T = T T
{add,sub,mul}.f64 : T = T T
fma.{rn,rz,rm,rp}.f64 : T = T T T
{rcp,sqrt}.{rn,rz,rm,rp}.f64 : T = T
{min,max}.f64 : T = T T
rcp.approx.ftz.f64 : T = T ; moderate ulp=4294967295 group=approx
rsqrt.approx{,.ftz}.f64 : T = T ; moderate ulp=4294967295 group=approx
{abs,neg}.f64 : T = T
copysign.f64 : T = T T

// Half precision
{add,sub,mul}{,.rn}{,.ftz}{,.sat}.{f16,f16x2} : T = T T
fma.rn{,.ftz}{,.sat}.{f16,f16x2} : T = T T T
{abs,neg}.{f16,f16x2} : T = T
{min,max}{,.ftz}.{f16,f16x2} : T = T T ; sm=80
tanh.approx.f16 : T = T ; sm=75 moderate ulp=4
ex2.approx.f16 : T = T ; sm=75 exponent ulp=2

// Packed and short floats of later architectures
set.{eq,lt,geu,nan}{,.ftz}.f16.f16 : f16 = f16 f16 ; group=half bits
set.{ne,ltu}.{u32,s32,u16,s16}.f16 : D = f16 f16 ; group=half bits
set.{eq,gt,geu}{,.ftz}.f16x2.f16x2 : b32 = b32 b32 ; group=half
set.{gt,neu}.{u32,s32}.f16x2 : b32 = b32 b32 ; group=half
setp.{eq,lt,geu}{,.ftz}.f16x2 : pred|pred = b32 b32 ; group=half
setp.{eq,lt,geu,nan}.bf16 : pred = bf16 bf16 ; sm=90 group=bf16
setp.{lt,neu}.bf16x2 : pred|pred = bf16x2 bf16x2 ; sm=90 group=bf16
set.{lt,neu}.bf16.bf16 : bf16 = bf16 bf16 ; sm=90 group=bf16
{add,sub,mul}{,.rn}.bf16 : bf16 = bf16 bf16 ; sm=90 group=bf16
{add,sub,mul}{,.rn}.bf16x2 : bf16x2 = bf16x2 bf16x2 ; sm=90 group=bf16
fma.rn{,.relu}.bf16 : bf16 = bf16 bf16 bf16 ; sm=80 group=bf16
fma.rn{,.relu}.bf16x2 : bf16x2 = bf16x2 bf16x2 bf16x2 ; sm=80 group=bf16
fma.rn{,.ftz}.relu.{f16,f16x2} : T = T T T ; sm=80 group=relu
{abs,neg}.bf16 : bf16 = bf16 ; sm=80 group=bf16
{abs,neg}.bf16x2 : bf16x2 = bf16x2 ; sm=80 group=bf16
{min,max}{,.NaN}.bf16 : bf16 = bf16 bf16 ; sm=80 group=bf16
{min,max}{,.NaN}.bf16x2 : bf16x2 = bf16x2 bf16x2 ; sm=80 group=bf16
{min,max}{,.ftz}.NaN.{f16,f16x2,f32} : T = T T ; sm=80 group=nan
{min,max}{,.NaN}.xorsign.abs.{f16,f16x2,f32} : T = T T ; sm=86 group=xorsign
{min,max}.{u16x2,s16x2} : b32 = b32 b32 ; sm=90 group=halfwise
cvt.{rn,rz}{,.relu}.bf16.f32 : bf16 = f32 ; sm=80 group=bf16
cvt.{rn,rz}{,.relu}.bf16x2.f32 : bf16x2 = f32 f32 ; sm=80 group=bf16
cvt.{rn,rz}.relu.f16.f32 : f16 = f32 ; sm=80 group=relu
cvt.rn.bf16.{s32,u32,s64,u64,s16} : bf16 = T ; sm=90 group=bf16
cvt.{rni,rzi,rmi}.{s32,u32,s64,u16}.bf16 : D = bf16 ; sm=90 group=bf16

// Conversions
cvt.{u8,s8,u16,s16,u32,s32,u64,s64}.{u8,s8,u16,s16,u32,s32,u64,s64} : D = T
cvt.sat.{u8,s8,u16,s16}.{s32,u32,s64,u64} : D = T
cvt.sat.u32.{s32,s64,u64} : D = T
cvt.sat.s32.{u32,s64,u64} : D = T
cvt.sat.{u32,u64}.{s16,s8} : D = T
cvt.rn.{f16,f32,f64}.{u8,s8,u16,s16,u32,s32,u64,s64} : D = T
cvt.{rz,rm,rp}.f32.{u32,s32,u64,s64} : D = T
cvt.{rz,rm,rp}.f64.{u64,s64} : D = T
cvt.{rz,rm,rp}.f16.{u32,s32} : D = T
cvt.{rni,rzi,rmi,rpi}{,.ftz}.{s8,u8,s16,u16,s32,u32,s64,u64}.f32 : D = T
cvt.{rni,rzi,rmi,rpi}.{s16,u16,s32,u32,s64,u64}.{f16,f64} : D = T
cvt.rzi.{s8,u8}.{f16,f64} : D = T
cvt{,.ftz}.f32.f16 : D = T
cvt.f64.{f16,f32} : D = T
cvt.ftz.f64.f32 : D = T
cvt.{rn,rz,rm,rp}{,.ftz}{,.sat}.f16.f32 : D = T
cvt.{rn,rz,rm,rp}.f16.f64 : D = T
cvt.{rn,rz,rm,rp}{,.ftz}{,.sat}.f32.f64 : D = T
cvt.{rni,rzi,rmi,rpi}{,.ftz}{,.sat}.f32.f32 : D = T
cvt{,.ftz}.sat.f32.f32 : D = T
cvt.{rni,rzi,rmi,rpi}.{f16.f16,f64.f64} : D = T
cvt.rn.f16x2.f32 : f16x2 = f32 f32 ; sm=80
cvt.rna.tf32.f32 : b32 = f32 ; sm=80 bits moderate
";

/// Loads and stores: every mnemonic is expanded by `memory_form`.
pub const MEMORY_FORMS: &str = "
ld.{global,global.nc,shared,local}.{u8,s8,u16,s16,u32,s32,f32,u64,s64,f64,b8,b16,b32,b64}
ld.{global,global.nc,shared,local}.v2.{u8,u16,u32,f32,u64,f64}
ld.{global,global.nc,shared,local}.v4.{u8,u16,u32,f32}
ld.{u8,s8,u16,s16,u32,s32,f32,u64,f64}
ld.v2.{u16,u32,f32}
ld.v4.{u32,f32}
ld.volatile.{global,shared}.{u8,u16,u32,f32,u64,v2.u32,v4.u32}
ld.volatile.u32
ld.{ca,cg,cs,cv}.u32
ld.cg.v2.{u32,u64}
ld.global.{ca,cg,cs,lu,cv}.u32
ldu.global.u32
ld.param.{u8,s8,u16,s16,u32,s32,f32,b32,u64,s64,f64,b64,v2.f32,v2.u32,v4.f32,v4.u8}
ld.{relaxed,acquire}.{cta,gpu,sys}.global.{u32,u64} ; sm=70
ld.{relaxed,acquire}.cta.shared.u32 ; sm=70
st.{global,shared,local}.{u8,s8,u16,s16,u32,s32,f32,u64,s64,f64,b8,b16,b32,b64}
st.{global,shared,local}.v2.{u8,u16,u32,f32,u64}
st.{global,shared,local}.v4.{u8,u16,u32,f32}
st.{u8,u16,u32,f32,u64,v2.f32,v4.u32}
st.volatile.{global,shared}.{u8,u16,u32,f32,u64}
st.{cg,cs,wb,wt}.u32
st.cg.v2.{u32,u64}
st.global.{wb,cg,cs,wt}.u32
st.{relaxed,release}.{cta,gpu,sys}.global.{u32,u64} ; sm=70
st.{relaxed,release}.cta.shared.u32 ; sm=70
";
