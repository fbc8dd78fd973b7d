//! Looks over real sockets.
