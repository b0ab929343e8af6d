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
//
// Closing the descriptor, the only one of its open file, gives the lease back.
func probeWriter(path string) (verdict, fileInfo) {
	fd, err := openRead(path)
	if err != nil {
		return unopened(err), fileInfo{}
	}
	defer unix.Close(fd)
	v := unknown
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETSIG, int(unix.SIGURG)); err == nil {
		switch _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK); err {
		case nil:
			v = nobody
		case unix.EAGAIN:
			v = somebody
		}
	}
	in, _ := fstat(fd)
	return v, in
}
