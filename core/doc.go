// Package core watches plugin files and tells its user exactly once about
// every completed change of each, never about a half-written file, losing
// nothing. It is pure Go; the C library in capi/ only converts to and from it.
//
// # Data flow
//
//	notifications → watch set → settle → reconcile → queue → dispatch → callback
//
// A notification (internal/watch) says "look there"; the watch set knows which plugins that
// concerns; settle waits until a file is quiet and nobody writes it; reconcile
// compares its fingerprint with the one last told; the queue holds at most one
// pending change per plugin; dispatch runs the callbacks.
//
// Notifications are hints, the disk is the truth: what decides is a file's
// fingerprint (device, inode, size, mtime). A lost, late or superfluous
// notification therefore never causes a wrong delivery; a lost one is healed by
// comparing everything.
//
// # Threads
//
// One goroutine (loop.go) owns the watch set and the settling of files. The
// state that callers see is behind one mutex, under which no system call waits
// and no callback runs. Callbacks run on the goroutine that calls
// [Manager.Dispatch], or with [DispatchThread] on one goroutine that is locked
// to a thread of its own.
package core
