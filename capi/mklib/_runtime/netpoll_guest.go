// SPDX-License-Identifier: MIT

//go:build linux

package runtime

import (
	"internal/goarch"
	"internal/runtime/atomic"
	"internal/runtime/syscall/linux"
	"unsafe"
)

// The poller's descriptors live in a process that belongs to somebody else. A host that
// closes all descriptors closes these, too, and soon has other files under their numbers.
// So the poller asks whose they are before it uses them, and opens new ones.
//
// Numbers prove nothing, and all epoll and event descriptors have one inode. A pipe has an
// inode of its own. Its write end, the guard, is registered with the epoll: so an epoll
// that knows the guard is the poller's, and what it knows besides is what was registered.
//
// Nothing tells of the end of a descriptor. But a thread that waits for the read end of the
// pipe is woken when the guard is closed, even if the read end was closed before. A host
// that closes one number after the other may close new descriptors, too, and not the new
// guard. So for some time after a loss every file is checked.

var (
	netpollGuard      int32 // the write end of the pipe
	netpollGuardRead  int32
	netpollGuardInode fileIdentity  // zero: the system does not say
	netpollEpoch      atomic.Uint32 // how often the descriptors were made
	netpollLossTime   atomic.Int64  // of the latest loss; 0: long ago
	netpollDescs      *pollDesc     // all there are, linked by pollDesc.all
	netpollRenewing   mutex
)

// fileIdentity tells files apart.
type fileIdentity struct {
	device, inode uint64
}

// Numbers of system calls that the runtime has no use for elsewhere; 0 on other processors.
const (
	sysPpoll = 271*goarch.IsAmd64 + 73*(goarch.IsArm64+goarch.IsLoong64+goarch.IsRiscv64) + 309*goarch.Is386 +
		336*goarch.IsArm + 281*(goarch.IsPpc64+goarch.IsPpc64le) + 302*goarch.IsS390x
	sysStatx = 332*goarch.IsAmd64 + 291*(goarch.IsArm64+goarch.IsLoong64+goarch.IsRiscv64) + 383*goarch.Is386 +
		397*goarch.IsArm + 383*(goarch.IsPpc64+goarch.IsPpc64le) + 379*goarch.IsS390x
)

const (
	guestEEXIST = 17
	// netpollWary is for how long after a loss files are checked.
	netpollWary = 20e9
)

// identityOf returns the zero identity where there is no descriptor, or no answer.
func identityOf(fd int32) (id fileIdentity) {
	const atEmptyPath, inode = 0x1000, 0x100
	var noPath byte
	var st [32]uint64 // struct statx
	if sysStatx == 0 {
		return id
	}
	_, _, errno := linux.Syscall6(sysStatx, uintptr(fd), uintptr(unsafe.Pointer(&noPath)), atEmptyPath, inode, uintptr(unsafe.Pointer(&st)), 0)
	if errno != 0 {
		return id
	}
	return fileIdentity{device: st[17], inode: st[4]}
}

// netpollGuards makes the guard of a new epoll.
func netpollGuards(ep int32) bool {
	r, w, failed := pipe2(_O_NONBLOCK | _O_CLOEXEC)
	if failed != 0 {
		return false
	}
	var ev linux.EpollEvent // no events
	if linux.EpollCtl(ep, linux.EPOLL_CTL_ADD, w, &ev) != 0 {
		closefd(r)
		closefd(w)
		return false
	}
	netpollEpoch.CompareAndSwap(0, 1) // 0 is that of what is not registered
	netpollGuardRead, netpollGuard, netpollGuardInode = r, w, identityOf(w)
	return true
}

// netpollHolds reports whether a number stands for the file that was registered under it.
// It changes nothing, whatever the two are.
func netpollHolds(ep, fd int32) bool {
	var ev linux.EpollEvent
	switch linux.EpollCtl(ep, linux.EPOLL_CTL_ADD, fd, &ev) {
	case guestEEXIST:
		return true
	case 0:
		linux.EpollCtl(ep, linux.EPOLL_CTL_DEL, fd, &ev)
	}
	return false
}

// netpollOurs reports whether these are the poller's epoll and event descriptor.
func netpollOurs(ep int32, efd uintptr) bool {
	guard, identity := netpollGuard, netpollGuardInode
	if identity == (fileIdentity{}) {
		return true // nobody knows
	}
	return identityOf(guard) == identity && netpollHolds(ep, guard) && netpollHolds(ep, int32(efd))
}

// netpollWait waits until the epoll has events or the guard is closed, and reports whether
// it could.
func netpollWait(ep, ms int32) (waited bool, errno uintptr) {
	type pollfd struct {
		fd              int32
		events, revents int16
	}
	const pollIn, enosys, eperm = 1, 38, 1
	if sysPpoll == 0 || netpollGuardInode == (fileIdentity{}) {
		return false, 0
	}
	if lost := netpollLossTime.Load(); lost != 0 {
		age := nanotime() - lost
		if most := int32(age/1e6) + 1; age < netpollWary && (ms < 0 || ms > most) {
			ms = most // each time twice as late
		} else if age >= netpollWary {
			netpollLossTime.CompareAndSwap(lost, 0)
		}
	}
	fds := [2]pollfd{{fd: ep, events: pollIn}, {fd: netpollGuardRead}}
	var ts timespec
	var timeout uintptr
	if ms >= 0 {
		ts.setNsec(int64(ms) * 1e6)
		timeout = uintptr(unsafe.Pointer(&ts))
	}
	_, _, errno = linux.Syscall6(sysPpoll, uintptr(unsafe.Pointer(&fds)), uintptr(len(fds)), timeout, 0, 0, 0)
	if errno == enosys || errno == eperm { // a filter of system calls
		return false, 0
	}
	return true, errno
}

// netpollLost opens new descriptors for the poller, whose old ones are somebody else's now.
// Whoever waits for a file is told that it is closed.
func netpollLost(delay int64) (gList, int32) {
	var toRun gList
	delta := int32(0)
	lock(&netpollRenewing)
	if netpollOurs(epfd, netpollEventFd) { // another thread was faster
		unlock(&netpollRenewing)
		return toRun, 0
	}
	netpollEpoch.Add(1) // before the waiters are woken, which look at it
	netpollLossTime.Store(nanotime())
	for pd := netpollDescs; pd != nil; pd = pd.all {
		netpollWakeWaiters(pd, &toRun, &delta)
	}
	if identityOf(netpollGuard) == netpollGuardInode { // it was another one that is lost
		if netpollHolds(epfd, netpollGuard) {
			closefd(epfd)
		}
		closefd(netpollGuard)
	}
	if identityOf(netpollGuardRead) == netpollGuardInode {
		closefd(netpollGuardRead)
	}
	made := netpollmake()
	netpollWakeSig.Store(0)
	unlock(&netpollRenewing)
	if !made && delay != 0 {
		usleep(10000) // there are none left: again soon
	}
	return toRun, delta
}

func netpollWakeWaiters(pd *pollDesc, toRun *gList, delta *int32) {
	for _, mode := range [...]int32{'r', 'w'} {
		if gp := netpollunblock(pd, mode, false, delta); gp != nil {
			toRun.push(gp)
		}
	}
}

// netpollCheck finds, for some time after a loss, the files that are lost, too.
func netpollCheck(ep int32, toRun *gList, delta *int32) {
	if netpollLossTime.Load() == 0 {
		return
	}
	epoch := netpollEpoch.Load()
	for pd := netpollDescs; pd != nil; pd = pd.all {
		if pd.epoch.Load() == epoch && !netpollHolds(ep, int32(pd.fd)) && pd.epoch.CompareAndSwap(epoch, 0) {
			netpollLossTime.Store(nanotime())
			netpollWakeWaiters(pd, toRun, delta)
		}
	}
}

// netpollRenew is netpollLost for a goroutine.
func netpollRenew() {
	toRun, delta := netpollLost(0)
	injectglist(&toRun)
	netpollAdjustWaiters(delta)
}

// netpollUnreachable is for a break that cannot reach the thread that polls: another one
// takes its place.
func netpollUnreachable() {
	netpollWakeSig.Store(0)
	sched.lastpoll.Store(nanotime())
	if getg().m.p != 0 {
		wakep()
	}
}

// poll_runtime_pollIsOurs reports whether a file's number still stands for that file.
//
//go:linkname poll_runtime_pollIsOurs internal/poll.runtime_pollIsOurs
func poll_runtime_pollIsOurs(pd *pollDesc) bool {
	return pd.epoch.Load() == netpollEpoch.Load() && netpollOurs(epfd, netpollEventFd) && netpollHolds(epfd, int32(pd.fd))
}
