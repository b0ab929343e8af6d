// SPDX-License-Identifier: MIT

// Command secondgo is another library written in Go, for a host that has two.
package main

import "C"

import (
	"runtime"
	"sync"
	"time"
)

// second_work has every part of a Go runtime work: goroutines on all threads,
// allocation and collection, timers, stacks that grow, a contained panic.
//
//export second_work
func second_work(rounds C.int) C.int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	sum := 0
	for i := range int(rounds) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			keep := make([][]byte, 64)
			for k := range keep {
				keep[k] = make([]byte, 4096)
			}
			time.Sleep(time.Millisecond)
			n := deep(200) + len(keep) + fault(i)
			mu.Lock()
			defer mu.Unlock()
			sum += n
		}()
	}
	wg.Wait()
	runtime.GC()
	return C.int(sum)
}

func deep(n int) int {
	var room [128]int
	if n == 0 {
		return 0
	}
	room[n%128] = 1
	return room[n%128] + deep(n-1)
}

// fault dereferences nil, which the runtime turns from a signal into a panic.
func fault(i int) (n int) {
	defer func() {
		if recover() != nil {
			n = 1
		}
	}()
	var p *int
	return *p + i
}

func main() {}
