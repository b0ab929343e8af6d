// SPDX-License-Identifier: MIT

package settle_test

import (
	"fmt"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/settle"
)

// A file was written. It is delivered once it has been quiet for the quiet period
// and no writer has it open.
func ExampleMachine() {
	start := time.Unix(1000, 0)
	baseline := settle.Version{Fingerprint: [2]uint64{1}}
	written := settle.Version{Fingerprint: [2]uint64{2}, Changed: start.UnixNano()}

	m := settle.Machine{Options: settle.Options{Quiet: 100 * time.Millisecond, MaxDelay: 10 * time.Second}}
	m.Notify(settle.Notification{Written: true}, start)
	fmt.Println("check after", m.Due().Sub(start))

	now := m.Due()
	fmt.Println(m.Observe(settle.Observation{Kind: settle.RegularFile, Version: written, Baseline: baseline}, now))
	fmt.Println(m.Probed(settle.ProbeResult{Writer: fsys.NoWriter, After: written}, now))
	fmt.Println("settling:", m.Settling())
	// Output:
	// check after 100ms
	// probe
	// deliver
	// settling: false
}

// The versions that matter are compared by one method.
func ExampleVersion_Compare() {
	delivered := settle.Version{Fingerprint: [2]uint64{1}, Changed: 10}
	chmod := settle.Version{Fingerprint: [2]uint64{1}, Changed: 20}
	rewritten := settle.Version{Fingerprint: [2]uint64{2}, Changed: 30}
	fmt.Println(delivered.Compare(delivered) == settle.Same)
	fmt.Println(delivered.Compare(chmod) == settle.ChangeTimeOnly)
	fmt.Println(delivered.Compare(rewritten) == settle.Different)
	fmt.Println(settle.Version{}.Exists())
	// Output:
	// true
	// true
	// true
	// false
}
