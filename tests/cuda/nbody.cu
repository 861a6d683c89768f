// Bodies that attract each other, in tiles of shared memory, for a few steps.
#include "check.h"

constexpr int BLOCK = 64, STEPS = 3;
constexpr float SOFTENING = 0.01f, STEP = 0.01f;

__global__ void step(const float4 *from, float4 *to, float3 *velocities, int count) {
    __shared__ float4 tile[BLOCK];
    int i = blockIdx.x * BLOCK + threadIdx.x;
    float4 me = i < count ? from[i] : make_float4(0, 0, 0, 0);
    float3 pull = make_float3(0, 0, 0);
    for (int start = 0; start < count; start += BLOCK) {
        if (start + threadIdx.x < count) tile[threadIdx.x] = from[start + threadIdx.x];
        __syncthreads();
        int end = min(BLOCK, count - start);
        for (int j = 0; j < end; ++j) {
            float x = tile[j].x - me.x, y = tile[j].y - me.y, z = tile[j].z - me.z;
            float inverse = rsqrtf(x * x + y * y + z * z + SOFTENING);
            float force = tile[j].w * inverse * inverse * inverse;
            pull.x += x * force, pull.y += y * force, pull.z += z * force;
        }
        __syncthreads();
    }
    if (i >= count) return;
    float3 v = velocities[i];
    v.x += pull.x * STEP, v.y += pull.y * STEP, v.z += pull.z * STEP;
    velocities[i] = v;
    to[i] = make_float4(me.x + v.x * STEP, me.y + v.y * STEP, me.z + v.z * STEP, me.w);
}

int main() {
    const int count = 150;
    Both<float4> first(count), second(count);
    Both<float3> velocities(count);
    double place[count][3], speed[count][3] = {}, mass[count];
    Random random{4};
    for (int i = 0; i < count; ++i) {
        first.host[i] = make_float4(random.unit(), random.unit(), random.unit(), random.unit() + 0.1f);
        place[i][0] = first.host[i].x, place[i][1] = first.host[i].y, place[i][2] = first.host[i].z, mass[i] = first.host[i].w;
    }
    first.upload();
    float4 *from = first.device, *to = second.device;
    for (int turn = 0; turn < STEPS; ++turn) {
        step<<<(count + BLOCK - 1) / BLOCK, BLOCK>>>(from, to, velocities.device, count);
        std::swap(from, to);
        double pull[count][3] = {};
        for (int i = 0; i < count; ++i)
            for (int j = 0; j < count; ++j) {
                double d[3], square = SOFTENING;
                for (int axis = 0; axis < 3; ++axis) d[axis] = place[j][axis] - place[i][axis], square += d[axis] * d[axis];
                for (int axis = 0; axis < 3; ++axis) pull[i][axis] += d[axis] * mass[j] / (square * std::sqrt(square));
            }
        for (int i = 0; i < count; ++i)
            for (int axis = 0; axis < 3; ++axis) speed[i][axis] += pull[i][axis] * STEP, place[i][axis] += speed[i][axis] * STEP;
    }
    finish();
    CALL(cudaMemcpy(first.host, from, count * sizeof(float4), cudaMemcpyDeviceToHost));
    for (int i = 0; i < count; ++i) {
        near("x", i, first.host[i].x, place[i][0], 1e-4);
        near("y", i, first.host[i].y, place[i][1], 1e-4);
        near("z", i, first.host[i].z, place[i][2], 1e-4);
    }
    return pass();
}
