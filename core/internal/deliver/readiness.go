// SPDX-License-Identifier: MIT

package deliver

// Readiness is a descriptor that polls readable while something can be delivered. It
// costs three system calls a change, so that it is kept up only once a host has asked
// for it. Calls do not overlap.
type Readiness struct {
	signal
	ready bool
	shown bool // the descriptor polls readable
	asked bool // a host polls it
	lost  bool // the host closed the descriptor, and did not ask for another one yet
}

// NewReadiness makes a descriptor that does not poll readable.
func NewReadiness() (*Readiness, error) {
	s, err := newSignal()
	if err != nil {
		return nil, err
	}
	return &Readiness{signal: s}, nil
}

// Descriptor is what a host polls; -1 where the system has none. It is another one than
// before if the host has closed that.
func (r *Readiness) Descriptor() (int, error) {
	if !r.signal.isOurs() {
		s, err := newSignal()
		if err != nil {
			return -1, err
		}
		r.signal.close()
		r.signal, r.shown, r.lost = s, false, false
	}
	r.asked = true
	r.show()
	return r.fd, nil
}

// Set notes whether something can be delivered. It reports whether it has found that the
// host closed the descriptor.
func (r *Readiness) Set(ready bool) (lost bool) {
	r.ready = ready
	return r.show()
}

func (r *Readiness) show() (lost bool) {
	if !r.asked || r.shown == r.ready || r.lost {
		return false
	}
	if r.lost = !r.signal.isOurs(); r.lost {
		return true
	}
	r.shown = r.ready
	r.signal.set(r.ready)
	return false
}

// Close closes the descriptor, if it is still what it was.
func (r *Readiness) Close() { r.signal.close() }
