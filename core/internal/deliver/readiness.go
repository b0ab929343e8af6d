// SPDX-License-Identifier: MIT

package deliver

// Readiness is a descriptor that polls readable while something can be delivered. It
// costs two system calls a change, so that it is kept up only once a host has asked
// for it. Calls do not overlap.
type Readiness struct {
	signal
	ready bool
	shown bool // the descriptor polls readable
	asked bool // a host polls it
}

// NewReadiness makes a descriptor that does not poll readable.
func NewReadiness() (*Readiness, error) {
	s, err := newSignal()
	if err != nil {
		return nil, err
	}
	return &Readiness{signal: s}, nil
}

// Descriptor is what a host polls; -1 where the system has none.
func (r *Readiness) Descriptor() int {
	r.asked = true
	r.show()
	return r.fd
}

// Set notes whether something can be delivered.
func (r *Readiness) Set(ready bool) {
	r.ready = ready
	r.show()
}

func (r *Readiness) show() {
	if r.asked && r.shown != r.ready {
		r.shown = r.ready
		r.signal.set(r.ready)
	}
}

// Close closes the descriptor.
func (r *Readiness) Close() { r.signal.close() }
