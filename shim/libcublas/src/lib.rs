//! libpumice-preload.so
