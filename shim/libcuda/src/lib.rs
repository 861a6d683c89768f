//! libcuda.so.1
