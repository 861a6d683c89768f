//! The CUDA driver API, each symbol of a driver 580 once.
//!
//! One table serves every consumer: `libcuda` generates its exports, its
//! `cuGetProcAddress` answers and its coverage page from it, and the tests
//! generate the loader that runs the same test on this library or NVIDIA's.
//!
//! A row reads `[since] fn name(arguments)`, where `since` is the `CUDA_VERSION`
//! that introduced the symbol. `also [since] name` is an older symbol of the same
//! meaning, `per_thread [since] name` the variant whose default stream is the
//! calling thread's. The rows under `unsupported` have no meaning here yet: they
//! are exported, log their name and return `CUDA_ERROR_NOT_SUPPORTED`. The names
//! under `debugger` are the data objects and functions that a debugger looks up.

/// Applies the macro `$apply` to the whole driver API.
#[macro_export]
macro_rules! driver_api {
    ($($apply:tt)+) => {
        $($apply)+! {
            mod initialization {
                [2000] fn cuInit(Flags: u32);
            }
            mod version {
                [2020] fn cuDriverGetVersion(driverVersion: *mut i32);
            }
            mod device {
                [2000] fn cuDeviceGet(device: *mut CUdevice, ordinal: i32);
                [2000] fn cuDeviceGetCount(count: *mut i32);
                [2000] fn cuDeviceGetName(name: *mut c_char, len: i32, dev: CUdevice);
                [9020] fn cuDeviceGetUuid(uuid: *mut CUuuid, dev: CUdevice);
                [11040] fn cuDeviceGetUuid_v2(uuid: *mut CUuuid, dev: CUdevice);
                [3020] fn cuDeviceTotalMem_v2(bytes: *mut usize, dev: CUdevice);
                [2000] fn cuDeviceGetAttribute(pi: *mut i32, attrib: CUdevice_attribute, dev: CUdevice);
                [2000] fn cuDeviceGetProperties(prop: *mut CUdevprop, dev: CUdevice);
                [2000] fn cuDeviceComputeCapability(major: *mut i32, minor: *mut i32, dev: CUdevice);
                [4010] fn cuDeviceGetByPCIBusId(dev: *mut CUdevice, pciBusId: *const c_char);
                [4010] fn cuDeviceGetPCIBusId(pciBusId: *mut c_char, len: i32, dev: CUdevice);
                [11040] fn cuDeviceGetExecAffinitySupport(pi: *mut i32, type_: CUexecAffinityType, dev: CUdevice);
                [11010] fn cuDeviceGetTexture1DLinearMaxWidth(maxWidthInElements: *mut usize, format: CUarray_format, numChannels: u32, dev: CUdevice);
            }
            mod primary_context {
                [7000] fn cuDevicePrimaryCtxRetain(pctx: *mut CUcontext, dev: CUdevice);
                [11000] fn cuDevicePrimaryCtxRelease_v2(dev: CUdevice) also [7000] cuDevicePrimaryCtxRelease;
                [7000] fn cuDevicePrimaryCtxSetFlags(dev: CUdevice, flags: u32);
                [11000] fn cuDevicePrimaryCtxSetFlags_v2(dev: CUdevice, flags: u32);
                [7000] fn cuDevicePrimaryCtxGetState(dev: CUdevice, flags: *mut u32, active: *mut i32);
                [11000] fn cuDevicePrimaryCtxReset_v2(dev: CUdevice) also [7000] cuDevicePrimaryCtxReset;
            }
            mod context {
                [3020] fn cuCtxCreate_v2(pctx: *mut CUcontext, flags: u32, dev: CUdevice);
                [11040] fn cuCtxCreate_v3(pctx: *mut CUcontext, paramsArray: *mut CUexecAffinityParam, numParams: i32, flags: u32, dev: CUdevice);
                [12050] fn cuCtxCreate_v4(pctx: *mut CUcontext, ctxCreateParams: *mut CUctxCreateParams, flags: u32, dev: CUdevice);
                [4000] fn cuCtxDestroy_v2(ctx: CUcontext) also [2000] cuCtxDestroy;
                [4000] fn cuCtxPushCurrent_v2(ctx: CUcontext) also [2000] cuCtxPushCurrent;
                [4000] fn cuCtxPopCurrent_v2(pctx: *mut CUcontext) also [2000] cuCtxPopCurrent;
                [4000] fn cuCtxSetCurrent(ctx: CUcontext);
                [4000] fn cuCtxGetCurrent(pctx: *mut CUcontext);
                [2000] fn cuCtxGetDevice(device: *mut CUdevice);
                [13000] fn cuCtxGetDevice_v2(device: *mut CUdevice, ctx: CUcontext);
                [7000] fn cuCtxGetFlags(flags: *mut u32);
                [12010] fn cuCtxSetFlags(flags: u32);
                [12000] fn cuCtxGetId(ctx: CUcontext, ctxId: *mut u64);
                [2000] fn cuCtxSynchronize();
                [13000] fn cuCtxSynchronize_v2(ctx: CUcontext);
                [3010] fn cuCtxSetLimit(limit: CUlimit, value: usize);
                [3010] fn cuCtxGetLimit(pvalue: *mut usize, limit: CUlimit);
                [3020] fn cuCtxGetCacheConfig(pconfig: *mut CUfunc_cache);
                [3020] fn cuCtxSetCacheConfig(config: CUfunc_cache);
                [4020] fn cuCtxGetSharedMemConfig(pConfig: *mut CUsharedconfig);
                [4020] fn cuCtxSetSharedMemConfig(config: CUsharedconfig);
                [3020] fn cuCtxGetApiVersion(ctx: CUcontext, version: *mut u32);
                [5050] fn cuCtxGetStreamPriorityRange(leastPriority: *mut i32, greatestPriority: *mut i32);
                [11000] fn cuCtxResetPersistingL2Cache();
                [2000] fn cuCtxAttach(pctx: *mut CUcontext, flags: u32);
                [2000] fn cuCtxDetach(ctx: CUcontext);
            }
            mod module {
                [2000] fn cuModuleLoad(module: *mut CUmodule, fname: *const c_char);
                [2000] fn cuModuleLoadData(module: *mut CUmodule, image: *const c_void);
                [2010] fn cuModuleLoadDataEx(module: *mut CUmodule, image: *const c_void, numOptions: u32, options: *mut CUjit_option, optionValues: *mut *mut c_void);
                [2000] fn cuModuleLoadFatBinary(module: *mut CUmodule, fatCubin: *const c_void);
                [2000] fn cuModuleUnload(hhmod: CUmodule);
                [11070] fn cuModuleGetLoadingMode(mode: *mut CUmoduleLoadingMode);
                [2000] fn cuModuleGetFunction(hfunc: *mut CUfunction, hhmod: CUmodule, name: *const c_char);
                [12040] fn cuModuleGetFunctionCount(count: *mut u32, hmod: CUmodule);
                [12040] fn cuModuleEnumerateFunctions(functions: *mut CUfunction, numFunctions: u32, hmod: CUmodule);
                [3020] fn cuModuleGetGlobal_v2(dptr: *mut CUdeviceptr, bytes: *mut usize, hhmod: CUmodule, name: *const c_char);
            }
            mod library {
                [12000] fn cuLibraryLoadData(library: *mut CUlibrary, code: *const c_void, jitOptions: *mut CUjit_option, jitOptionsValues: *mut *mut c_void, numJitOptions: u32, libraryOptions: *mut CUlibraryOption, libraryOptionValues: *mut *mut c_void, numLibraryOptions: u32);
                [12000] fn cuLibraryLoadFromFile(library: *mut CUlibrary, fileName: *const c_char, jitOptions: *mut CUjit_option, jitOptionsValues: *mut *mut c_void, numJitOptions: u32, libraryOptions: *mut CUlibraryOption, libraryOptionValues: *mut *mut c_void, numLibraryOptions: u32);
                [12000] fn cuLibraryUnload(library: CUlibrary);
                [12000] fn cuLibraryGetKernel(pKernel: *mut CUkernel, library: CUlibrary, name: *const c_char);
                [12040] fn cuLibraryGetKernelCount(count: *mut u32, library: CUlibrary);
                [12040] fn cuLibraryEnumerateKernels(kernels: *mut CUkernel, numKernels: u32, library: CUlibrary);
                [12000] fn cuLibraryGetModule(pMod: *mut CUmodule, library: CUlibrary);
                [12000] fn cuKernelGetFunction(pFunc: *mut CUfunction, kernel: CUkernel);
                [12050] fn cuKernelGetLibrary(pLib: *mut CUlibrary, kernel: CUkernel);
                [12000] fn cuLibraryGetGlobal(dptr: *mut CUdeviceptr, bytes: *mut usize, library: CUlibrary, name: *const c_char);
                [12000] fn cuKernelGetAttribute(pi: *mut i32, attrib: CUfunction_attribute, kernel: CUkernel, dev: CUdevice);
                [12000] fn cuKernelSetAttribute(attrib: CUfunction_attribute, val: i32, kernel: CUkernel, dev: CUdevice);
                [12000] fn cuKernelSetCacheConfig(kernel: CUkernel, config: CUfunc_cache, dev: CUdevice);
                [12030] fn cuKernelGetName(name: *mut *const c_char, hfunc: CUkernel);
                [12040] fn cuKernelGetParamInfo(kernel: CUkernel, paramIndex: usize, paramOffset: *mut usize, paramSize: *mut usize);
            }
            mod memory {
                [3020] fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
                [3020] fn cuMemAlloc_v2(dptr: *mut CUdeviceptr, bytesize: usize);
                [3020] fn cuMemAllocPitch_v2(dptr: *mut CUdeviceptr, pPitch: *mut usize, WidthInBytes: usize, Height: usize, ElementSizeBytes: u32);
                [3020] fn cuMemFree_v2(dptr: CUdeviceptr);
                [3020] fn cuMemGetAddressRange_v2(pbase: *mut CUdeviceptr, psize: *mut usize, dptr: CUdeviceptr);
                [3020] fn cuMemAllocHost_v2(pp: *mut *mut c_void, bytesize: usize);
                [2000] fn cuMemFreeHost(p: *mut c_void);
                [2020] fn cuMemHostAlloc(pp: *mut *mut c_void, bytesize: usize, Flags: u32);
                [3020] fn cuMemHostGetDevicePointer_v2(pdptr: *mut CUdeviceptr, p: *mut c_void, Flags: u32);
                [2030] fn cuMemHostGetFlags(pFlags: *mut u32, p: *mut c_void);
                [6050] fn cuMemHostRegister_v2(p: *mut c_void, bytesize: usize, Flags: u32) also [4000] cuMemHostRegister;
                [4000] fn cuMemHostUnregister(p: *mut c_void);
            }
            mod copy {
                [4000] fn cuMemcpy(dst: CUdeviceptr, src: CUdeviceptr, ByteCount: usize) per_thread [7000] cuMemcpy_ptds;
                [4000] fn cuMemcpyPeer(dstDevice: CUdeviceptr, dstContext: CUcontext, srcDevice: CUdeviceptr, srcContext: CUcontext, ByteCount: usize) per_thread [7000] cuMemcpyPeer_ptds;
                [3020] fn cuMemcpyHtoD_v2(dstDevice: CUdeviceptr, srcHost: *const c_void, ByteCount: usize) per_thread [7000] cuMemcpyHtoD_v2_ptds;
                [3020] fn cuMemcpyDtoH_v2(dstHost: *mut c_void, srcDevice: CUdeviceptr, ByteCount: usize) per_thread [7000] cuMemcpyDtoH_v2_ptds;
                [3020] fn cuMemcpyDtoD_v2(dstDevice: CUdeviceptr, srcDevice: CUdeviceptr, ByteCount: usize) per_thread [7000] cuMemcpyDtoD_v2_ptds;
                [3020] fn cuMemcpy2D_v2(pCopy: *const CUDA_MEMCPY2D) per_thread [7000] cuMemcpy2D_v2_ptds;
                [3020] fn cuMemcpy2DUnaligned_v2(pCopy: *const CUDA_MEMCPY2D) per_thread [7000] cuMemcpy2DUnaligned_v2_ptds;
                [3020] fn cuMemcpy3D_v2(pCopy: *const CUDA_MEMCPY3D) per_thread [7000] cuMemcpy3D_v2_ptds;
                [4000] fn cuMemcpyAsync(dst: CUdeviceptr, src: CUdeviceptr, ByteCount: usize, hStream: CUstream) per_thread [7000] cuMemcpyAsync_ptsz;
                [4000] fn cuMemcpyPeerAsync(dstDevice: CUdeviceptr, dstContext: CUcontext, srcDevice: CUdeviceptr, srcContext: CUcontext, ByteCount: usize, hStream: CUstream) per_thread [7000] cuMemcpyPeerAsync_ptsz;
                [3020] fn cuMemcpyHtoDAsync_v2(dstDevice: CUdeviceptr, srcHost: *const c_void, ByteCount: usize, hStream: CUstream) per_thread [7000] cuMemcpyHtoDAsync_v2_ptsz;
                [3020] fn cuMemcpyDtoHAsync_v2(dstHost: *mut c_void, srcDevice: CUdeviceptr, ByteCount: usize, hStream: CUstream) per_thread [7000] cuMemcpyDtoHAsync_v2_ptsz;
                [3020] fn cuMemcpyDtoDAsync_v2(dstDevice: CUdeviceptr, srcDevice: CUdeviceptr, ByteCount: usize, hStream: CUstream) per_thread [7000] cuMemcpyDtoDAsync_v2_ptsz;
                [3020] fn cuMemcpy2DAsync_v2(pCopy: *const CUDA_MEMCPY2D, hStream: CUstream) per_thread [7000] cuMemcpy2DAsync_v2_ptsz;
                [3020] fn cuMemcpy3DAsync_v2(pCopy: *const CUDA_MEMCPY3D, hStream: CUstream) per_thread [7000] cuMemcpy3DAsync_v2_ptsz;
            }
            mod memset {
                [3020] fn cuMemsetD8_v2(dstDevice: CUdeviceptr, uc: u8, N: usize) per_thread [7000] cuMemsetD8_v2_ptds;
                [3020] fn cuMemsetD16_v2(dstDevice: CUdeviceptr, us: u16, N: usize) per_thread [7000] cuMemsetD16_v2_ptds;
                [3020] fn cuMemsetD32_v2(dstDevice: CUdeviceptr, ui: u32, N: usize) per_thread [7000] cuMemsetD32_v2_ptds;
                [3020] fn cuMemsetD2D8_v2(dstDevice: CUdeviceptr, dstPitch: usize, uc: u8, Width: usize, Height: usize) per_thread [7000] cuMemsetD2D8_v2_ptds;
                [3020] fn cuMemsetD2D16_v2(dstDevice: CUdeviceptr, dstPitch: usize, us: u16, Width: usize, Height: usize) per_thread [7000] cuMemsetD2D16_v2_ptds;
                [3020] fn cuMemsetD2D32_v2(dstDevice: CUdeviceptr, dstPitch: usize, ui: u32, Width: usize, Height: usize) per_thread [7000] cuMemsetD2D32_v2_ptds;
                [3020] fn cuMemsetD8Async(dstDevice: CUdeviceptr, uc: u8, N: usize, hStream: CUstream) per_thread [7000] cuMemsetD8Async_ptsz;
                [3020] fn cuMemsetD16Async(dstDevice: CUdeviceptr, us: u16, N: usize, hStream: CUstream) per_thread [7000] cuMemsetD16Async_ptsz;
                [3020] fn cuMemsetD32Async(dstDevice: CUdeviceptr, ui: u32, N: usize, hStream: CUstream) per_thread [7000] cuMemsetD32Async_ptsz;
                [3020] fn cuMemsetD2D8Async(dstDevice: CUdeviceptr, dstPitch: usize, uc: u8, Width: usize, Height: usize, hStream: CUstream) per_thread [7000] cuMemsetD2D8Async_ptsz;
                [3020] fn cuMemsetD2D16Async(dstDevice: CUdeviceptr, dstPitch: usize, us: u16, Width: usize, Height: usize, hStream: CUstream) per_thread [7000] cuMemsetD2D16Async_ptsz;
                [3020] fn cuMemsetD2D32Async(dstDevice: CUdeviceptr, dstPitch: usize, ui: u32, Width: usize, Height: usize, hStream: CUstream) per_thread [7000] cuMemsetD2D32Async_ptsz;
            }
            mod unified_addressing {
                [4000] fn cuPointerGetAttribute(data: *mut c_void, attribute: CUpointer_attribute, ptr: CUdeviceptr);
                [7000] fn cuPointerGetAttributes(numAttributes: u32, attributes: *mut CUpointer_attribute, data: *mut *mut c_void, ptr: CUdeviceptr);
                [6000] fn cuPointerSetAttribute(value: *const c_void, attribute: CUpointer_attribute, ptr: CUdeviceptr);
            }
            mod stream {
                [2000] fn cuStreamCreate(phStream: *mut CUstream, Flags: u32);
                [5050] fn cuStreamCreateWithPriority(phStream: *mut CUstream, flags: u32, priority: i32);
                [5050] fn cuStreamGetPriority(hStream: CUstream, priority: *mut i32) per_thread [7000] cuStreamGetPriority_ptsz;
                [5050] fn cuStreamGetFlags(hStream: CUstream, flags: *mut u32) per_thread [7000] cuStreamGetFlags_ptsz;
                [12000] fn cuStreamGetId(hStream: CUstream, streamId: *mut u64) per_thread [12000] cuStreamGetId_ptsz;
                [9020] fn cuStreamGetCtx(hStream: CUstream, pctx: *mut CUcontext) per_thread [9020] cuStreamGetCtx_ptsz;
                [12080] fn cuStreamGetDevice(hStream: CUstream, device: *mut CUdevice) per_thread [12080] cuStreamGetDevice_ptsz;
                [3020] fn cuStreamWaitEvent(hStream: CUstream, hEvent: CUevent, Flags: u32) per_thread [7000] cuStreamWaitEvent_ptsz;
                [5000] fn cuStreamAddCallback(hStream: CUstream, callback: CUstreamCallback, userData: *mut c_void, flags: u32) per_thread [7000] cuStreamAddCallback_ptsz;
                [2000] fn cuStreamSynchronize(hStream: CUstream) per_thread [7000] cuStreamSynchronize_ptsz;
                [2000] fn cuStreamQuery(hStream: CUstream) per_thread [7000] cuStreamQuery_ptsz;
                [4000] fn cuStreamDestroy_v2(hStream: CUstream) also [2000] cuStreamDestroy;
                [10000] fn cuStreamIsCapturing(hStream: CUstream, captureStatus: *mut CUstreamCaptureStatus) per_thread [10000] cuStreamIsCapturing_ptsz;
                [11030] fn cuStreamGetCaptureInfo_v2(hStream: CUstream, captureStatus_out: *mut CUstreamCaptureStatus, id_out: *mut u64, graph_out: *mut CUgraph, dependencies_out: *mut *const CUgraphNode, numDependencies_out: *mut usize) per_thread [11030] cuStreamGetCaptureInfo_v2_ptsz;
                [12030] fn cuStreamGetCaptureInfo_v3(hStream: CUstream, captureStatus_out: *mut CUstreamCaptureStatus, id_out: *mut u64, graph_out: *mut CUgraph, dependencies_out: *mut *const CUgraphNode, edgeData_out: *mut *const CUgraphEdgeData, numDependencies_out: *mut usize) per_thread [12030] cuStreamGetCaptureInfo_v3_ptsz;
                [10010] fn cuThreadExchangeStreamCaptureMode(mode: *mut CUstreamCaptureMode);
            }
            mod event {
                [2000] fn cuEventCreate(phEvent: *mut CUevent, Flags: u32);
                [2000] fn cuEventRecord(hEvent: CUevent, hStream: CUstream) per_thread [7000] cuEventRecord_ptsz;
                [11010] fn cuEventRecordWithFlags(hEvent: CUevent, hStream: CUstream, flags: u32) per_thread [11010] cuEventRecordWithFlags_ptsz;
                [2000] fn cuEventQuery(hEvent: CUevent);
                [2000] fn cuEventSynchronize(hEvent: CUevent);
                [4000] fn cuEventDestroy_v2(hEvent: CUevent) also [2000] cuEventDestroy;
                [2000] fn cuEventElapsedTime(pMilliseconds: *mut f32, hStart: CUevent, hEnd: CUevent);
                [12080] fn cuEventElapsedTime_v2(pMilliseconds: *mut f32, hStart: CUevent, hEnd: CUevent);
            }
            mod execution {
                [2020] fn cuFuncGetAttribute(pi: *mut i32, attrib: CUfunction_attribute, hhfunc: CUfunction);
                [9000] fn cuFuncSetAttribute(hhfunc: CUfunction, attrib: CUfunction_attribute, value: i32);
                [3000] fn cuFuncSetCacheConfig(hhfunc: CUfunction, config: CUfunc_cache);
                [4020] fn cuFuncSetSharedMemConfig(hhfunc: CUfunction, config: CUsharedconfig);
                [11000] fn cuFuncGetModule(hmod: *mut CUmodule, hhfunc: CUfunction);
                [12030] fn cuFuncGetName(name: *mut *const c_char, hhfunc: CUfunction);
                [12040] fn cuFuncGetParamInfo(hfunc: CUfunction, paramIndex: usize, paramOffset: *mut usize, paramSize: *mut usize);
                [12040] fn cuFuncIsLoaded(state: *mut CUfunctionLoadingState, function: CUfunction);
                [12040] fn cuFuncLoad(function: CUfunction);
                [4000] fn cuLaunchKernel(f: CUfunction, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32, sharedMemBytes: u32, hStream: CUstream, kernelParams: *mut *mut c_void, extra: *mut *mut c_void) per_thread [7000] cuLaunchKernel_ptsz;
                [11060] fn cuLaunchKernelEx(config: *const CUlaunchConfig, f: CUfunction, kernelParams: *mut *mut c_void, extra: *mut *mut c_void) per_thread [11060] cuLaunchKernelEx_ptsz;
                [9000] fn cuLaunchCooperativeKernel(f: CUfunction, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32, sharedMemBytes: u32, hStream: CUstream, kernelParams: *mut *mut c_void) per_thread [9000] cuLaunchCooperativeKernel_ptsz;
                [10000] fn cuLaunchHostFunc(hStream: CUstream, callback: CUhostFn, userData: *mut c_void) per_thread [10000] cuLaunchHostFunc_ptsz;
            }
            mod occupancy {
                [6050] fn cuOccupancyMaxActiveBlocksPerMultiprocessor(numBlocks: *mut i32, hfunc: CUfunction, blockSize: i32, dynamicSMemSize: usize);
                [7000] fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks: *mut i32, hfunc: CUfunction, blockSize: i32, dynamicSMemSize: usize, flags: u32);
                [6050] fn cuOccupancyMaxPotentialBlockSize(minGridSize: *mut i32, blockSize: *mut i32, hfunc: CUfunction, blockSizeToDynamicSMemSize: CUoccupancyB2DSize, dynamicSMemSize: usize, blockSizeLimit: i32);
                [7000] fn cuOccupancyMaxPotentialBlockSizeWithFlags(minGridSize: *mut i32, blockSize: *mut i32, hfunc: CUfunction, blockSizeToDynamicSMemSize: CUoccupancyB2DSize, dynamicSMemSize: usize, blockSizeLimit: i32, flags: u32);
                [10020] fn cuOccupancyAvailableDynamicSMemPerBlock(dynamicSmemSize: *mut usize, hfunc: CUfunction, numBlocks: i32, blockSize: i32);
            }
            mod peer {
                [4000] fn cuDeviceCanAccessPeer(canAccessPeer: *mut i32, dev: CUdevice, peerDev: CUdevice);
                [8000] fn cuDeviceGetP2PAttribute(value: *mut i32, attrib: CUdevice_P2PAttribute, srcDevice: CUdevice, dstDevice: CUdevice);
                [4000] fn cuCtxEnablePeerAccess(peerContext: CUcontext, Flags: u32);
                [4000] fn cuCtxDisablePeerAccess(peerContext: CUcontext);
            }
            mod profiler {
                [4000] fn cuProfilerStart();
                [4000] fn cuProfilerStop();
            }
            mod entry_point {
                [11030] fn cuGetProcAddress(symbol: *const c_char, pfn: *mut *mut c_void, cudaVersion: i32, flags: u64);
                [12000] fn cuGetProcAddress_v2(symbol: *const c_char, pfn: *mut *mut c_void, cudaVersion: i32, flags: u64, symbolStatus: *mut CUdriverProcAddressQueryResult);
                [3000] fn cuGetExportTable(ppExportTable: *mut *const c_void, pExportTableId: *const CUuuid);
            }
            mod error {
                [6000] fn cuGetErrorString(error: u32, pStr: *mut *const c_char);
                [6000] fn cuGetErrorName(error: u32, pStr: *mut *const c_char);
            }
            unsupported {
                [2000] cuArray3DCreate; [3020] cuArray3DCreate_v2; [2000] cuArray3DGetDescriptor;
                [3020] cuArray3DGetDescriptor_v2; [2000] cuArrayCreate; [3020] cuArrayCreate_v2;
                [2000] cuArrayDestroy; [2000] cuArrayGetDescriptor; [3020] cuArrayGetDescriptor_v2;
                [11060] cuArrayGetMemoryRequirements; [11020] cuArrayGetPlane;
                [11010] cuArrayGetSparseProperties; [12080] cuCheckpointProcessCheckpoint;
                [12080] cuCheckpointProcessGetRestoreThreadId; [12080] cuCheckpointProcessGetState;
                [12080] cuCheckpointProcessLock; [12080] cuCheckpointProcessRestore;
                [12080] cuCheckpointProcessUnlock; [12010] cuCoredumpGetAttribute;
                [12010] cuCoredumpGetAttributeGlobal; [12010] cuCoredumpSetAttribute;
                [12010] cuCoredumpSetAttributeGlobal; [2000] cuCtxCreate; [12040] cuCtxFromGreenCtx;
                [12040] cuCtxGetDevResource; [11040] cuCtxGetExecAffinity; [12050] cuCtxRecordEvent;
                [12050] cuCtxWaitEvent; [10000] cuDestroyExternalMemory; [10000] cuDestroyExternalSemaphore;
                [12040] cuDevResourceGenerateDesc; [12040] cuDevSmResourceSplitByCount;
                [11020] cuDeviceGetDefaultMemPool; [12040] cuDeviceGetDevResource;
                [11040] cuDeviceGetGraphMemAttribute; [13000] cuDeviceGetHostAtomicCapabilities;
                [10000] cuDeviceGetLuid; [11020] cuDeviceGetMemPool; [10020] cuDeviceGetNvSciSyncAttributes;
                [13000] cuDeviceGetP2PAtomicCapabilities; [11040] cuDeviceGraphMemTrim;
                [12040] cuDeviceRegisterAsyncNotification; [11040] cuDeviceSetGraphMemAttribute;
                [11020] cuDeviceSetMemPool; [2000] cuDeviceTotalMem;
                [12040] cuDeviceUnregisterAsyncNotification; [7000] cuEGLApiInit;
                [7000] cuEGLStreamConsumerAcquireFrame; [7000] cuEGLStreamConsumerConnect;
                [7000] cuEGLStreamConsumerConnectWithFlags; [7000] cuEGLStreamConsumerDisconnect;
                [7000] cuEGLStreamConsumerReleaseFrame; [7000] cuEGLStreamProducerConnect;
                [7000] cuEGLStreamProducerDisconnect; [7000] cuEGLStreamProducerPresentFrame;
                [7000] cuEGLStreamProducerReturnFrame; [10000] cuExternalMemoryGetMappedBuffer;
                [10000] cuExternalMemoryGetMappedMipmappedArray; [11030] cuFlushGPUDirectRDMAWrites;
                [2000] cuFuncSetBlockShape; [2000] cuFuncSetSharedSize; [2000] cuGLCtxCreate;
                [3020] cuGLCtxCreate_v2; [2000] cuGLGetDevices; [3020] cuGLGetDevices_v2; [2000] cuGLInit;
                [2000] cuGLMapBufferObject; [2000] cuGLMapBufferObjectAsync;
                [3020] cuGLMapBufferObjectAsync_v2; [7000] cuGLMapBufferObjectAsync_v2_ptsz;
                [3020] cuGLMapBufferObject_v2; [7000] cuGLMapBufferObject_v2_ptds;
                [2000] cuGLRegisterBufferObject; [2000] cuGLSetBufferObjectMapFlags;
                [2000] cuGLUnmapBufferObject; [2000] cuGLUnmapBufferObjectAsync;
                [2000] cuGLUnregisterBufferObject; [11070] cuGraphAddBatchMemOpNode;
                [10000] cuGraphAddChildGraphNode; [10000] cuGraphAddDependencies;
                [12030] cuGraphAddDependencies_v2; [10000] cuGraphAddEmptyNode;
                [11010] cuGraphAddEventRecordNode; [11010] cuGraphAddEventWaitNode;
                [11020] cuGraphAddExternalSemaphoresSignalNode; [11020] cuGraphAddExternalSemaphoresWaitNode;
                [10000] cuGraphAddHostNode; [10000] cuGraphAddKernelNode; [12000] cuGraphAddKernelNode_v2;
                [11040] cuGraphAddMemAllocNode; [11040] cuGraphAddMemFreeNode; [10000] cuGraphAddMemcpyNode;
                [10000] cuGraphAddMemsetNode; [12020] cuGraphAddNode; [12030] cuGraphAddNode_v2;
                [11070] cuGraphBatchMemOpNodeGetParams; [11070] cuGraphBatchMemOpNodeSetParams;
                [10000] cuGraphChildGraphNodeGetGraph; [10000] cuGraphClone;
                [12030] cuGraphConditionalHandleCreate; [10000] cuGraphCreate; [11030] cuGraphDebugDotPrint;
                [10000] cuGraphDestroy; [10000] cuGraphDestroyNode; [11010] cuGraphEventRecordNodeGetEvent;
                [11010] cuGraphEventRecordNodeSetEvent; [11010] cuGraphEventWaitNodeGetEvent;
                [11010] cuGraphEventWaitNodeSetEvent; [11070] cuGraphExecBatchMemOpNodeSetParams;
                [11010] cuGraphExecChildGraphNodeSetParams; [10000] cuGraphExecDestroy;
                [11010] cuGraphExecEventRecordNodeSetEvent; [11010] cuGraphExecEventWaitNodeSetEvent;
                [11020] cuGraphExecExternalSemaphoresSignalNodeSetParams;
                [11020] cuGraphExecExternalSemaphoresWaitNodeSetParams; [12000] cuGraphExecGetFlags;
                [10020] cuGraphExecHostNodeSetParams; [10010] cuGraphExecKernelNodeSetParams;
                [12000] cuGraphExecKernelNodeSetParams_v2; [10020] cuGraphExecMemcpyNodeSetParams;
                [10020] cuGraphExecMemsetNodeSetParams; [12020] cuGraphExecNodeSetParams;
                [10020] cuGraphExecUpdate; [12000] cuGraphExecUpdate_v2;
                [11020] cuGraphExternalSemaphoresSignalNodeGetParams;
                [11020] cuGraphExternalSemaphoresSignalNodeSetParams;
                [11020] cuGraphExternalSemaphoresWaitNodeGetParams;
                [11020] cuGraphExternalSemaphoresWaitNodeSetParams; [10000] cuGraphGetEdges;
                [12030] cuGraphGetEdges_v2; [10000] cuGraphGetNodes; [10000] cuGraphGetRootNodes;
                [10000] cuGraphHostNodeGetParams; [10000] cuGraphHostNodeSetParams;
                [10000] cuGraphInstantiate; [11040] cuGraphInstantiateWithFlags;
                [12000] cuGraphInstantiateWithParams; [12000] cuGraphInstantiateWithParams_ptsz;
                [11000] cuGraphInstantiate_v2; [11000] cuGraphKernelNodeCopyAttributes;
                [11000] cuGraphKernelNodeGetAttribute; [10000] cuGraphKernelNodeGetParams;
                [12000] cuGraphKernelNodeGetParams_v2; [11000] cuGraphKernelNodeSetAttribute;
                [10000] cuGraphKernelNodeSetParams; [12000] cuGraphKernelNodeSetParams_v2;
                [10000] cuGraphLaunch; [10000] cuGraphLaunch_ptsz; [11040] cuGraphMemAllocNodeGetParams;
                [11040] cuGraphMemFreeNodeGetParams; [10000] cuGraphMemcpyNodeGetParams;
                [10000] cuGraphMemcpyNodeSetParams; [10000] cuGraphMemsetNodeGetParams;
                [10000] cuGraphMemsetNodeSetParams; [10000] cuGraphNodeFindInClone;
                [10000] cuGraphNodeGetDependencies; [12030] cuGraphNodeGetDependencies_v2;
                [10000] cuGraphNodeGetDependentNodes; [12030] cuGraphNodeGetDependentNodes_v2;
                [11060] cuGraphNodeGetEnabled; [10000] cuGraphNodeGetType; [11060] cuGraphNodeSetEnabled;
                [12020] cuGraphNodeSetParams; [11030] cuGraphReleaseUserObject;
                [10000] cuGraphRemoveDependencies; [12030] cuGraphRemoveDependencies_v2;
                [11030] cuGraphRetainUserObject; [11010] cuGraphUpload; [11010] cuGraphUpload_ptsz;
                [7000] cuGraphicsEGLRegisterImage; [2000] cuGraphicsGLRegisterBuffer;
                [2000] cuGraphicsGLRegisterImage; [3000] cuGraphicsMapResources;
                [7000] cuGraphicsMapResources_ptsz; [7000] cuGraphicsResourceGetMappedEglFrame;
                [5000] cuGraphicsResourceGetMappedMipmappedArray; [3000] cuGraphicsResourceGetMappedPointer;
                [3020] cuGraphicsResourceGetMappedPointer_v2; [3000] cuGraphicsResourceSetMapFlags;
                [6050] cuGraphicsResourceSetMapFlags_v2; [3000] cuGraphicsSubResourceGetMappedArray;
                [3000] cuGraphicsUnmapResources; [7000] cuGraphicsUnmapResources_ptsz;
                [3000] cuGraphicsUnregisterResource; [2000] cuGraphicsVDPAURegisterOutputSurface;
                [2000] cuGraphicsVDPAURegisterVideoSurface; [12040] cuGreenCtxCreate;
                [12040] cuGreenCtxDestroy; [12040] cuGreenCtxGetDevResource; [12090] cuGreenCtxGetId;
                [12040] cuGreenCtxRecordEvent; [12050] cuGreenCtxStreamCreate; [12040] cuGreenCtxWaitEvent;
                [10000] cuImportExternalMemory; [10000] cuImportExternalSemaphore; [4010] cuIpcCloseMemHandle;
                [4010] cuIpcGetEventHandle; [4010] cuIpcGetMemHandle; [4010] cuIpcOpenEventHandle;
                [4010] cuIpcOpenMemHandle; [11000] cuIpcOpenMemHandle_v2; [2000] cuLaunch;
                [9000] cuLaunchCooperativeKernelMultiDevice; [2000] cuLaunchGrid; [2000] cuLaunchGridAsync;
                [12000] cuLibraryGetManaged; [12000] cuLibraryGetUnifiedFunction; [5050] cuLinkAddData;
                [6050] cuLinkAddData_v2; [5050] cuLinkAddFile; [6050] cuLinkAddFile_v2; [5050] cuLinkComplete;
                [5050] cuLinkCreate; [6050] cuLinkCreate_v2; [5050] cuLinkDestroy; [12090] cuLogsCurrent;
                [12090] cuLogsDumpToFile; [12090] cuLogsDumpToMemory; [12090] cuLogsRegisterCallback;
                [12090] cuLogsUnregisterCallback; [10020] cuMemAddressFree; [10020] cuMemAddressReserve;
                [8000] cuMemAdvise; [12020] cuMemAdvise_v2; [2000] cuMemAlloc; [11020] cuMemAllocAsync;
                [11020] cuMemAllocAsync_ptsz; [11020] cuMemAllocFromPoolAsync;
                [11020] cuMemAllocFromPoolAsync_ptsz; [2000] cuMemAllocHost; [6000] cuMemAllocManaged;
                [2000] cuMemAllocPitch; [12060] cuMemBatchDecompressAsync;
                [12060] cuMemBatchDecompressAsync_ptsz; [10020] cuMemCreate;
                [13000] cuMemDiscardAndPrefetchBatchAsync; [13000] cuMemDiscardAndPrefetchBatchAsync_ptsz;
                [13000] cuMemDiscardBatchAsync; [13000] cuMemDiscardBatchAsync_ptsz;
                [10020] cuMemExportToShareableHandle; [2000] cuMemFree; [11020] cuMemFreeAsync;
                [11020] cuMemFreeAsync_ptsz; [10020] cuMemGetAccess; [2000] cuMemGetAddressRange;
                [10020] cuMemGetAllocationGranularity; [10020] cuMemGetAllocationPropertiesFromHandle;
                [3000] cuMemGetAttribute; [3020] cuMemGetAttribute_v2; [13000] cuMemGetDefaultMemPool;
                [11070] cuMemGetHandleForAddressRange; [2000] cuMemGetInfo; [13000] cuMemGetMemPool;
                [2020] cuMemHostGetDevicePointer; [10020] cuMemImportFromShareableHandle; [10020] cuMemMap;
                [11010] cuMemMapArrayAsync; [11010] cuMemMapArrayAsync_ptsz; [11020] cuMemPoolCreate;
                [11020] cuMemPoolDestroy; [11020] cuMemPoolExportPointer;
                [11020] cuMemPoolExportToShareableHandle; [11020] cuMemPoolGetAccess;
                [11020] cuMemPoolGetAttribute; [11020] cuMemPoolImportFromShareableHandle;
                [11020] cuMemPoolImportPointer; [11020] cuMemPoolSetAccess; [11020] cuMemPoolSetAttribute;
                [11020] cuMemPoolTrimTo; [8000] cuMemPrefetchAsync; [8000] cuMemPrefetchAsync_ptsz;
                [12020] cuMemPrefetchAsync_v2; [12020] cuMemPrefetchAsync_v2_ptsz;
                [13000] cuMemPrefetchBatchAsync; [13000] cuMemPrefetchBatchAsync_ptsz;
                [8000] cuMemRangeGetAttribute; [8000] cuMemRangeGetAttributes; [10020] cuMemRelease;
                [11000] cuMemRetainAllocationHandle; [10020] cuMemSetAccess; [13000] cuMemSetMemPool;
                [10020] cuMemUnmap; [2000] cuMemcpy2D; [2000] cuMemcpy2DAsync; [2000] cuMemcpy2DUnaligned;
                [2000] cuMemcpy3D; [2000] cuMemcpy3DAsync; [12080] cuMemcpy3DBatchAsync;
                [12080] cuMemcpy3DBatchAsync_ptsz; [13000] cuMemcpy3DBatchAsync_v2;
                [13000] cuMemcpy3DBatchAsync_v2_ptsz; [4000] cuMemcpy3DPeer; [4000] cuMemcpy3DPeerAsync;
                [7000] cuMemcpy3DPeerAsync_ptsz; [7000] cuMemcpy3DPeer_ptds; [2000] cuMemcpyAtoA;
                [3020] cuMemcpyAtoA_v2; [7000] cuMemcpyAtoA_v2_ptds; [2000] cuMemcpyAtoD;
                [3020] cuMemcpyAtoD_v2; [7000] cuMemcpyAtoD_v2_ptds; [2000] cuMemcpyAtoH;
                [2000] cuMemcpyAtoHAsync; [3020] cuMemcpyAtoHAsync_v2; [7000] cuMemcpyAtoHAsync_v2_ptsz;
                [3020] cuMemcpyAtoH_v2; [7000] cuMemcpyAtoH_v2_ptds; [12080] cuMemcpyBatchAsync;
                [12080] cuMemcpyBatchAsync_ptsz; [13000] cuMemcpyBatchAsync_v2;
                [13000] cuMemcpyBatchAsync_v2_ptsz; [2000] cuMemcpyDtoA; [3020] cuMemcpyDtoA_v2;
                [7000] cuMemcpyDtoA_v2_ptds; [2000] cuMemcpyDtoD; [3000] cuMemcpyDtoDAsync;
                [2000] cuMemcpyDtoH; [2000] cuMemcpyDtoHAsync; [2000] cuMemcpyHtoA; [2000] cuMemcpyHtoAAsync;
                [3020] cuMemcpyHtoAAsync_v2; [7000] cuMemcpyHtoAAsync_v2_ptsz; [3020] cuMemcpyHtoA_v2;
                [7000] cuMemcpyHtoA_v2_ptds; [2000] cuMemcpyHtoD; [2000] cuMemcpyHtoDAsync;
                [2000] cuMemsetD16; [2000] cuMemsetD2D16; [2000] cuMemsetD2D32; [2000] cuMemsetD2D8;
                [2000] cuMemsetD32; [2000] cuMemsetD8; [5000] cuMipmappedArrayCreate;
                [5000] cuMipmappedArrayDestroy; [5000] cuMipmappedArrayGetLevel;
                [11060] cuMipmappedArrayGetMemoryRequirements; [11010] cuMipmappedArrayGetSparseProperties;
                [2000] cuModuleGetGlobal; [3000] cuModuleGetSurfRef; [2000] cuModuleGetTexRef;
                [12010] cuMulticastAddDevice; [12010] cuMulticastBindAddr; [12010] cuMulticastBindMem;
                [12010] cuMulticastCreate; [12010] cuMulticastGetGranularity; [12010] cuMulticastUnbind;
                [11070] cuOccupancyMaxActiveClusters; [11070] cuOccupancyMaxPotentialClusterSize;
                [2000] cuParamSetSize; [2000] cuParamSetTexRef; [2000] cuParamSetf; [2000] cuParamSeti;
                [2000] cuParamSetv; [4000] cuProfilerInitialize; [10000] cuSignalExternalSemaphoresAsync;
                [10000] cuSignalExternalSemaphoresAsync_ptsz; [6000] cuStreamAttachMemAsync;
                [7000] cuStreamAttachMemAsync_ptsz; [8000] cuStreamBatchMemOp; [8000] cuStreamBatchMemOp_ptsz;
                [11070] cuStreamBatchMemOp_v2; [11070] cuStreamBatchMemOp_v2_ptsz;
                [10000] cuStreamBeginCapture; [12030] cuStreamBeginCaptureToGraph;
                [12030] cuStreamBeginCaptureToGraph_ptsz; [10000] cuStreamBeginCapture_ptsz;
                [10010] cuStreamBeginCapture_v2; [10010] cuStreamBeginCapture_v2_ptsz;
                [11000] cuStreamCopyAttributes; [11000] cuStreamCopyAttributes_ptsz;
                [10000] cuStreamEndCapture; [10000] cuStreamEndCapture_ptsz; [11000] cuStreamGetAttribute;
                [11000] cuStreamGetAttribute_ptsz; [10010] cuStreamGetCaptureInfo;
                [10010] cuStreamGetCaptureInfo_ptsz; [12050] cuStreamGetCtx_v2;
                [12050] cuStreamGetCtx_v2_ptsz; [12040] cuStreamGetGreenCtx; [11000] cuStreamSetAttribute;
                [11000] cuStreamSetAttribute_ptsz; [11030] cuStreamUpdateCaptureDependencies;
                [11030] cuStreamUpdateCaptureDependencies_ptsz; [12030] cuStreamUpdateCaptureDependencies_v2;
                [12030] cuStreamUpdateCaptureDependencies_v2_ptsz; [8000] cuStreamWaitValue32;
                [8000] cuStreamWaitValue32_ptsz; [11070] cuStreamWaitValue32_v2;
                [11070] cuStreamWaitValue32_v2_ptsz; [9000] cuStreamWaitValue64;
                [9000] cuStreamWaitValue64_ptsz; [11070] cuStreamWaitValue64_v2;
                [11070] cuStreamWaitValue64_v2_ptsz; [8000] cuStreamWriteValue32;
                [8000] cuStreamWriteValue32_ptsz; [11070] cuStreamWriteValue32_v2;
                [11070] cuStreamWriteValue32_v2_ptsz; [9000] cuStreamWriteValue64;
                [9000] cuStreamWriteValue64_ptsz; [11070] cuStreamWriteValue64_v2;
                [11070] cuStreamWriteValue64_v2_ptsz; [5000] cuSurfObjectCreate; [5000] cuSurfObjectDestroy;
                [5000] cuSurfObjectGetResourceDesc; [3000] cuSurfRefGetArray; [3000] cuSurfRefSetArray;
                [12000] cuTensorMapEncodeIm2col; [12080] cuTensorMapEncodeIm2colWide;
                [12000] cuTensorMapEncodeTiled; [12000] cuTensorMapReplaceAddress; [5000] cuTexObjectCreate;
                [5000] cuTexObjectDestroy; [5000] cuTexObjectGetResourceDesc;
                [5000] cuTexObjectGetResourceViewDesc; [5000] cuTexObjectGetTextureDesc;
                [2000] cuTexRefCreate; [2000] cuTexRefDestroy; [2000] cuTexRefGetAddress;
                [2000] cuTexRefGetAddressMode; [3020] cuTexRefGetAddress_v2; [2000] cuTexRefGetArray;
                [8000] cuTexRefGetBorderColor; [2000] cuTexRefGetFilterMode; [2000] cuTexRefGetFlags;
                [2000] cuTexRefGetFormat; [5000] cuTexRefGetMaxAnisotropy; [5000] cuTexRefGetMipmapFilterMode;
                [5000] cuTexRefGetMipmapLevelBias; [5000] cuTexRefGetMipmapLevelClamp;
                [5000] cuTexRefGetMipmappedArray; [2000] cuTexRefSetAddress; [2020] cuTexRefSetAddress2D;
                [3020] cuTexRefSetAddress2D_v2; [4010] cuTexRefSetAddress2D_v3; [2000] cuTexRefSetAddressMode;
                [3020] cuTexRefSetAddress_v2; [2000] cuTexRefSetArray; [8000] cuTexRefSetBorderColor;
                [2000] cuTexRefSetFilterMode; [2000] cuTexRefSetFlags; [2000] cuTexRefSetFormat;
                [5000] cuTexRefSetMaxAnisotropy; [5000] cuTexRefSetMipmapFilterMode;
                [5000] cuTexRefSetMipmapLevelBias; [5000] cuTexRefSetMipmapLevelClamp;
                [5000] cuTexRefSetMipmappedArray; [11030] cuUserObjectCreate; [11030] cuUserObjectRelease;
                [11030] cuUserObjectRetain; [2000] cuVDPAUCtxCreate; [3020] cuVDPAUCtxCreate_v2;
                [2000] cuVDPAUGetDevice; [10000] cuWaitExternalSemaphoresAsync;
                [10000] cuWaitExternalSemaphoresAsync_ptsz;
            }
            debugger {
                functions { cudbgApiAttach; cudbgApiDetach; cudbgApiInit; cudbgGetAPI; cudbgGetAPIVersion; cudbgMain;
                    cudbgReportDriverApiError; cudbgReportDriverInternalError; }
                data {
                    cudbgApiClientPid; cudbgApiClientRevision; cudbgAttachHandlerAvailable;
                    cudbgDebuggerCapabilities; cudbgDebuggerInitialized; cudbgDetachSuspendedDevicesMask;
                    cudbgEnableIntegratedMemcheck; cudbgEnableLaunchBlocking; cudbgEnablePreemptionDebugging;
                    cudbgInjectionPath; cudbgIpcFlag;
                    cudbgReportDriverApiErrorFlags;
                    cudbgReportedDriverApiErrorCode; cudbgReportedDriverApiErrorFuncNameAddr;
                    cudbgReportedDriverApiErrorFuncNameSize; cudbgReportedDriverApiErrorNameAddr;
                    cudbgReportedDriverApiErrorNameSize; cudbgReportedDriverApiErrorSource;
                    cudbgReportedDriverApiErrorStringAddr; cudbgReportedDriverApiErrorStringSize;
                    cudbgReportedDriverInternalErrorCode; cudbgResumeForAttachDetach; cudbgRpcEnabled;
                    cudbgSessionId; cudbgUseExternalDebugger;
                }
            }
        }
    };
}
