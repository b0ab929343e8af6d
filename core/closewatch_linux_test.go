package core

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCloseOfAWriterIsHeardOf(t *testing.T) {
	w := newCloseWatcher()
	defer w.close()
	path := filepath.Join(t.TempDir(), "f")
	for range 3 { // each watch is for one event
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		a, b := &entry{abs: path}, &entry{abs: path}
		w.arm(a)
		w.arm(a)
		w.arm(b)
		f.Close()
		got := map[*entry]bool{}
		for len(got) < 2 {
			select {
			case e := <-w.events():
				got[e] = true
			case <-time.After(bound):
				t.Fatalf("heard of %d of 2", len(got))
			}
		}
	}
	e := &entry{abs: path}
	w.arm(e)
	w.disarm(e)
	w.disarm(e)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.armed)+len(w.wds) != 0 {
		t.Fatalf("left: %v %v", w.armed, w.wds)
	}
}
