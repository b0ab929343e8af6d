package core

import (
	"runtime"
	"syscall"

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
	in, v := ask(path, 0)
	return v, in
}

// probePlain does the same to what is no link.
func probePlain(path string) (fileInfo, verdict) { return ask(path, unix.O_NOFOLLOW) }

var pid = unix.Getpid() // the child of a fork never gets here

func ask(path string, flags int) (fileInfo, verdict) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if tid := unix.Gettid(); tid != pid {
		return leaseProbe(path, flags, tid)
	}
	// The process's first thread: the probe needs another one, which a goroutine
	// is on while this one keeps its own.
	var v verdict
	var in fileInfo
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		in, v = leaseProbe(path, flags, unix.Gettid())
		close(done)
	}()
	<-done
	return in, v
}

func leaseProbe(path string, flags, tid int) (fileInfo, verdict) {
	fd, err := openRead(path, flags)
	if err != nil {
		return fileInfo{}, unopened(err)
	}
	defer unix.Close(fd)
	v := unknown
	noOwner := fcntl(fd, unix.F_SETOWN, -tid)
	// Should a kernel not keep to that: by default SIGIO ends a process, SIGURG does not.
	noSignal := fcntl(fd, unix.F_SETSIG, int(unix.SIGURG))
	if noOwner == 0 && noSignal == 0 {
		switch fcntl(fd, unix.F_SETLEASE, unix.F_RDLCK) {
		case 0:
			v = nobody
			fcntl(fd, unix.F_SETLEASE, unix.F_UNLCK)
		case unix.EAGAIN:
			v = somebody
		}
	}
	in, _ := fstat(fd)
	return in, v
}

// fcntl is for what never waits: Go's scheduler is not told.
func fcntl(fd, command, argument int) syscall.Errno {
	_, _, err := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), uintptr(command), uintptr(argument))
	return err
}
