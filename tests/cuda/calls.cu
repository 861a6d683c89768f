// Functions that stay functions: structures by value and back, pointers into local, shared and global memory,
// results that are structures, switches, loops with early returns.
#include "check.h"

struct Particle {
    float position[3];
    char kind;
    double charge;
    short tags[3];
};

__device__ __noinline__ Particle moved(Particle p, float3 by, int turns) {
    for (int i = 0; i < turns; ++i) {
        p.position[0] += by.x;
        p.position[1] += by.y;
        p.position[2] += by.z;
        p.charge *= 0.5;
        p.tags[i % 3] = short(p.tags[i % 3] + i);
    }
    p.kind = char(p.kind + turns);
    return p;
}

__device__ __noinline__ float sum(const float *values, int count) {
    float sum = 0;
    for (int i = 0; i < count; ++i) sum += values[i];
    return sum;
}

__device__ __noinline__ int choose(int what, int a, int b) {
    switch (what) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return a ^ b;
    case 4: return a & b;
    case 5: return a << (b & 7);
    case 7: return b ? a % b : -1;
    case 9: return max(a, b);
    default: return what;
    }
}

__device__ __noinline__ void swap_if_greater(int &a, int &b) {
    if (a <= b) return;
    int c = a;
    a = b;
    b = c;
}

__global__ void with_structures(const Particle *in, Particle *out, float3 by) {
    out[threadIdx.x] = moved(in[threadIdx.x], by, threadIdx.x % 5);
}

__global__ void with_pointers(const float *in, float *out) {
    __shared__ float tile[64];
    float own[8];
    tile[threadIdx.x] = in[threadIdx.x];
    for (int i = 0; i < 8; ++i) own[i] = in[threadIdx.x] * i;
    __syncthreads();
    out[threadIdx.x] = sum(own, threadIdx.x % 9) + sum(tile, threadIdx.x) + sum(in, 3);
    // One call, three memories.
    const float *any = threadIdx.x % 3 == 0 ? own : threadIdx.x % 3 == 1 ? tile : in;
    out[threadIdx.x + 64] = sum(any, 5);
}

__global__ void with_switch(const int *in, int *out) { out[threadIdx.x] = choose(threadIdx.x % 11, in[threadIdx.x], in[threadIdx.x + 1]); }

__global__ void with_references(int *data) {
    int v[6];
    for (int i = 0; i < 6; ++i) v[i] = data[threadIdx.x * 6 + i];
    for (int i = 0; i < 6; ++i)
        for (int j = 0; j + 1 < 6; ++j) swap_if_greater(v[j], v[j + 1]);
    for (int i = 0; i < 6; ++i) data[threadIdx.x * 6 + i] = v[i];
}

__global__ void with_parameter_array(Particle p, const int *which, float *out) { out[threadIdx.x] = p.position[which[threadIdx.x]] + p.tags[which[threadIdx.x]]; }

int main() {
    const int threads = 64;
    Both<Particle> particles(threads), results(threads);
    Random random{5};
    for (int i = 0; i < threads; ++i) {
        Particle &p = particles.host[i];
        for (float &x : p.position) x = random.unit();
        p.kind = char('a' + i % 26), p.charge = random.unit();
        for (short &tag : p.tags) tag = short(random.bits());
    }
    particles.upload();
    with_structures<<<1, threads>>>(particles.device, results.device, make_float3(1, 2, 3));
    finish();
    results.download();
    for (int i = 0; i < threads; ++i) {
        Particle p = particles.host[i], &got = results.host[i];
        const float by[] = {1, 2, 3};
        for (int turn = 0; turn < i % 5; ++turn) {
            for (int d = 0; d < 3; ++d) p.position[d] += by[d];
            p.charge *= 0.5;
            p.tags[turn % 3] = short(p.tags[turn % 3] + turn);
        }
        p.kind = char(p.kind + i % 5);
        same("position", got.position, p.position, 3);
        same("tags", got.tags, p.tags, 3);
        near("kind", i, got.kind, p.kind, 0);
        near("charge", i, got.charge, p.charge, 0);
    }

    Both<float> in(threads), out(2 * threads);
    for (int i = 0; i < threads; ++i) in.host[i] = float(random.bits() % 100);
    in.upload();
    with_pointers<<<1, threads>>>(in.device, out.device);
    finish();
    out.download();
    auto sum_of = [&](int count) {
        float sum = 0;
        for (int i = 0; i < count; ++i) sum += in.host[i];
        return sum;
    };
    for (int i = 0; i < threads; ++i) {
        float own = 0, five = 0;
        for (int k = 0; k < i % 9; ++k) own += in.host[i] * k;
        for (int k = 0; k < 5; ++k) five += in.host[i] * k;
        near("sums", i, out.host[i], own + sum_of(i) + sum_of(3), 0);
        near("chosen", i, out.host[threads + i], i % 3 == 0 ? five : sum_of(5), 0);
    }

    Both<int> numbers(threads * 6), chosen(threads);
    for (int i = 0; i < threads * 6; ++i) numbers.host[i] = int(random.bits() % 1000) - 500;
    numbers.upload();
    with_switch<<<1, threads>>>(numbers.device, chosen.device);
    finish();
    chosen.download();
    for (int i = 0; i < threads; ++i) {
        int a = numbers.host[i], b = numbers.host[i + 1], what = i % 11;
        int expected = what == 0 ? a + b : what == 1 ? a - b : what == 2 ? a * b : what == 3 ? a ^ b : what == 4 ? a & b
            : what == 5 ? int(unsigned(a) << (b & 7)) : what == 7 ? (b ? a % b : -1) : what == 9 ? (a > b ? a : b) : what;
        near("switch", i, chosen.host[i], expected, 0);
    }
    with_references<<<1, threads>>>(numbers.device);
    finish();
    numbers.download();
    for (int i = 0; i + 1 < threads * 6; ++i)
        if (i % 6 != 5 && numbers.host[i] > numbers.host[i + 1]) return std::printf("FAIL order at %d\n", i), 1;

    Both<int> which(threads);
    for (int i = 0; i < threads; ++i) which.host[i] = int(random.bits() % 3);
    which.upload();
    with_parameter_array<<<1, threads>>>(particles.host[7], which.device, out.device);
    finish();
    out.download();
    for (int i = 0; i < threads; ++i) {
        int k = which.host[i];
        near("parameter", i, out.host[i], particles.host[7].position[k] + particles.host[7].tags[k], 0);
    }
    return pass();
}
