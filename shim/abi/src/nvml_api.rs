//! NVML, each symbol of a driver 580 once.
//!
//! One table serves every consumer: `libnvidia-ml` generates its exports from it,
//! the tests a loader that runs the same test on this library or NVIDIA's, and
//! the coverage page its rows.
//!
//! The functions of an `always` module may be called before `nvmlInit`, those of
//! an `initialized` one not.
//! `also` is another symbol of the same meaning and the same arguments. The one
//! function under `text` returns a string. The names under `unsupported` have no
//! meaning here: they are exported and return `NVML_ERROR_NOT_SUPPORTED`, which
//! is also what NVIDIA's library answers for what a device does not have.

/// Applies the macro `$apply` to all of NVML.
#[macro_export]
macro_rules! nvml_api {
    ($($apply:tt)+) => {
        $($apply)+! {
            mod initialization: always {
                fn nvmlInit_v2() also nvmlInit;
                fn nvmlInitWithFlags(flags: u32);
                fn nvmlShutdown();
            }
            mod version: always {
                fn nvmlSystemGetNVMLVersion(version: *mut c_char, length: u32);
            }
            mod system: initialized {
                fn nvmlSystemGetDriverVersion(version: *mut c_char, length: u32);
                fn nvmlSystemGetCudaDriverVersion_v2(cudaDriverVersion: *mut i32) also nvmlSystemGetCudaDriverVersion;
                fn nvmlSystemGetDriverBranch(branchInfo: *mut nvmlSystemDriverBranchInfo_v1_t, length: u32);
                fn nvmlSystemGetProcessName(pid: u32, name: *mut c_char, length: u32);
                fn nvmlSystemGetHicVersion(hwbcCount: *mut u32, hwbcEntries: *mut c_void);
                fn nvmlUnitGetCount(unitCount: *mut u32);
                fn nvmlUnitGetHandleByIndex(index: u32, unit: *mut nvmlUnit_t);
                fn nvmlGetExcludedDeviceCount(deviceCount: *mut u32) also nvmlGetBlacklistDeviceCount;
                fn nvmlGetExcludedDeviceInfoByIndex(index: u32, info: *mut c_void) also nvmlGetBlacklistDeviceInfoByIndex;
            }
            mod device: initialized {
                fn nvmlDeviceGetCount_v2(deviceCount: *mut u32) also nvmlDeviceGetCount;
                fn nvmlDeviceGetHandleByIndex_v2(index: u32, device: *mut nvmlDevice_t) also nvmlDeviceGetHandleByIndex;
                fn nvmlDeviceGetHandleBySerial(serial: *const c_char, device: *mut nvmlDevice_t);
                fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut nvmlDevice_t);
                fn nvmlDeviceGetHandleByUUIDV(uuid: *const nvmlUUID_v1_t, device: *mut nvmlDevice_t);
                fn nvmlDeviceGetHandleByPciBusId_v2(pciBusId: *const c_char, device: *mut nvmlDevice_t) also nvmlDeviceGetHandleByPciBusId;
                fn nvmlDeviceGetName(device: nvmlDevice_t, name: *mut c_char, length: u32);
                fn nvmlDeviceGetUUID(device: nvmlDevice_t, uuid: *mut c_char, length: u32);
                fn nvmlDeviceGetIndex(device: nvmlDevice_t, index: *mut u32);
                fn nvmlDeviceGetMinorNumber(device: nvmlDevice_t, minorNumber: *mut u32);
                fn nvmlDeviceGetBrand(device: nvmlDevice_t, type_: *mut nvmlBrandType_t);
                fn nvmlDeviceGetArchitecture(device: nvmlDevice_t, arch: *mut nvmlDeviceArchitecture_t);
                fn nvmlDeviceGetCudaComputeCapability(device: nvmlDevice_t, major: *mut i32, minor: *mut i32);
                fn nvmlDeviceGetPciInfo(device: nvmlDevice_t, pci: *mut nvmlPciInfo_v1_t);
                fn nvmlDeviceGetPciInfo_v2(device: nvmlDevice_t, pci: *mut nvmlPciInfo_v2_t);
                fn nvmlDeviceGetPciInfo_v3(device: nvmlDevice_t, pci: *mut nvmlPciInfo_t);
                fn nvmlDeviceGetPciInfoExt(device: nvmlDevice_t, pci: *mut nvmlPciInfoExt_v1_t);
                fn nvmlDeviceGetBoardId(device: nvmlDevice_t, boardId: *mut u32);
                fn nvmlDeviceGetMultiGpuBoard(device: nvmlDevice_t, multiGpuBool: *mut u32);
                fn nvmlDeviceOnSameBoard(device1: nvmlDevice_t, device2: nvmlDevice_t, onSameBoard: *mut i32);
                fn nvmlDeviceGetP2PStatus(device1: nvmlDevice_t, device2: nvmlDevice_t, p2pIndex: nvmlGpuP2PCapsIndex_t, p2pStatus: *mut nvmlGpuP2PStatus_t);
                fn nvmlDeviceGetIrqNum(device: nvmlDevice_t, irqNum: *mut u32);
                fn nvmlDeviceGetVbiosVersion(device: nvmlDevice_t, version: *mut c_char, length: u32);
                fn nvmlDeviceGetVirtualizationMode(device: nvmlDevice_t, pVirtualMode: *mut nvmlGpuVirtualizationMode_t);
                fn nvmlDeviceIsMigDeviceHandle(device: nvmlDevice_t, isMigDevice: *mut u32);
                fn nvmlDeviceGetMaxMigDeviceCount(device: nvmlDevice_t, count: *mut u32);
                fn nvmlDeviceGetComputeMode(device: nvmlDevice_t, mode: *mut nvmlComputeMode_t);
                fn nvmlDeviceGetPersistenceMode(device: nvmlDevice_t, mode: *mut nvmlEnableState_t);
                fn nvmlDeviceGetDisplayMode(device: nvmlDevice_t, display: *mut nvmlEnableState_t);
                fn nvmlDeviceGetDisplayActive(device: nvmlDevice_t, isActive: *mut nvmlEnableState_t);
            }
            mod memory: initialized {
                fn nvmlDeviceGetMemoryInfo(device: nvmlDevice_t, memory: *mut nvmlMemory_t);
                fn nvmlDeviceGetMemoryInfo_v2(device: nvmlDevice_t, memory: *mut nvmlMemory_v2_t);
                fn nvmlDeviceGetBAR1MemoryInfo(device: nvmlDevice_t, bar1Memory: *mut nvmlBAR1Memory_t);
            }
            mod thermal: initialized {
                fn nvmlDeviceGetTemperature(device: nvmlDevice_t, sensorType: nvmlTemperatureSensors_t, temp: *mut u32);
                fn nvmlDeviceGetTemperatureV(device: nvmlDevice_t, temperature: *mut nvmlTemperature_v1_t);
                fn nvmlDeviceGetTemperatureThreshold(device: nvmlDevice_t, thresholdType: nvmlTemperatureThresholds_t, temp: *mut u32);
                fn nvmlDeviceGetThermalSettings(device: nvmlDevice_t, sensorIndex: u32, pThermalSettings: *mut nvmlGpuThermalSettings_t);
                fn nvmlDeviceGetNumFans(device: nvmlDevice_t, numFans: *mut u32);
                fn nvmlDeviceGetFanSpeed(device: nvmlDevice_t, speed: *mut u32);
                fn nvmlDeviceGetFanSpeed_v2(device: nvmlDevice_t, fan: u32, speed: *mut u32);
                fn nvmlDeviceGetFanSpeedRPM(device: nvmlDevice_t, fanSpeed: *mut nvmlFanSpeedInfo_v1_t);
                fn nvmlDeviceGetMinMaxFanSpeed(device: nvmlDevice_t, minSpeed: *mut u32, maxSpeed: *mut u32);
            }
            mod power: initialized {
                fn nvmlDeviceGetPowerUsage(device: nvmlDevice_t, power: *mut u32);
                fn nvmlDeviceGetPowerManagementMode(device: nvmlDevice_t, mode: *mut nvmlEnableState_t);
                fn nvmlDeviceGetPowerManagementLimit(device: nvmlDevice_t, limit: *mut u32);
                fn nvmlDeviceGetPowerManagementLimitConstraints(device: nvmlDevice_t, minLimit: *mut u32, maxLimit: *mut u32);
                fn nvmlDeviceGetPowerManagementDefaultLimit(device: nvmlDevice_t, defaultLimit: *mut u32);
                fn nvmlDeviceGetEnforcedPowerLimit(device: nvmlDevice_t, limit: *mut u32);
                fn nvmlDeviceGetTotalEnergyConsumption(device: nvmlDevice_t, energy: *mut u64);
            }
            mod clock: initialized {
                fn nvmlDeviceGetClockInfo(device: nvmlDevice_t, type_: nvmlClockType_t, clock: *mut u32);
                fn nvmlDeviceGetMaxClockInfo(device: nvmlDevice_t, type_: nvmlClockType_t, clock: *mut u32);
                fn nvmlDeviceGetClock(device: nvmlDevice_t, clockType: nvmlClockType_t, clockId: nvmlClockId_t, clockMHz: *mut u32);
                fn nvmlDeviceGetSupportedMemoryClocks(device: nvmlDevice_t, count: *mut u32, clocksMHz: *mut u32);
                fn nvmlDeviceGetSupportedGraphicsClocks(device: nvmlDevice_t, memoryClockMHz: u32, count: *mut u32, clocksMHz: *mut u32);
            }
            mod link: initialized {
                fn nvmlDeviceGetBusType(device: nvmlDevice_t, type_: *mut nvmlBusType_t);
                fn nvmlDeviceGetCurrPcieLinkGeneration(device: nvmlDevice_t, currLinkGen: *mut u32);
                fn nvmlDeviceGetCurrPcieLinkWidth(device: nvmlDevice_t, currLinkWidth: *mut u32);
                fn nvmlDeviceGetMaxPcieLinkGeneration(device: nvmlDevice_t, maxLinkGen: *mut u32);
                fn nvmlDeviceGetGpuMaxPcieLinkGeneration(device: nvmlDevice_t, maxLinkGenDevice: *mut u32);
                fn nvmlDeviceGetMaxPcieLinkWidth(device: nvmlDevice_t, maxLinkWidth: *mut u32);
                fn nvmlDeviceGetPcieSpeed(device: nvmlDevice_t, pcieSpeed: *mut u32);
                fn nvmlDeviceGetPcieReplayCounter(device: nvmlDevice_t, value: *mut u32);
            }
            mod utilization: initialized {
                fn nvmlDeviceGetUtilizationRates(device: nvmlDevice_t, utilization: *mut nvmlUtilization_t);
                fn nvmlDeviceGetProcessUtilization(device: nvmlDevice_t, utilization: *mut nvmlProcessUtilizationSample_t, processSamplesCount: *mut u32, lastSeenTimeStamp: u64);
            }
            mod process: initialized {
                fn nvmlDeviceGetComputeRunningProcesses(device: nvmlDevice_t, infoCount: *mut u32, infos: *mut nvmlProcessInfo_v1_t);
                fn nvmlDeviceGetComputeRunningProcesses_v3(device: nvmlDevice_t, infoCount: *mut u32, infos: *mut nvmlProcessInfo_v2_t) also nvmlDeviceGetComputeRunningProcesses_v2;
                fn nvmlDeviceGetGraphicsRunningProcesses(device: nvmlDevice_t, infoCount: *mut u32, infos: *mut nvmlProcessInfo_v1_t);
                fn nvmlDeviceGetGraphicsRunningProcesses_v3(device: nvmlDevice_t, infoCount: *mut u32, infos: *mut nvmlProcessInfo_v2_t) also nvmlDeviceGetGraphicsRunningProcesses_v2;
                fn nvmlDeviceGetMPSComputeRunningProcesses(device: nvmlDevice_t, infoCount: *mut u32, infos: *mut nvmlProcessInfo_v1_t);
                fn nvmlDeviceGetMPSComputeRunningProcesses_v3(device: nvmlDevice_t, infoCount: *mut u32, infos: *mut nvmlProcessInfo_v2_t) also nvmlDeviceGetMPSComputeRunningProcesses_v2;
                fn nvmlDeviceGetRunningProcessDetailList(device: nvmlDevice_t, plist: *mut nvmlProcessDetailList_v1_t);
            }
            mod event: initialized {
                fn nvmlEventSetCreate(set: *mut nvmlEventSet_t);
                fn nvmlEventSetFree(set: nvmlEventSet_t);
                fn nvmlEventSetWait_v2(set: nvmlEventSet_t, data: *mut nvmlEventData_t, timeoutms: u32) also nvmlEventSetWait;
                fn nvmlDeviceGetSupportedEventTypes(device: nvmlDevice_t, eventTypes: *mut u64);
                fn nvmlDeviceRegisterEvents(device: nvmlDevice_t, eventTypes: u64, set: nvmlEventSet_t);
            }
            mod field: initialized {
                fn nvmlDeviceGetFieldValues(device: nvmlDevice_t, valuesCount: i32, values: *mut nvmlFieldValue_t);
            }
            text { nvmlErrorString }
            unsupported {
                nvmlComputeInstanceDestroy; nvmlComputeInstanceGetInfo; nvmlComputeInstanceGetInfo_v2;
                nvmlDeviceClearAccountingPids; nvmlDeviceClearCpuAffinity; nvmlDeviceClearEccErrorCounts;
                nvmlDeviceClearFieldValues; nvmlDeviceCreateGpuInstance;
                nvmlDeviceCreateGpuInstanceWithPlacement; nvmlDeviceDiscoverGpus;
                nvmlDeviceFreezeNvLinkUtilizationCounter; nvmlDeviceGetAccountingBufferSize;
                nvmlDeviceGetAccountingMode; nvmlDeviceGetAccountingPids; nvmlDeviceGetAccountingStats;
                nvmlDeviceGetActiveVgpus; nvmlDeviceGetAdaptiveClockInfoStatus; nvmlDeviceGetAddressingMode;
                nvmlDeviceGetAPIRestriction; nvmlDeviceGetApplicationsClock; nvmlDeviceGetAttributes;
                nvmlDeviceGetAttributes_v2; nvmlDeviceGetAutoBoostedClocksEnabled;
                nvmlDeviceGetBoardPartNumber; nvmlDeviceGetBridgeChipInfo; nvmlDeviceGetC2cModeInfoV;
                nvmlDeviceGetCapabilities; nvmlDeviceGetClkMonStatus; nvmlDeviceGetClockOffsets;
                nvmlDeviceGetComputeInstanceId; nvmlDeviceGetConfComputeGpuAttestationReport;
                nvmlDeviceGetConfComputeGpuCertificate; nvmlDeviceGetConfComputeMemSizeInfo;
                nvmlDeviceGetConfComputeProtectedMemoryUsage; nvmlDeviceGetCoolerInfo;
                nvmlDeviceGetCpuAffinity; nvmlDeviceGetCpuAffinityWithinScope; nvmlDeviceGetCreatableVgpus;
                nvmlDeviceGetCurrentClockFreqs; nvmlDeviceGetCurrentClocksEventReasons;
                nvmlDeviceGetCurrentClocksThrottleReasons; nvmlDeviceGetDecoderUtilization;
                nvmlDeviceGetDefaultApplicationsClock; nvmlDeviceGetDefaultEccMode;
                nvmlDeviceGetDetailedEccErrors; nvmlDeviceGetDeviceHandleFromMigDeviceHandle;
                nvmlDeviceGetDramEncryptionMode; nvmlDeviceGetDriverModel; nvmlDeviceGetDriverModel_v2;
                nvmlDeviceGetDynamicPstatesInfo; nvmlDeviceGetEccMode; nvmlDeviceGetEncoderCapacity;
                nvmlDeviceGetEncoderSessions; nvmlDeviceGetEncoderStats; nvmlDeviceGetEncoderUtilization;
                nvmlDeviceGetFanControlPolicy_v2; nvmlDeviceGetFBCSessions; nvmlDeviceGetFBCStats;
                nvmlDeviceGetGpcClkMinMaxVfOffset; nvmlDeviceGetGpcClkVfOffset; nvmlDeviceGetGpuFabricInfo;
                nvmlDeviceGetGpuFabricInfoV; nvmlDeviceGetGpuInstanceById; nvmlDeviceGetGpuInstanceId;
                nvmlDeviceGetGpuInstancePossiblePlacements; nvmlDeviceGetGpuInstancePossiblePlacements_v2;
                nvmlDeviceGetGpuInstanceProfileInfo; nvmlDeviceGetGpuInstanceProfileInfoByIdV;
                nvmlDeviceGetGpuInstanceProfileInfoV; nvmlDeviceGetGpuInstanceRemainingCapacity;
                nvmlDeviceGetGpuInstances; nvmlDeviceGetGpuOperationMode;
                nvmlDeviceGetGridLicensableFeatures; nvmlDeviceGetGridLicensableFeatures_v2;
                nvmlDeviceGetGridLicensableFeatures_v3; nvmlDeviceGetGridLicensableFeatures_v4;
                nvmlDeviceGetGspFirmwareMode; nvmlDeviceGetGspFirmwareVersion; nvmlDeviceGetHostname_v1;
                nvmlDeviceGetHostVgpuMode; nvmlDeviceGetInforomConfigurationChecksum;
                nvmlDeviceGetInforomImageVersion; nvmlDeviceGetInforomVersion; nvmlDeviceGetJpgUtilization;
                nvmlDeviceGetLastBBXFlushTime; nvmlDeviceGetMarginTemperature;
                nvmlDeviceGetMaxCustomerBoostClock; nvmlDeviceGetMemClkMinMaxVfOffset;
                nvmlDeviceGetMemClkVfOffset; nvmlDeviceGetMemoryAffinity; nvmlDeviceGetMemoryBusWidth;
                nvmlDeviceGetMemoryErrorCounter; nvmlDeviceGetMigDeviceHandleByIndex; nvmlDeviceGetMigMode;
                nvmlDeviceGetMinMaxClockOfPState; nvmlDeviceGetModuleId; nvmlDeviceGetNumaNodeId;
                nvmlDeviceGetNumGpuCores; nvmlDeviceGetNvlinkBwMode; nvmlDeviceGetNvLinkCapability;
                nvmlDeviceGetNvLinkErrorCounter; nvmlDeviceGetNvLinkInfo;
                nvmlDeviceGetNvLinkRemoteDeviceType; nvmlDeviceGetNvLinkRemotePciInfo;
                nvmlDeviceGetNvLinkRemotePciInfo_v2; nvmlDeviceGetNvLinkState;
                nvmlDeviceGetNvlinkSupportedBwModes; nvmlDeviceGetNvLinkUtilizationControl;
                nvmlDeviceGetNvLinkUtilizationCounter; nvmlDeviceGetNvLinkVersion;
                nvmlDeviceGetOfaUtilization; nvmlDeviceGetPcieLinkMaxSpeed; nvmlDeviceGetPcieThroughput;
                nvmlDeviceGetPdi; nvmlDeviceGetPerformanceModes; nvmlDeviceGetPerformanceState;
                nvmlDeviceGetPgpuMetadataString; nvmlDeviceGetPlatformInfo; nvmlDeviceGetPowerMizerMode_v1;
                nvmlDeviceGetPowerSource; nvmlDeviceGetPowerState; nvmlDeviceGetProcessesUtilizationInfo;
                nvmlDeviceGetRemappedRows; nvmlDeviceGetRemappedRows_v2; nvmlDeviceGetRepairStatus;
                nvmlDeviceGetRetiredPages; nvmlDeviceGetRetiredPagesPendingStatus;
                nvmlDeviceGetRetiredPages_v2; nvmlDeviceGetRowRemapperHistogram; nvmlDeviceGetSamples;
                nvmlDeviceGetSerial; nvmlDeviceGetSramEccErrorStatus;
                nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts; nvmlDeviceGetSupportedClocksEventReasons;
                nvmlDeviceGetSupportedClocksThrottleReasons; nvmlDeviceGetSupportedPerformanceStates;
                nvmlDeviceGetSupportedVgpus; nvmlDeviceGetTargetFanSpeed;
                nvmlDeviceGetTopologyCommonAncestor; nvmlDeviceGetTopologyNearestGpus;
                nvmlDeviceGetTotalEccErrors; nvmlDeviceGetUnrepairableMemoryFlag_v1;
                nvmlDeviceGetVgpuCapabilities; nvmlDeviceGetVgpuHeterogeneousMode;
                nvmlDeviceGetVgpuInstancesUtilizationInfo; nvmlDeviceGetVgpuMetadata;
                nvmlDeviceGetVgpuProcessesUtilizationInfo; nvmlDeviceGetVgpuProcessUtilization;
                nvmlDeviceGetVgpuSchedulerCapabilities; nvmlDeviceGetVgpuSchedulerLog;
                nvmlDeviceGetVgpuSchedulerState; nvmlDeviceGetVgpuTypeCreatablePlacements;
                nvmlDeviceGetVgpuTypeSupportedPlacements; nvmlDeviceGetVgpuUtilization;
                nvmlDeviceGetViolationStatus; nvmlDeviceModifyDrainState;
                nvmlDevicePowerSmoothingActivatePresetProfile; nvmlDevicePowerSmoothingSetState;
                nvmlDevicePowerSmoothingUpdatePresetProfileParam; nvmlDeviceQueryDrainState;
                nvmlDeviceReadPRMCounters_v1; nvmlDeviceReadWritePRM_v1; nvmlDeviceRemoveGpu;
                nvmlDeviceRemoveGpu_v2; nvmlDeviceResetApplicationsClocks; nvmlDeviceResetGpuLockedClocks;
                nvmlDeviceResetMemoryLockedClocks; nvmlDeviceResetNvLinkErrorCounters;
                nvmlDeviceResetNvLinkUtilizationCounter; nvmlDeviceSetAccountingMode;
                nvmlDeviceSetAPIRestriction; nvmlDeviceSetApplicationsClocks;
                nvmlDeviceSetAutoBoostedClocksEnabled; nvmlDeviceSetClockOffsets; nvmlDeviceSetComputeMode;
                nvmlDeviceSetConfComputeUnprotectedMemSize; nvmlDeviceSetCpuAffinity;
                nvmlDeviceSetDefaultAutoBoostedClocksEnabled; nvmlDeviceSetDefaultFanSpeed_v2;
                nvmlDeviceSetDramEncryptionMode; nvmlDeviceSetDriverModel; nvmlDeviceSetEccMode;
                nvmlDeviceSetFanControlPolicy; nvmlDeviceSetFanSpeed_v2; nvmlDeviceSetGpcClkVfOffset;
                nvmlDeviceSetGpuLockedClocks; nvmlDeviceSetGpuOperationMode; nvmlDeviceSetHostname_v1;
                nvmlDeviceSetMemClkVfOffset; nvmlDeviceSetMemoryLockedClocks; nvmlDeviceSetMigMode;
                nvmlDeviceSetNvlinkBwMode; nvmlDeviceSetNvLinkDeviceLowPowerThreshold;
                nvmlDeviceSetNvLinkUtilizationControl; nvmlDeviceSetPersistenceMode;
                nvmlDeviceSetPowerManagementLimit; nvmlDeviceSetPowerManagementLimit_v2;
                nvmlDeviceSetPowerMizerMode_v1; nvmlDeviceSetTemperatureThreshold;
                nvmlDeviceSetVgpuCapabilities; nvmlDeviceSetVgpuHeterogeneousMode;
                nvmlDeviceSetVgpuSchedulerState; nvmlDeviceSetVirtualizationMode; nvmlDeviceValidateInforom;
                nvmlDeviceWorkloadPowerProfileClearRequestedProfiles;
                nvmlDeviceWorkloadPowerProfileGetCurrentProfiles;
                nvmlDeviceWorkloadPowerProfileGetProfilesInfo;
                nvmlDeviceWorkloadPowerProfileSetRequestedProfiles; nvmlGetVgpuCompatibility;
                nvmlGetVgpuDriverCapabilities; nvmlGetVgpuVersion; nvmlGpmMetricsGet; nvmlGpmMigSampleGet;
                nvmlGpmQueryDeviceSupport; nvmlGpmQueryIfStreamingEnabled; nvmlGpmSampleAlloc;
                nvmlGpmSampleFree; nvmlGpmSampleGet; nvmlGpmSetStreamingEnabled;
                nvmlGpuInstanceCreateComputeInstance; nvmlGpuInstanceCreateComputeInstanceWithPlacement;
                nvmlGpuInstanceDestroy; nvmlGpuInstanceGetActiveVgpus; nvmlGpuInstanceGetComputeInstanceById;
                nvmlGpuInstanceGetComputeInstancePossiblePlacements;
                nvmlGpuInstanceGetComputeInstanceProfileInfo; nvmlGpuInstanceGetComputeInstanceProfileInfoV;
                nvmlGpuInstanceGetComputeInstanceRemainingCapacity; nvmlGpuInstanceGetComputeInstances;
                nvmlGpuInstanceGetCreatableVgpus; nvmlGpuInstanceGetInfo;
                nvmlGpuInstanceGetVgpuHeterogeneousMode; nvmlGpuInstanceGetVgpuSchedulerLog;
                nvmlGpuInstanceGetVgpuSchedulerState; nvmlGpuInstanceGetVgpuTypeCreatablePlacements;
                nvmlGpuInstanceSetVgpuHeterogeneousMode; nvmlGpuInstanceSetVgpuSchedulerState;
                nvmlInternalGetExportTable; nvmlSetVgpuVersion; nvmlSystemEventSetCreate;
                nvmlSystemEventSetFree; nvmlSystemEventSetWait; nvmlSystemGetConfComputeCapabilities;
                nvmlSystemGetConfComputeGpusReadyState; nvmlSystemGetConfComputeKeyRotationThresholdInfo;
                nvmlSystemGetConfComputeSettings; nvmlSystemGetConfComputeState; nvmlSystemGetNvlinkBwMode;
                nvmlSystemGetTopologyGpuSet; nvmlSystemRegisterEvents;
                nvmlSystemSetConfComputeGpusReadyState; nvmlSystemSetConfComputeKeyRotationThresholdInfo;
                nvmlSystemSetNvlinkBwMode; nvmlUnitGetDevices; nvmlUnitGetFanSpeedInfo; nvmlUnitGetLedState;
                nvmlUnitGetPsuInfo; nvmlUnitGetTemperature; nvmlUnitGetUnitInfo; nvmlUnitSetLedState;
                nvmlVgpuInstanceClearAccountingPids; nvmlVgpuInstanceGetAccountingMode;
                nvmlVgpuInstanceGetAccountingPids; nvmlVgpuInstanceGetAccountingStats;
                nvmlVgpuInstanceGetEccMode; nvmlVgpuInstanceGetEncoderCapacity;
                nvmlVgpuInstanceGetEncoderSessions; nvmlVgpuInstanceGetEncoderStats;
                nvmlVgpuInstanceGetFBCSessions; nvmlVgpuInstanceGetFBCStats; nvmlVgpuInstanceGetFbUsage;
                nvmlVgpuInstanceGetFrameRateLimit; nvmlVgpuInstanceGetGpuInstanceId;
                nvmlVgpuInstanceGetGpuPciId; nvmlVgpuInstanceGetLicenseInfo;
                nvmlVgpuInstanceGetLicenseInfo_v2; nvmlVgpuInstanceGetLicenseStatus;
                nvmlVgpuInstanceGetMdevUUID; nvmlVgpuInstanceGetMetadata; nvmlVgpuInstanceGetPlacementId;
                nvmlVgpuInstanceGetRuntimeStateSize; nvmlVgpuInstanceGetType; nvmlVgpuInstanceGetUUID;
                nvmlVgpuInstanceGetVmDriverVersion; nvmlVgpuInstanceGetVmID;
                nvmlVgpuInstanceSetEncoderCapacity; nvmlVgpuTypeGetBAR1Info; nvmlVgpuTypeGetCapabilities;
                nvmlVgpuTypeGetClass; nvmlVgpuTypeGetDeviceID; nvmlVgpuTypeGetFbReservation;
                nvmlVgpuTypeGetFramebufferSize; nvmlVgpuTypeGetFrameRateLimit;
                nvmlVgpuTypeGetGpuInstanceProfileId; nvmlVgpuTypeGetGspHeapSize; nvmlVgpuTypeGetLicense;
                nvmlVgpuTypeGetMaxInstances; nvmlVgpuTypeGetMaxInstancesPerGpuInstance;
                nvmlVgpuTypeGetMaxInstancesPerVm; nvmlVgpuTypeGetName; nvmlVgpuTypeGetNumDisplayHeads;
                nvmlVgpuTypeGetResolution;
            }
        }
    };
}
