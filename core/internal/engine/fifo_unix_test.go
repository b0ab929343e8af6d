// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/qtforge/hotreload/core/internal/fsys"
	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
	"github.com/qtforge/hotreload/core/internal/verify"
)

// A FIFO waits in open(2) for somebody who writes to it, possibly for ever.
func TestReadingAFIFOWaitsForNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	defer endWaiting(path)
	for name, read := range map[string]func() error{
		"hash":  func() error { _, _, err := fsys.HashFile(path, never); return err },
		"image": func() error { return (&verify.Policy{Image: true}).Check([]verify.File{{Path: path}}, never) },
		"sums": func() error {
			_, err := snapshots.SumOf([]snapshots.Member{{Path: path, Name: "fifo"}}, snapshots.Limits{}, never)
			return err
		},
		"symbols": func() error {
			return (&verify.Policy{Symbols: []string{"plugin_init"}}).Check([]verify.File{{Path: path}}, never)
		},
		"readable": func() error { return errors.Join(fsys.OS{}.MayRead(path), os.ErrInvalid) },
	} {
		done := make(chan error, 1)
		go func() { done <- read() }()
		if err := within(t, name, done); err == nil {
			t.Errorf("%s: a FIFO is read as if it were a file", name)
		}
	}
}

func never() bool { return false }

// endWaiting lets those go that wait for somebody to write to a FIFO.
func endWaiting(path string) {
	if f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0); err == nil {
		f.Close()
	}
}

func TestFIFOInAFilesPlaceHoldsUpNobody(t *testing.T) {
	for name, o := range map[string]Options{"hashed": {IgnoreUnchangedContent: true}, "image checked": {CheckImage: true}} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			var fifo string
			o.disk = hookedDisk{fsys.OS{}, func(op, path string, access func()) {
				if op == "Open" && filepath.Base(path) == "bad.so" && armed.CompareAndSwap(true, false) {
					_ = os.Remove(path)
					_ = syscall.Mkfifo(path, 0o644)
				}
				access()
			}}
			h := onDisk(t, o)
			fifo = filepath.Join(h.dir, "bad.so")
			h.put(fifo, "v0")
			defer endWaiting(fifo)
			h.must(h.m.Enable("bad", fifo, EnableOptions{}))
			h.awaitStat("seen", func(s Stats) bool { return s.Settling == 0 })
			armed.Store(true)
			h.replace(fifo, "v1")
			h.await("it is a FIFO", func() bool { return !armed.Load() })
			if name == "hashed" {
				h.replace(h.file, "v1")
				h.expect("v1")
			}
			closed := make(chan error, 1)
			go func() { h.m.Close(); closed <- nil }()
			within(t, "Close", closed)
		})
	}
}
