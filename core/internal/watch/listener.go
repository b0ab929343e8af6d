// SPDX-License-Identifier: MIT

package watch

import "slices"

// Listener is asked about names that appear in a folder or go from it: it may be necessary
// to list the folder then.
type Listener interface{ Concerns(name string) bool }

// listening is what is kept of a folder with listeners.
type listening struct {
	all     []Listener
	stirred []Listener // what they asked about concerned them
}

// Listen begins to watch a folder for what appears in it. Its walk is made if it is new.
func (s *Set) Listen(f *Folder, l Listener) {
	s.hold(f)
	x := f.extra()
	if x.listening == nil {
		x.listening = new(listening)
	}
	x.listening.all = append(x.listening.all, l)
}

// Unlisten ends what Listen began.
func (s *Set) Unlisten(f *Folder, l Listener) {
	x := f.rare.listening
	x.all, x.stirred = without(x.all, l), without(x.stirred, l)
	if len(x.all) == 0 {
		f.rare.listening = nil
	}
	s.releaseFolder(f)
}

// Listeners are those of a folder.
func (f *Folder) Listeners() []Listener {
	if f.rare == nil || f.rare.listening == nil {
		return nil
	}
	return f.rare.listening.all
}

// stir notes that a name has appeared in a folder, or gone from it.
func (s *Set) stir(f *Folder, name string) {
	if f.rare == nil || f.rare.listening == nil {
		return
	}
	x := f.rare.listening
	for _, l := range x.all {
		if slices.Contains(x.stirred, l) || !l.Concerns(name) {
			continue
		}
		if len(x.stirred) == 0 {
			s.stirred = append(s.stirred, f)
		}
		x.stirred = append(x.stirred, l)
	}
}

// Stirred visits the listeners that a name concerned since the last time.
func (s *Set) Stirred(visit func(Listener)) {
	folders := s.stirred
	s.stirred = nil
	for _, f := range folders {
		if f.rare == nil || f.rare.listening == nil {
			continue
		}
		stirred := f.rare.listening.stirred
		f.rare.listening.stirred = nil
		for _, l := range stirred {
			visit(l)
		}
	}
}
