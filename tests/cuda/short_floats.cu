// half and bfloat16: arithmetic, packed arithmetic, conversions, comparisons and atomic sums.
#include "check.h"
#include <cuda_bf16.h>
#include <cuda_fp16.h>

__global__ void half_axpy(const __half *x, __half *y, float a, int count) {
    int i = threadIdx.x;
    if (i < count) y[i] = __hfma(__float2half(a), x[i], y[i]);
}

__global__ void half_pairs(const __half2 *x, __half2 *y) {
    int i = threadIdx.x;
    __half2 v = __hmul2(x[i], __float2half2_rn(0.5f));
    y[i] = __hadd2(v, __hneg2(__habs2(y[i])));
    if (__hbgt2(v, __float2half2_rn(3.0f))) y[i] = __hmin2(y[i], v);
}

__global__ void half_functions(const float *x, float *y) {
    int i = threadIdx.x;
    __half h = __float2half_rn(x[i]);
    y[i] = __half2float(hexp(h)) + __half2float(hsqrt(h)) + __half2float(hlog(h)) + __half2float(hrcp(h)) + float(__half2int_rd(h));
}

__global__ void bfloat_axpy(const __nv_bfloat16 *x, __nv_bfloat16 *y, float a) {
    int i = threadIdx.x;
    y[i] = __float2bfloat16(fmaf(a, __bfloat162float(x[i]), __bfloat162float(y[i])));
}

__global__ void bfloat_sum(const __nv_bfloat162 *x, float *sums) {
    int i = threadIdx.x;
    auto wide = [](__nv_bfloat162 v) { return make_float2(__bfloat162float(v.x), __bfloat162float(v.y)); };
    float2 a = wide(x[i]), b = wide(x[(i + 1) % blockDim.x]);
    float2 v = wide(__floats2bfloat162_rn(a.x + b.x, a.y + b.y));
    sums[i] = v.x - v.y + (a.x < a.y ? 1000.0f : 0.0f);
}

__global__ void add_all(const float *x, __half2 *pairs, __half *one, __nv_bfloat162 *bfloats, double *wide, unsigned short *mark) {
    int i = threadIdx.x;
    atomicAdd(pairs, __floats2half2_rn(x[i], 1.0f));
#if __CUDA_ARCH__ >= 700
    atomicAdd(one + i % 2, __float2half(x[i]));
    if (atomicCAS(mark + i % 2, (unsigned short)0, (unsigned short)1) == 0) atomicAdd(wide + 1, 1.0);
#endif
#if __CUDACC_VER_MAJOR__ >= 12
    atomicAdd(bfloats, __floats2bfloat162_rn(1.0f, 2.0f));
#endif
    atomicAdd(wide, double(x[i]));
}

int main() {
    cudaDeviceProp device;
    CALL(cudaGetDeviceProperties(&device, 0));
    const int count = 64;
    Both<__half> x(count), y(count);
    Both<__nv_bfloat16> bx(2 * count), by(count);
    Both<float> in(count), out(count);
    Random random{9};
    for (int i = 0; i < count; ++i) {
        in.host[i] = float(1 + random.bits() % 8);
        x.host[i] = __float2half(in.host[i]), y.host[i] = __float2half(random.unit() * 4);
        bx.host[2 * i] = __float2bfloat16(random.unit() * 9), bx.host[2 * i + 1] = __float2bfloat16(random.unit() * 9);
        by.host[i] = __float2bfloat16(random.unit());
    }
    x.upload(), y.upload(), in.upload(), bx.upload(), by.upload();
    half_axpy<<<1, count>>>(x.device, y.device, 1.5f, count);
    finish();
    Both<__half> after(count);
    CALL(cudaMemcpy(after.host, y.device, count * sizeof(__half), cudaMemcpyDeviceToHost));
    for (int i = 0; i < count; ++i)
        near("axpy", i, __half2float(after.host[i]), __half2float(__float2half(1.5f * __half2float(x.host[i]) + __half2float(y.host[i]))), 0);
    y.upload();
    half_pairs<<<1, count / 2>>>(reinterpret_cast<__half2 *>(x.device), reinterpret_cast<__half2 *>(y.device));
    finish();
    CALL(cudaMemcpy(after.host, y.device, count * sizeof(__half), cudaMemcpyDeviceToHost));
    for (int i = 0; i < count; i += 2) {
        float v[2], r[2];
        for (int k : {0, 1}) v[k] = __half2float(x.host[i + k]) * 0.5f, r[k] = __half2float(__float2half(v[k] - std::fabs(__half2float(y.host[i + k]))));
        for (int k : {0, 1}) near("pairs", i + k, __half2float(after.host[i + k]), v[0] > 3 && v[1] > 3 ? std::fmin(r[k], v[k]) : r[k], 0);
    }
    half_functions<<<1, count>>>(in.device, out.device);
    finish();
    out.download();
    for (int i = 0; i < count; ++i) {
        double v = in.host[i];
        near("functions", i, out.host[i], std::exp(v) + std::sqrt(v) + std::log(v) + 1 / v + std::floor(v), 2e-3);
    }

    bfloat_axpy<<<1, count>>>(bx.device, by.device, 0.75f);
    bfloat_sum<<<1, count>>>(reinterpret_cast<__nv_bfloat162 *>(bx.device), out.device);
    finish();
    out.download();
    Both<__nv_bfloat16> bafter(count);
    CALL(cudaMemcpy(bafter.host, by.device, count * sizeof(__nv_bfloat16), cudaMemcpyDeviceToHost));
    auto rounded = [](float v) { return __bfloat162float(__float2bfloat16(v)); };
    for (int i = 0; i < count; ++i) {
        near("bfloat axpy", i, __bfloat162float(bafter.host[i]), rounded(0.75f * __bfloat162float(bx.host[i]) + __bfloat162float(by.host[i])), 0);
        float v[2];
        for (int k : {0, 1}) v[k] = rounded(__bfloat162float(bx.host[2 * i + k]) + __bfloat162float(bx.host[2 * ((i + 1) % count) + k]));
        bool less = __bfloat162float(bx.host[2 * i]) < __bfloat162float(bx.host[2 * i + 1]);
        near("bfloat sum", i, out.host[i], v[0] - v[1] + (less ? 1000.0f : 0.0f), 1e-6);
    }

    Both<__half> sums(4);
    Both<__nv_bfloat162> bsum(1);
    Both<double> wide(2);
    Both<unsigned short> marks(2);
    add_all<<<1, count>>>(in.device, reinterpret_cast<__half2 *>(sums.device), sums.device + 2, bsum.device, wide.device, marks.device);
    finish();
    sums.download(), bsum.download(), wide.download(), marks.download();
    double all = 0, halves[2] = {};
    for (int i = 0; i < count; ++i) all += in.host[i], halves[i % 2] += in.host[i];
    near("pair", 0, __half2float(sums.host[0]), all, 0);
    near("pair", 1, __half2float(sums.host[1]), count, 0);
#if __CUDACC_VER_MAJOR__ >= 12
    near("bfloats", 0, __bfloat162float(bsum.host[0].x), count, 0);
    near("bfloats", 1, __bfloat162float(bsum.host[0].y), 2 * count, 0);
#endif
    near("double", 0, wide.host[0], all, 0);
    if (device.major >= 7) {
        for (int k : {0, 1}) near("halves", k, __half2float(sums.host[2 + k]), halves[k], 0);
        near("first comers", 0, wide.host[1], 2, 0);
    }
    return pass();
}
