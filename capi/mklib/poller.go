// SPDX-License-Identifier: MIT

package main

import _ "embed"

// pollerSource is a file more for Go's runtime, which the patches below call.
//
//go:embed _runtime/netpoll_guest.go
var pollerSource string

// pollerPatches make Go's poller and files use no descriptor that the host has closed.
var pollerPatches = []patch{
	{file: "netpoll_guest.go", goos: "linux", new: pollerSource},
	{ // Two descriptors for good, to follow the limit of a control group. The library needs few threads.
		file: "proc.go", goos: "linux",
		old: `	mProfStackInit(gp.m)
	defaultGOMAXPROCSInit()
`,
		new: `	mProfStackInit(gp.m)
`,
	},
	{ // A file that is open for a moment while the host's first functions run already.
		file: "os_linux.go", goos: "linux",
		old: `	physHugePageSize = getHugePageSize()
`,
		new: ``,
	},
	{
		file: "netpoll_epoll.go", goos: "linux",
		old: `func netpollinit() {
	var errno uintptr
	epfd, errno = linux.EpollCreate1(linux.EPOLL_CLOEXEC)
	if errno != 0 {
		println("runtime: epollcreate failed with", errno)
		throw("runtime: netpollinit failed")
	}
	efd, errno := linux.Eventfd(0, linux.EFD_CLOEXEC|linux.EFD_NONBLOCK)
	if errno != 0 {
		println("runtime: eventfd failed with", errno)
		throw("runtime: eventfd failed")
	}
`,
		new: `func netpollinit() {
	if !netpollmake() {
		throw("runtime: no descriptors for the poller")
	}
}

func netpollmake() bool {
	ep, errno := linux.EpollCreate1(linux.EPOLL_CLOEXEC)
	if errno != 0 {
		return false
	}
	efd, errno := linux.Eventfd(0, linux.EFD_CLOEXEC|linux.EFD_NONBLOCK)
	if errno != 0 {
		closefd(ep)
		return false
	}
`,
	},
	{
		file: "netpoll_epoll.go", goos: "linux",
		old: `	errno = linux.EpollCtl(epfd, linux.EPOLL_CTL_ADD, efd, &ev)
	if errno != 0 {
		println("runtime: epollctl failed with", errno)
		throw("runtime: epollctl failed")
	}
	netpollEventFd = uintptr(efd)
}
`,
		new: `	errno = linux.EpollCtl(ep, linux.EPOLL_CTL_ADD, efd, &ev)
	if errno != 0 || !netpollGuards(ep) {
		closefd(efd)
		closefd(ep)
		return false
	}
	epfd, netpollEventFd = ep, uintptr(efd)
	return true
}
`,
	},
	{
		file: "netpoll_epoll.go", goos: "linux",
		old: `	return linux.EpollCtl(epfd, linux.EPOLL_CTL_ADD, int32(fd), &ev)
`,
		new: `	if !netpollOurs(epfd, netpollEventFd) {
		netpollRenew()
	}
	ep, epoch := epfd, netpollEpoch.Load()
	errno := linux.EpollCtl(ep, linux.EPOLL_CTL_ADD, int32(fd), &ev)
	if errno == 0 {
		pd.epoch.Store(epoch)
	}
	return errno
`,
	},
	{
		file: "netpoll_epoll.go", goos: "linux",
		old: `	for {
		n := write(netpollEventFd, noescape(unsafe.Pointer(&one)), oneSize)
`,
		new: `	efd := netpollEventFd
	if !netpollOurs(epfd, efd) {
		netpollUnreachable()
		return
	}
	for {
		n := write(efd, noescape(unsafe.Pointer(&one)), oneSize)
`,
	},
	{
		file: "netpoll_epoll.go", goos: "linux",
		old: `retry:
	n, errno := linux.EpollWait(epfd, events[:], int32(len(events)), waitms)
	if errno != 0 {
		if errno != _EINTR {
			println("runtime: epollwait on fd", epfd, "failed with", errno)
			throw("runtime: netpoll failed")
		}
`,
		new: `retry:
	ep, efd, ms := epfd, netpollEventFd, waitms
	if !netpollOurs(ep, efd) {
		return netpollLost(delay)
	}
	if waitms != 0 {
		waited, errno := netpollWait(ep, waitms)
		if errno == _EINTR && waitms > 0 {
			return gList{}, 0
		}
		if errno == _EINTR {
			goto retry
		}
		if waited {
			ms = 0
		}
		if !netpollOurs(ep, efd) {
			return netpollLost(delay)
		}
		var toRun gList
		delta := int32(0)
		if netpollCheck(ep, &toRun, &delta); !toRun.empty() {
			return toRun, delta
		}
	}
	n, errno := linux.EpollWait(ep, events[:], int32(len(events)), ms)
	if errno != 0 {
		if errno != _EINTR {
			return gList{}, 0 // lost a moment ago
		}
`,
	},
	{
		file: "netpoll_epoll.go", goos: "linux",
		old: `		if ev.Events == 0 {
			continue
		}
`,
		new: `		if ev.Events == 0 || *(*uint64)(unsafe.Pointer(&ev.Data)) == 0 && ev.Events&linux.EPOLLIN == 0 {
			continue // the guard, or what netpollHolds asks about
		}
`,
	},
	{
		file: "netpoll_epoll.go", goos: "linux",
		old: `				read(int32(netpollEventFd), noescape(unsafe.Pointer(&one)), int32(unsafe.Sizeof(one)))
`,
		new: `				read(int32(efd), noescape(unsafe.Pointer(&one)), int32(unsafe.Sizeof(one)))
`,
	},
	{
		file: "netpoll.go", goos: "linux",
		old: `	self    *pollDesc // storage for indirect interface. See (*pollDesc).makeArg.
}
`,
		new: `	self    *pollDesc // storage for indirect interface. See (*pollDesc).makeArg.

	epoch atomic.Uint32 // netpollEpoch when it was registered; 0: it is not
	all   *pollDesc     // the next of netpollDescs
}
`,
	},
	{
		file: "netpoll.go", goos: "linux",
		old: `			pd.wt.init(nil, nil)
			pd.link = c.first
			c.first = pd
`,
		new: `			pd.wt.init(nil, nil)
			pd.all = netpollDescs
			netpollDescs = pd
			pd.link = c.first
			c.first = pd
`,
	},
	{
		file: "netpoll.go", goos: "linux",
		old: `	if info.closing() {
		return pollErrClosing
`,
		new: `	if info.closing() || pd.epoch.Load() != netpollEpoch.Load() {
		return pollErrClosing
`,
	},
	{
		file: "netpoll.go", goos: "linux",
		old: `func poll_runtime_pollClose(pd *pollDesc) {
`,
		new: `func poll_runtime_pollClose(pd *pollDesc) (ours bool) {
`,
	},
	{
		file: "netpoll.go", goos: "linux",
		old: `	netpollclose(pd.fd)
	pollcache.free(pd)
}
`,
		new: `	if ours = poll_runtime_pollIsOurs(pd); ours {
		netpollclose(pd.fd)
	}
	pd.epoch.Store(0)
	pollcache.free(pd)
	return ours
}
`,
	},
	{
		dir: "internal/poll", file: "fd_poll_runtime.go", goos: "linux",
		old: `func runtime_pollClose(ctx uintptr)
`,
		new: `func runtime_pollClose(ctx uintptr) (ours bool)
func runtime_pollIsOurs(ctx uintptr) bool
`,
	},
	{
		dir: "internal/poll", file: "fd_poll_runtime.go", goos: "linux",
		old: `func (pd *pollDesc) close() {
	if pd.runtimeCtx == 0 {
		return
	}
	runtime_pollClose(pd.runtimeCtx)
	pd.runtimeCtx = 0
}
`,
		new: `func (pd *pollDesc) close() (ours bool) {
	if pd.runtimeCtx == 0 {
		return true
	}
	ours = runtime_pollClose(pd.runtimeCtx)
	pd.runtimeCtx = 0
	return ours
}
`,
	},
	{
		dir: "internal/poll", file: "fd_unix.go", goos: "linux",
		old: `	// Whether this is a file rather than a network socket.
	isFile bool
}
`,
		new: `	// Whether this is a file rather than a network socket.
	isFile bool

	// What Sysfd stood for at Init. Zero if the system did not say.
	device, inode uint64
}

// isOurs reports whether Sysfd still stands for the file that it did at Init: the host
// may have closed it and opened another one since.
func (fd *FD) isOurs() bool {
	if fd.pd.runtimeCtx != 0 {
		return runtime_pollIsOurs(fd.pd.runtimeCtx)
	}
	var st syscall.Stat_t
	return fd.inode == 0 || syscall.Fstat(fd.Sysfd, &st) == nil && uint64(st.Dev) == fd.device && uint64(st.Ino) == fd.inode
}
`,
	},
	{
		dir: "internal/poll", file: "fd_unix.go", goos: "linux",
		old: `	fd.SysFile.init()

	// We don't actually care about the various network types.
`,
		new: `	fd.SysFile.init()
	var st syscall.Stat_t
	if fd.inode == 0 && syscall.Fstat(fd.Sysfd, &st) == nil {
		fd.device, fd.inode = uint64(st.Dev), uint64(st.Ino)
	}

	// We don't actually care about the various network types.
`,
	},
	{
		dir: "internal/poll", file: "fd_unix.go", goos: "linux",
		old: `	fd.pd.close()

	err := fd.SysFile.destroy(fd.Sysfd)

`,
		new: `	ours := fd.pd.runtimeCtx != 0 || fd.isOurs()
	if !fd.pd.close() || !ours {
		fd.Sysfd = -1
		runtime_Semrelease(&fd.csema)
		return nil
	}

	err := fd.SysFile.destroy(fd.Sysfd)

`,
	},
	locked("incref", "decref"),
	locked("readLock", "readUnlock"),
	locked("writeLock", "writeUnlock"),
}

// locked has a method of poll.FD, with which each use of a file begins, fail if the file
// is not ours.
func locked(method, undo string) patch {
	return patch{
		dir: "internal/poll", file: "fd_mutex.go", goos: "linux",
		old: `func (fd *FD) ` + method + `() error {
`,
		new: `func (fd *FD) ` + method + `() (err error) {
	if err = fd.` + method + `Only(); err == nil && !fd.isOurs() {
		fd.` + undo + `()
		err = errClosing(fd.isFile)
	}
	return err
}

func (fd *FD) ` + method + `Only() error {
`,
	}
}
