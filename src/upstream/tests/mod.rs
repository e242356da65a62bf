//! Origins over real sockets.
