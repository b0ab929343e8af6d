// SPDX-License-Identifier: MIT

package deliver

import (
	"runtime"
	"testing"
)

func TestThreadIDTellsThreadsApart(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, other := ThreadID(), make(chan uint64)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		other <- ThreadID()
	}()
	if id := <-other; id == own || ThreadID() != own {
		t.Fatalf("this thread is %d and then %d, another one %d", own, ThreadID(), id)
	}
}
