// SPDX-License-Identifier: MIT

package fsys

import (
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Writer asks the kernel: a read lease is refused with EAGAIN exactly if a process
// holds the file open for writing. On ext4 and tmpfs that includes a writer whose
// descriptor is closed but whose shared mapping lives. The question needs ownership
// of the file or CAP_LEASE, and a local file system; elsewhere the answer is
// WriterUnknown. So it is where leases are refused for another reason (seccomp).
//
// An open for writing in the few microseconds that the lease lives waits for
// its release and makes the kernel signal the lease's owner, by default this
// process. The owner named here is the process group with the number of the
// calling thread. As long as the thread lives no group can have that number,
// unless it is that of the whole process: nobody is signalled. With O_NONBLOCK such an
// open does not wait but fails with EWOULDBLOCK. Nothing else that asks the kernel leaves
// no trace, so that it is not asked while the file is busy (settle's calm).
//
// The lease is given back by F_UNLCK, not by closing: a child that the host forks
// meanwhile has the descriptor, too, and would keep the lease.
func (f osFile) Writer() (w Writer) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if tid := unix.Gettid(); tid != pid {
		return askForWriter(int(f.Fd()), tid)
	}
	// The process's first thread: another one must ask, and a goroutine started
	// here runs on another one, because this goroutine keeps its own.
	done := make(chan Writer)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- askForWriter(int(f.Fd()), unix.Gettid())
	}()
	return <-done
}

var pid = unix.Getpid() // the child of a fork never gets here

func askForWriter(fd, tid int) (w Writer) {
	// Should a kernel not keep to the owner: SIGIO ends a process by default,
	// SIGURG does not.
	if fcntl(fd, unix.F_SETOWN, -tid) != 0 || fcntl(fd, unix.F_SETSIG, int(unix.SIGURG)) != 0 {
		return WriterUnknown
	}
	switch fcntl(fd, unix.F_SETLEASE, unix.F_RDLCK) {
	case 0:
		fcntl(fd, unix.F_SETLEASE, unix.F_UNLCK)
		return NoWriter
	case unix.EAGAIN:
		var st unix.Statfs_t
		if unix.Fstatfs(fd, &st) == nil && silentType(&st) != "" {
			return WriterUnknown // FUSE and network file systems refuse leases for other reasons
		}
		if leasesAreRefused() {
			return WriterUnknown
		}
		return HasWriter
	}
	return WriterUnknown
}

// leasesAreRefused reports whether a lease is refused even on a file that nobody writes. Some
// sandboxes do that.
func leasesAreRefused() bool {
	written, err := unix.MemfdCreate("hotreload", unix.MFD_CLOEXEC)
	if err != nil {
		return false
	}
	read, err := openFD("/proc/thread-self/fd/"+strconv.Itoa(written), forReading)
	_ = unix.Close(written)
	if err != nil {
		return false
	}
	defer unix.Close(read)
	switch fcntl(read, unix.F_SETLEASE, unix.F_RDLCK) {
	case 0:
		fcntl(read, unix.F_SETLEASE, unix.F_UNLCK)
		return false
	case unix.EAGAIN:
		return true
	}
	return false
}

// fcntl is for what never waits: Go's scheduler is not told.
func fcntl(fd, command, argument int) syscall.Errno {
	_, _, err := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), uintptr(command), uintptr(argument))
	return err
}
