// SPDX-License-Identifier: MIT

package deliver

// line is a first-in, first-out queue whose items may be withdrawn. In front is
// always one that was not.
type line[T interface{ place() *Place }] struct {
	items []T
	head  int
	live  int // not withdrawn
}

func (l *line[T]) front() T { return l.items[l.head] }

func (l *line[T]) push(x T) {
	l.items = append(l.items, x)
	l.live++
}

func (l *line[T]) pop() T {
	x := l.items[l.head]
	x.place().taken = true
	l.live--
	l.advance()
	l.tidy()
	return x
}

// withdraw withdraws an item that waits.
func (l *line[T]) withdraw(x T) {
	x.place().withdrawn = true
	l.live--
	l.tidy()
}

func (l *line[T]) advance() {
	var zero T
	l.items[l.head] = zero
	l.head++
}

// tidy drops what was withdrawn: in front at once, the rest when it is the most.
func (l *line[T]) tidy() {
	for l.head < len(l.items) && l.items[l.head].place().withdrawn {
		l.advance()
	}
	if len(l.items) < 64 && l.live > 0 || len(l.items) <= 2*l.live {
		return
	}
	kept := l.items[:0]
	for _, x := range l.items[l.head:] {
		if !x.place().withdrawn {
			kept = append(kept, x)
		}
	}
	clear(l.items[len(kept):])
	if len(kept) == 0 && cap(kept) > manyTopics {
		kept = nil
	}
	l.items, l.head = kept, 0
}

// next calls f with the first n items that wait. f changes nothing in the line.
func (l *line[T]) next(n int, f func(T)) {
	for i := l.head; i < len(l.items) && n > 0; i++ {
		if x := l.items[i]; !x.place().withdrawn {
			n--
			f(x)
		}
	}
}

// all calls f with each item that waits. f changes nothing in the line.
func (l *line[T]) all(f func(T)) {
	for _, x := range l.items[l.head:] {
		if !x.place().withdrawn {
			f(x)
		}
	}
}
