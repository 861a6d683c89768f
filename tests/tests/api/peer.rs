//! Peer context memory access.

use std::ptr::null_mut;

use abi::CUerror;
use abi::cuda::{CUcontext, CUdevice_P2PAttribute};
use tests::context::Context;

#[test]
fn a_device_is_not_its_own_peer() {
    let context = Context::primary();
    let mut access = 9;
    assert_eq!(context.cuDeviceCanAccessPeer(&raw mut access, 0, 0), Ok(()));
    assert_eq!(access, 0);
}

#[test]
fn attributes_are_those_of_two_devices() {
    let context = Context::primary();
    let mut value = 9;
    let attribute = CUdevice_P2PAttribute::ACCESS_SUPPORTED;
    let same = context.cuDeviceGetP2PAttribute(&raw mut value, attribute, 0, 0);
    assert_eq!(same, Err(CUerror::INVALID_DEVICE));
    let absent = context.cuDeviceGetP2PAttribute(&raw mut value, attribute, 0, 1000);
    assert_eq!(absent, Err(CUerror::INVALID_DEVICE));
    assert_eq!(
        context.cuDeviceGetP2PAttribute(null_mut(), attribute, 0, 1000),
        Err(CUerror::INVALID_VALUE)
    );
}

#[test]
fn access_is_enabled_for_the_context_of_another_device_only() {
    let context = Context::primary();
    let other = Context::create(0);
    assert!(
        other.cuCtxEnablePeerAccess(context.handle, 0).is_err(),
        "a context of the same device"
    );
    assert!(
        other.cuCtxEnablePeerAccess(other.handle, 0).is_err(),
        "the context itself"
    );
    assert!(other.cuCtxEnablePeerAccess(CUcontext::NULL, 0).is_err());
    assert!(
        other.cuCtxEnablePeerAccess(context.handle, 1).is_err(),
        "flags are reserved"
    );
    assert_eq!(
        other.cuCtxDisablePeerAccess(context.handle),
        Err(CUerror::PEER_ACCESS_NOT_ENABLED)
    );
    other.assert_works();
}
