//! Plays of a client and a handler over real sockets.
