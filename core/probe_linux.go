package core

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// probeWriter asks the kernel whether any process holds the file open for
// writing: a read lease is refused with EAGAIN exactly then. On ext4 and tmpfs
// that includes a writer whose descriptor is closed but whose shared mapping
// lives. It needs ownership of the file or CAP_LEASE and a local file system;
// elsewhere the answer is unknown.
//
// An open for writing in the few microseconds that the lease lives waits for
// its release and makes the kernel signal the lease's owner, by default this
// process. The owner named here is the process group with the number of the
// calling thread. As long as the thread lives no group can have that number,
// unless it is that of the whole process: nobody is signalled.
//
// The lease is given back by name: a child that the host forks meanwhile has the
// descriptor, too, and would keep the lease past its closing here.
func probeWriter(path string) (verdict, fileInfo) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if tid := unix.Gettid(); tid != unix.Getpid() {
		return leaseProbe(path, tid)
	}
	// The process's first thread: the probe needs another one, which a goroutine
	// is on while this one keeps its own.
	var v verdict
	var in fileInfo
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		v, in = leaseProbe(path, unix.Gettid())
		close(done)
	}()
	<-done
	return v, in
}

func leaseProbe(path string, tid int) (verdict, fileInfo) {
	fd, err := openRead(path)
	if err != nil {
		return unopened(err), fileInfo{}
	}
	defer unix.Close(fd)
	v := unknown
	_, noOwner := unix.FcntlInt(uintptr(fd), unix.F_SETOWN, -tid)
	// Should a kernel not keep to that: by default SIGIO ends a process, SIGURG does not.
	_, noSignal := unix.FcntlInt(uintptr(fd), unix.F_SETSIG, int(unix.SIGURG))
	if noOwner == nil && noSignal == nil {
		switch _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK); err {
		case nil:
			v = nobody
			unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
		case unix.EAGAIN:
			v = somebody
		}
	}
	in, _ := fstat(fd)
	return v, in
}
