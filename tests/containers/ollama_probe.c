/*
 * Does what Ollama's own probe does on Linux, in its order and with its demands: opens ggml and the CUDA
 * back end found in the folder given, then libcuda.so.1 (or libcuda.so), then NVML. A symbol that Ollama
 * requires and that is missing is an error. Prints KEY=VALUE lines with the device and the times in
 * milliseconds. Exits with 0 if there is exactly one device.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { COMPUTE_CAPABILITY_MAJOR = 75, COMPUTE_CAPABILITY_MINOR = 76, INTEGRATED = 18 };

/* ggml's public structure of device properties; only the leading members are read. */
struct ggml_properties {
    const char *name;
    const char *description;
    size_t memory_free;
    size_t memory_total;
    char rest[256];
};

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "ollama-probe: %s: %s\n", what, why);
    exit(1);
}

static void *open_library(const char *name, int flags)
{
    void *library = dlopen(name, flags);
    if (!library)
        fail(name, dlerror());
    return library;
}

static void *require(void *library, const char *symbol)
{
    void *address = dlsym(library, symbol);
    if (!address)
        fail(symbol, "required and missing");
    return address;
}

static void check(const char *call, int status)
{
    if (status) {
        char text[32];
        snprintf(text, sizeof text, "status %d", status);
        fail(call, text);
    }
}

static void probe_ggml(const char *folder)
{
    char path[4096];
    open_library("libggml-base.so.0", RTLD_NOW | RTLD_GLOBAL);
    void *ggml = open_library("libggml.so.0", RTLD_NOW | RTLD_GLOBAL);
    void *(*load)(const char *) = require(ggml, "ggml_backend_load");
    size_t (*count)(void *) = require(ggml, "ggml_backend_reg_dev_count");
    void *(*get)(void *, size_t) = require(ggml, "ggml_backend_reg_dev_get");
    void (*properties)(void *, struct ggml_properties *) = require(ggml, "ggml_backend_dev_get_props");

    snprintf(path, sizeof path, "%s/libggml-cuda.so", folder);
    void *backend = load(path);
    if (!backend)
        fail(path, "ggml_backend_load returned nothing");
    if (count(backend) != 1)
        fail(path, "the back end does not have exactly one device");
    struct ggml_properties device = { 0 };
    properties(get(backend, 0), &device);
    printf("ggml_description=%s\nggml_memory_total=%zu\n", device.description, device.memory_total);
}

static void probe_driver(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!cuda)
        cuda = open_library("libcuda.so", RTLD_NOW | RTLD_LOCAL);
    int (*init)(unsigned) = require(cuda, "cuInit");
    int (*driver_version)(int *) = require(cuda, "cuDriverGetVersion");
    int (*device_count)(int *) = require(cuda, "cuDeviceGetCount");
    int (*device_get)(int *, int) = require(cuda, "cuDeviceGet");
    int (*attribute)(int *, int, int) = require(cuda, "cuDeviceGetAttribute");
    int (*device_name)(char *, int, int) = require(cuda, "cuDeviceGetName");
    int (*total_memory)(size_t *, int) = dlsym(cuda, "cuDeviceTotalMem_v2");
    if (!total_memory)
        total_memory = require(cuda, "cuDeviceTotalMem");
    int (*pci_bus_id)(char *, int, int) = dlsym(cuda, "cuDeviceGetPCIBusId");

    int version, count, device, major, minor, integrated;
    char name[256], pci[64] = "";
    size_t total;
    check("cuInit", init(0));
    check("cuDriverGetVersion", driver_version(&version));
    check("cuDeviceGetCount", device_count(&count));
    if (count != 1)
        fail("cuDeviceGetCount", "not exactly one device");
    check("cuDeviceGet", device_get(&device, 0));
    check("cuDeviceGetAttribute", attribute(&major, COMPUTE_CAPABILITY_MAJOR, device));
    check("cuDeviceGetAttribute", attribute(&minor, COMPUTE_CAPABILITY_MINOR, device));
    check("cuDeviceGetAttribute", attribute(&integrated, INTEGRATED, device));
    check("cuDeviceGetName", device_name(name, sizeof name, device));
    check("cuDeviceTotalMem", total_memory(&total, device));
    if (pci_bus_id)
        check("cuDeviceGetPCIBusId", pci_bus_id(pci, sizeof pci, device));
    printf("driver=%d.%d\ncompute=%d.%d\nintegrated=%d\nname=%s\ntotal=%zu\npci_id=%s\n", version / 1000,
           version % 1000 / 10, major, minor, integrated, name, total, pci);
}

static void probe_nvml(void)
{
    char version[80];
    void *nvml = open_library("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    int (*init)(void) = require(nvml, "nvmlInit_v2");
    int (*driver_version)(char *, unsigned) = require(nvml, "nvmlSystemGetDriverVersion");
    int (*shut_down)(void) = require(nvml, "nvmlShutdown");
    check("nvmlInit_v2", init());
    check("nvmlSystemGetDriverVersion", driver_version(version, sizeof version));
    check("nvmlShutdown", shut_down());
    printf("nvml_driver=%s\n", version);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        fail("usage", "ollama-probe FOLDER-OF-THE-CUDA-BACK-END");
    double start = milliseconds();
    probe_ggml(argv[1]);
    double ggml = milliseconds();
    probe_driver();
    double driver = milliseconds();
    probe_nvml();
    printf("ggml_ms=%.1f\ndriver_ms=%.1f\nnvml_ms=%.1f\n", ggml - start, driver - ggml, milliseconds() - driver);
    return 0;
}
