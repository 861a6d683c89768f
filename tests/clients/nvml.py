"""What stock NVML clients say of the first device, held against Vulkan's own account of it."""

import json
import os
import subprocess
import sys

import pynvml


def vulkan():
    """The first device of vulkaninfo's summary: what it prints as `name = value`."""
    environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    text = subprocess.run(["vulkaninfo", "--summary"], capture_output=True, text=True, check=True, env=environment)
    first = text.stdout.split("GPU0:")[1].split("GPU1:")[0]
    pairs = (line.split("=", 1) for line in first.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def refuses(code, call, *arguments):
    """Whether the call fails with this status."""
    try:
        call(*arguments)
    except pynvml.NVMLError as error:
        assert error.value == code, f"{call.__name__}: {error}"
        return True
    raise AssertionError(f"{call.__name__} succeeded")


def check_nvidia_ml_py(expected):
    refuses(pynvml.NVML_ERROR_UNINITIALIZED, pynvml.nvmlDeviceGetCount)
    pynvml.nvmlInit()
    assert pynvml.nvmlDeviceGetCount() >= 1
    device = pynvml.nvmlDeviceGetHandleByIndex(0)
    name, uuid = pynvml.nvmlDeviceGetName(device), pynvml.nvmlDeviceGetUUID(device)
    assert name == expected["deviceName"], (name, expected)
    pci = pynvml.nvmlDeviceGetPciInfo(device)
    for handle in (pynvml.nvmlDeviceGetHandleByUUID(uuid), pynvml.nvmlDeviceGetHandleByPciBusId(pci.busId)):
        assert pynvml.nvmlDeviceGetIndex(handle) == 0
    memory = pynvml.nvmlDeviceGetMemoryInfo(device)
    second = pynvml.nvmlDeviceGetMemoryInfo(device, version=pynvml.nvmlMemory_v2)
    assert memory.total == second.total == memory.free + memory.used > 0
    assert pynvml.nvmlDeviceGetCudaComputeCapability(device) == (6, 1)
    assert pynvml.nvmlSystemGetCudaDriverVersion() == 12090
    assert int(pynvml.nvmlSystemGetDriverVersion().split(".")[0]) >= 570
    assert pynvml.nvmlSystemGetProcessName(os.getpid())
    assert pynvml.nvmlDeviceGetComputeMode(device) == pynvml.NVML_COMPUTEMODE_DEFAULT
    if expected["deviceType"] == "PHYSICAL_DEVICE_TYPE_CPU":
        refuses(pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.nvmlDeviceGetPowerUsage, device)
        refuses(pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.nvmlDeviceGetTemperatureV, device, pynvml.NVML_TEMPERATURE_GPU)
    refuses(pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.nvmlDeviceGetSerial, device)
    pynvml.nvmlShutdown()
    refuses(pynvml.NVML_ERROR_UNINITIALIZED, pynvml.nvmlShutdown)
    return name, uuid, memory.total


def check_gpustat(name, uuid, total):
    found = json.loads(subprocess.run(["gpustat", "--json"], capture_output=True, text=True, check=True).stdout)
    gpu = found["gpus"][0]
    assert (gpu["name"], gpu["uuid"], gpu["memory.total"]) == (name, uuid, total >> 20), gpu


def check_nvitop(uuid):
    script = (
        "from nvitop import Device\n"
        "device = Device.all()[0]\n"
        "device.as_snapshot()\n"
        "print(device.uuid())"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [uuid], found
    shown = subprocess.run(["nvitop", "-1"], capture_output=True, text=True, check=True)
    assert "CUDA Driver Version: 12.9" in shown.stdout, shown


def main():
    name, uuid, total = check_nvidia_ml_py(vulkan())
    check_gpustat(name, uuid, total)
    check_nvitop(uuid)
    print(f"nvidia-ml-py, gpustat and nvitop read {name}, {uuid}, {total >> 20} MiB")


main()
