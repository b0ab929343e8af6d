package core

import "golang.org/x/sys/unix"

// probeWriter asks the kernel whether any process holds the file open for
// writing: a read lease is refused with EAGAIN exactly then. On ext4 and tmpfs
// that includes a writer whose descriptor is closed but whose shared mapping
// lives. It needs ownership of the file or CAP_LEASE and a local file system;
// elsewhere the answer is unknown.
//
// An open for writing in the few microseconds that the lease lives waits for
// its release and makes the kernel signal the holder. F_SETSIG comes first,
// because the signal would else be SIGIO, whose default action ends the
// process; SIGURG is ignored by default and the Go runtime uses it anyway.
func probeWriter(path string) verdict {
	fd, err := openRead(path)
	if err != nil {
		return unopened(err)
	}
	defer unix.Close(fd)
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETSIG, int(unix.SIGURG)); err != nil {
		return unknown
	}
	switch _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK); err {
	case nil:
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
		return nobody
	case unix.EAGAIN:
		return somebody
	}
	return unknown
}
