// SPDX-License-Identifier: MIT

package engine

import "time"

// isDue reports whether a file is to be checked now.
func (e *intake) isDue(now time.Time) bool {
	return len(e.due) > 0 && !e.due[0].machine.Due().After(now)
}

// deadlines is a heap of work by the time of the next check.
type deadlines []*work

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].machine.Due().Before(d[j].machine.Due()) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heapIndex, d[j].heapIndex = i+1, j+1
}
func (d *deadlines) Push(x any) {
	w := x.(*work)
	*d = append(*d, w)
	w.heapIndex = len(*d)
}
func (d *deadlines) Pop() any {
	old := *d
	w := old[len(old)-1]
	old[len(old)-1] = nil
	if *d = old[:len(old)-1]; len(*d) == 0 {
		*d = nil // so many may never be due again
	}
	w.heapIndex = 0
	return w
}
