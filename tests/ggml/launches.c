// Prints the kernels that a program on libcudart launches, and launches none of them: what a test case needs
// compiled is known in milliseconds. Results are wrong, and kernels that depend on them may differ. To be preloaded.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

enum { KERNELS = 1 << 14 };
static struct {
    const void *stub;
    const char *name;
} kernels[KERNELS];
static unsigned count;

// Lines of both streams stay in their order.
__attribute__((constructor)) static void buffer_lines(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
}

static void print_kernel(const void *stub) {
    for (unsigned i = 0; i < count; i++)
        if (kernels[i].stub == stub) {
            printf("kernel %s\n", kernels[i].name);
            return;
        }
    printf("kernel of an unknown name\n");
}

typedef void Register(void **, const char *, char *, const char *, int, void *, void *, void *, void *, int *);

void __cudaRegisterFunction(void **image, const char *stub, char *function, const char *name, int threads, void *thread,
                            void *block, void *block_size, void *grid_size, int *warp_size) {
    // libcudart is in the scope of the library that was loaded with it, not in the program's.
    Register *next = (Register *)dlsym(dlopen("libcudart.so.12", RTLD_NOW | RTLD_NOLOAD), "__cudaRegisterFunction");
    if (count < KERNELS) {
        kernels[count].stub = stub;
        kernels[count++].name = name;
    }
    next(image, stub, function, name, threads, thread, block, block_size, grid_size, warp_size);
}

typedef struct {
    unsigned x, y, z;
} Dimensions;

int cudaLaunchKernel(const void *stub, Dimensions grid, Dimensions block, void **arguments, size_t shared, void *stream) {
    print_kernel(stub);
    return 0;
}

int cudaLaunchCooperativeKernel(const void *stub, Dimensions grid, Dimensions block, void **arguments, size_t shared,
                                void *stream) {
    print_kernel(stub);
    return 0;
}

int cudaLaunchKernelExC(const void *configuration, const void *stub, void **arguments) {
    print_kernel(stub);
    return 0;
}

// Products by cuBLAS would read pointers that a kernel should have written.
#define PRODUCT(name)                                                                                                     \
    int name(void) {                                                                                                      \
        return 0;                                                                                                         \
    }
PRODUCT(cublasSgemm_v2)
PRODUCT(cublasSgemmBatched)
PRODUCT(cublasSgemmStridedBatched)
PRODUCT(cublasGemmEx)
PRODUCT(cublasGemmBatchedEx)
PRODUCT(cublasGemmStridedBatchedEx)
PRODUCT(cublasStrsmBatched)
