// The functions of math.h in both precisions against the host's, within a little more than the errors that CUDA's
// guide states; and the intrinsics that round to where they say.
#include "check.h"
#include <cfenv>
#include <cstring>
#include <vector>

template <typename T> using Unary = T (*)(T);

#define FUNCTION(name)                                                                                                \
    template <typename T> __global__ void name##_all(const T *in, T *out, int count) {                                \
        int i = blockIdx.x * blockDim.x + threadIdx.x;                                                                \
        if (i < count) out[i] = name(in[i]);                                                                          \
    }                                                                                                                 \
    template <typename T> T name##_host(T x) { return std::name(x); }

FUNCTION(sin) FUNCTION(cos) FUNCTION(tan) FUNCTION(asin) FUNCTION(acos) FUNCTION(atan)
FUNCTION(sinh) FUNCTION(cosh) FUNCTION(tanh) FUNCTION(asinh) FUNCTION(acosh) FUNCTION(atanh)
FUNCTION(exp) FUNCTION(exp2) FUNCTION(expm1) FUNCTION(log) FUNCTION(log2) FUNCTION(log10) FUNCTION(log1p)
FUNCTION(sqrt) FUNCTION(cbrt) FUNCTION(erf) FUNCTION(erfc) FUNCTION(tgamma) FUNCTION(lgamma)
FUNCTION(floor) FUNCTION(ceil) FUNCTION(trunc) FUNCTION(round) FUNCTION(rint)

template <typename T> __global__ void rsqrt_all(const T *in, T *out, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = rsqrt(in[i]);
}
template <typename T> T rsqrt_host(T x) { return T(1) / std::sqrt(x); }

#define FUNCTION_OF_TWO(name)                                                                                         \
    template <typename T> __global__ void name##_all(const T *in, T *out, int count) {                                \
        int i = blockIdx.x * blockDim.x + threadIdx.x;                                                                \
        if (i < count) out[i] = name(in[i], in[(i * 7 + 3) % count]);                                                 \
    }                                                                                                                 \
    template <typename T> T name##_host(T x, T y) { return std::name(x, y); }

FUNCTION_OF_TWO(pow) FUNCTION_OF_TWO(fmod) FUNCTION_OF_TWO(atan2) FUNCTION_OF_TWO(hypot) FUNCTION_OF_TWO(remainder)

// Floats between two of a type.
template <typename T> double apart(T a, T b) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b) ? 0 : 1e300;
    if (a == b) return 0;
    if (std::isinf(a) || std::isinf(b)) return 1e300;
    T scale = std::fmax(std::fabs(a), std::fabs(b));
    return std::fabs(double(a) - double(b)) / double(std::nextafter(scale, T(INFINITY)) - scale);
}

template <typename T> std::vector<T> inputs(double from, double to) {
    std::vector<T> values;
    Random random{7};
    for (int i = 0; i < 500; ++i) values.push_back(T(from + (to - from) * (random.bits() & 0xFFFFFF) / 16777216.0));
    for (double edge : {from, to, 0.5, 1.0, 2.0, 1e-3})
        if (edge >= from && edge <= to) values.push_back(T(edge));
    return values;
}

template <typename T, typename Kernel, typename Host>
void compare(const char *name, Kernel kernel, Host host, double from, double to, double ulp) {
    std::vector<T> values = inputs<T>(from, to);
    int count = int(values.size());
    Both<T> in(count), out(count);
    std::memcpy(in.host, values.data(), count * sizeof(T));
    in.upload();
    kernel<<<(count + 127) / 128, 128>>>(in.device, out.device, count);
    finish();
    out.download();
    for (int i = 0; i < count; ++i) {
        T expected = host(values, i);
        if (apart(out.host[i], expected) <= ulp) continue;
        std::printf("FAIL %s%s(%.17g) = %.17g, expected %.17g\n", name, sizeof(T) == 4 ? "f" : "", double(values[i]), double(out.host[i]), double(expected));
        std::exit(1);
    }
}

#define CHECK(name, from, to, ulp)                                                                                    \
    compare<float>(#name, name##_all<float>, [](const std::vector<float> &v, int i) { return float(name##_host(double(v[i]))); }, from, to, ulp);  \
    compare<double>(#name, name##_all<double>, [](const std::vector<double> &v, int i) { return name##_host(v[i]); }, from, to, ulp)

#define CHECK_OF_TWO(name, from, to, ulp)                                                                             \
    compare<float>(#name, name##_all<float>, [](const std::vector<float> &v, int i) { return float(name##_host(double(v[i]), double(v[(i * 7 + 3) % v.size()]))); }, from, to, ulp); \
    compare<double>(#name, name##_all<double>, [](const std::vector<double> &v, int i) { return name##_host(v[i], v[(i * 7 + 3) % v.size()]); }, from, to, ulp)

__global__ void round_all(const float *in, float *out) {
    int i = threadIdx.x;
    float a = in[i], b = in[(i + 1) % 64], c = in[(i + 5) % 64], *o = out + i * 12;
    o[0] = __fadd_rd(a, b), o[1] = __fadd_ru(a, b), o[2] = __fadd_rz(a, b);
    o[3] = __fmul_rd(a, b), o[4] = __fmul_ru(a, b), o[5] = __fdiv_rd(a, b), o[6] = __fdiv_ru(a, b);
    o[7] = __fmaf_rd(a, b, c), o[8] = __fmaf_ru(a, b, c), o[9] = __fsqrt_ru(a * a), o[10] = __double2float_rd(double(a) * b), o[11] = __int2float_ru(int(a * 1e8f));
}

void roundings() {
    Both<float> in(64), out(64 * 12);
    Random random{3};
    for (int i = 0; i < 64; ++i) in.host[i] = (random.unit() - 0.5f) * 37.7f + 1e-3f;
    in.upload();
    round_all<<<1, 64>>>(in.device, out.device);
    finish();
    out.download();
    for (int i = 0; i < 64; ++i) {
        volatile float a = in.host[i], b = in.host[(i + 1) % 64], c = in.host[(i + 5) % 64], square = a * a, e[12];
        volatile int whole = int(a * 1e8f);
        std::fesetround(FE_DOWNWARD);
        e[0] = a + b, e[3] = a * b, e[5] = a / b, e[7] = std::fma(a, b, c), e[10] = float(double(a) * b);
        std::fesetround(FE_UPWARD);
        e[1] = a + b, e[4] = a * b, e[6] = a / b, e[8] = std::fma(a, b, c), e[9] = std::sqrt(square), e[11] = float(whole);
        std::fesetround(FE_TOWARDZERO);
        e[2] = a + b;
        std::fesetround(FE_TONEAREST);
        for (int k = 0; k < 12; ++k)
            if (out.host[i * 12 + k] != e[k]) std::printf("FAIL rounding %d of %.9g %.9g %.9g: %.9g, expected %.9g\n", k, a, b, c, out.host[i * 12 + k], e[k]), std::exit(1);
    }
}

int main() {
    CHECK(sin, -50, 50, 4);
    CHECK(cos, -50, 50, 4);
    CHECK(tan, -1.4, 1.4, 6);
    CHECK(asin, -1, 1, 5);
    CHECK(acos, -1, 1, 5);
    CHECK(atan, -30, 30, 4);
    CHECK(sinh, -20, 20, 5);
    CHECK(cosh, -20, 20, 4);
    CHECK(tanh, -3, 3, 4);
    CHECK(asinh, -100, 100, 5);
    CHECK(acosh, 1, 100, 6);
    CHECK(atanh, -0.99, 0.99, 6);
    CHECK(exp, -80, 80, 4);
    CHECK(exp2, -100, 100, 4);
    CHECK(expm1, -5, 20, 4);
    CHECK(log, 1e-6, 1e6, 4);
    CHECK(log2, 1e-6, 1e6, 4);
    CHECK(log10, 1e-6, 1e6, 5);
    CHECK(log1p, -0.9, 100, 4);
    CHECK(sqrt, 0, 1e6, 0);
    CHECK(rsqrt, 1e-6, 1e6, 4);
    CHECK(cbrt, -1e6, 1e6, 4);
    CHECK(erf, -3, 3, 4);
    CHECK(erfc, -2, 6, 8);
    CHECK(tgamma, 0.1, 20, 14);
    CHECK(lgamma, 3, 50, 8);
    CHECK(floor, -1e5, 1e5, 0);
    CHECK(ceil, -1e5, 1e5, 0);
    CHECK(trunc, -1e5, 1e5, 0);
    CHECK(round, -1e3, 1e3, 0);
    CHECK(rint, -1e3, 1e3, 0);
    CHECK_OF_TWO(pow, 0.1, 8, 10);
    CHECK_OF_TWO(fmod, 0.1, 1000, 0);
    CHECK_OF_TWO(remainder, 0.1, 1000, 0);
    CHECK_OF_TWO(atan2, -10, 10, 5);
    CHECK_OF_TWO(hypot, -100, 100, 4);
    roundings();
    return pass();
}
